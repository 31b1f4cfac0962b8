// What a Grammar holds, for this folder's own files.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "infer/grammar/distance.h"
#include "infer/grammar/grammar.h"
#include "infer/grammar/graph.h"
#include "infer/grammar/mask.h"

namespace loquat {

struct Grammar::Impl {
  grammar::Graph graph;
  grammar::NodeId start = grammar::Graph::kDeadNode;
  mutable grammar::MaskCache masks;

  std::shared_ptr<const grammar::Distances> distances(const grammar::ByteSet& available) const;
  mutable std::mutex mutex;  // of known_distances
  mutable std::vector<std::shared_ptr<const grammar::Distances>> known_distances;
};

}  // namespace loquat
