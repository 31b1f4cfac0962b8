// Exponential moving average of weights (ema.h).
#include "train/ema.h"

#include <algorithm>

#include "train/optimizer.h"

namespace loquat {

Ema::Ema(const Model& model, double decay) : decay_(decay), average_(model.values().begin(), model.values().end()) {}

void Ema::update(const Model& model) {
  const auto values = model.values();
  model.kernels().axpby(average_.data(), values.data(), static_cast<int64_t>(values.size()),
                        static_cast<float>(1 - decay_), static_cast<float>(decay_));
}

void Ema::copy_to(Model& model) const {
  std::copy(average_.begin(), average_.end(), model.values().begin());
  model.refresh();
}

void Ema::save(CheckpointState& state, const std::string& name) const {
  state.tensors[name] = average_;
}

Status Ema::load(const CheckpointState& state, const std::string& name) {
  return load_tensor(state, name, average_);
}

}  // namespace loquat
