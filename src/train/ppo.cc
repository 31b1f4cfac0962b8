// PPO: one iteration is a step of the shared loop (ppo.h).
#include "train/ppo.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "train/advantage.h"
#include "train/batches.h"
#include "train/ema.h"
#include "train/lm_stage.h"
#include "train/ppo_update.h"
#include "train/rollout.h"

namespace loquat {
namespace {

class PpoStage : public Stage {
 public:
  PpoStage(const StageContext& context, const PpoOptions& options)
      : context_(context), options_(options), guards_(options.guard), beta_(options.kl_coefficient) {}

  Status prepare() {
    TRY_STATUS(load_models());
    TRY_STATUS(read_prompts_files());
    TRY_STATUS(prepare_ptx());
    policy_optimizer_ = std::make_unique<Optimizer>(*policy_, options_.training.optimizer_options());
    critic_optimizer_ = std::make_unique<Optimizer>(*critic_.model, options_.training.optimizer_options());
    if (options_.ema > 0) ema_ = std::make_unique<Ema>(*policy_, options_.ema);
    index_ = std::make_unique<ShuffledIndex>(static_cast<int64_t>(prompts_.size()),
                                             mix64(context_.seed ^ hash64("ppo.prompts")));
    schedule_ =
        options_.training.make_schedule(std::max<int64_t>(1, total_steps() - options_.critic_warmup_iterations));
    critic_schedule_ = options_.training.make_schedule(total_steps());
    critic_schedule_.lr = options_.critic_lr;
    update_ =
        std::make_unique<PpoUpdate>(options_, *policy_, critic_, *policy_optimizer_, *critic_optimizer_, ptx_.get());
    if (options_.normalise_rewards) TRY_STATUS(normalise_rewards());
    return {};
  }

