// The reward model: one score per reply, read at its last token, trained on rankings.
//
// InstructGPT (section 3.5, equation 1): all C(K, 2) pairs of a prompt's K replies are one batch element with K forward
// passes; loss = -(1 / C(K, 2)) Σ log σ(r_better - r_worse), averaged over prompts; ties are left out of the sum, not
// of the divisor. Then a bias shifts rewards so that the demonstrations' mean is 0. The head of a
// LlamaForSequenceClassification has no bias, so it lies beside the model, in reward.json: {"reward_bias",
// "reward_scale", "likelihood"}; reward = (score + bias) * scale.
//
// With `likelihood`, the score also has that many times the mean log-probability that the model's own language head
// (the embeddings, tied) gives the reply's tokens; the whole is trained by the same loss. A small model recalls a fact,
// or what the prompt said, in its last layers, at the place before the word; the head at the last token sees the word
// that came, but has no layers left to compare. The likelihood is that comparison (docs/experiments.md). 0, the
// default, is the paper's.
//
// With `pretrain_fraction`, pretraining text is mixed in, its mean loss added to the pairs': a small model that trains
// on rankings alone forgets what the documents said, and cannot tell right from wrong any more. 0 is the paper's.
//
// The pairwise loss leaves each prompt's level open: scores compare replies to one prompt alone, and what differs
// between prompts is noise to PPO. `centre` adds that many times the square of the mean score of a prompt's replies to
// the loss (after Eisenstein et al. 2023, arXiv:2312.09244, section 3.2). Its gradient goes through the head alone:
// through the likelihood it would make every reply likely, wrong ones too (docs/experiments.md). 0, the default, is the
// paper's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/memory.h"
#include "model/model.h"
#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct RewardOptions {
  std::string base;                   // a language model's folder (the head is new), or a reward model's to go on from
  std::vector<std::string> rankings;  // rankings and pairwise comparisons
  std::vector<std::string> valid_rankings;  // empty: valid_fraction of the prompts
  std::vector<std::string> demonstrations;  // their mean reward is made 0; empty: the mean of all ranked replies is
  std::vector<std::string> pretrain_texts;
  double valid_fraction = 0.1;
  int64_t epochs = 1;
  int64_t batch = 64;  // prompts
  double dropout = 0;
  double likelihood = 0;
  double centre = 0;
  double pretrain_fraction = 0;  // share of all trained tokens that is pretraining text
  LoraOptions lora;
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
    v("pretrain_texts", pretrain_texts);
  }
  template <typename V>
  void visit(V& v) {
    v("valid_fraction", valid_fraction, 0.0, 0.9);
    v("epochs", epochs, int64_t{1}, int64_t{100000});
    v("batch", batch, int64_t{1}, int64_t{1} << 40);
    v("dropout", dropout, 0.0, 0.95);
    v("likelihood", likelihood, 0.0, 1000.0);
    v("centre", centre, 0.0, 1000.0);
    v("pretrain_fraction", pretrain_fraction, 0.0, 0.95);
    lora.visit(v);
    training.visit(v);
  }
};

// figures: loss, pair_accuracy and pairs (held-out prompts, pairs that are not tied), pair_accuracy_low and _high (95
// %, bootstrap by prompt), train_pair_accuracy (of the last steps), longer_accuracy and shorter_accuracy (baselines
// that prefer the longer or the shorter reply), valid_loss, reward_bias, reward_std, prompts, valid_prompts.
Result<StageReport> run_reward(const StageContext& context, const RewardOptions& options);

// --- using one -----------------------------------------------------------------------------------
// What turns a score model's hidden states into one score for each sequence of a packed batch.
class RewardHead {
 public:
  RewardHead() = default;
  // `assistant`: the token before a reply; its last place in a sequence is where the reply begins.
  RewardHead(double likelihood, int32_t assistant) : likelihood_(likelihood), assistant_(assistant) {}
  double likelihood() const { return likelihood_; }

  // One for each sequence that no other goes on from.
  std::vector<float> scores(Model& model, Mat hidden, const Batch& batch);
  // Of the last scores(): adds the heads' gradients and returns d hidden, valid as Model::log_probs_backward's is.
  // dlikelihood: what of dscores goes through the likelihood too.
  Mat backward(Model& model, Mat hidden, std::span<const float> dscores, std::span<const float> dlikelihood);

 private:
  double likelihood_ = 0;
  int32_t assistant_ = -1;
  std::vector<int64_t> begins_, last_rows_;  // of each sequence that has a score
  std::vector<int64_t> reply_rows_, first_;  // rows that predict sequence b's reply: first_[b] ... first_[b + 1] - 1
  std::vector<int32_t> reply_tokens_;
  Model::LogProbs logprobs_;
  Buffer kept_;  // the last rows' gradients of the score
};

struct RewardModel {
  std::unique_ptr<Model> model;
  RewardHead head;
  double bias = 0;
  double scale = 1;
  float reward(float score) const { return static_cast<float>((score + bias) * scale); }
  std::vector<float> rewards(const Batch& batch);  // of each sequence
};

Result<RewardModel> load_reward_model(const std::string& folder, const Kernels& kernels, DType compute,
                                      bool with_gradients = false);
Result<RewardModel> load_reward_model(const std::string& folder, const Kernels& kernels, LoadOptions options);
Status save_reward_json(const std::string& folder, double bias, double scale, double likelihood = 0);

// Rewards of whole sequences.
std::vector<float> rewards_of(RewardModel& reward, std::span<const std::vector<int32_t>> sequences,
                              int64_t micro_tokens);
// A prompt and a reply as the reward model reads them: cut to the context as data/encode.h says. Empty where the
// last turn of the prompt leaves no room.
std::vector<int32_t> reward_tokens(const ChatTemplate& chat, const Messages& prompt, const std::string& reply,
                                   int64_t context);

// --- its loss ------------------------------------------------------------------------------------
struct RankedElement {                          // one prompt
  std::vector<std::vector<int32_t>> sequences;  // K of prompt + reply
  std::vector<int32_t> ranks;                   // 0 is best
  // Tokens before the reply's <|assistant|>, where all sequences have the same: the model reads them once. 0: each for
  // itself.
  size_t shared = 0;

  int64_t tokens() const;  // that go through the model
  void pack(Batch& batch) const;
};

struct PairSum {
  double loss = 0;    // -(1 / C(K, 2)) Σ log σ
  int64_t pairs = 0;  // not tied
  int64_t right = 0;  // r_better > r_worse
};

// Of one element. dscores (may be null) gets d loss / d score of each reply.
PairSum pairwise_loss(std::span<const float> scores, std::span<const int32_t> ranks, std::vector<float>* dscores);
// centre * (mean score)²; its gradient is added to dscores.
double centre_loss(std::span<const float> scores, double centre, std::span<float> dscores);

}  // namespace loquat
