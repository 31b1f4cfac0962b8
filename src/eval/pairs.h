// Orders compared: a reward model's scores with rankings, rankings with one another, two models' replies to the same
// prompts. A pair that either side holds equal is tied and dropped. Intervals draw whole prompts again, because the
// pairs of one prompt are not independent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/stats.h"
#include "data/dataset.h"

namespace loquat::eval {

// Share of the pairs that the ranking holds apart which the scores order as it does; equal scores count half.
// scores[i][k] is of rankings[i].responses[k]. n is the number of pairs.
Interval pair_accuracy(std::span<const Ranking> rankings, std::span<const std::vector<double>> scores);
// The same with the scores of all responses in one row, in order.
Interval pair_accuracy_flat(std::span<const Ranking> rankings, std::span<const double> scores);
// What preferring the longer (or the shorter) reply would reach.
Interval length_baseline(std::span<const Ranking> rankings, bool prefer_longer);

// Share of the pairs that both of first[i] and second[i] hold apart (the same responses in the same order) which they
// order alike. Two rankings with the same id come from the same judge, and are left out.
Interval ranking_agreement(std::span<const Ranking> first, std::span<const Ranking> second);

// A against B on the same prompts: wins / (wins + losses), n = wins + losses; a difference of at most `tie` is a tie.
struct Preference {
  Interval won;
  double ties = 0;  // share of all prompts
  int64_t prompts = 0;
};
Preference preferred(std::span<const double> a, std::span<const double> b, double tie = 1e-9);

}  // namespace loquat::eval
