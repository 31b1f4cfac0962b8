// One iteration of PPO as recipes/town.toml has it, from the functions that the stage is made of: replies sampled,
// scored by reference, critic and reward model, then the updates of policy (with pretraining text) and critic.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "measure/bench.h"
#include "measure/noise.h"
#include "train/advantage.h"
#include "train/ppo_update.h"

namespace loquat::measure {
namespace {

constexpr int64_t kEpisodes = 512;
constexpr int64_t kShortestPrompt = 30, kLongestPrompt = 50;
constexpr int64_t kReply = 48;
constexpr double kLikelihood = 10;
constexpr int64_t kStreamWindows = 64;  // of pretraining text

PpoOptions town_options(int64_t episodes, int64_t reply, int64_t context) {
  PpoOptions options;
  options.batch = episodes;
  options.minibatch = std::min<int64_t>(64, episodes);
  options.max_reply_tokens = reply;
  options.ptx_coefficient = 0.5;
  options.ptx_per_episode = 0.125;
  options.ptx_length = std::min<int64_t>(256, context);
  options.kl_coefficient = 0.4;
  options.unended_score = -3;
  options.clip_value = 1;
  options.critic_lr = 1e-5;  // the weights are random: nothing is to be learnt
  options.training.lr = 1e-5;
  options.training.micro_tokens = 2048;
  return options;
}

class Iteration {
 public:
  explicit Iteration(Recorder& recorder);

  void roll_out();
  void score();
  void update();
  const Status& status() const { return status_; }
  // Of the last iteration.
  void add_lines(Recorder& recorder, const std::vector<Timing>& timings) const;

 private:
  std::unique_ptr<Model> make(Recorder& recorder, HeadKind head, bool gradients, uint64_t seed);
  void prepare_advantages();
  Work rollout_work() const;
  Work scoring_work() const;
  Work update_work() const;
  // Of all episodes, through one model; `head`: the reply's tokens are scored by the vocabulary.
  std::vector<Pass> passes(bool head) const;
  double micro_batches(double tokens) const;

