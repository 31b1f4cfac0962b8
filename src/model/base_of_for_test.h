// For tests: a frozen base out of a model in memory.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "model/model.h"

namespace loquat {

// A base with the weights of a whole model.
inline std::shared_ptr<const Model> base_of(const Model& model, WeightType weights = WeightType::kCompute) {
  ServingTensors tensors;
  tensors.projections = weights;
  tensors.type = [](const std::string&) { return WeightType::kCompute; };
  tensors.values = [&](const std::string& name, float* out) {
    model.for_each_param([&](const Param& p) {
      if (p.name == name) std::copy_n(p.value, p.size, out);
    });
  };
  tensors.under_adapters = tensors.adapters_trained = true;
  return std::make_shared<const Model>(model.config(), model.kernels(), model.compute(), tensors);
}

}  // namespace loquat
