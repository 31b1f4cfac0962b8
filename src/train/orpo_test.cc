// ORPO: its loss against the paper's formula, and the toy preference.
#include "train/orpo.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(Orpo, LossIsLikelihoodAndOddsRatio) {
  // p = 0.5 has odds 1, p = 0.2 has odds 1/4.
  const OrpoLoss loss = orpo_loss(std::log(0.5), std::log(0.2), 0.7);
  EXPECT_NEAR(loss.nll, std::log(2.0), 1e-12);
  EXPECT_NEAR(loss.log_odds_ratio, std::log(4.0), 1e-12);
  EXPECT_NEAR(loss.loss, std::log(2.0) + 0.7 * std::log(1.25), 1e-12);  // -log σ(log 4) = log(5/4)
  EXPECT_NEAR(orpo_loss(-1, -1, 0.7).loss, 1 + 0.7 * std::log(2.0), 1e-12);
}

TEST(Orpo, SlopesAreThoseOfTheLoss) {
  for (const double chosen : {-3.0, -0.7, -0.01, -1e-5}) {
    for (const double rejected : {-4.0, -0.5, -0.002}) {
      const OrpoLoss at = orpo_loss(chosen, rejected, 0.3);
      const double h = -chosen * 1e-5, g = -rejected * 1e-5;
      const double by_chosen = (orpo_loss(chosen + h, rejected, 0.3).loss - orpo_loss(chosen - h, rejected, 0.3).loss);
      const double by_rejected =
          (orpo_loss(chosen, rejected + g, 0.3).loss - orpo_loss(chosen, rejected - g, 0.3).loss);
      EXPECT_NEAR(at.chosen_slope, by_chosen / (2 * h), 1e-4 * std::abs(at.chosen_slope));
      EXPECT_NEAR(at.rejected_slope, by_rejected / (2 * g), 1e-4 * std::abs(at.rejected_slope) + 1e-7);
    }
  }
}

TEST(Orpo, CertainRepliesStayFinite) {
  for (const double certain : {0.0, -1e-12, -1e-6}) {
    for (const OrpoLoss& loss :
         {orpo_loss(certain, -2, 1), orpo_loss(-2, certain, 1), orpo_loss(certain, certain, 1)}) {
      EXPECT_TRUE(std::isfinite(loss.loss) && std::isfinite(loss.chosen_slope) && std::isfinite(loss.rejected_slope));
    }
  }
}

TEST(Orpo, LearnsTheToyPreferenceFromItsFormAndResumes) {
  World& world = World::get();
  OrpoOptions options;
  options.policy = world.sft();
  options.rankings = {world.rankings()};
  options.valid_fraction = 0.25;
  options.epochs = 6;
  options.batch = 32;
  options.lambda = 0.5;
  options.training.lr = 3e-3;
  options.training.warmup_steps = 2;
  const StageReport report = toy::expect_exact_resume(
      "orpo", [&](const StageContext& c) { return run_orpo(c, options); }, 17);
  EXPECT_GE(report.figures.at("valid_accuracy"), 0.9);
  EXPECT_GT(report.figures.at("log_odds_ratio"), 0.5);
  EXPECT_GT(report.figures.at("rewards/chosen"), report.figures.at("rewards/rejected"));
}

TEST(Orpo, MissingPartsAreNamed) {
  World& world = World::get();
  OrpoOptions options;
  const auto no_policy = run_orpo(world.context("orpo-none"), options);
  ASSERT_FALSE(no_policy.ok());
  EXPECT_NE(no_policy.error().find("policy"), std::string::npos);
}

}  // namespace
}  // namespace loquat
