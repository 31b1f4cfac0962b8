// PPO: one iteration is a step of the shared loop (ppo.h).
#include "train/ppo.h"

#include <algorithm>
#include <cstdio>

#include "train/advantage.h"
#include "train/batches.h"
#include "train/ema.h"
#include "train/needed.h"
#include "train/ppo_update.h"

namespace loquat {
namespace {

class PpoStage : public Stage {
 public:
  PpoStage(const StageContext& context, const PpoOptions& options)
      : context_(context), options_(options), on_policy_(context, options, "ppo"), beta_(options.kl_coefficient) {}

  Status prepare() {
    TRY_STATUS(on_policy_.load_models(options_.critic.empty() ? options_.reward : options_.critic));
    TRY_STATUS(on_policy_.read_prompts());
    TRY_STATUS(prepare_ptx());
    Model& policy = on_policy_.policy();
    RewardModel& critic = on_policy_.critic();
    policy_optimizer_ = std::make_unique<Optimizer>(policy, options_.training.optimizer_options());
    critic_optimizer_ = std::make_unique<Optimizer>(*critic.model, options_.training.optimizer_options());
    if (options_.ema > 0) ema_ = std::make_unique<Ema>(policy, options_.ema);
    schedule_ =
        options_.training.make_schedule(std::max<int64_t>(1, total_steps() - options_.critic_warmup_iterations));
    critic_schedule_ = options_.training.make_schedule(total_steps());
    critic_schedule_.lr = options_.critic_lr;
    update_ = std::make_unique<PpoUpdate>(options_, policy, critic, *policy_optimizer_, *critic_optimizer_, ptx_.get());
    if (options_.normalise_rewards) normalise_rewards();
    return {};
  }

  int64_t total_steps() const override { return (options_.episodes + options_.batch - 1) / options_.batch; }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    StepResult result;
    std::vector<Episode> episodes = on_policy_.sample(step, options_.batch, 1);
    std::erase_if(episodes, [](const Episode& e) { return e.reply() == 0; });
    if (episodes.empty()) return Err("ppo: no reply could be sampled: do the prompts leave room in the context?");
    for (const Episode& e : episodes) result.tokens += e.reply();
    result.tokens += on_policy_.score(episodes);
    on_policy_.describe(episodes, step, result);
    result.metrics["reward_with_kl"] = result.metrics["reward"] - beta_ * result.metrics["kl"];
    on_policy_.shuffle_scores(episodes, step);
    prepare_advantages(episodes);

