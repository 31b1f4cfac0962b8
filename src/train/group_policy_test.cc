// GRPO and RLOO: advantages and losses by hand and by finite differences, and the whole on the toy world.
#include "train/group_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "train/grpo.h"
#include "train/rloo.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

Episode episode(float score, std::vector<float> logprob, std::vector<float> reference) {
  Episode e;
  e.tokens.resize(2 + logprob.size());
  e.prompt = 2;
  e.ended = true;
  e.score = score;
  e.logprob = std::move(logprob);
  e.reference = std::move(reference);
  return e;
}

std::vector<Episode> scored(std::initializer_list<float> scores) {
  std::vector<Episode> out;
  for (const float s : scores) out.push_back(episode(s, {-1, -2}, {-1, -2}));
  return out;
}

TEST(Grpo, AdvantagesAreTheGroups) {
  GrpoOptions o;
  auto episodes = scored({1, 2, 3, 5, 5, 5});
  make_grpo(o)->advantages(episodes, 3);
  EXPECT_NEAR(episodes[0].advantage[0], -1, 1e-3);  // standard deviation 1
  EXPECT_EQ(episodes[0].advantage[0], episodes[0].advantage[1]);
  EXPECT_NEAR(episodes[2].advantage[0], 1, 1e-3);
  for (int i = 3; i < 6; ++i) EXPECT_EQ(episodes[i].advantage[0], 0);  // all alike: nothing to learn, and no NaN
  o.scale = "none";
  episodes = scored({0, 4});
  make_grpo(o)->advantages(episodes, 2);
  EXPECT_EQ(episodes[1].advantage[0], 2);
  o.scale = "batch";
  episodes = scored({0, 4, 10, 10});
  make_grpo(o)->advantages(episodes, 2);
  EXPECT_NEAR(episodes[1].advantage[0], 2 / std::sqrt((36 + 4 + 16 + 16) / 3.0), 1e-3);
  EXPECT_EQ(episodes[3].advantage[0], 0);
}

TEST(Rloo, TheBaselineIsTheMeanOfTheOthers) {
  RlooOptions o;
  o.kl_coefficient = 0.5;
  auto episodes = scored({1, 2, 6});
  episodes[2] = episode(6, {-1, -2}, {-2, -3});  // 2 nats away: the reward is 5
  make_rloo(o)->advantages(episodes, 3);
  EXPECT_NEAR(episodes[0].advantage[0], 1 - 3.5, 1e-6);
  EXPECT_NEAR(episodes[1].advantage[1], 2 - 3.0, 1e-6);
  EXPECT_NEAR(episodes[2].advantage[0], 5 - 1.5, 1e-6);
  episodes = scored({3, 3, 3});
  o.whiten_advantages = true;
  make_rloo(o)->advantages(episodes, 3);
  for (const Episode& e : episodes) EXPECT_EQ(e.advantage[0], 0);
}

// Slopes against differences of the loss, away from where the ratio's bounds begin.
void expect_slopes(const GroupMethod& method, const Episode& e, std::vector<float> now, const MinibatchSize& size) {
  std::vector<float> slopes(now.size()), other(now.size());
  method.loss(e, now, size, slopes);
  for (size_t t = 0; t < now.size(); ++t) {
    const float kept = now[t], h = 1.0f / 512;
    now[t] = kept + h;
    const double up = method.loss(e, now, size, other).loss;
    now[t] = kept - h;
    const double down = method.loss(e, now, size, other).loss;
    now[t] = kept;
    EXPECT_NEAR(slopes[t], (up - down) / (2 * h), 1e-4 + 1e-3 * std::abs(slopes[t])) << t;
  }
}

