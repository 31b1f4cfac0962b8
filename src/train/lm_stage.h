// Small parts that the stages share: saving and restoring a model with its optimizer, the running mean that reports
// quote, and writing a model's folder with its tokenizer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/loop.h"
#include "train/optimizer.h"
#include "train/pretrain_mix.h"

namespace loquat {

// Exponential mean over about the last twenty steps; exact across resumes.
class RunningMean {
 public:
  void add(double value);
  double value() const { return weight_ > 0 ? sum_ / weight_ : 0; }
  std::string text() const;
  Status load(const CheckpointState& state, const std::string& name);

 private:
  double sum_ = 0, weight_ = 0;
};

// state.texts["mean.NAME"] of each.
void save_means(CheckpointState& state, const std::map<std::string, RunningMean>& means);
Status load_means(const CheckpointState& state, std::map<std::string, RunningMean>& means);

void save_training(CheckpointState& state, const Model& model, const Optimizer& optimizer,
                   const std::string& prefix = "model");
Status load_training(const CheckpointState& state, Model& model, Optimizer& optimizer,
                     const std::string& prefix = "model");

// From this rank's sums to those of all, by name: a name that some ranks lack is 0 there.
void add_ranks(Ranks& ranks, std::map<std::string, double>& sums);

// Restores a mix from state.texts["mix"].
Status load_mix(const CheckpointState& state, PretrainMix& mix);

// One file of demonstrations as tokens, in its order. What leaves no room for a reply is an error that names the
// example, or left out and noted.
Result<std::vector<TokenSequence>> read_encoded(const StageContext& context, const ChatTemplate& chat,
                                                const std::string& path, int64_t positions, bool leave_out_too_long);

// config.json, model.safetensors, tokenizer.json, tokenizer_config.json. Rank 0 writes; all ranks call it.
Status write_model_folder(Ranks& ranks, const Model& model, const Tokenizer& tokenizer, const std::string& folder);

}  // namespace loquat
