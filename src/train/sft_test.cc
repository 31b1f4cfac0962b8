// Pretraining and supervised fine-tuning on the toy world: masks, mixes, presets, exact resume.
#include "train/sft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/encode.h"
#include "train/batches.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(Pretrain, LossFallsAndResumesInTheSameBytes) {
  World& world = World::get();
  PretrainOptions options = world.pretrain_options();
  options.steps = 14;
  const StageReport report =
      toy::expect_exact_resume("pretrain", [&](const StageContext& c) { return run_pretrain(c, options); });
  EXPECT_EQ(report.steps, 14);
  EXPECT_EQ(report.tokens, 14 * 384);
  EXPECT_LT(report.figures.at("valid_loss"), std::log(300.0) * 0.75);  // a uniform guess is log V
  EXPECT_LT(report.figures.at("valid_bits_per_byte"), 8.0);
  EXPECT_GT(report.figures.at("valid_bits_per_byte"), 0.1);
}

TEST(Pretrain, MuonResumesToo) {
  PretrainOptions options = World::get().pretrain_options();
  options.steps = 9;
  options.training.optimizer = "muon";
  options.training.weight_decay = 0.1;
  toy::expect_exact_resume("pretrain-muon", [&](const StageContext& c) { return run_pretrain(c, options); });
}

TEST(Pretrain, MakesModelsThatNormaliseQueriesAndKeys) {
  World& world = World::get();
  PretrainOptions options = world.pretrain_options();
  options.steps = 2;
  options.architecture = "qwen3";
  const StageContext context = world.context("pretrain-qwen3");
  must(run_pretrain(context, options));
  const ModelConfig config = must(read_model_config(context.out));
  EXPECT_EQ(config.architecture, "qwen3");
  EXPECT_TRUE(config.features.qk_norm);
}

TEST(Pretrain, MicroBatchesChangeOnlyTheOrderOfSums) {
  World& world = World::get();
  PretrainOptions options = world.pretrain_options();
  options.steps = 3;
  const StageReport one = must(run_pretrain(world.context("micro-one"), options));
  options.training.micro_tokens = 48;
  options.training.recompute = true;
  const StageReport many = must(run_pretrain(world.context("micro-many"), options));
  EXPECT_NEAR(one.figures.at("valid_loss"), many.figures.at("valid_loss"), 2e-3);
}

TEST(Sft, PresetIsThePaper) {
  const SftOptions o = SftOptions::instructgpt();
  EXPECT_EQ(o.epochs, 16);
  EXPECT_EQ(o.dropout, 0.2);
  EXPECT_EQ(o.batch, 32);
  EXPECT_EQ(o.training.lr, 9.65e-6);
  EXPECT_EQ(o.training.schedule, "cosine");
  EXPECT_EQ(o.training.final_fraction, 0.1);
  EXPECT_EQ(o.training.warmup_steps, 0);
  EXPECT_EQ(o.training.beta1, 0.9);
  EXPECT_EQ(o.training.beta2, 0.95);
  EXPECT_EQ(o.pretrain_fraction, 0);
  const SftOptions reference = SftOptions::instructgpt_reference();
  EXPECT_EQ(reference.epochs, 2);
  EXPECT_EQ(reference.pretrain_fraction, 0.1);
}

TEST(Sft, OnlyTheAssistantsTokensAreTargets) {
  const Tokenizer tokenizer = must(Tokenizer::load(World::get().tokenizer()));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  const Messages dialogue = {
      {"user", "How is the tea?"}, {"assistant", "It is good."}, {"user", "And the sea?"}, {"assistant", "It is bad."}};
  const TokenSequence sequence = must(encode_demonstration(chat, {"x", dialogue}, 1000));
  LmBatch batch;
  batch.add(sequence);
  // What is trained on, read off the packed batch, is the assistant's turns and the ends that close them, and no more.
  EXPECT_EQ(tokenizer.decode(batch.targets), "It is good.<|end|>It is bad.<|end|>");
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    EXPECT_EQ(sequence.tokens[static_cast<size_t>(batch.rows[i]) + 1], batch.targets[i]);
  }
}

