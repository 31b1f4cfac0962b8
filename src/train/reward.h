// The reward model: one score per reply, read at its last token, trained on rankings.
//
// InstructGPT (section 3.5, equation 1): all C(K, 2) pairs of a prompt's K replies are one batch element with K forward
// passes; loss = -(1 / C(K, 2)) Σ log σ(r_better - r_worse), averaged over prompts; ties are left out of the sum, not
// of the divisor. Then a bias shifts rewards so that the demonstrations' mean is 0. The head of a
// LlamaForSequenceClassification has no bias, so it lies beside the model, in reward.json: {"reward_bias",
// "reward_scale"}; reward = (score + bias) * scale.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "train/loop.h"
#include "train/options.h"

namespace loquat {

struct RewardOptions {
  std::string base;                   // a language model's folder (the head is new), or a reward model's to go on from
  std::vector<std::string> rankings;  // rankings and pairwise comparisons
  std::vector<std::string> valid_rankings;  // empty: valid_fraction of the prompts
  std::vector<std::string> demonstrations;  // their mean reward is made 0; empty: the mean of all ranked replies is
  double valid_fraction = 0.1;
  int64_t epochs = 1;
  int64_t batch = 64;  // prompts
  double dropout = 0;
  TrainingOptions training = defaults();

  static TrainingOptions defaults();
  static RewardOptions instructgpt();  // one epoch, LR 9e-6 with cosine to 10 %, 64 prompts a batch
  static Result<RewardOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("base", base);
    v("rankings", rankings);
    v("valid_rankings", valid_rankings);
    v("demonstrations", demonstrations);
  }
  template <typename V>
  void visit(V& v) {
    v("valid_fraction", valid_fraction, 0.0, 0.9);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, int64_t{1} << 40);
    v("dropout", dropout, 0.0, 0.95);
    training.visit(v);
  }
};

// figures: loss, pair_accuracy and pairs (held-out prompts, pairs that are not tied), pair_accuracy_low and _high (95
// %, bootstrap by prompt), train_pair_accuracy (of the last steps), longer_accuracy and shorter_accuracy (baselines
// that prefer the longer or the shorter reply), valid_loss, reward_bias, reward_std, prompts, valid_prompts.
Result<StageReport> run_reward(const StageContext& context, const RewardOptions& options);

// --- using one
// ---------------------------------------------------------------------------------------------------------
struct RewardModel {
  std::unique_ptr<Model> model;
  double bias = 0;
  double scale = 1;
  float reward(float score) const { return static_cast<float>((score + bias) * scale); }
};

Result<RewardModel> load_reward_model(const std::string& folder, const Kernels& kernels, DType compute,
                                      bool with_gradients = false);
Status save_reward_json(const std::string& folder, double bias, double scale);

// Rewards of whole sequences, each read at its last token.
std::vector<float> rewards_of(RewardModel& reward, std::span<const std::vector<int32_t>> sequences,
                              int64_t micro_tokens);
// A prompt and a reply as the reward model reads them: cut to the context as data/encode.h says. Empty where the
// last turn of the prompt leaves no room.
std::vector<int32_t> reward_tokens(const ChatTemplate& chat, const Messages& prompt, const std::string& reply,
                                   int64_t context);

// --- its loss
// ------------------------------------------------------------------------------------------------------------
struct RankedElement {                          // one prompt
  std::vector<std::vector<int32_t>> sequences;  // K of prompt + reply
  std::vector<int32_t> ranks;                   // 0 is best
};

struct PairSum {
  double loss = 0;    // -(1 / C(K, 2)) Σ log σ
  int64_t pairs = 0;  // not tied
  int64_t right = 0;  // r_better > r_worse
};

// Of one element. dscores (may be null) gets d loss / d score of each reply.
PairSum pairwise_loss(std::span<const float> scores, std::span<const int32_t> ranks, std::vector<float>* dscores);

}  // namespace loquat
