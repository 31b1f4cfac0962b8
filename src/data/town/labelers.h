// Simulated labelers: they score and flag each of K replies and rank them all, with ties. Each has tastes and makes
// mistakes of their own. On pairs that are not tied two labelers agree on 73 +- 4 % (InstructGPT's figure for
// researchers).
//
// How a mistake comes about: the replies' gold utilities are first laid out on a line whose scale depends on how many
// different utilities there are, so that the share of wrong pairs does not hang on what the model of the day happens to
// say; clear differences stand further apart than slight ones. Tastes and noise are added on that line, and the replies
// are ranked by where they come to stand. Nothing in the noise is shared between labelers, so the majority is the gold
// order.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/town/gold.h"
#include "data/town/town.h"

namespace loquat::town {

struct Labeler {
  std::string name;
  double noise = 0;         // standard deviation on the line, where a usual difference between neighbours is about 1
  double length_taste = 0;  // likes long (+) or short (-) replies
  double polite_taste = 0;
  double overlook = 0;   // chance to miss a false claim
  double tie_width = 0;  // differences below this are ties
  uint64_t seed = 0;
};

// The training labelers, or the held-out ones that only measure.
std::vector<Labeler> make_labelers(const World& world, bool held_out);
// Ranks the replies; deterministic in (labeler, task, replies). verdicts[i] is of replies[i].
Ranking rank_scored_replies(const Labeler& labeler, const Task& task, const std::vector<std::string>& replies,
                            std::span<const Verdict> verdicts);

// The gold order of the same replies as a ranking: utilities within kGoldTie of the best of their rank are ties.
inline constexpr double kGoldTie = 0.02;
Ranking gold_ranking(const Task& task, const std::vector<std::string>& replies, std::span<const Verdict> verdicts);

// Pairs of one prompt that two rankings both hold apart, and those that they order alike. Same replies in the same
// order.
struct PairAgreement {
  int64_t alike = 0;
  int64_t pairs = 0;
};
PairAgreement agreement_of(const Ranking& a, const Ranking& b);

}  // namespace loquat::town
