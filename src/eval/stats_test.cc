#include "eval/stats.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "eval/pairs.h"

namespace loquat::eval {
namespace {

TEST(Stats, WilsonKnownValues) {
  const Interval half = wilson(50, 100);  // 0.4038 to 0.5962 (Newcombe 1998's method 3)
  EXPECT_NEAR(half.low, 0.40383, 1e-4);
  EXPECT_NEAR(half.high, 0.59617, 1e-4);
  const Interval few = wilson(0, 20);
  EXPECT_EQ(few.low, 0);
  EXPECT_NEAR(few.high, 0.16113, 1e-4);
  EXPECT_EQ(wilson(20, 20).high, 1);
  EXPECT_EQ(wilson(0, 0).n, 0);
}

TEST(Stats, BootstrapCoversTheMean) {
  int covered = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "data");
    std::vector<double> values;
    for (int i = 0; i < 100; ++i) values.push_back(3 + rng.normal());
    const Interval v = bootstrap_mean(values, seed, 300);
    covered += v.low <= 3 && 3 <= v.high;
    EXPECT_LT(v.low, v.value);
    EXPECT_GT(v.high, v.value);
  }
  EXPECT_GE(covered, 180);
  EXPECT_LE(covered, 200);
}

TEST(Stats, BootstrapKeepsPromptsTogether) {
  // Ten prompts of ten equal outcomes are no hundred outcomes.
  std::vector<Cluster> together, apart;
  for (int i = 0; i < 10; ++i) {
    together.push_back({i < 5 ? 10.0 : 0.0, 10});
    for (int k = 0; k < 10; ++k) apart.push_back({i < 5 ? 1.0 : 0.0, 1});
  }
  const Interval a = bootstrap(together, 1), b = bootstrap(apart, 1);
  EXPECT_EQ(a.value, 0.5);
  EXPECT_EQ(a.n, 100);
  EXPECT_GT(a.high - a.low, 2 * (b.high - b.low));
  EXPECT_EQ(bootstrap({}, 1).n, 0);
}

Ranking ranking_of(const std::string& id, std::initializer_list<int> ranks) {
  Ranking r;
  r.id = id;
  for (int rank : ranks) {
    RankedResponse response;
    response.text = std::string(static_cast<size_t>(10 - rank), 'x');
    response.rank = rank;
    r.responses.push_back(response);
  }
  return r;
}

TEST(Pairs, Accuracy) {
  const std::vector<Ranking> rankings = {ranking_of("a", {0, 1, 1}), ranking_of("b", {1, 0})};
  const std::vector<std::vector<double>> right = {{3, 1, 2}, {0, 1}}, wrong = {{0, 1, 2}, {1, 0}},
                                         level = {{0, 0, 0}, {0, 0}};
  EXPECT_EQ(pair_accuracy(rankings, right).value, 1);
  EXPECT_EQ(pair_accuracy(rankings, right).n, 3);  // the tied pair is dropped
  EXPECT_EQ(pair_accuracy(rankings, wrong).value, 0);
  EXPECT_EQ(pair_accuracy(rankings, level).value, 0.5);
  const std::vector<double> flat = {3, 1, 2, 1, 0};
  EXPECT_NEAR(pair_accuracy_flat(rankings, flat).value, 2.0 / 3, 1e-12);
  EXPECT_EQ(length_baseline(rankings, true).value, 1);
  EXPECT_EQ(length_baseline(rankings, false).value, 0);
}

TEST(Pairs, Agreement) {
  const std::vector<Ranking> first = {ranking_of("a/x", {0, 1, 2}), ranking_of("b/x", {0, 1})};
  const std::vector<Ranking> second = {ranking_of("a/y", {0, 2, 1}), ranking_of("b/x", {0, 1})};
  const Interval v = ranking_agreement(first, second);
  EXPECT_EQ(v.n, 3);  // the second prompt was ranked twice by the same judge
  EXPECT_NEAR(v.value, 2.0 / 3, 1e-12);
}

TEST(Pairs, Preferred) {
  const std::vector<double> a = {0.9, 0.9, 0.9, 0.2, 0.5}, b = {0.2, 0.2, 0.2, 0.9, 0.5};
  const Preference p = preferred(a, b);
  EXPECT_EQ(p.won.value, 0.75);
  EXPECT_EQ(p.won.n, 4);
  EXPECT_NEAR(p.ties, 0.2, 1e-12);
  EXPECT_EQ(preferred(b, a).won.value, 0.25);
}

}  // namespace
}  // namespace loquat::eval
