// PPO: its parts against their formulas, and the whole on the toy world.
#include "train/ppo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "train/advantage.h"
#include "train/rollout.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

std::vector<nlohmann::json> metrics_of(const StageContext& c) {
  std::vector<nlohmann::json> lines;
  must(for_each_line(c.work + "/metrics.jsonl", [&](int64_t, std::string_view line) -> Status {
    lines.push_back(nlohmann::json::parse(line));
    return {};
  }));
  return lines;
}

TEST(Ppo, PresetIsThePaper) {
  const PpoOptions o = PpoOptions::instructgpt();
  EXPECT_EQ(o.episodes, 256000);
  EXPECT_EQ(o.batch, 512);
  EXPECT_EQ(o.minibatch, 64);
  EXPECT_EQ(o.inner_epochs, 1);
  EXPECT_EQ(o.kl_coefficient, 0.02);
  EXPECT_EQ(o.gamma, 1);
  EXPECT_EQ(o.lambda, 0.95);
  EXPECT_EQ(o.clip_ratio, 0.2);
  EXPECT_EQ(o.clip_value, 0.2);
  EXPECT_EQ(o.value_coefficient, 0.1);
  EXPECT_EQ(o.ptx_coefficient, 27.8);
  EXPECT_EQ(o.ptx_per_episode, 8);
  EXPECT_EQ(o.ema, 0.992);
  EXPECT_EQ(o.temperature, 1);
  EXPECT_EQ(o.unended_score, -1);
  EXPECT_EQ(o.training.schedule, "constant");
  EXPECT_EQ(o.training.warmup_steps, 10);
  EXPECT_EQ(o.training.warmup_from, 0.1);
  EXPECT_EQ(o.training.beta1, 0.9);
  EXPECT_EQ(o.training.beta2, 0.95);
  EXPECT_EQ(o.training.eps, 1e-5);
  EXPECT_TRUE(o.guard.enabled);
  EXPECT_TRUE(o.whiten_advantages);
  EXPECT_FALSE(o.whiten_rewards);
}

TEST(Ppo, KlIsPaidPerTokenAndTheScoreComesLast) {
  const std::vector<float> logprob = {-1, -2, -0.5f}, reference = {-1.5f, -1, -0.5f};
  std::vector<float> reward(3);
  token_rewards(logprob, reference, 3.0f, 0.1, reward);
  EXPECT_FLOAT_EQ(reward[0], -0.05f);
  EXPECT_FLOAT_EQ(reward[1], 0.1f);
  EXPECT_FLOAT_EQ(reward[2], 3.0f);
}

TEST(Ppo, AdvantagesAreGeneralised) {
  const std::vector<float> reward = {1, 0, 2}, value = {0.5f, 1, -1};
  std::vector<float> a(3), returns(3);
  estimate_advantages(reward, value, 1, 0.95, a, returns);
  const double d2 = 2 + 1, d1 = 0 - 1 - 1, d0 = 1 + 1 - 0.5;
  EXPECT_NEAR(a[2], d2, 1e-6);
  EXPECT_NEAR(a[1], d1 + 0.95 * d2, 1e-6);
  EXPECT_NEAR(a[0], d0 + 0.95 * (d1 + 0.95 * d2), 1e-6);
  for (int t = 0; t < 3; ++t) EXPECT_FLOAT_EQ(returns[t], a[t] + value[t]);
  // λ = 1 and γ = 1: what is still to come, less the value.
  estimate_advantages(reward, value, 1, 1, a, returns);
  EXPECT_FLOAT_EQ(returns[0], 3);
  EXPECT_FLOAT_EQ(returns[1], 2);
}

TEST(Ppo, WhiteningIsOverAllTokensTogether) {
  std::vector<float> x = {1, 2}, y = {3, 4, 10};
  const std::vector<std::span<float>> parts = {x, y};
  auto kept_x = x, kept_y = y;
  whiten(parts, true);
  double sum = 0, square = 0;
  for (const auto part : parts) {
    for (const float v : part) {
      sum += v;
      square += static_cast<double>(v) * v;
    }
  }
  EXPECT_NEAR(sum, 0, 1e-5);
  EXPECT_NEAR(square / 5, 1, 1e-5);
  const std::vector<std::span<float>> kept = {kept_x, kept_y};
  whiten(kept, false);
  sum = 0;
  for (const auto part : kept) {
    for (const float v : part) sum += v;
  }
  EXPECT_NEAR(sum / 5, 4, 1e-5);  // the mean stays
}