TEST(Grpo, LossIsClippedPerTokenWithKl) {
  GrpoOptions o;
  o.beta = 0.1;
  Episode e = episode(0, {-1, -2}, {-1.5f, -2});
  e.advantage = {2, 2};
  std::vector<float> slopes(2);
  // At the sampler's own log-probabilities the ratio is 1: the slope is -A / |y|, and the KL's beside it.
  const double kl = std::exp(-0.5) + 0.5 - 1;
  const ReplyLoss first = make_grpo(o)->loss(e, e.logprob, {4, 8}, slopes);
  EXPECT_NEAR(first.loss, (-2 - 2 + 0.1 * kl) / 2 / 4, 1e-7);
  EXPECT_NEAR(slopes[1], -2.0 / 2 / 4, 1e-7);
  EXPECT_NEAR(slopes[0], (-2 - 0.1 * std::expm1(-0.5)) / 2 / 4, 1e-7);
  // Shares of one token in the minibatch's loss.
  o.beta = 0;
  o.aggregation = "token";
  EXPECT_NEAR(make_grpo(o)->loss(e, e.logprob, {4, 8}, slopes).loss, -4.0 / 8, 1e-7);
  o.aggregation = "constant";
  o.group.max_reply_tokens = 10;
  EXPECT_NEAR(make_grpo(o)->loss(e, e.logprob, {4, 8}, slopes).loss, -4.0 / 40, 1e-7);
  // Bounds of its own above and below.
  o.clip_low = 0.1;
  o.clip_high = 0.4;
  const auto with_ratio = [&](double ratio, float advantage) {
    e.advantage = {advantage, advantage};
    return make_grpo(o)->loss(e, std::vector<float>{static_cast<float>(-1 + std::log(ratio)), -2}, {4, 8}, slopes);
  };
  EXPECT_EQ(with_ratio(1.3, 1).clipped_high, 0);
  EXPECT_EQ(with_ratio(1.5, 1).clipped_high, 1);
  EXPECT_EQ(slopes[0], 0);
  EXPECT_EQ(with_ratio(0.95, -1).clipped_low, 0);
  EXPECT_EQ(with_ratio(0.8, -1).clipped_low, 1);
  EXPECT_EQ(with_ratio(0.8, 1).clipped_low, 0);  // a loss is never clipped away
}

TEST(Grpo, SlopesAreThoseOfTheLoss) {
  GrpoOptions o;
  o.beta = 0.3;
  Episode e = episode(0, {-1, -2, -0.5f, -3}, {-1.4f, -1, -0.5f, -3.3f});
  for (const float advantage : {1.5f, -0.7f}) {
    e.advantage.assign(4, advantage);
    for (const char* aggregation : {"sequence", "token", "constant"}) {
      o.aggregation = aggregation;
      expect_slopes(*make_grpo(o), e, {-0.95f, -2.1f, 0, -4}, {3, 17});
    }
  }
}

TEST(Rloo, AReplyIsOneAction) {
  RlooOptions o;
  Episode e = episode(0, {-1, -2, -0.5f}, {-1, -2, -0.5f});
  e.advantage.assign(3, 2.0f);
  std::vector<float> slopes(3);
  const ReplyLoss first = make_rloo(o)->loss(e, e.logprob, {4, 12}, slopes);
  EXPECT_NEAR(first.loss, -2.0 / 4, 1e-7);
  for (const float slope : slopes) EXPECT_NEAR(slope, -2.0 / 4, 1e-7);  // REINFORCE: -A ∇ log π(y)
  expect_slopes(*make_rloo(o), e, {-0.95f, -2.1f, -0.4f}, {4, 12});
  const ReplyLoss clipped = make_rloo(o)->loss(e, std::vector<float>{-0.8f, -1.9f, -0.4f}, {4, 12}, slopes);
  EXPECT_EQ(clipped.clipped_high, 3);
  for (const float slope : slopes) EXPECT_EQ(slope, 0);
}

// --- on the toy world ----------------------------------------------------------------------------

GroupOptions toy_group(World& world) {
  GroupOptions o;
  o.policy = world.sft();
  o.reward = world.reward();
  o.prompts = {world.prompts()};
  o.episodes = 64 * 24;
  o.replies = 16;
  o.batch = 4;
  o.minibatch = 2;
  o.max_reply_tokens = 12;
  o.unended_score = -10;  // the toy's scores are near -5 to 5
  o.training.lr = 7e-4;
  o.training.warmup_steps = 2;
  return o;
}

std::vector<nlohmann::json> metrics_of(const StageContext& c) {
  std::vector<nlohmann::json> lines;
  must(for_each_line(c.work + "/metrics.jsonl", [&](int64_t, std::string_view line) -> Status {
    lines.push_back(nlohmann::json::parse(line));
    return {};
  }));
  return lines;
}

void expect_gain(const std::vector<nlohmann::json>& metrics) {
  EXPECT_EQ(metrics[0]["kl"], 0);  // the policy is the reference, bit for bit
  const double first = metrics[0]["reward"], last = metrics.back()["reward"];
  EXPECT_GT(last, first + 0.5 * metrics[0]["reward_std"].get<double>());
  EXPECT_GT(metrics.back()["kl"].get<double>(), 0.05);
  for (const char* name : {"lr", "loss", "grad_norm", "ratio", "clip_fraction", "entropy", "length", "ended",
                           "reward_std", "zero_std", "held_out_reward", "update_kl"})
    EXPECT_TRUE(metrics[3].contains(name)) << name;
}

TEST(Grpo, RaisesAToyReward) {
  World& world = World::get();
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.held_out_reward = world.reward();
  options.beta = 0.2;
  const StageContext c = world.context("grpo");
  must(run_grpo(c, options));
  expect_gain(metrics_of(c));
  const int before = world.praised(world.sft()), after = world.praised(c.out);
  EXPECT_GT(after, before + 20) << before << " and " << after << " of 120";
}

