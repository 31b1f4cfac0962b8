// What the on-policy stages share (PPO; GRPO and RLOO in group_policy.h): the policy that samples and the models that
// judge its replies, the prompts in their shuffled order, an iteration's replies with their figures, and the guards
// that watch them. What is learned from the scores is the stage's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "train/lm_stage.h"
#include "train/lora_options.h"
#include "train/options.h"
#include "train/rollout.h"

namespace loquat {

struct OnPolicyOptions {
  std::string policy;           // the model to train: InstructGPT's is the KL reference itself
  std::string reference;        // empty: the policy's folder
  std::string reward;           // reward model; empty, where a stage has rewards of its own: none
  std::string held_out_reward;  // never trained on: only watched
  std::vector<std::string> prompts;
  // An iteration is long: checkpoints come more often than a context's steps say. 0: as the context says. No part of
  // the stage's hash, since it changes nothing but how much a kill costs.
  int64_t checkpoint_iterations = 2;
  int64_t max_reply_tokens = 1024;
  int64_t max_prompt_tokens = 1024;  // longer prompts are left out
  double temperature = 1;            // of sampling, and of every log-probability
  double unended_score = -1;         // the whole score of a reply that never ends
  bool shuffle_rewards = false;      // control: each reply gets another reply's score; nothing can be gained
  int64_t sample_batch = 256;        // sequences decoded at once
  GuardOptions guard;
  LoraOptions lora;
  TrainingOptions training;  // warm-up counts iterations
};

class OnPolicy {
 public:
  // `label` names the random streams. What is given must outlive it.
  OnPolicy(const StageContext& context, const OnPolicyOptions& options, std::string label)
      : context_(context), options_(options), label_(std::move(label)), guards_(options.guard) {}

  // The policy with gradients, and reference, reward and held-out model as the options name them; `critic`: a reward
  // model's folder that is trained too, or empty. All must share one vocabulary.
  Status load_models(const std::string& critic = "");
  // With `answers`, a prompt without one is an error.
  Status read_prompts(bool answers = false);

  // `replies` replies to each of the next `batch` prompts, a prompt's side by side, so that sampling, scoring and
  // training compute it once; a reply may be empty. `asked`: the prompt's number of each.
  std::vector<Episode> sample(int64_t step, int64_t batch, int64_t replies, std::vector<size_t>* asked = nullptr);
  int64_t score(std::vector<Episode>& episodes);  // tokens that went through a model
  // Metrics reward, kl, kl_per_token, length, ended, held_out_reward; and the replies to whoever watches them.
  void describe(const std::vector<Episode>& episodes, int64_t step, StepResult& result);
  void shuffle_scores(std::vector<Episode>& episodes, int64_t step) const;  // where the options ask for it
  // Adds the step's metrics, all but rates and norms, to the means, and lets the guards see it.
  void watch(const std::vector<Episode>& episodes, StepResult& result);

  void save(CheckpointState& state) const;  // cursor, means, guards; not the models
  Status load(const CheckpointState& state);
  Status finish(const std::string& out, StageReport& report) const;  // writes the policy's folder and the figures

  Model& policy() { return *policy_; }
  const Model& policy() const { return *policy_; }
  Model& reference() { return *reference_; }
  RewardModel& reward() { return reward_; }
  RewardModel& critic() { return critic_; }
  const RewardModel& critic() const { return critic_; }
  RewardModel* held_out() { return held_out_.model != nullptr ? &held_out_ : nullptr; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const std::vector<std::vector<int32_t>>& prompts() const { return prompts_; }
  const std::string& answer(size_t prompt) const { return answers_[prompt]; }
  RolloutSampling sampling() const {
    return {options_.temperature, options_.max_reply_tokens, end_of_turn_, options_.sample_batch};
  }
  ScoringOptions scoring() const {
    return {options_.temperature, options_.unended_score, options_.training.micro_tokens};
  }

 private:
  const StageContext& context_;
  const OnPolicyOptions& options_;
  const std::string label_;
  PpoGuards guards_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> policy_, reference_;
  RewardModel reward_, critic_, held_out_;  // without a model where there is none
  std::unique_ptr<ShuffledIndex> index_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<std::string> answers_;  // of the prompts
  std::map<std::string, RunningMean> means_;
  int64_t context_length_ = 0;
  int32_t end_of_turn_ = -1;
  double first_reward_ = 0;
  bool has_first_ = false;
};

// Runs a stage of these options: what all such stages ask of them, their part of the hash, and their checkpoints.
// `settings`: all of the stage's options as text; `files`: further data, and `models` further folders ("" for none).
struct OnPolicyRun {
  std::string name;
  std::string settings;
  std::vector<std::string> models;
  std::vector<std::string> files;
};
Result<StageReport> run_on_policy(
    const StageContext& context, const OnPolicyOptions& options, const OnPolicyRun& run,
    const std::function<Result<std::unique_ptr<Stage>>(const StageContext& context)>& make);

}  // namespace loquat
