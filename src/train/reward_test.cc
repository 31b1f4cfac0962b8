// The reward model: K-wise loss as published, demonstrations at mean zero, a toy preference, exact resume.
#include "train/reward.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/batches.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

double minus_log_sigmoid(double x) {
  return std::log1p(std::exp(-x));
}

TEST(Reward, PresetIsThePaper) {
  const RewardOptions o = RewardOptions::instructgpt();
  EXPECT_EQ(o.epochs, 1);
  EXPECT_EQ(o.batch, 64);
  EXPECT_EQ(o.training.lr, 9e-6);
  EXPECT_EQ(o.training.schedule, "cosine");
  EXPECT_EQ(o.training.final_fraction, 0.1);
  EXPECT_EQ(o.dropout, 0);
}

TEST(Reward, AllPairsOfAPromptAreOneElement) {
  const std::vector<float> scores = {0.5f, -1.0f, 2.0f, 0.1f};
  const std::vector<int32_t> ranks = {1, 3, 0, 2};
  std::vector<float> d;
  const PairSum sum = pairwise_loss(scores, ranks, &d);
  EXPECT_EQ(sum.pairs, 6);
  EXPECT_EQ(sum.right, 6);
  const double expected = (minus_log_sigmoid(1.5) + minus_log_sigmoid(1.5) + minus_log_sigmoid(0.4) +  // 2 > 0, ...
                           minus_log_sigmoid(3.0) + minus_log_sigmoid(1.9) + minus_log_sigmoid(1.1)) /
                          6;
  EXPECT_NEAR(sum.loss, expected, 1e-6);
}

TEST(Reward, TiesLeaveTheSumAndStayInTheDivisor) {
  const std::vector<float> scores = {1.0f, 0.0f, 0.5f};
  const std::vector<int32_t> ranks = {0, 1, 1};
  const PairSum sum = pairwise_loss(scores, ranks, nullptr);
  EXPECT_EQ(sum.pairs, 2);
  EXPECT_NEAR(sum.loss, (minus_log_sigmoid(1.0) + minus_log_sigmoid(0.5)) / 3, 1e-6);  // C(3, 2) = 3
  const std::vector<int32_t> all_tied = {0, 0, 0};
  EXPECT_EQ(pairwise_loss(scores, all_tied, nullptr).loss, 0);
}

TEST(Reward, TheGradientIsTheLosss) {
  std::vector<float> scores = {0.3f, -0.7f, 1.1f, 0.2f, 0.25f};
  const std::vector<int32_t> ranks = {2, 0, 1, 1, 3};
  std::vector<float> d;
  pairwise_loss(scores, ranks, &d);
  for (size_t i = 0; i < scores.size(); ++i) {
    auto up = scores, down = scores;
    up[i] += 1e-2f;
    down[i] -= 1e-2f;
    const double numeric = (pairwise_loss(up, ranks, nullptr).loss - pairwise_loss(down, ranks, nullptr).loss) / 2e-2;
    EXPECT_NEAR(d[i], numeric, 2e-4) << i;
  }
}

TEST(Reward, TheCentreIsTheMeanScoreOfAPrompt) {
  // 0.5 * 2²; each of four replies moves the mean by a quarter. What was there stays.
  const std::vector<float> scores = {1, 3, 0, 4};
  std::vector<float> d = {0, 1, 0, 0};
  EXPECT_DOUBLE_EQ(centre_loss(scores, 0.5, d), 2.0);
  EXPECT_EQ(d, (std::vector<float>{0.5f, 1.5f, 0.5f, 0.5f}));
}

