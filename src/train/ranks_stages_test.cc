// Stages on several ranks: the same curves as one process, the same bytes when resumed, and nothing written but by
// rank 0. Ranks are threads here; tests/ranks_test.cc has processes under mpirun.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ranks/thread_ranks_for_tests.h"
#include "train/dpo.h"
#include "train/kto.h"
#include "train/optimizer.h"
#include "train/orpo.h"
#include "train/rejection.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using testing::HasSubstr;
using toy::must;
using toy::World;

// --- the optimizer -------------------------------------------------------------------------------------------------

std::unique_ptr<Model> tiny_model() {
  ModelConfig c;
  c.vocab_size = 50;
  c.hidden_size = 24;
  c.num_layers = 2;
  c.num_heads = 2;
  c.num_kv_heads = 1;
  c.head_dim = 12;
  c.intermediate_size = 40;
  c.max_positions = 16;
  auto model = std::make_unique<Model>(c, *must(best_kernels()), DType::kF32, true);
  model->init(Rng(3, "tiny"));
  model->refresh();
  return model;
}

// Rank r's share of a step's gradient: what all make of it together is the same on any number of ranks, exactly.
void set_gradients(Model& model, int64_t step, const Ranks& ranks) {
  Rng rng(static_cast<uint64_t>(step), "gradients");
  int64_t i = 0;
  for (float& g : model.grads()) {
    const auto whole = static_cast<float>(rng.normal());
    g = i++ % ranks.size() == ranks.rank() ? whole : 0.0f;
  }
}

void train_tiny(Model& model, Optimizer& optimizer, const Ranks& ranks, int64_t begin, int64_t end) {
  for (int64_t step = begin; step < end; ++step) {
    set_gradients(model, step, ranks);
    optimizer.step(1e-2);
  }
}

struct Trained {
  std::vector<float> weights;
  CheckpointState state;
  std::vector<int64_t> moments;  // that each rank keeps
};

Trained train_on_ranks(int n, const OptimizerOptions& options, const Trained* from = nullptr) {
  Trained out;
  out.moments.resize(static_cast<size_t>(n));
  run_on_threads(n, [&](Ranks& ranks) {
    const auto model = tiny_model();
    Optimizer optimizer(*model, options, ranks);
    int64_t begin = 0;
    if (from != nullptr) {
      model->set_values(from->weights);
      must(optimizer.load(from->state, "tiny"));
      begin = 4;
    }
    train_tiny(*model, optimizer, ranks, begin, begin + 4);
    CheckpointState state;
    optimizer.save(state, "tiny");
    out.moments[static_cast<size_t>(ranks.rank())] = optimizer.own_moments();
    if (!ranks.first()) return;
    out.weights = model->host_values();
    out.state = std::move(state);
  });
  return out;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  return most;
}

// The norm by which gradients are clipped is another sum on every number of ranks; all else has the same bits.
void expect_shards_like_the_whole(const OptimizerOptions& options, double tolerance, const std::string& where) {
  const Trained alone = train_on_ranks(1, options), further = train_on_ranks(1, options, &alone);
  for (const int n : {2, 3, 7}) {
    const std::string here = fmt::format("{} on {}", where, n);
    const Trained many = train_on_ranks(n, options);
    // Each keeps a part, all the whole.
    int64_t all = 0;
    for (const int64_t count : many.moments) all += count;
    EXPECT_EQ(all, static_cast<int64_t>(alone.weights.size())) << here;
    EXPECT_LT(many.moments[0], all * 7 / 10) << here;
    EXPECT_LE(largest_difference(many.weights, alone.weights), tolerance) << here;
    for (const char* name : {"tiny.m", "tiny.v"})
      EXPECT_LE(largest_difference(many.state.tensors.at(name), alone.state.tensors.at(name)), tolerance) << here;
    // On with the checkpoint of others.
    EXPECT_LE(largest_difference(train_on_ranks(n, options, &alone).weights, further.weights), tolerance) << here;
    EXPECT_LE(largest_difference(train_on_ranks(1, options, &many).weights, further.weights), tolerance) << here;
  }
}

TEST(RanksOptimizer, ShardsMakeTheSameStepsAndTheSameCheckpoint) {
  for (const char* kind : {"adamw", "muon"}) {
    for (const char* moments : {"f32", "bf16"}) {
      OptimizerOptions options;
      options.kind = kind;
      options.moments = moments;
      options.weight_decay = 0.1;
      options.clip = 0;
      expect_shards_like_the_whole(options, 0, fmt::format("{} {}", kind, moments));
    }
  }
  expect_shards_like_the_whole(OptimizerOptions{}, 1e-6, "clipped");
}

