// Parts that the stages share (lm_stage.h).
#include "train/lm_stage.h"

#include <cstdio>

#include "store/files.h"

namespace loquat {

void RunningMean::add(double value) {
  sum_ = 0.95 * sum_ + value;
  weight_ = 0.95 * weight_ + 1;
}

std::string RunningMean::text() const {
  return fmt::format("{:a} {:a}", sum_, weight_);
}

Status RunningMean::load(const CheckpointState& state, const std::string& name) {
  const auto found = state.texts.find(name);
  if (found == state.texts.end() || std::sscanf(found->second.c_str(), "%la %la", &sum_, &weight_) != 2) {
    return Err("the checkpoint lacks a readable {}", name);
  }
  return {};
}

void save_training(CheckpointState& state, const Model& model, const Optimizer& optimizer, const std::string& prefix) {
  const auto values = model.values();
  state.tensors[prefix + ".weights"].assign(values.begin(), values.end());
  optimizer.save(state, prefix);
}

Status load_training(const CheckpointState& state, Model& model, Optimizer& optimizer, const std::string& prefix) {
  TRY_STATUS(load_tensor(state, prefix + ".weights", model.values()));
  model.refresh();
  model.zero_grads();
  return optimizer.load(state, prefix);
}

Status write_model_folder(const Model& model, const Tokenizer& tokenizer, const std::string& folder) {
  TRY_STATUS(make_folders(folder));
  TRY_STATUS(tokenizer.save(folder));
  return save_model(model, folder);
}

}  // namespace loquat