TEST(Sft, TheLossIsTheMeanOverTargetTokens) {
  World& world = World::get();
  LoadOptions load;
  load.compute = DType::kF32;
  load.with_gradients = true;
  const auto model = must(load_model(world.base(), *must(best_kernels()), load));
  const Tokenizer tokenizer = must(Tokenizer::load(world.tokenizer()));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  std::vector<TokenSequence> sequences;
  for (const Demonstration& d : must(read_demonstrations(world.demonstrations()))) {
    sequences.push_back(must(encode_demonstration(chat, d, 48)));
  }
  const auto all = pointers(sequences);
  const auto n = static_cast<double>(count_targets(all));
  LmPass pass(*model, 100, false);
  pass.train(all, 1 / n);
  // The derivative along the gradient, by differences of the mean loss, is the gradient's square norm.
  const std::vector<float> gradient(model->grads().begin(), model->grads().end());
  const std::vector<float> before(model->values().begin(), model->values().end());
  double norm = 0;
  for (const float g : gradient) norm += static_cast<double>(g) * g;
  const double h = 1e-3 / std::sqrt(norm);
  double loss[2];
  for (const int side : {0, 1}) {
    for (size_t i = 0; i < before.size(); ++i) {
      model->values()[i] = before[i] + static_cast<float>((side == 0 ? -h : h) * gradient[i]);
    }
    model->refresh();
    const LmSum sum = pass.evaluate(all);
    EXPECT_EQ(sum.targets, static_cast<int64_t>(n));
    loss[side] = -sum.logprob / n;
  }
  EXPECT_NEAR((loss[1] - loss[0]) / (2 * h), norm, 0.02 * norm);
}

TEST(Sft, EveryEpochsBatchesHoldEachExampleOnce) {
  EpochBatches batches(600, 32, 5, "sft.order");
  ASSERT_EQ(batches.steps_per_epoch(), 19);
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<size_t> expected, drawn;
    epoch_order(expected, 600, 5, "sft.order", epoch);
    for (int64_t step = 0; step < 19; ++step)
      for (const size_t i : batches.at(19 * epoch + step)) drawn.push_back(i);
    EXPECT_EQ(drawn, expected);
    EXPECT_EQ(batches.at(19 * epoch + 18).size(), 24u);
  }
  const std::span<const size_t> again = batches.at(3);  // a resume may begin anywhere
  EXPECT_EQ(again.size(), 32u);
}

TEST(Sft, DialoguesAreMixedWithInstructionsInEveryBatch) {
  // 300 dialogues in one file, then 300 instructions in another: every batch of 32 has both, in another order each
  // epoch.
  std::vector<size_t> first, second, again;
  epoch_order(first, 600, 5, "sft.order", 0);
  epoch_order(second, 600, 5, "sft.order", 1);
  epoch_order(again, 600, 5, "sft.order", 0);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, second);
  for (const auto& order : {first, second}) {
    for (size_t begin = 0; begin + 32 <= order.size(); begin += 32) {
      const auto dialogues =
          std::count_if(order.begin() + static_cast<std::ptrdiff_t>(begin),
                        order.begin() + static_cast<std::ptrdiff_t>(begin) + 32, [](size_t i) { return i < 300; });
      EXPECT_GT(dialogues, 3);
      EXPECT_LT(dialogues, 29);
    }
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(sorted[i], i);
  }
}

