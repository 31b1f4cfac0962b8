// DPO: its losses against their formulas, and the toy preference.
#include "train/dpo.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/encode.h"
#include "train/batches.h"
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

TEST(Dpo, RobustAndSimpoLossesFollowTheirFormulas) {
  DpoOptions o;
  o.beta = 2;
  o.gamma = 0.5;
  EXPECT_NEAR(dpo_loss(1, o).loss, std::log1p(std::exp(-1.5)), 1e-12);
  EXPECT_NEAR(dpo_loss(0.25, o).slope, -1, 1e-12);  // beta σ(0)
  o.gamma = 0;
  o.loss = "robust";
  o.label_smoothing = 0.2;
  const double plain = std::log1p(std::exp(-2.0)), turned = std::log1p(std::exp(2.0));
  EXPECT_NEAR(dpo_loss(1, o).loss, (0.8 * plain - 0.2 * turned) / 0.6, 1e-12);
  for (const double margin : {-3.0, 0.0, 0.7, 4.0}) {
    const double numeric = (dpo_loss(margin + 1e-5, o).loss - dpo_loss(margin - 1e-5, o).loss) / 2e-5;
    EXPECT_NEAR(dpo_loss(margin, o).slope, numeric, 1e-6);
  }
  // Unbiased: over labels turned round with probability 0.2, the mean is the loss of true labels.
  EXPECT_NEAR(0.8 * dpo_loss(1, o).loss + 0.2 * dpo_loss(-1, o).loss, plain, 1e-12);
}

TEST(Dpo, SharedPromptsChangeNoBit) {
  World& world = World::get();
  const Kernels& kernels = *must(best_kernels());
  if (!kernels.shared_prefixes) GTEST_SKIP();
  LoadOptions load;
  load.compute = DType::kF32;
  load.with_gradients = true;
  const auto model = must(load_model(world.sft(), kernels, load));
  const Tokenizer tokenizer = must(Tokenizer::load(world.sft()));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  std::vector<std::vector<int32_t>> texts;
  std::vector<PromptedReply> replies;
  for (const std::string& question : toy::questions()) {
    for (const std::string& reply : toy::praise()) {
      texts.push_back(must(chat.prompt({{"user", question}})));
      const std::vector<int32_t> own = chat.reply(reply);
      texts.back().insert(texts.back().end(), own.begin(), own.end());
    }
  }
  for (const auto& t : texts)
    replies.push_back({t, static_cast<int64_t>(must(chat.prompt({{"user", "How is the tea?"}})).size())});
  LmBatch apart, together;
  apart.add_replies(replies, false);
  together.add_replies(replies, true);
  EXPECT_LT(together.batch.rows(), apart.batch.rows());
  EXPECT_EQ(apart.targets, together.targets);
  EXPECT_EQ(apart.first, together.first);
  std::vector<std::vector<float>> gradients;
  std::vector<std::vector<float>> logprobs;
  for (LmBatch* batch : {&apart, &together}) {
    model->zero_grads();
    ForwardOptions forward;
    forward.keep_for_backward = true;
    const Mat hidden = model->forward(batch->batch, forward);
    const auto now = model->log_probs(hidden, batch->rows, batch->targets);
    logprobs.push_back(now.logprob);
    const std::vector<float> slopes(now.logprob.size(), -0.01f);
    model->backward(batch->batch, model->log_probs_backward(hidden, batch->rows, batch->targets, 1, now, slopes));
    gradients.emplace_back();
    model->for_each_param(
        [&](const Param& p) { gradients.back().insert(gradients.back().end(), p.grad, p.grad + p.size); });
  }
  EXPECT_EQ(logprobs[0], logprobs[1]);
  for (size_t i = 0; i < gradients[0].size(); ++i) ASSERT_NEAR(gradients[0][i], gradients[1][i], 1e-4) << i;
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

// Per token, without a reference, with a margin to reach and the chosen reply's likelihood (SimPO and RPO).
TEST(Dpo, LearnsWithoutAReference) {
  World& world = World::get();
  DpoOptions options;
  options.policy = world.sft();
  options.rankings = {world.rankings()};
  options.valid_fraction = 0.25;
  options.epochs = 4;
  options.batch = 32;
  options.beta = 2;
  options.gamma = 0.5;
  options.length_normalised = true;
  options.reference_free = true;
  options.nll = 0.2;
  options.training.lr = 3e-3;
  options.training.warmup_steps = 2;
  const StageReport report = must(run_dpo(world.context("dpo-simpo"), options));
  EXPECT_GE(report.figures.at("valid_accuracy"), 0.9);
  EXPECT_GT(report.figures.at("nll_loss"), 0);
  EXPECT_GT(report.figures.at("rewards/margins"), 0.5);
  options.reference = world.sft();
  EXPECT_NE(run_dpo(world.context("dpo-both"), options).error().find("reference_free"), std::string::npos);
}

TEST(Dpo, LabelsAtRandomTeachNothing) {
  World& world = World::get();
  std::vector<Ranking> items = must(read_rankings(world.rankings()));
  Rng rng(3, "labels");
  for (Ranking& r : items) {
    for (RankedResponse& response : r.responses) response.rank = 0;
    r.responses.resize(2);
    r.responses[rng.chance(0.5) ? 0 : 1].rank = 1;
  }
  const std::string path = world.path("random-rankings.jsonl");
  must(write_rankings(path, items));
  DpoOptions options;
  options.policy = world.sft();
  options.rankings = {path};
  options.valid_fraction = 0.4;
  options.epochs = 6;
  options.batch = 16;
  options.training.lr = 3e-3;
  const StageReport report = must(run_dpo(world.context("dpo-random"), options));
  EXPECT_LT(report.figures.at("valid_accuracy"), 0.85);
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