// --- stages ----------------------------------------------------------------------------------------------------------

using RunStage = std::function<Result<StageReport>(const StageContext&)>;

// Rank 0's report. The others are given folders of their own, which they must leave alone.
Result<StageReport> run_on_ranks(int n, const std::string& name, const RunStage& run, int64_t stop_after = -1) {
  std::vector<Result<StageReport>> reports(static_cast<size_t>(n), Result<StageReport>(Err("not run")));
  run_on_threads(n, [&](Ranks& ranks) {
    StageContext context = World::get().context(ranks.first() ? name : fmt::format("{}-at-{}", name, ranks.rank()));
    context.ranks = &ranks;
    context.stop_after_steps = stop_after;
    reports[static_cast<size_t>(ranks.rank())] = run(context);
    EXPECT_TRUE(ranks.first() || !std::filesystem::exists(context.out)) << name;
  });
  for (const auto& report : reports) EXPECT_EQ(report.ok(), reports[0].ok()) << name;
  return reports[0];
}

// A metric of every step.
std::vector<double> curve(const std::string& name, const std::string& metric) {
  const std::string text = must(read_file(World::get().context(name).work + "/metrics.jsonl"));
  std::vector<double> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto j = nlohmann::json::parse(line);
    if (j.contains(metric)) values.push_back(j.at(metric));
  }
  return values;
}

void expect_same_curves(const std::string& name, const RunStage& run, const std::vector<std::string>& metrics,
                        const std::vector<int>& sizes = {2, 3}) {
  const StageReport alone = must(run_on_ranks(1, name + "-1", run));
  for (const int n : sizes) {
    const std::string many = fmt::format("{}-{}", name, n);
    const StageReport report = must(run_on_ranks(n, many, run));
    EXPECT_EQ(report.steps, alone.steps);
    for (const std::string& metric : metrics) {
      const std::vector<double> expected = curve(name + "-1", metric), found = curve(many, metric);
      ASSERT_EQ(found.size(), expected.size()) << many << " " << metric;
      EXPECT_GT(expected.size(), 0u) << many << " " << metric;
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(found[i], expected[i], 2e-4 * std::max(1.0, std::abs(expected[i])))
            << many << ": " << metric << " of step " << i + 1;
    }
    for (const auto& [figure, value] : alone.figures) {
      if (!std::isfinite(value)) continue;
      EXPECT_NEAR(report.figures.at(figure), value, 1e-3 * std::max(1.0, std::abs(value))) << many << ": " << figure;
    }
  }
}

PretrainOptions short_pretraining() {
  PretrainOptions o = World::get().pretrain_options();
  o.steps = 20;
  o.eval_every = 10;
  o.training.micro_tokens = 100;  // two windows: several micro-batches on every rank
  return o;
}

TEST(RanksStages, PretrainingHasOneCurve) {
  const PretrainOptions o = short_pretraining();
  expect_same_curves("ranks-pretrain", [&](const StageContext& c) { return run_pretrain(c, o); },
                     {"loss", "grad_norm", "lr", "tokens", "valid_bits_per_byte"});
}

TEST(RanksStages, FineTuningHasOneCurve) {
  SftOptions o = World::get().sft_options();
  o.epochs = 4;
  o.training.micro_tokens = 90;
  o.pretrain_fraction = 0.2;
  o.pretrain_texts = {World::get().texts()};
  expect_same_curves("ranks-sft", [&](const StageContext& c) { return run_sft(c, o); },
                     {"loss", "grad_norm", "tokens", "valid_loss"});
}

TEST(RanksStages, RewardModelsHaveOneCurve) {
  RewardOptions o = World::get().reward_options();
  o.epochs = 3;
  o.training.micro_tokens = 150;
  expect_same_curves("ranks-reward", [&](const StageContext& c) { return run_reward(c, o); },
                     {"loss", "pair_accuracy", "grad_norm", "tokens"});
}

template <typename Options>
Options preference_options() {
  Options o;
  o.policy = World::get().sft();
  o.rankings = {World::get().rankings()};
  o.valid_fraction = 0.2;
  o.batch = 10;
  o.training.lr = 1e-3;
  o.training.micro_tokens = 200;
  return o;
}

