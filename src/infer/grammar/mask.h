// Which tokens keep a text in a grammar, worked out once for a state of it and kept.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "infer/grammar/machine.h"
#include "infer/grammar/token_tree.h"

namespace loquat::grammar {

// The tokens that may follow, by how many bytes more (or, below 0, fewer) the text then takes to complete.
struct TokenMask {
  struct Level {
    int64_t growth = 0;
    std::vector<int32_t> tokens;  // a few; else
    std::vector<uint64_t> bits;
  };
  std::vector<Level> levels;  // growth ascending
  size_t bytes() const;
};

TokenMask find_tokens(const Graph& graph, const Distances& distances, const State& state,
                      const std::vector<Cell>& cells, const TokenTree& tree);

// Shared by all matchers of a grammar, from any thread. Starts anew when it is full.
class MaskCache {
 public:
  static constexpr size_t kMaxBytes = size_t{16} << 20;
  std::shared_ptr<const TokenMask> find(const std::string& key) const;
  void put(std::string key, std::shared_ptr<const TokenMask> mask);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const TokenMask>> masks_;
  size_t bytes_ = 0;
};

}  // namespace loquat::grammar