TEST(Reward, LearnsAToyPreferenceOnHeldOutPrompts) {
  World& world = World::get();
  const std::string folder = world.reward();
  const StageReport report = must(run_reward(world.context("reward"), world.reward_options()));  // stored
  EXPECT_GE(report.figures.at("pair_accuracy"), 0.9);
  EXPECT_LE(report.figures.at("pair_accuracy_low"), report.figures.at("pair_accuracy"));
  EXPECT_GE(report.figures.at("pair_accuracy_high"), report.figures.at("pair_accuracy"));
  EXPECT_GT(report.figures.at("pairs"), 8);
  EXPECT_EQ(report.figures.at("prompts") + report.figures.at("valid_prompts"), 48);

  RewardModel reward = must(load_reward_model(folder, *must(best_kernels()), DType::kF32));
  const Tokenizer tokenizer = must(Tokenizer::load(folder));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  // Demonstrations average zero, with the bias of reward.json.
  std::vector<std::vector<int32_t>> demonstrations;
  for (const Demonstration& d : must(read_demonstrations(world.demonstrations()))) {
    demonstrations.push_back(chat.render(d.messages)->tokens);
    demonstrations.back().resize(std::min<size_t>(demonstrations.back().size(), 48));
  }
  double mean = 0;
  for (const float r : rewards_of(reward, demonstrations, 1000)) mean += r;
  EXPECT_NEAR(mean / static_cast<double>(demonstrations.size()), 0, 1e-5);
  EXPECT_NE(reward.bias, 0);
  const Messages question = {{"user", toy::questions()[1]}};
  const std::vector<std::vector<int32_t>> two = {reward_tokens(chat, question, "It is good.", 48),
                                                 reward_tokens(chat, question, "It is bad.", 48)};
  const auto rewards = rewards_of(reward, two, 1000);
  EXPECT_GT(rewards[0], rewards[1] + 0.5f);
  const std::vector<float> alone = {rewards_of(reward, std::span(two).first(1), 1000)[0]};
  EXPECT_EQ(alone[0], rewards[0]);  // the batch plays no part
}

ModelConfig small_score_model() {
  ModelConfig config;
  config.hidden_size = 16;
  config.num_layers = 2;
  config.num_heads = 2;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.intermediate_size = 24;
  config.vocab_size = 40;
  config.max_positions = 16;
  config.tie_embeddings = true;
  config.head = HeadKind::kScore;
  return config;
}

// Two sequences whose replies start after token 5; the score's head and the likelihood of the reply's tokens.
TEST(Reward, TheLikelihoodIsPartOfTheScoreAndOfItsGradient) {
  Model model(small_score_model(), *must(cpu_kernels(Isa::kReference)), DType::kF32, true);
  model.init(Rng(3, "likelihood"));
  constexpr double kLikelihood = 4;
  constexpr int32_t kStart = 5;
  Batch batch;
  const std::vector<int32_t> first = {1, 7, kStart, 9, kStart, 11, 12, 2}, second = {1, 8, kStart, 30, 2};
  batch.add(first);
  batch.add(second);
  RewardHead head(kLikelihood, kStart), plain;
  const std::vector<float> slopes = {0.7f, -1.3f};
  const auto objective = [&] {
    const auto scores = head.scores(model, model.forward(batch), batch);
    return static_cast<double>(slopes[0]) * scores[0] + static_cast<double>(slopes[1]) * scores[1];
  };
  {
    const Mat hidden = model.forward(batch);
    const auto scores = head.scores(model, hidden, batch), without = plain.scores(model, hidden, batch);
    const std::vector<int64_t> rows = {4, 5, 6};  // the last assistant token of `first` and what follows
    const std::vector<int32_t> targets = {11, 12, 2};
    const auto logprobs = model.log_probs(hidden, rows, targets).logprob;
    EXPECT_NEAR(scores[0] - without[0], kLikelihood * (logprobs[0] + logprobs[1] + logprobs[2]) / 3, 1e-4);
  }
  ForwardOptions keep;
  keep.keep_for_backward = true;
  const Mat hidden = model.forward(batch, keep);
  head.scores(model, hidden, batch);
  model.zero_grads();
  model.backward(batch, head.backward(model, hidden, slopes, slopes));
  model.for_each_param([&](const Param& p) {
    const int64_t at = p.size / 3;
    const float before = p.value[at];
    p.value[at] = before + 1e-2f;
    model.refresh();
    const double up = objective();
    p.value[at] = before - 1e-2f;
    model.refresh();
    const double down = objective();
    p.value[at] = before;
    model.refresh();
    EXPECT_NEAR(p.grad[at], (up - down) / 2e-2, 2e-3 + 0.02 * std::abs(p.grad[at])) << p.name;
  });
}

