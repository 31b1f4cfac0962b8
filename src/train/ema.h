// Exponential moving average of a model's weights (InstructGPT keeps one with decay 0.992 in PPO).
#pragma once

#include <string>
#include <vector>

#include "model/memory.h"
#include "model/model.h"
#include "store/checkpoint.h"

namespace loquat {

class Ema {
 public:
  Ema(const Model& model, double decay);  // starts at the model's weights
  void update(const Model& model);        // average = decay * average + (1 - decay) * weights
  void copy_to(Model& model) const;       // and refreshes it
  std::vector<float> average() const;     // a copy in ordinary memory
  void save(CheckpointState& state, const std::string& name) const;
  Status load(const CheckpointState& state, const std::string& name);

 private:
  const Kernels& kernels_;
  double decay_;
  Buffer average_;
};

}  // namespace loquat