  ModelConfig config_;
  DType compute_;
  int64_t prompt_low_, prompt_high_, reply_;
  PpoOptions options_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<int32_t> stream_;
  int64_t lora_;                       // rank; 0: four whole models
  WeightType weights_;                 // of the base
  std::shared_ptr<const Model> base_;  // of all four, under lora_
  std::unique_ptr<Model> policy_, reference_;
  RewardModel reward_, critic_;
  std::unique_ptr<Optimizer> policy_optimizer_, critic_optimizer_;
  std::unique_ptr<StreamSampler> ptx_;
  std::unique_ptr<PpoUpdate> update_;
  std::vector<Episode> episodes_;
  int64_t done_ = 0;
  uint64_t seed_;
  Status status_;
};

Iteration::Iteration(Recorder& recorder)
    : config_(recorder.options().config),
      compute_(recorder.options().compute),
      prompt_low_(std::min(kShortestPrompt, config_.max_positions / 3)),
      prompt_high_(std::min(kLongestPrompt, config_.max_positions / 2)),
      reply_(std::min(kReply, config_.max_positions - prompt_high_)),
      options_(town_options(recorder.options().batch > 0 ? recorder.options().batch : kEpisodes, reply_,
                            config_.max_positions)),
      lora_(recorder.options().lora),
      weights_(recorder.options().weights),
      seed_(recorder.options().seed) {
  const auto assistant = static_cast<int32_t>(config_.vocab_size - 1);
  Rng rng(seed_, "measure.ppo");
  for (int64_t i = 0; i < options_.batch; ++i) {
    prompts_.push_back(random_tokens(rng, rng.between(prompt_low_, prompt_high_), config_.vocab_size - 1));
    prompts_.back().back() = assistant;
  }
  stream_ = random_tokens(rng, kStreamWindows * options_.ptx_length, config_.vocab_size);
  if (lora_ > 0) {
    base_ = random_base(config_, recorder.kernels(), compute_, weights_, seed_);
    recorder.count_model(*base_, 0, 0);
  }
  policy_ = make(recorder, HeadKind::kLanguage, true, seed_);
  policy_optimizer_ = std::make_unique<Optimizer>(*policy_, options_.training.optimizer_options());
  reference_ = make(recorder, HeadKind::kLanguage, false, seed_ + 1);
  reward_.model = make(recorder, HeadKind::kScore, false, seed_ + 2);
  if (config_.tie_embeddings) reward_.head = RewardHead(kLikelihood, assistant);
  critic_.model = make(recorder, HeadKind::kScore, true, seed_ + 3);
  critic_optimizer_ = std::make_unique<Optimizer>(*critic_.model, options_.training.optimizer_options());
  ptx_ = std::make_unique<StreamSampler>(&stream_, options_.ptx_length, seed_);
  update_ =
      std::make_unique<PpoUpdate>(options_, *policy_, critic_, *policy_optimizer_, *critic_optimizer_, ptx_.get());
  // AdamW holds two moments of each parameter.
  recorder.memory().moments = 2 * recorder.memory().gradients;
}

std::unique_ptr<Model> Iteration::make(Recorder& recorder, HeadKind head, bool gradients, uint64_t seed) {
  ModelConfig config = config_;
  config.head = head;
  const int64_t before = recorder.held();
  const bool reference = head == HeadKind::kLanguage && !gradients;  // the base itself
  auto model = lora_ > 0 ? random_adapter(base_, reference ? 0 : lora_, head, gradients, seed)
                         : random_model(config, recorder.kernels(), compute_, gradients, seed);
  recorder.count_model(*model, before, 0);
  return model;
}

void Iteration::roll_out() {
  std::vector<const std::vector<int32_t>*> prompts;
  std::vector<uint64_t> seeds;
  for (size_t i = 0; i < prompts_.size(); ++i) {
    prompts.push_back(&prompts_[i]);
    seeds.push_back(mix64(seed_ ^ mix64(static_cast<uint64_t>(done_) * prompts_.size() + i)));
  }
  RolloutSampling sampling;
  sampling.max_reply_tokens = reply_;
  sampling.end_of_turn = static_cast<int32_t>(config_.vocab_size - 2);
  sampling.batch = options_.sample_batch;
  episodes_ = sample_episodes(*policy_, prompts, seeds, sampling);
}

void Iteration::score() {
  Judges judges;
  judges.reference = reference_.get();
  judges.reward = &reward_;
  judges.critic = &critic_;
  score_episodes(episodes_, judges, {options_.temperature, options_.unended_score, options_.training.micro_tokens});
  prepare_advantages();
}

void Iteration::prepare_advantages() {
  std::vector<std::span<float>> advantages;
  for (Episode& e : episodes_) {
    const auto n = static_cast<size_t>(e.reply());
    e.reward.resize(n);
    e.advantage.resize(n);
    e.returns.resize(n);
    token_rewards(e.logprob, e.reference, e.score, options_.kl_coefficient, e.reward);
    estimate_advantages(e.reward, e.value, options_.gamma, options_.lambda, e.advantage, e.returns);
    advantages.push_back(e.advantage);
  }
  whiten(advantages, true);
}

void Iteration::update() {
  StepResult result;
  const PpoRates rates{options_.training.lr, options_.critic_lr, true};
  const Status status = update_->run(episodes_, done_++, seed_, rates, result);
  if (status_.ok()) status_ = status;
}

std::vector<Pass> Iteration::passes(bool head) const {
  std::vector<Pass> passes;
  for (const Episode& e : episodes_) passes.push_back({0, static_cast<int64_t>(e.tokens.size()), head ? e.reply() : 0});
  return passes;
}

double Iteration::micro_batches(double tokens) const {
  return std::max(1.0, tokens / static_cast<double>(options_.training.micro_tokens));
}

// The last token of a reply is sampled, and not computed on. Weights are read in each step, of which there are at least
// as many as full batches have.
Work Iteration::rollout_work() const {
  Work work;
  double sampled = 0;
  for (const Episode& e : episodes_) {
    work.operations += forward_operations(config_, {0, static_cast<int64_t>(e.tokens.size()) - 1, e.reply()});
    const double written = static_cast<double>(e.tokens.size()) - 1;
    const double read = attended_keys({e.prompt, e.reply() - 1, 0});
    work.bytes += cache_bytes(config_, compute_, written + read);
    sampled += static_cast<double>(e.reply());
  }
  const double at_once = static_cast<double>(std::min<int64_t>(options_.sample_batch, options_.batch));
  const double weights = weight_bytes(config_, compute_, true);
  work.bytes += weights * sampled / at_once;
  work.working_set = weights + cache_bytes(config_, compute_, at_once * static_cast<double>(prompt_high_ + reply_));
  return work;
}

Work Iteration::scoring_work() const {
  Work work = forward_work(config_, compute_, passes(true), false);  // the reference
  work += forward_work(config_, compute_, passes(false), false);     // the critic
  work += forward_work(config_, compute_, passes(reward_.head.likelihood() > 0), false);
  double tokens = 0;
  for (const Episode& e : episodes_) tokens += static_cast<double>(e.tokens.size());
  work.bytes *= micro_batches(tokens);  // each reads the weights again
  work.working_set = 3 * weight_bytes(config_, compute_, true);
  return work;
}

Work Iteration::update_work() const {
  const auto episodes = static_cast<double>(episodes_.size());
  const double minibatches = std::ceil(episodes / static_cast<double>(options_.minibatch));
  double tokens = 0;
  for (const Episode& e : episodes_) tokens += static_cast<double>(e.tokens.size());
  const auto micro = static_cast<int64_t>(minibatches * std::ceil(micro_batches(tokens / minibatches)));
  const auto training = [&](const std::vector<Pass>& passes, int64_t count) {
    return lora_ > 0 ? lora_train_work(config_, compute_, weights_, lora_, passes, count)
                     : train_work(config_, compute_, passes, count);
  };
  Work work = training(passes(true), micro);
  work += training(passes(false), micro);
  const auto windows = static_cast<size_t>(
      std::max(1.0, std::round(options_.ptx_per_episode * static_cast<double>(options_.minibatch))) * minibatches);
  const std::vector<Pass> text(windows, Pass{0, options_.ptx_length - 1, options_.ptx_length - 1});
  work += training(text, static_cast<int64_t>(minibatches));
  Work steps = lora_ > 0 ? lora_optimizer_work(config_, compute_, lora_) : optimizer_work(config_, compute_);
  steps.operations *= 2 * minibatches;
  steps.bytes *= 2 * minibatches;
  work += steps;
  return work;
}

void Iteration::add_lines(Recorder& recorder, const std::vector<Timing>& timings) const {
  double replies = 0, tokens = 0;
  for (const Episode& e : episodes_) {
    replies += static_cast<double>(e.reply());
    tokens += static_cast<double>(e.tokens.size());
  }
  const std::string shape = fmt::format("{} episodes", episodes_.size());
  Work all = rollout_work();
  all += scoring_work();
  all += update_work();
  Line line;
  line.name = "iteration";
  line.shape = shape;
  line.work = all;
  line.tokens = tokens;
  line.timing = timings[3];
  line.figure = static_cast<double>(episodes_.size()) / line.timing.seconds;
  line.unit = "episodes/s";
  recorder.add(line);
  recorder.add_tokens("rollout, of the replies", shape, replies, rollout_work(), timings[0]);
  recorder.add_tokens("scoring, by three models", shape, tokens, scoring_work(), timings[1]);
  recorder.add_tokens("update, policy and critic", shape, tokens, update_work(), timings[2]);
}

}  // namespace

Status bench_ppo(Recorder& recorder) {
  const BenchOptions& options = recorder.options();
  if (options.config.max_positions < 16 || options.config.vocab_size < 8)
    return Err("ppo: a context of {} tokens and {} words are too few", options.config.max_positions,
               options.config.vocab_size);
  const double models = options.lora > 0 ? base_bytes(options)
                                         : 2 * model_bytes(options.config, options.compute, true) +
                                               2 * model_bytes(options.config, options.compute, false);
  TRY_STATUS(check_memory(recorder.kernels(), models, fmt::format("PPO with four models of {}", options.params)));
  Iteration iteration(recorder);
  const auto timings = recorder.watch().repeat_parts(
      {[&] { iteration.roll_out(); }, [&] { iteration.score(); }, [&] { iteration.update(); }});
  TRY_STATUS(iteration.status());
  iteration.add_lines(recorder, timings);
  return {};
}

}  // namespace loquat::measure