// A prompt that goes through the model once gives the scores of whole sequences, bit for bit, and their gradients.
TEST(Reward, APromptIsReadOnceForAllItsReplies) {
  for (const Kernels* kernels : all_kernels()) {
    if (!kernels->shared_prefixes) continue;
    Model model(small_score_model(), *kernels, DType::kF32, true);
    model.init(Rng(3, "likelihood"));
    RankedElement one{{{1, 7, 9, 5, 11, 12, 2}, {1, 7, 9, 5, 2}, {1, 7, 9, 5, 30, 11, 31, 2}}, {0, 1, 2}};
    RankedElement other{{{1, 8, 5, 13, 2}, {1, 8, 5, 14, 2}}, {0, 1}};
    const std::vector<float> slopes = {0.7f, -1.3f, 0.4f, 1.1f, -0.2f};
    std::vector<std::vector<float>> scores, gradients;
    for (const bool share : {false, true}) {
      one.shared = share ? 3 : 0;
      other.shared = share ? 2 : 0;
      Batch batch;
      one.pack(batch);
      other.pack(batch);
      EXPECT_EQ(batch.rows(), share ? one.tokens() + other.tokens() : 30);
      RewardHead head(4, 5);
      ForwardOptions keep;
      keep.keep_for_backward = true;
      scores.push_back(head.scores(model, model.forward(batch), batch));
      const Mat hidden = model.forward(batch, keep);
      EXPECT_EQ(head.scores(model, hidden, batch), scores.back());
      model.zero_grads();
      model.backward(batch, head.backward(model, hidden, slopes, slopes));
      gradients.push_back(to_host(*kernels, model.grads().data(), static_cast<int64_t>(model.grads().size())));
    }
    EXPECT_EQ(scores[0], scores[1]) << kernels->name;
    for (size_t i = 0; i < gradients[0].size(); ++i)
      ASSERT_NEAR(gradients[0][i], gradients[1][i], 1e-5 + 1e-4 * std::abs(gradients[0][i]))
          << kernels->name << " " << i;
  }
}

TEST(Reward, WithALikelihoodIsStoredAndReadBack) {
  World& world = World::get();
  RewardOptions options = world.reward_options();
  options.likelihood = 2;
  const StageContext context = world.context("reward-likelihood");
  must(run_reward(context, options));
  RewardModel reward = must(load_reward_model(context.out, *must(best_kernels()), DType::kF32));
  EXPECT_EQ(reward.head.likelihood(), 2);
  const Tokenizer tokenizer = must(Tokenizer::load(context.out));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  const Messages question = {{"user", toy::questions()[1]}};
  const std::vector<std::vector<int32_t>> two = {reward_tokens(chat, question, "It is good.", 48),
                                                 reward_tokens(chat, question, "It is bad.", 48)};
  const auto rewards = rewards_of(reward, two, 1000);
  EXPECT_GT(rewards[0], rewards[1]);
}

TEST(Reward, ResumesInTheSameBytes) {
  World& world = World::get();
  RewardOptions options = world.reward_options();
  options.epochs = 2;
  options.dropout = 0.1;
  options.centre = 0.1;
  options.pretrain_fraction = 0.3;
  options.pretrain_texts = {world.texts()};
  toy::expect_exact_resume("reward-resume", [&](const StageContext& c) { return run_reward(c, options); });
  EXPECT_EQ(must(read_file(world.path("reward-resume-whole/model/reward.json"))),
            must(read_file(world.path("reward-resume-pieces/model/reward.json"))));
}