    PpoRates rates;
    // The policy's warm-up begins when its training does.
    rates.train_policy = step >= options_.critic_warmup_iterations;
    rates.policy = rates.train_policy ? schedule_.at(step - options_.critic_warmup_iterations) * lr_scale : 0;
    rates.critic = critic_schedule_.at(step) * lr_scale;
    TRY_STATUS(update_->run(episodes, step, mix64(context_.seed ^ hash64("ppo.minibatches")), rates, result));
    if (ema_) ema_->update(on_policy_.policy());
    result.metrics["lr"] = rates.policy;
    result.metrics["kl_coefficient"] = beta_;
    if (options_.adaptive_kl && rates.train_policy) {
      beta_ = adapted_kl_coefficient(beta_, result.metrics["kl"], options_.kl_target,
                                     static_cast<int64_t>(episodes.size()), options_.kl_horizon);
    }
    if (rates.train_policy) on_policy_.watch(episodes, result);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, on_policy_.policy(), *policy_optimizer_, "policy");
    save_training(state, *on_policy_.critic().model, *critic_optimizer_, "critic");
    if (ema_) ema_->save(state, "ema");
    on_policy_.save(state);
    state.texts["ppo"] = fmt::format("{:a} {}", beta_, update_->ptx_windows());
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, on_policy_.policy(), *policy_optimizer_, "policy"));
    TRY_STATUS(load_training(state, *on_policy_.critic().model, *critic_optimizer_, "critic"));
    if (ema_) TRY_STATUS(ema_->load(state, "ema"));
    TRY_STATUS(on_policy_.load(state));
    const auto found = state.texts.find("ppo");
    long long windows = 0;
    if (found == state.texts.end() || std::sscanf(found->second.c_str(), "%la %lld", &beta_, &windows) != 2)
      return Err("the checkpoint lacks the state of ppo");
    update_->set_ptx_windows(windows);
    return {};
  }

  Status finish(const std::string& out, StageReport& report) override {
    if (ema_) ema_->copy_to(on_policy_.policy());
    TRY_STATUS(on_policy_.finish(out, report));
    report.figures["kl_coefficient"] = beta_;
    report.figures["reward_mean_of_reference"] = moments_.mean;
    report.figures["reward_std_of_reference"] = moments_.deviation;
    return {};
  }

 private:
  Status prepare_ptx() {
    if (options_.ptx_coefficient <= 0 || options_.ptx_per_episode <= 0) return {};
    std::vector<std::string> texts;
    for (const std::string& path : options_.pretrain_texts) {
      TRY(std::vector<std::string> more, read_texts(path));
      for (std::string& text : more) texts.push_back(std::move(text));
    }
    stream_ = token_stream(on_policy_.tokenizer(), texts);
    const int64_t positions = on_policy_.policy().config().max_positions;
    int64_t length = options_.ptx_length > 0 ? std::min(options_.ptx_length, positions) : positions;
    length = std::min(length, static_cast<int64_t>(stream_.size()));
    if (length < 2)
      return Err("pretrain_texts: found no text; expected some for ptx_coefficient = {}, or ptx_coefficient = 0",
                 options_.ptx_coefficient);
    ptx_ = std::make_unique<StreamSampler>(&stream_, length, mix64(context_.seed ^ hash64("ppo.ptx")));
    return {};
  }

  // Follows from the seed and the first prompts alone, so that it comes out the same after a resume.
  void normalise_rewards() {
    const auto& all = on_policy_.prompts();
    std::vector<const std::vector<int32_t>*> prompts;
    std::vector<uint64_t> seeds;
    ShuffledIndex order(static_cast<int64_t>(all.size()), mix64(context_.seed ^ hash64("ppo.normalise")));
    const int64_t count = std::max<int64_t>(2, std::min<int64_t>(512, options_.batch));
    for (int64_t i = 0; i < count; ++i) {
      prompts.push_back(&all[static_cast<size_t>(order.next())]);
      seeds.push_back(mix64(hash64("ppo.normalise.seed", context_.seed) ^ mix64(static_cast<uint64_t>(i))));
    }
    auto episodes = sample_episodes(on_policy_.reference(), prompts, seeds, on_policy_.sampling());
    score_episodes(episodes, {.reward = &on_policy_.reward(), .held_out = on_policy_.held_out()}, on_policy_.scoring());
    // ((s + bias) scale - mean) / deviation, for both by the same numbers: the critic predicts the normalised reward.
    const auto normalise = [](RewardModel& model, const RewardMoments& moments) {
      model.bias -= moments.mean / model.scale;
      model.scale /= moments.deviation;
    };
    moments_ = moments_of(episodes, &Episode::score);
    normalise(on_policy_.reward(), moments_);
    normalise(on_policy_.critic(), moments_);
    if (RewardModel* held_out = on_policy_.held_out()) normalise(*held_out, moments_of(episodes, &Episode::held_out));
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

  const StageContext& context_;
  const PpoOptions& options_;
  OnPolicy on_policy_;
  double beta_;
  std::unique_ptr<Optimizer> policy_optimizer_, critic_optimizer_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<StreamSampler> ptx_;
  std::unique_ptr<PpoUpdate> update_;
  std::vector<int32_t> stream_;
  Schedule schedule_, critic_schedule_;
  RewardMoments moments_;
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

Result<StageReport> run_ppo(const StageContext& context, const PpoOptions& options) {
  TRY_STATUS(need_model("ppo", "policy", options.policy));
  TRY_STATUS(need_model("ppo", "reward", options.reward));
  TRY_STATUS(need_data("ppo", "prompts", options.prompts));
  const OnPolicyRun run{
      .name = "ppo",
      .settings = canonical_options(options),
      .models = {options.policy, options.reference, options.reward, options.critic, options.held_out_reward},
      .files = options.pretrain_texts};
  return run_on_policy(context, options, run, [&](const StageContext& within) -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<PpoStage>(within, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
