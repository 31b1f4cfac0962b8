// Best of n and rejection sampling: the estimates by hand, the file, and what the toy learns from it.
#include "train/best_of.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/rejection.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(BestOf, KlIsBounded) {
  EXPECT_EQ(best_of_n_kl(1), 0);
  EXPECT_NEAR(best_of_n_kl(8), std::log(8.0) - 7.0 / 8, 1e-12);
}

TEST(BestOf, TheBestOfFewerIsEstimatedFromAll) {
  const auto best = expected_best({3, 1, 2});
  ASSERT_EQ(best.size(), 3u);
  EXPECT_NEAR(best[0], 2, 1e-12);
  EXPECT_NEAR(best[1], (2 + 3 + 3) / 3.0, 1e-12);  // of the pairs 12, 13, 23
  EXPECT_NEAR(best[2], 3, 1e-12);
  EXPECT_TRUE(expected_best({}).empty());
  for (const double value : expected_best(std::vector<double>(40, 1.5))) EXPECT_NEAR(value, 1.5, 1e-12);
}

TEST(BestOf, RepliesThatNeverEndAreNotChosen) {
  std::vector<ScoredReply> replies(3);
  EXPECT_EQ(best_reply(replies), -1);
  replies[0] = {"a", {}, true, 1};
  replies[1] = {"b", {}, false, 9};
  replies[2] = {"c", {}, true, 1};
  EXPECT_EQ(best_reply(replies), 0);
}

BestOfNOptions toy_best(World& world) {
  BestOfNOptions o;
  o.policy = world.sft();
  o.reward = world.reward();
  o.prompts = {world.prompts()};
  o.n = 8;
  o.max_reply_tokens = 12;
  o.unended_score = -10;
  return o;
}

TEST(BestOf, WritesDemonstrationsOfItsChoice) {
  World& world = World::get();
  BestOfRun run;
  run.kernels = must(best_kernels());
  run.compute = DType::kF32;
  run.seed = 3;
  const std::string path = world.path("best.jsonl");
  const BestOfReport report = must(run_best_of_n(run, toy_best(world), path));
  EXPECT_EQ(report.prompts, 4);
  ASSERT_EQ(report.reward.size(), 4u);  // 1, 2, 4, 8
  EXPECT_LT(report.reward.at(1), report.reward.at(2));
  EXPECT_LT(report.reward.at(4), report.reward.at(8));
  const auto chosen = must(read_demonstrations(path));
  ASSERT_EQ(chosen.size(), 4u);
  int praised = 0;
  for (size_t i = 0; i < chosen.size(); ++i) {
    EXPECT_EQ(chosen[i].messages[0].content, toy::questions()[i]);
    for (const std::string& good : toy::praise()) praised += chosen[i].messages[1].content == good ? 1 : 0;
  }
  EXPECT_GE(praised, 3);
  EXPECT_NE(to_json(report).find("kl_bound"), std::string::npos);
  // The same seed, the same file.
  const std::string first = must(read_file(path));
  must(run_best_of_n(run, toy_best(world), path));
  EXPECT_EQ(first, must(read_file(path)));
  BestOfNOptions none = toy_best(world);
  none.prompts = {};
  EXPECT_FALSE(run_best_of_n(run, none, world.path("none.jsonl")).ok());
  EXPECT_FALSE(file_exists(world.path("none.jsonl")));
}

RejectionOptions toy_rejection(World& world) {
  RejectionOptions o;
  o.policy = world.sft();
  o.reward = world.reward();
  o.prompts = std::vector<std::string>(8, world.prompts());  // each question eight times
  o.rounds = 2;
  o.n = 4;
  o.max_reply_tokens = 12;
  o.unended_score = -10;
  o.sample_prompts = 16;
  o.epochs = 6;
  o.batch = 8;
  o.training.lr = 1e-3;
  return o;
}

TEST(Rejection, RaisesAToyRewardAndResumes) {
  World& world = World::get();
  const RejectionOptions options = toy_rejection(world);
  const StageReport report = toy::expect_exact_resume(
      "rejection", [&](const StageContext& c) { return run_rejection(c, options); }, 7);
  EXPECT_EQ(report.steps, 2 * (2 + 24));
  EXPECT_GT(report.figures.at("reward"), report.figures.at("first_reward"));
  EXPECT_GE(report.figures.at("best_reward"), report.figures.at("reward"));
  EXPECT_GT(world.praised(world.path("rejection-whole/model")), world.praised(world.sft()) + 20);
  EXPECT_EQ(must(read_demonstrations(world.path("rejection-whole/work/chosen-02.jsonl"))).size(), 32u);
}

TEST(Rejection, KeepsTheBestAndSaysWhenNothingEnds) {
  World& world = World::get();
  RejectionOptions options = toy_rejection(world);
  options.rounds = 1;
  options.keep_fraction = 0.5;
  options.epochs = 1;
  EXPECT_EQ(must(run_rejection(world.context("rejection-kept"), options)).figures.at("chosen"), 16);
  options.max_reply_tokens = 1;
  options.temperature = 0.01;  // hot, a reply may be its end alone
  const auto cut = run_rejection(world.context("rejection-cut"), options);
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().find("max_reply_tokens"), std::string::npos) << cut.error();
}

}  // namespace
}  // namespace loquat
