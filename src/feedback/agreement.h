// How far people agree. Pure functions of tables of judgments, where a judgment that is missing is nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/stats.h"

namespace loquat::feedback {

// Of pairs of answers, on how many two people had the same order.
struct PairCount {
  int64_t agreed = 0, pairs = 0;
  PairCount& operator+=(const PairCount& other) {
    agreed += other.agreed;
    pairs += other.pairs;
    return *this;
  }
};
// Two people's places of the same answers (lower is better). A pair of answers that either of them ties is left out, as
// it is in the reward model's training.
PairCount same_order(std::span<const double> a, std::span<const double> b);
// Of everything; the interval by drawing whole items again, because the pairs of one item hang together.
Interval share_of(std::span<const PairCount> items);

// [unit][observer]
using Judgments = std::vector<std::vector<std::optional<double>>>;
enum class Scale { kNominal, kOrdinal, kInterval };
// Krippendorff's α (Content Analysis, 2nd edition, chapter 11): 1 is perfect, 0 what chance gives. nullopt where no two
// judgments differ or no unit has two.
std::optional<double> krippendorff_alpha(const Judgments& units, Scale scale);

// Kendall's τ-b. nullopt where either ties all.
std::optional<double> kendall_tau_b(std::span<const double> a, std::span<const double> b);

}  // namespace loquat::feedback
