// Proximal policy optimisation against a reward model, as InstructGPT did it (section 3.5 and appendix C.4): rewards
// with a KL penalty per token, a critic that starts as the reward model, clipped updates, pretraining gradients mixed
// in (PPO-ptx), an average of the weights. The defaults are the paper's where it says; where it is silent the comment
// says so.
#pragma once

#include <string>
#include <vector>

#include "train/on_policy.h"

namespace loquat {

struct PpoOptions : OnPolicyOptions {
  PpoOptions() { training = defaults(); }

  std::string critic;                       // empty: the reward model's folder
  std::vector<std::string> pretrain_texts;  // for ptx

  int64_t episodes = 256000;
  int64_t batch = 512;     // episodes an iteration
  int64_t minibatch = 64;  // episodes an update
  int64_t inner_epochs = 1;
  double kl_coefficient = 0.02;
  bool adaptive_kl = false;
  double kl_target = 6;       // nats a reply
  double kl_horizon = 10000;  // episodes
  double gamma = 1;
  double lambda = 0.95;  // not published
  bool whiten_advantages = true;
  bool whiten_rewards = false;
  double clip_ratio = 0.2;
  double clip_value = 0.2;
  double value_coefficient = 0.1;
  double ptx_coefficient = 27.8;   // times the mean loss of a pretraining token; 0: no ptx
  double ptx_per_episode = 8;      // windows of pretraining text for each episode
  int64_t ptx_length = 0;          // tokens of a window; 0: the context
  double ema = 0.992;              // per iteration; the average is what OUT gets. 0: the last weights
  bool normalise_rewards = false;  // to mean 0 and standard deviation 1 under the reference's samples
  double critic_lr = 9e-6;
  int64_t critic_warmup_iterations = 0;  // iterations in which the critic alone is trained

  static TrainingOptions defaults();  // of the policy
  static PpoOptions instructgpt();
  static Result<PpoOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("reference", reference);
    v("reward", reward);
    v("critic", critic);
    v("held_out_reward", held_out_reward);
    v("prompts", prompts);
    v("pretrain_texts", pretrain_texts);
    v("checkpoint_iterations", checkpoint_iterations, int64_t{0}, int64_t{1} << 40);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("episodes", episodes, int64_t{1}, kBig);
    v("batch", batch, int64_t{1}, kBig);
    v("minibatch", minibatch, int64_t{1}, kBig);
    v("inner_epochs", inner_epochs, int64_t{1}, int64_t{1000});
    v("max_reply_tokens", max_reply_tokens, int64_t{1}, kBig);
    v("max_prompt_tokens", max_prompt_tokens, int64_t{1}, kBig);
    v("temperature", temperature, 1e-3, 100.0);
    v("kl_coefficient", kl_coefficient, 0.0, 1e6);
    v("adaptive_kl", adaptive_kl);
    v("kl_target", kl_target, 1e-6, 1e6);
    v("kl_horizon", kl_horizon, 1.0, 1e12);
    v("gamma", gamma, 0.0, 1.0);
    v("lambda", lambda, 0.0, 1.0);
    v("whiten_advantages", whiten_advantages);
    v("whiten_rewards", whiten_rewards);
    v("clip_ratio", clip_ratio, 1e-6, 1e6);
    v("clip_value", clip_value, 1e-6, 1e9);
    v("value_coefficient", value_coefficient, 0.0, 1e6);
    v("ptx_coefficient", ptx_coefficient, 0.0, 1e6);
    v("ptx_per_episode", ptx_per_episode, 0.0, 1e6);
    v("ptx_length", ptx_length, int64_t{0}, kBig);
    v("ema", ema, 0.0, 0.999999);
    v("unended_score", unended_score, -1e6, 1e6);
    v("normalise_rewards", normalise_rewards);
    v("shuffle_rewards", shuffle_rewards);
    v("critic_lr", critic_lr, 0.0, 10.0);
    v("critic_warmup_iterations", critic_warmup_iterations, int64_t{0}, kBig);
    v("sample_batch", sample_batch, int64_t{1}, int64_t{1} << 20);
    guard.visit(v);
    lora.visit(v);
    training.visit(v);
  }
};

// figures, each the mean of about the last twenty iterations: reward, kl, length, ended, entropy, held_out_reward
// (where there is one); and first_reward, kl_coefficient, reward_mean_of_reference and reward_std_of_reference (of
// normalisation).
Result<StageReport> run_ppo(const StageContext& context, const PpoOptions& options);

// --- the two losses, for one token ---------------------------------------------------------------
struct ClippedLoss {
  double loss = 0;
  double slope = 0;  // d loss / d logprob, or d value
  bool clipped = false;
};
// max(-A r, -A clip(r, 1 - c, 1 + c)) with r = exp(logprob - old).
ClippedLoss policy_loss(double logprob, double old_logprob, double advantage, double clip);
// The bounds may differ (DAPO): clip(r, 1 - clip_low, 1 + clip_high).
ClippedLoss policy_loss(double logprob, double old_logprob, double advantage, double clip_low, double clip_high);
// max((v - R)², (clip(v, old - c, old + c) - R)²) / 2.
ClippedLoss value_loss(double value, double old_value, double returns, double clip);

}  // namespace loquat