TEST(Ppo, TheRatioIsClippedOnTheSideThatGains) {
  const double up = std::log(1.5), down = std::log(0.5);
  EXPECT_NEAR(policy_loss(0, 0, 2, 0.2).loss, -2, 1e-12);
  EXPECT_NEAR(policy_loss(0, 0, 2, 0.2).slope, -2, 1e-12);
  EXPECT_NEAR(policy_loss(up, 0, 2, 0.2).loss, -2.4, 1e-12);
  EXPECT_EQ(policy_loss(up, 0, 2, 0.2).slope, 0);
  EXPECT_TRUE(policy_loss(up, 0, 2, 0.2).clipped);
  EXPECT_NEAR(policy_loss(down, 0, 2, 0.2).loss, -1, 1e-12);  // a loss is never clipped away
  EXPECT_NEAR(policy_loss(down, 0, 2, 0.2).slope, -1, 1e-12);
  EXPECT_NEAR(policy_loss(up, 0, -2, 0.2).loss, 3, 1e-12);
  EXPECT_NEAR(policy_loss(down, 0, -2, 0.2).loss, 1.6, 1e-12);
  EXPECT_EQ(policy_loss(down, 0, -2, 0.2).slope, 0);
}

TEST(Ppo, ValuesAreClippedAroundTheOldOnes) {
  EXPECT_NEAR(value_loss(1.1, 1, 2, 0.2).loss, 0.5 * 0.81, 1e-12);
  EXPECT_NEAR(value_loss(1.1, 1, 2, 0.2).slope, -0.9, 1e-12);
  EXPECT_NEAR(value_loss(1.5, 1, 2, 0.2).loss, 0.5 * 0.64, 1e-12);  // as if it had stopped at 1.2
  EXPECT_EQ(value_loss(1.5, 1, 2, 0.2).slope, 0);
  EXPECT_NEAR(value_loss(0.5, 1, 2, 0.2).loss, 0.5 * 2.25, 1e-12);
}

TEST(Ppo, TheKlCoefficientFollowsItsTarget) {
  EXPECT_NEAR(adapted_kl_coefficient(0.02, 12, 6, 512, 10000), 0.02 * (1 + 0.2 * 0.0512), 1e-12);
  EXPECT_NEAR(adapted_kl_coefficient(0.02, 6.6, 6, 512, 10000), 0.02 * (1 + 0.1 * 0.0512), 1e-12);
  EXPECT_NEAR(adapted_kl_coefficient(0.02, 0, 6, 512, 10000), 0.02 * (1 - 0.2 * 0.0512), 1e-12);
}

TEST(Ppo, ScoringReadsEachPartWhereItShould) {
  World& world = World::get();
  const Kernels& kernels = *must(best_kernels());
  LoadOptions load;
  load.compute = DType::kF32;
  const auto policy = must(load_model(world.sft(), kernels, load));
  RewardModel reward = must(load_reward_model(world.reward(), kernels, DType::kF32));
  const Tokenizer tokenizer = must(Tokenizer::load(world.sft()));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  const std::vector<int32_t> prompt = *chat.prompt({{"user", toy::questions()[0]}});
  const std::vector<const std::vector<int32_t>*> prompts(40, &prompt);
  std::vector<uint64_t> seeds;
  for (uint64_t i = 0; i < 40; ++i) seeds.push_back(mix64(i));
  // Cut at six tokens, some replies never end.
  auto episodes = sample_episodes(*policy, prompts, seeds, {1, 6, chat.end_of_turn(), 16});
  Judges judges{policy.get(), &reward, &reward, nullptr};
  score_episodes(episodes, judges, {1, -1.5, 64});
  int ended = 0;
  for (const Episode& e : episodes) {
    ASSERT_EQ(static_cast<int64_t>(e.logprob.size()), e.reply());
    // The reference is the policy here: its log-probabilities are, bit for bit, those that the sampler recorded.
    EXPECT_EQ(e.logprob, e.reference);
    if (e.ended) {
      ++ended;
      EXPECT_EQ(e.tokens.back(), chat.end_of_turn());
      const std::vector<std::vector<int32_t>> one = {e.tokens};
      EXPECT_EQ(e.score, rewards_of(reward, one, 1000)[0]);
    } else {
      EXPECT_EQ(e.reply(), 6);
      EXPECT_EQ(e.score, -1.5f);
    }
    // The value before the first token of the reply is what the critic says at the prompt's last token.
    const std::vector<std::vector<int32_t>> start = {prompt};
    EXPECT_EQ(e.value[0], rewards_of(reward, start, 1000)[0]);
  }
  EXPECT_GT(ended, 0);
  EXPECT_LT(ended, 40);
}

TEST(Ppo, RaisesAToyRewardWithRatioOneAtFirst) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.held_out_reward = world.reward();
  const StageContext c = world.context("ppo");
  const StageReport report = must(run_ppo(c, options));
  EXPECT_EQ(report.steps, 16);
  const auto metrics = metrics_of(c);
  ASSERT_EQ(metrics.size(), 16u);
  EXPECT_EQ(metrics[0]["kl"], 0);  // the policy is the reference, bit for bit
  EXPECT_EQ(metrics[0]["reward"], metrics[0]["held_out_reward"]);
  EXPECT_GT(metrics[15]["reward"].get<double>(), metrics[0]["reward"].get<double>() + 0.5);
  EXPECT_GT(metrics[15]["kl"].get<double>(), 0.1);
  for (const char* name : {"lr", "grad_norm", "ratio", "clip_fraction", "entropy", "length", "ended", "value_loss",
                           "explained_variance", "ptx_loss", "tokens", "tokens_per_second", "kl_coefficient"}) {
    EXPECT_TRUE(metrics[3].contains(name)) << name;
  }
  EXPECT_NEAR(metrics[0]["lr"].get<double>(), 0.1 * options.training.lr, 1e-9);
  EXPECT_EQ(metrics[2]["lr"].get<double>(), options.training.lr);

  // Praise it was that rose.
  const int before = world.praised(world.sft()), after = world.praised(c.out);
  EXPECT_GT(after, before + 20) << before << " and " << after << " of 120";
}

