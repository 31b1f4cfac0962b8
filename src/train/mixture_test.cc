// Stages on weighted sources of the toy world: shares, epochs per source, exact resume.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/pretrain.h"
#include "train/reward.h"
#include "train/sft.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(WeightedSources, PretrainingResumesAndSaysTheEpochsOfEach) {
  World& world = World::get();
  PretrainOptions options = world.pretrain_options();
  options.steps = 12;
  options.texts = {world.texts() + "@3", world.demonstrations()};
  const StageReport report =
      toy::expect_exact_resume("pretrain-mixture", [&](const StageContext& c) { return run_pretrain(c, options); });
  EXPECT_GT(report.figures.at("source_01_epochs"), 0);
  EXPECT_GT(report.figures.at("source_02_epochs"), 0);
  // Another weight is another stage.
  options.texts = {world.texts() + "@2", world.demonstrations()};
  EXPECT_FALSE(run_pretrain(world.context("pretrain-mixture-whole"), options).ok());
}

TEST(WeightedSources, SftResumesAndSaysTheEpochsOfEach) {
  World& world = World::get();
  SftOptions options = world.sft_options();
  options.demonstrations = {world.demonstrations() + "@1", world.demonstrations() + "@3"};
  options.epochs = 1;
  options.batch = 16;
  const StageReport report =
      toy::expect_exact_resume("sft-mixture", [&](const StageContext& c) { return run_sft(c, options); });
  // The same examples on both sides: a quarter of the draws and three quarters, of twice as many.
  EXPECT_NEAR(report.figures.at("source_01_epochs"), 0.5, 0.05);
  EXPECT_NEAR(report.figures.at("source_02_epochs"), 1.5, 0.05);
}

TEST(WeightedSources, AWeightThatNobodyLooksAtIsAnError) {
  World& world = World::get();
  RewardOptions options;
  options.base = world.base();
  options.rankings = {world.rankings() + "@2"};
  const auto report = run_reward(world.context("reward-weight"), options);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error(), testing::HasSubstr("has a weight"));
}

}  // namespace
}  // namespace loquat