TEST(Sft, AnEmptyMaskNamesTheExample) {
  World& world = World::get();
  const std::string path = world.path("empty-mask.jsonl");
  std::vector<Demonstration> items = {{"fine", {{"user", "a"}, {"assistant", "b"}}},
                                      {"long-prompt", {{"user", std::string(4000, 'q')}, {"assistant", "b"}}}};
  must(write_demonstrations(path, items));
  SftOptions options = world.sft_options();
  options.demonstrations = {path};
  const auto result = run_sft(world.context("empty-mask"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().find("empty-mask.jsonl: example long-prompt"), std::string::npos) << result.error();
  EXPECT_NE(result.error().find("mask is empty"), std::string::npos) << result.error();
  EXPECT_FALSE(std::filesystem::exists(world.path("empty-mask/model")));

  options.leave_out_too_long = true;
  options.valid_fraction = 0;
  options.epochs = 1;
  StageContext context = world.context("left-out");
  std::string notes;
  context.on_note = [&](const std::string& line) { notes += line; };
  must(run_sft(context, options));
  EXPECT_NE(notes.find("empty-mask.jsonl: 1 prompt is left out"), std::string::npos) << notes;
}

TEST(Sft, AConversationThatIsTooLongLosesItsFirstTurns) {
  World& world = World::get();
  const std::string path = world.path("long-dialogue.jsonl");
  const std::string question = toy::questions()[0], answer = toy::praise()[0];
  const Messages last = {{"user", question}, {"assistant", answer}};
  Messages dialogue = {{"user", std::string(4000, 'q')}, {"assistant", std::string(4000, 'a')}};
  dialogue.insert(dialogue.end(), last.begin(), last.end());
  SftOptions options = world.sft_options();
  options.demonstrations = {path};
  options.valid_fraction = 0;
  options.epochs = 1;
  must(write_demonstrations(path, std::vector<Demonstration>{{"long", dialogue}}));
  const StageReport longer = must(run_sft(world.context("long-dialogue"), options));
  must(write_demonstrations(path, std::vector<Demonstration>{{"short", last}}));
  const StageReport shorter = must(run_sft(world.context("short-dialogue"), options));
  EXPECT_EQ(longer.tokens, shorter.tokens);  // what is left is the last exchange, and so trains the same weights
  EXPECT_EQ(world.bytes_of(world.path("long-dialogue/model")), world.bytes_of(world.path("short-dialogue/model")));
}

TEST(Sft, LearnsResumesAndKeepsCandidates) {
  World& world = World::get();
  SftOptions options = world.sft_options();
  options.epochs = 3;
  options.dropout = 0.1;
  options.valid_fraction = 0.1;
  options.keep_candidates = true;
  options.pretrain_texts = {world.texts()};
  options.pretrain_fraction = 0.1;
  const StageReport report =
      toy::expect_exact_resume("sft-resume", [&](const StageContext& c) { return run_sft(c, options); });
  EXPECT_LT(report.figures.at("valid_loss_epoch_03"), report.figures.at("valid_loss_epoch_01"));
  for (const int epoch : {1, 2, 3}) {
    const std::string a = candidate_folder(world.context("sft-resume-whole").work, epoch);
    const std::string b = candidate_folder(world.context("sft-resume-pieces").work, epoch);
    EXPECT_EQ(world.bytes_of(a), world.bytes_of(b));
    EXPECT_TRUE(file_exists(a + "/tokenizer.json"));
  }
  EXPECT_EQ(world.bytes_of(candidate_folder(world.context("sft-resume-whole").work, 3)),
            world.bytes_of(world.context("sft-resume-whole").out));
}

TEST(Sft, TheReferenceMixesTenPercentPretrainingTokens) {
  World& world = World::get();
  SftOptions options = SftOptions::instructgpt_reference();
  options.base = world.base();
  options.demonstrations = {world.demonstrations(), world.praise_demonstrations()};
  options.pretrain_texts = {world.texts()};
  options.pretrain_length = 16;
  options.epochs = 4;
  const StageReport report = must(run_sft(world.context("reference"), options));
  EXPECT_NEAR(report.figures.at("pretrain_share"), 0.1, 0.006);
}

TEST(Sft, TheBestEpochCanBeChosenByValidation) {
  World& world = World::get();
  SftOptions options = world.sft_options();
  options.epochs = 4;
  options.valid_fraction = 0.2;
  options.keep_candidates = true;
  options.select = "valid";
  options.training.lr = 2e-2;
  const StageContext c = world.context("sft-select");
  const StageReport report = must(run_sft(c, options));
  const auto best = static_cast<int64_t>(report.figures.at("best_epoch"));
  EXPECT_EQ(world.bytes_of(c.out), world.bytes_of(candidate_folder(c.work, best)));
}

TEST(Sft, OptionsAreReadByName) {
  Settings settings;
  settings.set("epochs", {int64_t{5}, "x:1"});
  settings.set("lr", {0.5, "x:2"});
  settings.set("select", {std::string("valid"), "x:3"});
  settings.set("preset", {std::string("instructgpt"), "x:4"});
  const SftOptions options = must(SftOptions::read(settings));
  EXPECT_EQ(options.epochs, 5);
  EXPECT_EQ(options.training.lr, 0.5);
  EXPECT_EQ(options.select, "valid");
  EXPECT_EQ(options.dropout, 0.2);
  EXPECT_TRUE(settings.finish().ok());
  settings.set("schedule", {std::string("stairs"), "stages.toml:5"});
  must(SftOptions::read(settings));
  const Status wrong = settings.finish();
  ASSERT_FALSE(wrong.ok());
  for (const char* part : {"stages.toml:5", "schedule", "stairs", "constant", "cosine", "linear"}) {
    EXPECT_NE(wrong.error().find(part), std::string::npos) << wrong.error();
  }
}

TEST(Sft, ThePresetGivesWhatTheFileLeavesOut) {
  Settings settings;
  settings.set("preset", {std::string("instructgpt_reference"), "x:1"});
  settings.set("batch", {int64_t{8}, "x:2"});
  const SftOptions reference = must(SftOptions::read(settings));
  EXPECT_TRUE(settings.finish().ok());
  EXPECT_EQ(reference.epochs, 2);
  EXPECT_EQ(reference.pretrain_fraction, 0.1);
  EXPECT_EQ(reference.batch, 8);
  settings.set("epochs", {int64_t{3}, "x:3"});
  EXPECT_EQ(must(SftOptions::read(settings)).epochs, 3);
  settings.set("preset", {std::string("instruct"), "x:4"});
  must(SftOptions::read(settings));
  const Status wrong = settings.finish();
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().find("x:4"), std::string::npos) << wrong.error();
  EXPECT_NE(wrong.error().find("instructgpt_reference"), std::string::npos) << wrong.error();
  Settings ppo;  // a stage with one preset
  ppo.set("preset", {std::string("instructgpt_reference"), "x:5"});
  must(PpoOptions::read(ppo));
  EXPECT_FALSE(ppo.finish().ok());
}

}  // namespace
}  // namespace loquat
