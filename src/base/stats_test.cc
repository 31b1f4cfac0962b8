#include "base/stats.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace loquat {
namespace {

TEST(Stats, WilsonKnownValues) {
  const Interval half = wilson(50, 100);  // 0.4038 to 0.5962 (Newcombe 1998's method 3)
  EXPECT_NEAR(half.low, 0.40383, 1e-4);
  EXPECT_NEAR(half.high, 0.59617, 1e-4);
  const Interval few = wilson(0, 20);
  EXPECT_EQ(few.low, 0);
  EXPECT_NEAR(few.high, 0.16113, 1e-4);
  const Interval some = wilson(81, 263);  // Newcombe 1998, table I
  EXPECT_NEAR(some.low, 0.2553, 5e-5);
  EXPECT_NEAR(some.high, 0.3662, 5e-5);
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

}  // namespace
}  // namespace loquat
