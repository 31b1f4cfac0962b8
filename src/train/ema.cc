// Exponential moving average of weights (ema.h).
#include "train/ema.h"

#include "train/optimizer.h"

namespace loquat {

Ema::Ema(const Model& model, double decay)
    : kernels_(model.kernels()), decay_(decay), average_(floats_of(kernels_, model.host_values())) {}

void Ema::update(const Model& model) {
  const auto values = model.values();
  kernels_.axpby(average_.floats(), values.data(), static_cast<int64_t>(values.size()), static_cast<float>(1 - decay_),
                 static_cast<float>(decay_));
}

void Ema::copy_to(Model& model) const {
  model.set_values(average());
}

std::vector<float> Ema::average() const {
  return to_host(kernels_, average_.floats(), average_.bytes() / 4);
}

void Ema::save(CheckpointState& state, const std::string& name) const {
  state.tensors[name] = average();
}

Status Ema::load(const CheckpointState& state, const std::string& name) {
  return load_tensor(state, name, kernels_, average_);
}

}  // namespace loquat