TEST(Reward, PretrainingTextIsNotForgotten) {
  World& world = World::get();
  const std::vector<std::string> texts = must(read_texts(world.texts()));
  const auto bits = [&](const std::string& name, double fraction) {
    RewardOptions options = world.reward_options();
    options.epochs = 3;
    options.pretrain_fraction = fraction;
    if (fraction > 0) options.pretrain_texts = {world.texts()};
    const StageContext context = world.context(name);
    must(run_reward(context, options));
    RewardModel reward = must(load_reward_model(context.out, *must(best_kernels()), DType::kF32));
    const Tokenizer tokenizer = must(Tokenizer::load(context.out));
    return bits_per_byte(*reward.model, tokenizer, token_stream(tokenizer, texts), 48, 1000);
  };
  EXPECT_LT(bits("reward-mixed", 0.5), bits("reward-unmixed", 0));
}

TEST(Reward, TheCentreBringsPromptsToOneLevel) {
  World& world = World::get();
  const auto spread = [&](const std::string& name, double centre) {
    RewardOptions options = world.reward_options();
    options.epochs = 3;
    options.centre = centre;
    const StageContext context = world.context(name);
    must(run_reward(context, options));
    RewardModel reward = must(load_reward_model(context.out, *must(best_kernels()), DType::kF32));
    const Tokenizer tokenizer = must(Tokenizer::load(context.out));
    const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
    double sum = 0, square = 0;
    const double n = static_cast<double>(toy::questions().size());
    for (const std::string& question : toy::questions()) {
      const std::vector<std::vector<int32_t>> two = {reward_tokens(chat, {{"user", question}}, "It is good.", 48),
                                                     reward_tokens(chat, {{"user", question}}, "It is bad.", 48)};
      const auto rewards = rewards_of(reward, two, 1000);
      const double level = (rewards[0] + rewards[1] - 2 * reward.bias) / 2;
      sum += level, square += level * level;
    }
    return square / n - sum / n * (sum / n);
  };
  EXPECT_LT(spread("reward-centred", 1), 0.5 * spread("reward-level", 0));
}

TEST(Reward, LongPromptsLoseTheirFirstTurnsAndFullOnesAreLeftOut) {
  World& world = World::get();
  const Tokenizer tokenizer = must(Tokenizer::load(world.tokenizer()));
  const ChatTemplate chat = must(ChatTemplate::make(tokenizer));
  const std::string filler(4000, 'q');
  const Messages last = {{"user", toy::questions()[0]}};
  const Messages longer = {{"user", filler}, {"assistant", filler}, last[0]}, full = {{"user", filler}};
  EXPECT_EQ(reward_tokens(chat, longer, "It is good.", 48), reward_tokens(chat, last, "It is good.", 48));
  EXPECT_FALSE(reward_tokens(chat, last, "It is good.", 48).empty());
  EXPECT_TRUE(reward_tokens(chat, full, "It is good.", 48).empty());

  const std::string path = world.path("long-prompts.jsonl");
  const std::vector<RankedResponse> replies = {{"It is good.", 0, 0, {}}, {"It is bad.", 1, 0, {}}};
  must(write_rankings(path, std::vector<Ranking>{{"a", longer, replies}, {"b", full, replies}, {"c", last, replies}}));
  RewardOptions options = world.reward_options();
  options.rankings = {path};
  options.valid_fraction = 0;
  options.epochs = 1;
  StageContext context = world.context("reward-long");
  std::string notes;
  context.on_note = [&](const std::string& line) { notes += line; };
  EXPECT_EQ(must(run_reward(context, options)).figures.at("prompts"), 2);
  EXPECT_NE(notes.find("long-prompts.jsonl: 1 prompt is left out"), std::string::npos) << notes;
}

TEST(Reward, NothingToRankIsAnError) {
  World& world = World::get();
  std::vector<Ranking> tied = {{"t", {{"user", "a"}}, {{"b", 0, 0, {}}, {"c", 0, 0, {}}}}};
  must(write_rankings(world.path("tied.jsonl"), tied));
  RewardOptions options = world.reward_options();
  options.rankings = {world.path("tied.jsonl")};
  const auto result = run_reward(world.context("reward-tied"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().find("not tied"), std::string::npos);
}

}  // namespace
}  // namespace loquat