TEST(RanksStages, PreferenceMethodsHaveOneCurve) {
  const auto dpo = preference_options<DpoOptions>();
  expect_same_curves("ranks-dpo", [&](const StageContext& c) { return run_dpo(c, dpo); },
                     {"loss", "rewards/accuracies", "rewards/margins", "logps/chosen", "grad_norm"});
  const auto kto = preference_options<KtoOptions>();
  expect_same_curves("ranks-kto", [&](const StageContext& c) { return run_kto(c, kto); }, {"loss", "kl", "grad_norm"},
                     {2});
  const auto orpo = preference_options<OrpoOptions>();
  expect_same_curves("ranks-orpo", [&](const StageContext& c) { return run_orpo(c, orpo); },
                     {"loss", "log_odds_ratio", "nll_loss", "grad_norm"}, {3});
}

TEST(RanksStages, MoreRanksThanItemsWork) {
  SftOptions o = World::get().sft_options();
  o.epochs = 1;
  o.batch = 2;
  const RunStage run = [&](const StageContext& c) { return run_sft(c, o); };
  must(run_on_ranks(1, "ranks-few-1", run));
  must(run_on_ranks(5, "ranks-few-5", run));
  EXPECT_NEAR(curve("ranks-few-5", "loss").back(), curve("ranks-few-1", "loss").back(), 1e-3);
}

// Cut off again and again, also in the middle between two checkpoints; with dropout, whose masks follow from the step.
TEST(RanksStages, ResumeInTheSameBytesOnAsManyRanks) {
  SftOptions o = World::get().sft_options();
  o.epochs = 3;
  o.dropout = 0.1;
  o.select = "valid";
  o.training.moments = "bf16";
  const RunStage run = [&](const StageContext& c) { return run_sft(c, o); };
  must(run_on_ranks(3, "ranks-whole", run));
  must(run_on_ranks(3, "ranks-again", run));
  int cuts = 0;
  while (!run_on_ranks(3, "ranks-pieces", run, 4).ok() && cuts < 100) ++cuts;
  EXPECT_GT(cuts, 1);
  const auto expected = toy::files_of(World::get().context("ranks-whole").out);
  EXPECT_TRUE(toy::files_of(World::get().context("ranks-again").out) == expected) << "two runs differ";
  EXPECT_TRUE(toy::files_of(World::get().context("ranks-pieces").out) == expected) << "a resumed run differs";
}

TEST(RanksStages, AnotherNumberOfRanksGoesOn) {
  const PretrainOptions o = short_pretraining();
  const RunStage run = [&](const StageContext& c) { return run_pretrain(c, o); };
  must(run_on_ranks(1, "ranks-steady", run));
  EXPECT_FALSE(run_on_ranks(3, "ranks-changing", run, 7).ok());
  EXPECT_FALSE(run_on_ranks(1, "ranks-changing", run, 7).ok());
  must(run_on_ranks(2, "ranks-changing", run));
  const std::vector<double> expected = curve("ranks-steady", "loss"), found = curve("ranks-changing", "loss");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3) << "step " << i + 1;
  EXPECT_TRUE(run_on_ranks(2, "ranks-changing", run).ok());  // finished: nothing to do
}

TEST(RanksStages, WhatIsWrongIsAnErrorOnAllRanks) {
  const Result<StageReport> other = run_on_ranks(2, "ranks-other", [&](const StageContext& c) {
    PretrainOptions o = short_pretraining();
    if (!c.ranks->first()) o.training.lr *= 2;
    return run_pretrain(c, o);
  });
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error(), HasSubstr("rank 1 has other options, data or models than rank 0"));
  const Result<StageReport> broken = run_on_ranks(2, "ranks-broken", [&](const StageContext& c) {
    PretrainOptions o = short_pretraining();
    o.sequence_length = 4000;
    return run_pretrain(c, o);
  });
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error(), HasSubstr("sequence_length"));
  EXPECT_THAT(broken.error(), testing::Not(HasSubstr("rank")));
  RejectionOptions rejection;
  rejection.policy = World::get().sft();
  rejection.reward = World::get().reward();
  const RunStage samples = [&](const StageContext& c) { return run_rejection(c, rejection); };
  const PpoOptions ppo_options = World::get().ppo_options();
  const RunStage ppo = [&](const StageContext& c) { return run_ppo(c, ppo_options); };
  for (const RunStage& run : {samples, ppo}) {
    const Result<StageReport> alone = run_on_ranks(2, "ranks-sampling", run);
    ASSERT_FALSE(alone.ok());
    EXPECT_THAT(alone.error(), HasSubstr("runs in one process"));
  }
}

}  // namespace
}  // namespace loquat
