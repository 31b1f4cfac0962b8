// Direct preference optimisation (Rafailov et al. 2023), beside PPO: a classification loss on pairs of replies, with
// the reference's log-probabilities computed once. Options: label smoothing (cDPO, Mitchell 2023), its unbiased form
// ("robust", Chowdhury et al. 2024), the squared loss of IPO (Azar et al. 2023), log-probabilities per token
// (length_normalised; IPO with it is TRL's), no reference and a target margin (SimPO, Meng et al. 2024: reference_free,
// length_normalised, gamma), and the chosen reply's likelihood beside (RPO, Pang et al. 2024: nll).
#pragma once

#include <string>
#include <vector>

#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct DpoOptions {
  std::string policy;
  std::string reference;                    // empty: the policy's folder
  std::vector<std::string> rankings;        // every pair that is not tied
  std::vector<std::string> valid_rankings;  // empty: valid_fraction of the prompts
  double valid_fraction = 0.05;
  int64_t epochs = 1;
  int64_t batch = 64;  // pairs
  double beta = 0.1;
  std::string loss = "sigmoid";  // or "ipo", "robust"
  double label_smoothing = 0;    // the share of pairs taken to be labelled the wrong way round
  bool length_normalised = false;
  bool reference_free = false;
  double gamma = 0;  // the target margin: σ(beta * margin - gamma)
  double nll = 0;    // times the chosen reply's mean negative log-likelihood per token
  LoraOptions lora;
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  static Result<DpoOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("reference", reference);
    v("rankings", rankings);
    v("valid_rankings", valid_rankings);
  }
  template <typename V>
  void visit(V& v) {
    v("valid_fraction", valid_fraction, 0.0, 0.9);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, int64_t{1} << 40);
    v("beta", beta, 1e-6, 1e6);
    v("loss", loss, {"sigmoid", "ipo", "robust"});
    v("label_smoothing", label_smoothing, 0.0, 0.5);
    v("length_normalised", length_normalised);
    v("reference_free", reference_free);
    v("gamma", gamma, 0.0, 1e6);
    v("nll", nll, 0.0, 1e6);
    lora.visit(v);
    training.visit(v);
  }
};

// figures: loss, rewards/chosen, /rejected, /margins, /accuracies (share of pairs whose implied rewards stand in the
// right order), logps/chosen, /rejected, nll_loss (with nll), each of about the last twenty steps; valid_loss,
// valid_accuracy, valid_margin, pairs, valid_pairs.
Result<StageReport> run_dpo(const StageContext& context, const DpoOptions& options);

struct DpoLoss {
  double loss = 0;
  double slope = 0;  // d loss / d margin
};
// margin = (log π(chosen) - log π(rejected)) - (log ref(chosen) - log ref(rejected)), of whole replies or per token.
DpoLoss dpo_loss(double margin, const DpoOptions& options);

}  // namespace loquat
