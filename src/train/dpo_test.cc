// DPO: its losses against their formulas, and the toy preference.
#include "train/dpo.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(Dpo, LossesAndSlopesFollowTheirFormulas) {
  DpoOptions o;
  o.beta = 0.3;
  EXPECT_NEAR(dpo_loss(0, o).loss, std::log(2.0), 1e-12);
  EXPECT_NEAR(dpo_loss(0, o).slope, -0.15, 1e-12);
  EXPECT_NEAR(dpo_loss(2, o).loss, std::log1p(std::exp(-0.6)), 1e-12);
  o.label_smoothing = 0.1;
  EXPECT_NEAR(dpo_loss(2, o).loss, 0.9 * std::log1p(std::exp(-0.6)) + 0.1 * std::log1p(std::exp(0.6)), 1e-12);
  DpoOptions ipo = o;
  ipo.loss = "ipo";
  EXPECT_NEAR(dpo_loss(2, ipo).loss, std::pow(2 - 1 / 0.6, 2), 1e-12);
  for (const DpoOptions& options : {o, ipo}) {
    for (const double margin : {-3.0, 0.0, 0.7, 4.0}) {
      const double numeric = (dpo_loss(margin + 1e-5, options).loss - dpo_loss(margin - 1e-5, options).loss) / 2e-5;
      EXPECT_NEAR(dpo_loss(margin, options).slope, numeric, 1e-6);
    }
  }
}

TEST(Dpo, LearnsTheToyPreferenceAndResumes) {
  World& world = World::get();
  DpoOptions options;
  options.policy = world.sft();
  options.rankings = {world.rankings()};
  options.valid_fraction = 0.25;
  options.epochs = 12;
  options.batch = 32;
  options.training.lr = 3e-3;
  options.training.warmup_steps = 2;
  const StageReport report = toy::expect_exact_resume(
      "dpo", [&](const StageContext& c) { return run_dpo(c, options); }, 17);
  EXPECT_GT(report.figures.at("valid_pairs"), 8);
  EXPECT_GE(report.figures.at("valid_accuracy"), 0.9);
  EXPECT_LT(report.figures.at("valid_loss"), std::log(2.0));
}

TEST(Dpo, LongPromptsLoseTheirFirstTurnsAndFullOnesAreLeftOut) {
  World& world = World::get();
  const std::string path = world.path("dpo-long.jsonl"), filler(4000, 'q');
  const Messages last = {{"user", toy::questions()[0]}};
  const Messages longer = {{"user", filler}, {"assistant", filler}, last[0]}, full = {{"user", filler}};
  const std::vector<RankedResponse> replies = {{"It is good.", 0, 0, {}}, {"It is bad.", 1, 0, {}}};
  DpoOptions options;
  options.policy = world.sft();
  options.rankings = {path};
  options.valid_fraction = 0;
  options.epochs = 1;
  must(write_rankings(path, std::vector<Ranking>{{"a", longer, replies}, {"b", full, replies}}));
  EXPECT_EQ(must(run_dpo(world.context("dpo-long"), options)).figures.at("pairs"), 1);
  must(write_rankings(path, std::vector<Ranking>{{"c", last, replies}}));
  must(run_dpo(world.context("dpo-short"), options));
  EXPECT_EQ(world.bytes_of(world.path("dpo-long/model")), world.bytes_of(world.path("dpo-short/model")));
}

}  // namespace
}  // namespace loquat