TEST(Rloo, RaisesAToyReward) {
  World& world = World::get();
  RlooOptions options;
  options.group = toy_group(world);
  options.group.held_out_reward = world.reward();
  options.kl_coefficient = 0.3;  // the toy's scores are large
  options.whiten_advantages = true;
  const StageContext c = world.context("rloo");
  must(run_rloo(c, options));
  expect_gain(metrics_of(c));
  EXPECT_GT(world.praised(c.out), world.praised(world.sft()) + 20);
}

TEST(Grpo, ARuleIsLearnedWithoutARewardModel) {
  World& world = World::get();
  const std::string path = world.path("answers.jsonl");
  std::string lines;
  for (const std::string& q : toy::questions())
    lines += nlohmann::json{{"prompt", q}, {"answer", "It is poor."}}.dump() + "\n";
  must(write_file(path, lines));
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.reward = "";
  options.group.prompts = {path};
  options.group.rules = {"exact", "0.2 * length: 1 12"};
  options.group.episodes = 64 * 20;
  options.group.training.lr = 1e-3;
  options.group.unended_score = 0;
  options.aggregation = "token";
  const StageContext c = world.context("grpo-rule");
  must(run_grpo(c, options));
  const auto metrics = metrics_of(c);
  EXPECT_GT(metrics.back()["rewards/exact"].get<double>(), metrics[0]["rewards/exact"].get<double>() + 0.25);
  options.group.prompts = {world.prompts()};
  const auto no_answers = run_grpo(world.context("grpo-no-answers"), options);
  ASSERT_FALSE(no_answers.ok());
  EXPECT_NE(no_answers.error().find("answer"), std::string::npos) << no_answers.error();
}

TEST(Grpo, ShuffledRewardsGainNothing) {
  World& world = World::get();
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.shuffle_rewards = true;
  const StageContext c = world.context("grpo-shuffled");
  must(run_grpo(c, options));
  EXPECT_LT(world.praised(c.out), world.praised(world.sft()) + 25);
}

TEST(Grpo, ResumesInTheSameBytes) {
  World& world = World::get();
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.replies = 8;
  options.group.episodes = 32 * 7;
  options.group.inner_epochs = 2;
  options.group.held_out_reward = world.reward();
  options.group.training.micro_tokens = 100;  // groups are cut
  options.mask_unended = true;
  const StageReport report =
      toy::expect_exact_resume("grpo-resume", [&](const StageContext& c) { return run_grpo(c, options); });
  EXPECT_GT(report.figures.at("clip_fraction") + 1, 1);  // the second epoch's ratios are not 1
}

TEST(Rloo, ResumesInBFloat16WithRatioOne) {
  World& world = World::get();
  RlooOptions options;
  options.group = toy_group(world);
  options.group.replies = 8;
  options.group.episodes = 32 * 5;
  options.group.temperature = 0.7;
  toy::expect_exact_resume(
      "rloo-resume",
      [&](const StageContext& c) {
        StageContext half = c;
        half.compute = DType::kBF16;
        return run_rloo(half, options);
      },
      3);
}

TEST(Grpo, AGuardThatCannotRecoverSaysWhatToChange) {
  World& world = World::get();
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.guard.max_kl = 0.005;
  options.group.guard.patience = 1;
  options.group.guard.max_rollbacks = 1;
  const auto result = run_grpo(world.context("grpo-guard"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(is_guard_failure(result.error())) << result.error();
}

TEST(Grpo, WhatCannotBeIsSaid) {
  World& world = World::get();
  const auto error_of = [&](const GrpoOptions& o) { return run_grpo(world.context("grpo-bad"), o).error(); };
  GrpoOptions options;
  options.group = toy_group(world);
  options.group.replies = 1;
  EXPECT_NE(error_of(options).find("replies: found 1"), std::string::npos);
  RlooOptions rloo;
  rloo.group = options.group;
  EXPECT_NE(run_rloo(world.context("rloo-bad"), rloo).error().find("replies: found 1"), std::string::npos);
  options.group = toy_group(world);
  options.group.reward = "";
  EXPECT_NE(error_of(options).find("rules"), std::string::npos);
  options.group.rules = {"regex: ("};
  EXPECT_NE(error_of(options).find("rules: regex"), std::string::npos);
  options.group = toy_group(world);
  options.group.max_prompt_tokens = 1;
  EXPECT_NE(error_of(options).find("prompts: none"), std::string::npos);
  Settings settings;
  settings.set("replies", {int64_t{1}, "test:1"});
  (void)GrpoOptions::read(settings);
  EXPECT_FALSE(settings.finish().ok());
}

}  // namespace
}  // namespace loquat
