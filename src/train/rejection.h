// Rejection sampling fine-tuning, in the manner of Llama 2 (Touvron et al. 2023, section 3.2.3): the best of n replies
// to each prompt, by a reward model, are demonstrations to fine-tune on; again from the new model in each round.
// Nothing but sampling and plain fine-tuning: the stablest of the methods.
#pragma once

#include <string>
#include <vector>

#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct RejectionOptions {
  std::string policy;
  std::string reward;
  std::vector<std::string> prompts;

  int64_t rounds = 1;
  int64_t prompts_per_round = 0;  // drawn in an order of their own; 0: all
  int64_t n = 8;
  double temperature = 1;
  int64_t max_reply_tokens = 1024;
  int64_t max_prompt_tokens = 1024;       // longer prompts are left out
  double unended_score = -1;              // of a reply that never ends; such a one is never learned
  double keep_fraction = 1;               // of the chosen replies: those whose score is greatest
  int64_t sample_prompts = 64;            // prompts sampled in one step
  int64_t epochs = 1;                     // over a round's chosen replies
  int64_t batch = 64;                     // replies a step of fine-tuning
  LoraOptions lora;
  TrainingOptions training = defaults();  // the schedule is each round's

  static TrainingOptions defaults();
  static Result<RejectionOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("reward", reward);
    v("prompts", prompts);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("rounds", rounds, int64_t{1}, int64_t{1000});
    v("prompts_per_round", prompts_per_round, int64_t{0}, kBig);
    v("n", n, int64_t{2}, int64_t{1} << 20);
    v("temperature", temperature, 1e-3, 100.0);
    v("max_reply_tokens", max_reply_tokens, int64_t{1}, kBig);
    v("max_prompt_tokens", max_prompt_tokens, int64_t{1}, kBig);
    v("unended_score", unended_score, -1e6, 1e6);
    v("keep_fraction", keep_fraction, 1e-6, 1.0);
    v("sample_prompts", sample_prompts, int64_t{1}, kBig);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, kBig);
    lora.visit(v);
    training.visit(v);
  }
};

// A step samples, or fine-tunes. WORK/chosen-NN.jsonl: what round NN learned from. figures: first_reward (the policy's
// mean at its start), reward and best_reward (of the last round's sampling, before its fine-tuning), kl_bound, chosen
// (replies of the last round), loss.
Result<StageReport> run_rejection(const StageContext& context, const RejectionOptions& options);

}  // namespace loquat
