#include "base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace loquat {
namespace {

// Golden values: recorded runs, shuffles and worlds depend on them. SplitMix64's are its published ones for seed 0.
TEST(Rng, GoldenValues) {
  EXPECT_EQ(mix64(0), 0xe220a8397b1dcdafull);
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15ull), 0x6e789e6aa1b965f4ull);
  EXPECT_EQ(mix64(2 * 0x9e3779b97f4a7c15ull), 0x06c45d188009454full);
  EXPECT_EQ(hash64(""), 0x5b21f68ffa77f14cull);
  EXPECT_EQ(hash64("loquat", 1), 0x863c57e5c76ccd9cull);
  Rng rng(42, "data");
  EXPECT_EQ(rng.next(), 0x8132bb26ed2c99c7ull);
  EXPECT_EQ(rng.next(), 0x69317f75d161031bull);
  EXPECT_EQ(rng.next(), 0x7dcb6618c1090bd3ull);
  EXPECT_EQ(rng.below(1000), 788u);
  EXPECT_EQ(rng.between(-5, 5), 0);
  EXPECT_EQ(rng.uniform(), 0x1.a1df89f37c273p-1);
  EXPECT_NEAR(rng.normal(), -1.2162584358434025, 1e-14);  // libm's last bits may differ
  std::vector<int> items = {0, 1, 2, 3, 4, 5, 6, 7};
  rng.shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{2, 1, 7, 5, 3, 0, 6, 4}));
  EXPECT_EQ(rng.fork("x").next(), 0xd8404c18c201e9f9ull);
}

TEST(Rng, TheStateIsTheStream) {
  Rng a(7, "data");
  for (int i = 0; i < 100; ++i) a.next();
  Rng b(a.state());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
  EXPECT_EQ(a.state(), b.state());
}

TEST(Rng, StreamsDiffer) {
  EXPECT_NE(Rng(1, "a").next(), Rng(1, "b").next());
  EXPECT_NE(Rng(1, "a").next(), Rng(2, "a").next());
  EXPECT_NE(Rng(1).fork("a").next(), Rng(1).fork("b").next());
  Rng parent(3);
  const Rng::State before = parent.state();
  Rng child = parent.fork("x");
  child.next();
  EXPECT_EQ(parent.state(), before);
  EXPECT_NE(hash64("a"), hash64("a", 1));
  EXPECT_NE(hash64(""), hash64(std::string_view("\0", 1)));
}

TEST(Rng, BelowIsUniform) {
  Rng rng(11);
  std::array<int, 7> counts = {};
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (const int c : counts) EXPECT_NEAR(c, 10000, 500);  // five standard deviations are 463
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.below(1), 0u);
  for (int i = 0; i < 100; ++i) EXPECT_LT(rng.below((1ull << 63) + 1), (1ull << 63) + 1);
  EXPECT_DEATH(rng.below(0), "n > 0");
}

TEST(Rng, BetweenIncludesBothEnds) {
  Rng rng(12);
  bool low = false, high = false;
  for (int i = 0; i < 1000; ++i) {
    const int64_t x = rng.between(-2, 2);
    ASSERT_GE(x, -2);
    ASSERT_LE(x, 2);
    low |= x == -2;
    high |= x == 2;
  }
  EXPECT_TRUE(low && high);
}

TEST(Rng, MomentsOfUniformAndNormal) {
  Rng rng(13);
  const int n = 100000;
  double sum = 0, squares = 0, uniform = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    const double u = rng.uniform();
    ASSERT_TRUE(0 <= u && u < 1);
    uniform += u;
  }
  EXPECT_NEAR(sum / n, 0, 0.02);
  EXPECT_NEAR(squares / n, 1, 0.03);
  EXPECT_NEAR(uniform / n, 0.5, 0.005);
}

TEST(Rng, WeightedFollowsTheWeights) {
  Rng rng(14);
  const std::array<double, 4> weights = {0, 1, 3, 0};
  std::array<int, 4> counts = {};
  for (int i = 0; i < 40000; ++i) ++counts[rng.weighted(weights)];
  EXPECT_EQ(counts[0], 0);
  EXPECT_EQ(counts[3], 0);
  EXPECT_NEAR(counts[1], 10000, 500);
  EXPECT_DEATH(rng.weighted(std::array<double, 1>{0}), "no weight");
}

TEST(Rng, ShuffleKeepsTheItems) {
  Rng rng(15);
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  std::vector<int> shuffled = items;
  rng.shuffle(shuffled);
  EXPECT_NE(shuffled, items);
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, items);
}

}  // namespace
}  // namespace loquat
