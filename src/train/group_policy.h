// The on-policy loop without a critic: K replies to each prompt, scored by a reward model, by rules or both, and
// compared with one another. What a reply's advantage is and how its tokens' loss goes is the method's (GRPO, RLOO).
// Sampling, scoring, the check that the first ratio is 1 and the guards are PPO's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/on_policy.h"

namespace loquat {

// `prompts`: {"prompt"}, or {"prompt", "answer"} where a rule wants the answer; `reward` may be empty: rules alone.
struct GroupOptions : OnPolicyOptions {
  GroupOptions() { training = defaults(); }

  std::vector<std::string> rules;  // rewards by rule (rule_reward.h), added to the reward model's
  int64_t episodes = 64000;        // replies in all
  int64_t replies = 8;             // K, to each prompt
  int64_t batch = 64;              // prompts an iteration
  int64_t minibatch = 64;          // prompts an update
  int64_t inner_epochs = 1;        // over an iteration's replies; the ratio is clipped

  static TrainingOptions defaults();

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("reference", reference);
    v("reward", reward);
    v("held_out_reward", held_out_reward);
    v("prompts", prompts);
    v("checkpoint_iterations", checkpoint_iterations, int64_t{0}, int64_t{1} << 40);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("rules", rules);
    v("episodes", episodes, int64_t{1}, kBig);
    v("replies", replies, int64_t{2}, int64_t{1} << 20);
    v("batch", batch, int64_t{1}, kBig);
    v("minibatch", minibatch, int64_t{1}, kBig);
    v("inner_epochs", inner_epochs, int64_t{1}, int64_t{1000});
    v("max_reply_tokens", max_reply_tokens, int64_t{1}, kBig);
    v("max_prompt_tokens", max_prompt_tokens, int64_t{1}, kBig);
    v("temperature", temperature, 1e-3, 100.0);
    v("unended_score", unended_score, -1e6, 1e6);
    v("shuffle_rewards", shuffle_rewards);
    v("sample_batch", sample_batch, int64_t{1}, int64_t{1} << 20);
    guard.visit(v);
    lora.visit(v);
    training.visit(v);
  }
};

// What a method sees of the minibatch that a reply is in.
struct MinibatchSize {
  double replies = 0;
  double tokens = 0;  // of the replies that count
};

struct ReplyLoss {
  double loss = 0;         // its share of the minibatch's
  double clipped_low = 0;  // tokens
  double clipped_high = 0;
};

class GroupMethod {
 public:
  virtual ~GroupMethod() = default;
  virtual std::string name() const = 0;
  // Of a prompt's replies, side by side, `replies` each: fills `advantage`, one for each token.
  virtual void advantages(std::span<Episode> episodes, int64_t replies) const = 0;
  virtual bool counts(const Episode&) const { return true; }  // false: the reply has no loss
  // slopes[t] = d loss / d logprob[t], in every place.
  virtual ReplyLoss loss(const Episode& episode, std::span<const float> now, const MinibatchSize& size,
                         std::span<float> slopes) const = 0;
};

// figures, each the mean of about the last twenty iterations: reward, reward_std (within a prompt's replies),
// zero_std (share of prompts whose replies all score the same: nothing is learned there), kl, length, ended, entropy,
// clip_fraction, held_out_reward (where there is one), rewards/NAME (of each rule); and first_reward. `settings`: the
// method's own options, for the hash.
Result<StageReport> run_group(const StageContext& context, const GroupOptions& options, const GroupMethod& method,
                              const std::string& settings);

}  // namespace loquat
