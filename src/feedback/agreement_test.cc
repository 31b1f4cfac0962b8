// Against published worked examples, and against what is computed from the definitions without any short cut.
#include "feedback/agreement.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace loquat::feedback {
namespace {

// Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": four observers, twelve units. 0: missing.
Judgments published() {
  const int table[4][12] = {{1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0},
                            {1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3},
                            {0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0},
                            {1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0}};
  Judgments units(12, std::vector<std::optional<double>>(4));
  for (size_t unit = 0; unit < 12; ++unit) {
    for (size_t observer = 0; observer < 4; ++observer) {
      if (table[observer][unit] != 0) units[unit][observer] = table[observer][unit];
    }
  }
  return units;
}

TEST(Agreement, AlphaIsThePublishedOne) {
  EXPECT_NEAR(*krippendorff_alpha(published(), Scale::kNominal), 0.743, 0.0005);
  EXPECT_NEAR(*krippendorff_alpha(published(), Scale::kOrdinal), 0.815, 0.0005);
  EXPECT_NEAR(*krippendorff_alpha(published(), Scale::kInterval), 0.849, 0.0005);
}

TEST(Agreement, AlphaOfNothingIsNone) {
  EXPECT_FALSE(krippendorff_alpha({}, Scale::kNominal));
  EXPECT_FALSE(krippendorff_alpha({{1.0, 1.0}, {1.0, std::nullopt}}, Scale::kOrdinal));           // no two differ
  EXPECT_FALSE(krippendorff_alpha({{1.0, std::nullopt}, {std::nullopt, 2.0}}, Scale::kNominal));  // no unit has two
  EXPECT_DOUBLE_EQ(*krippendorff_alpha({{1.0, 1.0}, {2.0, 2.0}}, Scale::kInterval), 1.0);
}

// All judgments that can be paired, one after another.
struct Judgment {
  size_t unit;
  double value;
};

double apart(const std::vector<Judgment>& all, double a, double b, Scale scale) {
  if (a == b) return 0;
  if (scale == Scale::kNominal) return 1;
  if (scale == Scale::kInterval) return (a - b) * (a - b);
  double sum = 0;
  for (const Judgment& j : all) {
    if (j.value < std::min(a, b) || j.value > std::max(a, b)) continue;
    sum += j.value == a || j.value == b ? 0.5 : 1;
  }
  return sum * sum;
}

std::optional<double> alpha_by_definition(const Judgments& units, Scale scale) {
  std::vector<Judgment> all;
  std::vector<double> in_unit(units.size(), 0);
  for (size_t u = 0; u < units.size(); ++u) {
    for (const auto& judgment : units[u]) in_unit[u] += judgment.has_value();
    for (const auto& judgment : units[u]) {
      if (judgment && in_unit[u] > 1) all.push_back({u, *judgment});
    }
  }
  const auto n = static_cast<double>(all.size());
  double observed = 0, expected = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all.size(); ++j) {
      if (i == j) continue;
      const double d = apart(all, all[i].value, all[j].value, scale);
      expected += d / (n * (n - 1));
      if (all[i].unit == all[j].unit) observed += d / (n * (in_unit[all[i].unit] - 1));
    }
  }
  if (expected == 0) return std::nullopt;
  return 1 - observed / expected;
}

TEST(Agreement, AlphaIsItsDefinition) {
  Rng rng(7, "alpha");
  for (int round = 0; round < 60; ++round) {
    Judgments units(1 + rng.below(15));
    const int64_t observers = rng.between(2, 6), values = rng.between(2, 7);
    for (auto& unit : units) {
      for (int64_t o = 0; o < observers; ++o)
        unit.push_back(rng.chance(0.3) ? std::nullopt : std::optional(static_cast<double>(rng.between(1, values)) / 2));
    }
    for (const Scale scale : {Scale::kNominal, Scale::kOrdinal, Scale::kInterval}) {
      const auto alpha = krippendorff_alpha(units, scale), expected = alpha_by_definition(units, scale);
      ASSERT_EQ(alpha.has_value(), expected.has_value());
      if (alpha) {
        ASSERT_NEAR(*alpha, *expected, 1e-9);
      }
    }
  }
}

TEST(Agreement, TauIsThePublishedOne) {
  // Kendall's tau-b of two rankings with ties, as SciPy's manual prints it.
  const std::vector<double> a = {12, 2, 1, 12, 2}, b = {1, 4, 7, 1, 0};
  EXPECT_NEAR(*kendall_tau_b(a, b), -0.47140452079103173, 1e-15);
  const std::vector<double> up = {1, 2, 3, 4}, down = {4, 3, 2, 1}, flat = {2, 2, 2, 2};
  EXPECT_DOUBLE_EQ(*kendall_tau_b(up, up), 1);
  EXPECT_DOUBLE_EQ(*kendall_tau_b(up, down), -1);
  EXPECT_FALSE(kendall_tau_b(up, flat));
}

TEST(Agreement, PairsThatEitherTiesAreLeftOut) {
  const std::vector<double> a = {1, 2, 3, 4}, b = {1, 2.5, 2.5, 4}, c = {4, 2.5, 2.5, 1};
  EXPECT_EQ(same_order(a, a).pairs, 6);
  EXPECT_EQ(same_order(a, b).pairs, 5);
  EXPECT_EQ(same_order(a, b).agreed, 5);
  EXPECT_EQ(same_order(b, c).pairs, 5);
  EXPECT_EQ(same_order(b, c).agreed, 0);
}

TEST(Agreement, TheIntervalHoldsTheShareAndNarrows) {
  std::vector<PairCount> few, many;
  Rng rng(3, "pairs");
  for (int i = 0; i < 400; ++i) {
    const PairCount item{rng.between(2, 6), 6};
    if (i < 20) few.push_back(item);
    many.push_back(item);
  }
  const Interval wide = share_of(few), narrow = share_of(many);
  EXPECT_EQ(wide.n, 120);
  EXPECT_LT(wide.low, wide.value);
  EXPECT_GT(wide.high, wide.value);
  EXPECT_LT(narrow.high - narrow.low, (wide.high - wide.low) / 2);
  EXPECT_EQ(share_of({}).n, 0);
}

}  // namespace
}  // namespace loquat::feedback