  int64_t total_steps() const override { return (options_.episodes + options_.batch - 1) / options_.batch; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    StepResult result;
    std::vector<Episode> episodes = sample(step);
    if (episodes.empty()) return Err("ppo: no reply could be sampled: do the prompts leave room in the context?");
    for (const Episode& e : episodes) result.tokens += e.reply();
    ScoringOptions scoring{options_.temperature, options_.unended_score, options_.training.micro_tokens};
    Judges judges{reference_.get(), &reward_, &critic_, held_out_.model != nullptr ? &held_out_ : nullptr};
    result.tokens += score_episodes(episodes, judges, scoring);
    if (options_.shuffle_rewards) shuffle(episodes, step);
    describe(episodes, result);
    if (context_.on_rollout) show(episodes, step, result);
    if (!has_first_) {
      has_first_ = true;
      first_reward_ = result.metrics["reward"];
    }
    prepare_advantages(episodes);

    PpoRates rates;
    // The policy's warm-up begins when its training does.
    rates.train_policy = step >= options_.critic_warmup_iterations;
    rates.policy = rates.train_policy ? schedule_.at(step - options_.critic_warmup_iterations) * lr_scale : 0;
    rates.critic = critic_schedule_.at(step) * lr_scale;
    TRY_STATUS(update_->run(episodes, step, mix64(context_.seed ^ hash64("ppo.minibatches")), rates, result));
    if (ema_) ema_->update(*policy_);
    result.metrics["lr"] = rates.policy;
    result.metrics["kl_coefficient"] = beta_;
    if (options_.adaptive_kl && rates.train_policy) {
      beta_ = adapted_kl_coefficient(beta_, result.metrics["kl"], options_.kl_target,
                                     static_cast<int64_t>(episodes.size()), options_.kl_horizon);
    }
    if (rates.train_policy) watch(result, episodes);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, *policy_, *policy_optimizer_, "policy");
    save_training(state, *critic_.model, *critic_optimizer_, "critic");
    if (ema_) ema_->save(state, "ema");
    guards_.save(state);
    state.texts["ppo"] = fmt::format("{:a} {} {} {:a} {}", beta_, index_->cursor(), update_->ptx_windows(),
                                     first_reward_, has_first_ ? 1 : 0);
    save_means(state, means_);
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, *policy_, *policy_optimizer_, "policy"));
    TRY_STATUS(load_training(state, *critic_.model, *critic_optimizer_, "critic"));
    if (ema_) TRY_STATUS(ema_->load(state, "ema"));
    TRY_STATUS(guards_.load(state));
    const auto found = state.texts.find("ppo");
    long long cursor = 0, windows = 0;
    int has_first = 0;
    if (found == state.texts.end() || std::sscanf(found->second.c_str(), "%la %lld %lld %la %d", &beta_, &cursor,
                                                  &windows, &first_reward_, &has_first) != 5) {
      return Err("the checkpoint lacks the state of ppo");
    }
    has_first_ = has_first != 0;
    index_->seek(cursor);
    update_->set_ptx_windows(windows);
    return load_means(state, means_);
  }

  Status finish(const std::string& out, StageReport& report) override {
    for (const auto& [name, mean] : means_) report.figures[name] = mean.value();
    report.figures["first_reward"] = first_reward_;
    report.figures["kl_coefficient"] = beta_;
    report.figures["reward_mean_of_reference"] = moments_.mean;
    report.figures["reward_std_of_reference"] = moments_.deviation;
    if (ema_) ema_->copy_to(*policy_);
    return write_model_folder(*policy_, *tokenizer_, out);
  }

 private:
  Status load_models() {
    TRY(models_, StageModels::make(*context_.kernels, context_.compute, context_.seed, options_.lora));
    LoadOptions load = models_.load_options();
    TRY(reference_,
        load_model(options_.reference.empty() ? options_.policy : options_.reference, *context_.kernels, load));
    TRY(reward_, load_reward_model(options_.reward, *context_.kernels, load));
    if (!options_.held_out_reward.empty()) {
      TRY(held_out_, load_reward_model(options_.held_out_reward, *context_.kernels, load));
    }
    load.with_gradients = true;
    TRY(policy_, load_model(options_.policy, *context_.kernels, load));
    TRY(critic_,
        load_reward_model(options_.critic.empty() ? options_.reward : options_.critic, *context_.kernels, load));
    TRY(Tokenizer tokenizer, Tokenizer::load(options_.policy));
    tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
    context_length_ = policy_->config().max_positions;
    for (const Model* m : {reference_.get(), reward_.model.get(), critic_.model.get(), held_out_.model.get()}) {
      if (m == nullptr) continue;
      if (m->config().vocab_size != policy_->config().vocab_size) {
        return Err("the models differ in vocabulary: {} and {}; they must share one tokenizer", m->config().vocab_size,
                   policy_->config().vocab_size);
      }
      context_length_ = std::min(context_length_, m->config().max_positions);
    }
    return {};
  }

  Status read_prompts_files() {
    TRY(const ChatTemplate chat, ChatTemplate::make(*tokenizer_));
    end_of_turn_ = chat.end_of_turn();
    const int64_t longest = std::min(options_.max_prompt_tokens, context_length_ - 1);
    for (const std::string& path : options_.prompts) {
      TRY(const std::vector<Messages> items, read_prompts(path));
      for (const Messages& item : items) {
        TRY(std::vector<int32_t> tokens, chat.prompt(item));
        if (static_cast<int64_t>(tokens.size()) <= longest) prompts_.push_back(std::move(tokens));
      }
    }
    if (prompts_.empty()) return Err("prompts: none of at most {} tokens", longest);
    return {};
  }

  Status prepare_ptx() {
    if (options_.ptx_coefficient <= 0 || options_.ptx_per_episode <= 0) return {};
    std::vector<std::string> texts;
    for (const std::string& path : options_.pretrain_texts) {
      TRY(std::vector<std::string> more, read_texts(path));
      for (std::string& text : more) texts.push_back(std::move(text));
    }
    stream_ = token_stream(*tokenizer_, texts);
    int64_t length = options_.ptx_length > 0 ? std::min(options_.ptx_length, policy_->config().max_positions)
                                             : policy_->config().max_positions;
    length = std::min(length, static_cast<int64_t>(stream_.size()));
    if (length < 2)
      return Err("pretrain_texts: found no text; expected some for ptx_coefficient = {}, or ptx_coefficient = 0",
                 options_.ptx_coefficient);
    ptx_ = std::make_unique<StreamSampler>(&stream_, length, mix64(context_.seed ^ hash64("ppo.ptx")));
    return {};
  }

  // Follows from the seed and the first prompts alone, so that it comes out the same after a resume.
  Status normalise_rewards() {
    std::vector<const std::vector<int32_t>*> prompts;
    std::vector<uint64_t> seeds;
    ShuffledIndex order(static_cast<int64_t>(prompts_.size()), mix64(context_.seed ^ hash64("ppo.normalise")));
    const int64_t count = std::max<int64_t>(2, std::min<int64_t>(512, options_.batch));
    for (int64_t i = 0; i < count; ++i) {
      prompts.push_back(&prompts_[static_cast<size_t>(order.next())]);
      seeds.push_back(mix64(hash64("ppo.normalise.seed", context_.seed) ^ mix64(static_cast<uint64_t>(i))));
    }
    auto episodes = sample_episodes(*reference_, prompts, seeds, sampling());
    Judges judges;
    judges.reward = &reward_;
    judges.held_out = held_out_.model != nullptr ? &held_out_ : nullptr;
    score_episodes(episodes, judges, {options_.temperature, options_.unended_score, options_.training.micro_tokens});
    moments_ = moments_of(episodes, &Episode::score);
    const RewardMoments held_out = moments_of(episodes, &Episode::held_out);
    for (RewardModel* model : {&reward_, &critic_, &held_out_}) {
      const RewardMoments& moments = model == &held_out_ ? held_out : moments_;
      // ((s + bias) scale - mean) / deviation, for both by the same numbers: the critic predicts the normalised reward.
      model->bias -= moments.mean / model->scale;
      model->scale /= moments.deviation;
    }
    return {};
  }

  RolloutSampling sampling() const {
    return {options_.temperature, options_.max_reply_tokens, end_of_turn_, options_.sample_batch};
  }

  std::vector<Episode> sample(int64_t step) {
    std::vector<const std::vector<int32_t>*> prompts;
    std::vector<uint64_t> seeds;
    const uint64_t seed = hash64("ppo.sample", context_.seed) ^ mix64(static_cast<uint64_t>(step));
    for (int64_t i = 0; i < options_.batch; ++i) {
      prompts.push_back(&prompts_[static_cast<size_t>(index_->next())]);
      seeds.push_back(mix64(seed ^ mix64(static_cast<uint64_t>(i) + 1)));
    }
    std::vector<Episode> episodes = sample_episodes(*policy_, prompts, seeds, sampling());
    std::erase_if(episodes, [](const Episode& e) { return e.reply() == 0; });
    return episodes;
  }

  void shuffle(std::vector<Episode>& episodes, int64_t step) const {
    std::vector<float> scores;
    for (const Episode& e : episodes) scores.push_back(e.score);
    Rng(mix64(context_.seed ^ mix64(static_cast<uint64_t>(step))), "ppo.shuffle").shuffle(scores);
    true_scores_.clear();
    for (size_t i = 0; i < episodes.size(); ++i) {
      true_scores_.push_back(episodes[i].score);
      episodes[i].score = scores[i];
    }
  }

  void describe(const std::vector<Episode>& episodes, StepResult& result) const {
    double reward = 0, score = 0, kl = 0, length = 0, ended = 0, held_out = 0;
    for (size_t i = 0; i < episodes.size(); ++i) {
      const Episode& e = episodes[i];
      double episode_kl = 0;
      for (size_t t = 0; t < e.logprob.size(); ++t) episode_kl += static_cast<double>(e.logprob[t]) - e.reference[t];
      const float own = options_.shuffle_rewards ? true_scores_[i] : e.score;
      reward += own;
      score += own - beta_ * episode_kl;
      kl += episode_kl;
      length += static_cast<double>(e.reply());
      ended += e.ended ? 1 : 0;
      held_out += e.held_out;
    }
    const auto n = static_cast<double>(episodes.size());
    result.metrics["reward"] = reward / n;
    result.metrics["reward_with_kl"] = score / n;
    result.metrics["kl"] = kl / n;
    result.metrics["kl_per_token"] = kl / length;
    result.metrics["length"] = length / n;
    result.metrics["ended"] = ended / n;
    if (held_out_.model != nullptr) result.metrics["held_out_reward"] = held_out / n;
  }

  void show(const std::vector<Episode>& episodes, int64_t step, StepResult& result) const {
    std::vector<RolloutSample> samples;
    for (const Episode& e : episodes) {
      const std::span<const int32_t> tokens(e.tokens);
      samples.push_back(
          {tokenizer_->decode(tokens.first(e.prompt)), tokenizer_->decode(tokens.subspan(e.prompt), true), e.ended});
    }
    context_.on_rollout(step, result.metrics["kl"], result.metrics["reward"], samples);
  }

  void prepare_advantages(std::vector<Episode>& episodes) const {
    std::vector<std::span<float>> rewards, advantages;
    for (Episode& e : episodes) {
      const auto n = static_cast<size_t>(e.reply());
      e.reward.resize(n);
      e.advantage.resize(n);
      e.returns.resize(n);
      token_rewards(e.logprob, e.reference, e.score, beta_, e.reward);
      rewards.push_back(e.reward);
      advantages.push_back(e.advantage);
    }
    if (options_.whiten_rewards) whiten(rewards, false);
    for (Episode& e : episodes) {
      estimate_advantages(e.reward, e.value, options_.gamma, options_.lambda, e.advantage, e.returns);
    }
    if (options_.whiten_advantages) whiten(advantages, true);
  }

  void watch(StepResult& result, const std::vector<Episode>& episodes) {
    auto& m = result.metrics;
    for (const char* name : {"reward", "kl", "length", "ended", "entropy", "clip_fraction", "value_loss",
                             "explained_variance", "held_out_reward", "ptx_loss"}) {
      const auto found = m.find(name);
      if (found != m.end() && std::isfinite(found->second)) means_[name].add(found->second);
    }
    IterationFigures figures{m["kl"], m["length"], m["ended"], m["entropy"], m["reward"], std::nullopt};
    if (held_out_.model != nullptr) {
      figures.held_out = m["held_out_reward"];
      figures.held_out_deviation = moments_of(episodes, &Episode::held_out).deviation;
    }
    result.trip = guards_.watch(figures);
    result.suspicious = guards_.suspicious();
  }

  const StageContext& context_;
  const PpoOptions& options_;
  PpoGuards guards_;
  double beta_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> policy_, reference_;
  RewardModel reward_, critic_, held_out_;
  std::unique_ptr<Optimizer> policy_optimizer_, critic_optimizer_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<ShuffledIndex> index_;
  std::unique_ptr<StreamSampler> ptx_;
  std::unique_ptr<PpoUpdate> update_;
  std::vector<int32_t> stream_;
  std::vector<std::vector<int32_t>> prompts_;
  mutable std::vector<float> true_scores_;  // beside shuffled ones
  std::map<std::string, RunningMean> means_;
  Schedule schedule_, critic_schedule_;
  RewardMoments moments_;
  int64_t context_length_ = 0;
  int32_t end_of_turn_ = -1;
  double first_reward_ = 0;
  bool has_first_ = false;
};

}  // namespace

