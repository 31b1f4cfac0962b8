// What the methods that learn from judged replies share (DPO, ORPO, KTO): replies as tokens, split by prompt; passes
// that give the log-probability of whole replies and take the slope of a loss by it; and the stage around them.
//
// Every loss here depends on a reply through the sum of its tokens' log-probabilities alone, so that its slope is the
// same for each of its tokens. Neighbours that answer the same prompt share its rows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/batches.h"
#include "train/lm_stage.h"
#include "train/loop.h"
#include "train/lora_options.h"
#include "train/options.h"

namespace loquat {

struct Reply {
  std::vector<int32_t> tokens;  // prompt, then the reply
  int64_t prompt = 0;           // its length
  double reference = 0;         // Σ log P of the reply's tokens by the reference model, where a method has one

  int64_t length() const { return static_cast<int64_t>(tokens.size()) - prompt; }
};

struct ReplyPair {
  Reply chosen, rejected;
};

// The files of a method that learns from rankings. Which prompts are held out follows from the seed and the prompt's
// text alone, so that methods run on the same files hold out the same ones.
struct PreferenceFiles {
  const std::vector<std::string>& rankings;
  const std::vector<std::string>& valid_rankings;  // empty: valid_fraction of the prompts
  double valid_fraction = 0;
};
bool held_out(const Messages& prompt, const PreferenceFiles& files, uint64_t seed);

// Every pair that is not tied. An error where none is left to train on.
Status read_pairs(const StageContext& context, const ChatTemplate& chat, int64_t positions,
                  const PreferenceFiles& files, std::vector<ReplyPair>& train, std::vector<ReplyPair>& valid);

// Of the replies that it is given each rank takes its part.
class ReplyPass {
 public:
  ReplyPass(Model& model, int64_t micro_tokens, bool recompute, Ranks& ranks, double lora_dropout = 0)
      : model_(model),
        budget_(micro_tokens),
        recompute_(recompute),
        ranks_(ranks),
        lora_dropout_(static_cast<float>(lora_dropout)) {}
  // Σ log P of each reply's tokens.
  std::vector<double> log_probs(std::span<const Reply* const> replies);
  // Replies come in groups of `group` that are computed together. f(i, sums, slopes) gets group i's sums, if it is this
  // rank's, and writes the loss's slope by each; the gradients are added to the model's. dropout_seed: another for
  // every call. Returns the tokens that went through the model, on all ranks.
  using Slopes = std::function<void(size_t group, std::span<const double> sums, std::span<double> slopes)>;
  int64_t train(std::span<const Reply* const> replies, size_t group, uint64_t dropout_seed, const Slopes& f);

 private:
  template <typename F>
  void each_micro(std::span<const Reply* const> replies, size_t group, const F& f);
  double sum_of(std::span<const float> logprob, size_t reply) const;

  Model& model_;
  int64_t budget_;
  bool recompute_;
  Ranks& ranks_;
  float lora_dropout_;
  LmBatch micro_;
  std::vector<float> slopes_;
};

// What people expect to see of a preference method; sums over the items of a step or of a validation.
struct PreferenceFigures {
  double loss = 0, items = 0;
  double chosen_reward = 0, rejected_reward = 0;  // implied by the policy's log-probabilities
  double chosen_logp = 0, rejected_logp = 0;      // of whole replies
  double chosen = 0, rejected = 0;                // how many replies
  double right = 0;                               // items on the right side

  void write(std::map<std::string, double>& metrics) const;
  void add_ranks(Ranks& ranks);  // from this rank's items to those of all
};

// Model, optimizer, order, schedule, checkpoint and report of a stage that goes over judged items in epochs. No
// dropout but an adapter's: a policy is compared with a reference that has none, and replies with one another.
class PreferenceStage : public Stage {
 public:
  int64_t total_steps() const override { return batches_.steps_per_epoch() * epochs_; }
  Result<StepResult> step(int64_t step, double lr_scale) override;
  Status save(CheckpointState& state) const override;
  Status load(const CheckpointState& state) override;
  Status finish(const std::string& out, StageReport& report) override;

 protected:
  PreferenceStage(const StageContext& context, const TrainingOptions& training, const LoraOptions& lora, int64_t epochs)
      : context_(context), training_(training), lora_(lora), epochs_(epochs) {}

  Status load_policy(const std::string& folder);
  // A model that the policy is compared with: the same vocabulary.
  Result<std::unique_ptr<Model>> load_reference(const std::string& folder) const;
  void start(size_t items, int64_t batch, const std::string& stream);

  // Adds the gradients of the mean loss of these items, this rank's part of them; the figures and the metrics that go
  // into `result` are of all.
  virtual PreferenceFigures train_on(std::span<const size_t> items, uint64_t dropout_seed, StepResult& result) = 0;
  // Of the held-out items; none: items = 0. More figures of the stage go into `report`.
  virtual PreferenceFigures validate(StageReport& report) = 0;

  const StageContext& context_;
  const TrainingOptions& training_;
  const LoraOptions& lora_;
  std::unique_ptr<Tokenizer> tokenizer_;
  StageModels models_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<ReplyPass> pass_;

 private:
  int64_t epochs_;
  std::unique_ptr<Optimizer> optimizer_;
  EpochBatches batches_;
  Schedule schedule_;
  std::map<std::string, RunningMean> means_;
};

// Of one pair, given both replies' log-probabilities.
struct PairOutcome {
  double loss = 0;
  double chosen_slope = 0, rejected_slope = 0;  // d loss / d log-probability of the whole reply
  double chosen_reward = 0, rejected_reward = 0;
  std::map<std::string, double> metrics;  // of the method's own
};

// A stage on pairs: all but the loss.
class PairStage : public PreferenceStage {
 protected:
  using PreferenceStage::PreferenceStage;
  virtual PairOutcome judge(const ReplyPair& pair, double chosen_logp, double rejected_logp) const = 0;

  Status read(const PreferenceFiles& files);
  void precompute_reference(Model& reference);

  PreferenceFigures train_on(std::span<const size_t> items, uint64_t dropout_seed, StepResult& result) final;
  PreferenceFigures validate(StageReport& report) final;

  std::vector<ReplyPair> train_, valid_;
};

double softplus(double x);  // log(1 + exp(x)) = -log σ(-x), without overflow
double sigmoid(double x);

}  // namespace loquat