TEST(Ppo, ShuffledRewardsGainNothing) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.shuffle_rewards = true;
  const StageContext c = world.context("ppo-shuffled");
  must(run_ppo(c, options));
  const auto metrics = metrics_of(c);
  const double gain = metrics.back()["reward"].get<double>() - metrics[0]["reward"].get<double>();
  EXPECT_LT(gain, 0.4);
}

TEST(Ppo, ResumesInTheSameBytes) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 32 * 8;
  options.batch = 32;
  options.ema = 0.9;
  options.adaptive_kl = true;
  options.normalise_rewards = true;
  options.inner_epochs = 2;
  options.critic_warmup_iterations = 1;
  options.held_out_reward = world.reward();
  toy::expect_exact_resume("ppo-resume", [&](const StageContext& c) { return run_ppo(c, options); });
}

// In bfloat16 sampling and training must agree in every bit just the same, or run_ppo returns an error.
TEST(Ppo, BFloat16BeginsEveryIterationAtRatioOne) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 32 * 5;
  options.batch = 32;
  options.temperature = 0.7;
  options.training.micro_tokens = 100;  // other batches than the sampler's
  const StageReport report = toy::expect_exact_resume(
      "ppo-bf16",
      [&](const StageContext& c) {
        StageContext half = c;
        half.compute = DType::kBF16;
        return run_ppo(half, options);
      },
      3);
  EXPECT_EQ(report.steps, 5);
}

TEST(Ppo, TheAverageIsWhatIsWritten) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 64;
  const StageContext plain = world.context("ppo-one"), averaged = world.context("ppo-one-ema");
  must(run_ppo(plain, options));
  options.ema = 0.75;
  must(run_ppo(averaged, options));
  LoadOptions load;
  load.compute = DType::kF32;
  const Kernels& kernels = *must(best_kernels());
  const auto start = must(load_model(world.sft(), kernels, load)), last = must(load_model(plain.out, kernels, load)),
             mean = must(load_model(averaged.out, kernels, load));
  for (size_t i = 0; i < start->values().size(); ++i) {
    ASSERT_NEAR(mean->values()[i], 0.75 * start->values()[i] + 0.25 * last->values()[i], 1e-6);
  }
}

TEST(Ppo, TheCriticBeginsAsTheRewardModel) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 64;
  const StageContext implied = world.context("ppo-critic-implied"), named = world.context("ppo-critic-named");
  must(run_ppo(implied, options));
  options.critic = world.reward();
  must(run_ppo(named, options));
  EXPECT_EQ(world.bytes_of(implied.out), world.bytes_of(named.out));
  EXPECT_NE(metrics_of(implied)[0]["value"].get<double>(), 0);
}

TEST(Ppo, PretrainingGradientsHoldTheBaseModelsSkill) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 64 * 6;
  options.guard.enabled = false;  // see ptx_coefficient in ppo_options()
  const auto ptx_loss = [&](double coefficient, const std::string& name) {
    options.ptx_coefficient = coefficient;
    const StageContext c = world.context(name);
    must(run_ppo(c, options));
    return metrics_of(c).back()["ptx_loss"].get<double>();
  };
  EXPECT_LT(ptx_loss(27.8, "ppo-ptx"), ptx_loss(1e-6, "ppo-without-ptx") - 0.02);
}

TEST(Ppo, AGuardThatCannotRecoverSaysWhatToChange) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.episodes = 64 * 20;
  options.kl_coefficient = 0;
  options.guard.max_kl = 0.005;
  options.guard.patience = 1;
  options.guard.max_rollbacks = 1;
  const auto result = run_ppo(world.context("ppo-guard"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(is_guard_failure(result.error())) << result.error();
  EXPECT_NE(result.error().find("kl_coefficient"), std::string::npos) << result.error();
}

TEST(Ppo, MissingPartsAreNamed) {
  World& world = World::get();
  PpoOptions options = world.ppo_options();
  options.prompts = {world.path("nowhere.jsonl")};
  const auto result = run_ppo(world.context("ppo-missing"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().find("nowhere.jsonl"), std::string::npos) << result.error();
  options = world.ppo_options();
  options.pretrain_texts = {};
  const auto no_texts = run_ppo(world.context("ppo-no-texts"), options);
  ASSERT_FALSE(no_texts.ok());
  EXPECT_NE(no_texts.error().find("pretrain_texts"), std::string::npos);
}

}  // namespace
}  // namespace loquat