TrainingOptions PpoOptions::defaults() {
  TrainingOptions training;
  training.lr = 8e-6;  // not published; above 8.05e-6 runs without ptx diverged
  training.schedule = "constant";
  training.warmup_steps = 10;
  training.warmup_from = 0.1;
  training.eps = 1e-5;
  return training;
}

PpoOptions PpoOptions::instructgpt() {
  return {};
}

Result<PpoOptions> PpoOptions::read(Settings& settings) {
  return read_options(settings, PpoOptions{});
}

Result<StageReport> run_ppo(const StageContext& given, const PpoOptions& options) {
  StageContext context = given;
  if (options.checkpoint_iterations > 0) {
    context.checkpoint_every = std::min(context.checkpoint_every, options.checkpoint_iterations);
  }
  if (options.policy.empty() || options.reward.empty()) return Err("ppo: policy and reward: expected models' folders");
  // The sampler's log-probabilities are those of the first update, bit for bit: dropout would part them.
  if (options.lora.rank > 0 && options.lora.dropout > 0)
    return Err("ppo: lora_dropout = {}: expected 0, since PPO samples from the policy that it trains",
               options.lora.dropout);
  StageHash hash("ppo", context);
  hash.add("options", canonical_options(options));
  for (const std::string& folder :
       {options.policy, options.reference, options.reward, options.critic, options.held_out_reward}) {
    hash.add("model", folder.empty() ? "none" : "");
    if (!folder.empty()) TRY_STATUS(hash.add_model(folder));
  }
  TRY_STATUS(hash.add_files(options.prompts));
  TRY_STATUS(hash.add_files(options.pretrain_texts));
  const StageIdentity identity{"ppo", hash.hex(), options.guard.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<PpoStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
