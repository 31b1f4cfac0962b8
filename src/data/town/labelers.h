// Simulated labelers: they score and flag each of K replies and rank them all, with ties. Each has tastes and makes mistakes of
// their own. On pairs that are not tied two labelers agree on 73 +- 4 % (InstructGPT's figure for researchers).
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/town/gold.h"
#include "data/town/town.h"

namespace loquat::town {

struct Labeler {
  std::string name;
  double noise = 0;            // standard deviation on the utility
  double length_taste = 0;     // likes long (+) or short (-) replies
  double polite_taste = 0;
  double overlook = 0;         // chance to miss a false claim
  double tie_width = 0;        // differences below this are ties
  uint64_t seed = 0;
};

// The training labelers, or the held-out ones that only measure.
std::vector<Labeler> make_labelers(const World& world, bool held_out);
// Ranks the replies; deterministic in (labeler, task, replies).
Ranking rank_replies(const World& world, const GoldScorer& gold, const Labeler& labeler, const Task& task,
                     const std::vector<std::string>& replies);

}  // namespace loquat::town
