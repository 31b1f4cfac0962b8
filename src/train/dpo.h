// Direct preference optimisation (Rafailov et al. 2023), beside PPO: a classification loss on pairs of replies, with
// the reference's log-probabilities computed once. Label smoothing (cDPO) and the squared loss of IPO (Azar et al.
// 2023) are options.
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
  std::string loss = "sigmoid";  // or "ipo"
  double label_smoothing = 0;    // the share of pairs taken to be labelled the wrong way round
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
    v("loss", loss, {"sigmoid", "ipo"});
    v("label_smoothing", label_smoothing, 0.0, 0.5);
    lora.visit(v);
    training.visit(v);
  }
};

// figures: loss, accuracy (share of pairs whose implied rewards stand in the right order, last steps), margin,
// valid_accuracy, valid_loss, pairs, valid_pairs.
Result<StageReport> run_dpo(const StageContext& context, const DpoOptions& options);

struct DpoLoss {
  double loss = 0;
  double slope = 0;  // d loss / d margin
};
// margin = (log π(chosen) - log π(rejected)) - (log ref(chosen) - log ref(rejected)).
DpoLoss dpo_loss(double margin, const DpoOptions& options);

}  // namespace loquat
