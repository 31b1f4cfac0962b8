// The stages with adapters: what they learn, that they resume in the same bytes, and that their folders work wherever a
// model's folder does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/adapter_folder.h"
#include "train/dpo.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using testing::HasSubstr;
using toy::must;
using toy::World;

LoraOptions lora_options(int64_t rank = 4) {
  LoraOptions lora;
  lora.rank = rank;
  lora.alpha = 8;
  return lora;
}

SftOptions sft_options() {
  SftOptions options = World::get().sft_options();
  options.lora = lora_options();
  options.training.lr = 2e-2;
  return options;
}

// An SFT adapter over the base, a reward model's over the same.
std::string sft_adapter() {
  const StageContext c = World::get().context("lora-sft-shared");
  if (!file_exists(c.out + "/stage.json")) must(run_sft(c, sft_options()));
  return c.out;
}

std::string reward_adapter() {
  const StageContext c = World::get().context("lora-reward-shared");
  RewardOptions options = World::get().reward_options();
  options.base = World::get().base();
  options.lora = lora_options();
  options.training.lr = 1e-2;
  if (!file_exists(c.out + "/stage.json")) must(run_reward(c, options));
  return c.out;
}

TEST(LoraStages, WithoutAdaptersTheHashIsAsItWas) {
  SftOptions options;
  EXPECT_EQ(canonical_options(options).find("lora"), std::string::npos);
  EXPECT_EQ(canonical_options(options).find("base_weights"), std::string::npos);
  options.lora.rank = 4;
  EXPECT_THAT(canonical_options(options), HasSubstr("lora_rank = 4"));
}

TEST(LoraStages, SftLearnsAndResumes) {
  World& world = World::get();
  const std::string base = world.bytes_of(world.base());
  SftOptions options = sft_options();
  options.lora.dropout = 0.1;
  options.lora.dora = true;
  options.lora.rslora = true;
  options.epochs = 8;
  options.training.lr = 3e-2;
  options.select = "valid";
  const StageReport report = toy::expect_exact_resume(
      "lora-sft", [&](const StageContext& c) { return run_sft(c, options); }, 7);
  EXPECT_LT(report.figures.at("valid_loss_epoch_08"), 0.85 * report.figures.at("valid_loss_epoch_01"));
  EXPECT_EQ(world.bytes_of(world.base()), base);
  const std::string out = world.path("lora-sft-whole/model");
  EXPECT_TRUE(is_adapter_folder(out));
  EXPECT_FALSE(file_exists(out + "/model.safetensors"));
  EXPECT_TRUE(file_exists(out + "/tokenizer.json"));
}

TEST(LoraStages, AQuantisedBase) {
  World& world = World::get();
  if (!world.context("x").kernels->quantized_weights) GTEST_SKIP();
  SftOptions options = sft_options();
  options.epochs = 6;
  options.lora.base_weights = "int4";
  const StageReport report = must(run_sft(world.context("lora-int4"), options));
  EXPECT_LT(report.figures.at("valid_loss_epoch_06"), 0.88 * report.figures.at("valid_loss_epoch_01"));
}

TEST(LoraStages, AllWeightsAreTrainedOnFromAnAdapter) {
  World& world = World::get();
  SftOptions options = world.sft_options();
  options.base = sft_adapter();
  options.epochs = 1;
  options.training.lr = 0;
  const StageReport report = must(run_sft(world.context("lora-full"), options));
  EXPECT_TRUE(file_exists(world.path("lora-full/model/model.safetensors")));
  SftOptions same = sft_options();
  same.base = sft_adapter();
  same.epochs = 1;
  same.training.lr = 0;
  const StageReport adapted = must(run_sft(world.context("lora-on"), same));
  EXPECT_NEAR(report.figures.at("valid_loss"), adapted.figures.at("valid_loss"), 1e-4);
}

TEST(LoraStages, DpoLearnsAndResumes) {
  World& world = World::get();
  DpoOptions options;
  options.policy = world.sft();
  options.rankings = {world.rankings()};
  options.valid_fraction = 0.25;
  options.epochs = 12;
  options.batch = 32;
  options.lora = lora_options();
  options.lora.dropout = 0.05;
  options.training.lr = 1e-2;
  options.training.warmup_steps = 2;
  const StageReport report = toy::expect_exact_resume(
      "lora-dpo", [&](const StageContext& c) { return run_dpo(c, options); }, 17);
  EXPECT_GE(report.figures.at("valid_accuracy"), 0.8);
  // From an adapter's folder, which the reference is too: at its first step the two are the same.
  options.policy = sft_adapter();
  options.lora.dropout = 0;
  options.epochs = 1;
  options.training.lr = 0;
  const StageReport from_adapter = must(run_dpo(world.context("lora-dpo-on"), options));
  EXPECT_EQ(from_adapter.figures.at("rewards/margins"), 0);
}

TEST(LoraStages, RewardLearnsAndResumes) {
  World& world = World::get();
  RewardOptions options = world.reward_options();  // over the SFT model
  options.lora = lora_options();
  options.lora.dropout = 0.05;
  options.likelihood = 0.1;
  options.training.lr = 1e-2;
  const StageReport report = toy::expect_exact_resume(
      "lora-reward", [&](const StageContext& c) { return run_reward(c, options); }, 5);
  EXPECT_GE(report.figures.at("pair_accuracy"), 0.9);
}

// Four models over one base. In bfloat16 sampling and training must agree in every bit, or run_ppo returns an error.
TEST(LoraStages, PpoBeginsEveryIterationAtRatioOneAndResumes) {
  PpoOptions options = World::get().ppo_options();
  options.policy = sft_adapter();
  options.reward = reward_adapter();
  options.lora = lora_options();
  options.episodes = 32 * 6;
  options.batch = 32;
  options.ema = 0.9;
  options.training.micro_tokens = 100;  // other batches than the sampler's
  const StageReport report = toy::expect_exact_resume(
      "lora-ppo",
      [&](const StageContext& c) {
        StageContext half = c;
        half.compute = DType::kBF16;
        return run_ppo(half, options);
      },
      3);
  EXPECT_EQ(report.steps, 6);
}

TEST(LoraStages, PpoGetsBetter) {
  PpoOptions options = World::get().ppo_options();
  options.reward = reward_adapter();  // over the base; the policy's adapter is a new one over the SFT model
  options.lora = lora_options();
  options.training.lr = 5e-3;
  options.episodes = 64 * 12;
  const StageReport report = must(run_ppo(World::get().context("lora-ppo-better"), options));
  EXPECT_GT(report.figures.at("reward"), report.figures.at("first_reward") + 0.3);
}

TEST(LoraStages, WrongOptionsAreNamed) {
  World& world = World::get();
  SftOptions options = sft_options();
  options.lora.targets = {"attention"};
  EXPECT_THAT(run_sft(world.context("lora-wrong"), options).error(), HasSubstr("lora_targets"));
  options.lora = {};
  options.lora.base_weights = "int8";
  EXPECT_THAT(run_sft(world.context("lora-wrong"), options).error(), HasSubstr("base_weights"));
  PpoOptions ppo = world.ppo_options();
  ppo.lora = lora_options();
  ppo.lora.dropout = 0.1;
  EXPECT_THAT(run_ppo(world.context("lora-wrong"), ppo).error(), HasSubstr("lora_dropout"));
}

}  // namespace
}  // namespace loquat
