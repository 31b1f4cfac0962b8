#include "train/mixed_batches.h"

#include <gtest/gtest.h>

#include <map>

namespace loquat {
namespace {

TEST(MixedBatches, WithoutWeightsEveryItemOnceAnEpoch) {
  MixedBatches mixed(std::vector<int32_t>(10, 0), {}, 4, 5, "order");
  EpochBatches plain(10, 4, 5, "order");
  ASSERT_EQ(mixed.steps_per_epoch(), 3);
  for (int64_t step = 0; step < 7; ++step) {
    const auto a = mixed.at(step), b = plain.at(step);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << step;
  }
  EXPECT_TRUE(mixed.passes(7).empty());
}

TEST(MixedBatches, WithWeightsEachSourceHasItsShare) {
  // 30 items of source 0, none of source 1, 10 of source 2; three in four draws are of source 2.
  std::vector<int32_t> source_of(30, 0);
  source_of.resize(40, 2);
  const std::vector<double> weights{1, 5, 3};
  MixedBatches mixed(source_of, weights, 7, 9, "order");
  ASSERT_EQ(mixed.steps_per_epoch(), 6);  // 40 draws
  std::map<size_t, int> seen;
  std::vector<std::vector<size_t>> steps;
  for (int64_t step = 0; step < 6; ++step) {
    const auto items = mixed.at(step);
    EXPECT_EQ(items.size(), step == 5 ? 5u : 7u);
    steps.emplace_back(items.begin(), items.end());
    for (const size_t i : items) ++seen[i];
  }
  int first = 0;
  for (const auto& [item, count] : seen) {
    if (item < 30) ++first;
    EXPECT_EQ(count, item < 30 ? 1 : 3) << item;  // 10 draws of 30 items, 30 draws of 10
  }
  EXPECT_EQ(first, 10);
  EXPECT_EQ(mixed.passes(6),
            (std::map<std::string, double>{{"source_01_epochs", 10.0 / 30}, {"source_03_epochs", 3.0}}));
  // A stage that resumes at any step gets what it would have got; three epochs go through source 0 once.
  for (int64_t step = 5; step >= 0; --step) {
    MixedBatches resumed(source_of, weights, 7, 9, "order");
    const auto items = resumed.at(step);
    EXPECT_EQ(std::vector<size_t>(items.begin(), items.end()), steps[static_cast<size_t>(step)]);
  }
  for (int64_t step = 6; step < 18; ++step)
    for (const size_t i : mixed.at(step)) ++seen[i];
  for (const auto& [item, count] : seen) EXPECT_EQ(count, item < 30 ? 1 : 9) << item;
  EXPECT_EQ(seen.size(), 40u);
}

}  // namespace
}  // namespace loquat
