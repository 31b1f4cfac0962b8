// Odds ratio preference optimisation (Hong et al. 2024): fine-tuning on the chosen reply with a penalty that tells it
// from the rejected one, in one stage and without a reference model. With p(y) = exp(mean log-probability of y's
// tokens): loss = -mean log P(chosen) - lambda log σ(log odds(chosen) - log odds(rejected)), odds = p / (1 - p).
#pragma once

#include <string>
#include <vector>

#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct OrpoOptions {
  std::string policy;                       // a base model will do
  std::vector<std::string> rankings;        // every pair that is not tied
  std::vector<std::string> valid_rankings;  // empty: valid_fraction of the prompts
  double valid_fraction = 0.05;
  int64_t epochs = 1;
  int64_t batch = 64;   // pairs
  double lambda = 0.1;  // of the odds ratio
  LoraOptions lora;
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  static Result<OrpoOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("rankings", rankings);
    v("valid_rankings", valid_rankings);
  }
  template <typename V>
  void visit(V& v) {
    v("valid_fraction", valid_fraction, 0.0, 0.9);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, int64_t{1} << 40);
    v("lambda", lambda, 0.0, 1e6);
    lora.visit(v);
    training.visit(v);
  }
};

// figures: as DPO's (a reply's reward is lambda times its mean log-probability), nll_loss and log_odds_ratio.
Result<StageReport> run_orpo(const StageContext& context, const OrpoOptions& options);

struct OrpoLoss {
  double loss = 0, nll = 0, log_odds_ratio = 0;
  double chosen_slope = 0, rejected_slope = 0;  // d loss / d mean log-probability
};
// Of the two replies' mean log-probabilities per token. Finite even where one is certain (0).
OrpoLoss orpo_loss(double chosen, double rejected, double lambda);

}  // namespace loquat
