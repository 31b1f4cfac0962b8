// KTO (Ethayarajh et al. 2024): from replies that were judged one at a time. A wanted reply's implied reward, beta
// times its log-ratio to the reference, is to lie above a reference point, an unwanted one's below it. The point is how
// far the policy has gone from the reference in all: the mean log-ratio of replies to other prompts, of the same batch,
// 0 at least and taken as a constant.
#pragma once

#include <string>
#include <vector>

#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct KtoOptions {
  std::string policy;
  std::string reference;                    // empty: the policy's folder
  std::vector<std::string> rankings;        // judged replies, comparisons, rankings (data/unpaired.h)
  std::vector<std::string> valid_rankings;  // empty: valid_fraction of the prompts
  double valid_fraction = 0.05;
  int64_t epochs = 1;
  int64_t batch = 64;  // replies; small batches estimate the reference point badly
  double beta = 0.1;
  double desirable_weight = 1;  // the paper: weight times number within 1 to 4/3 of the other kind's
  double undesirable_weight = 1;
  LoraOptions lora;
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  static Result<KtoOptions> read(Settings& settings);

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
    v("batch", batch, int64_t{2}, int64_t{1} << 40);
    v("beta", beta, 1e-6, 1e6);
    v("desirable_weight", desirable_weight, 0.0, 1e6);
    v("undesirable_weight", undesirable_weight, 0.0, 1e6);
    lora.visit(v);
    training.visit(v);
  }
};

// figures: loss, kl (the reference point), rewards/chosen (of wanted replies), /rejected, /margins, /accuracies (share
// of replies on the right side of the point), logps/chosen, /rejected, each of about the last twenty steps; valid_loss,
// valid_accuracy, valid_margin, desirable, undesirable, valid_replies.
Result<StageReport> run_kto(const StageContext& context, const KtoOptions& options);

struct KtoLoss {
  double loss = 0;
  double slope = 0;  // d loss / d log_ratio
};
// weight * (1 - σ(±beta (log_ratio - kl))), + for a wanted reply.
KtoLoss kto_loss(double log_ratio, double kl, bool desirable, const KtoOptions& options);

// For each item another one with a different group: the next such in an order drawn from the seed. Empty where all
// groups are the same. Every item is used about as often as any other.
std::vector<size_t> mismatched(std::span<const size_t> groups, uint64_t seed);

}  // namespace loquat
