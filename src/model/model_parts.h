// A model's layers and heads, laid over its parameters.
#pragma once

#include <span>
#include <vector>

#include "model/heads.h"
#include "model/layer.h"

namespace loquat {

struct ModelParts {
  struct Parts {  // the parameters that a Linear's weight is made of: neighbours
    size_t first = 0, count = 0;
  };
  std::vector<Parts> linear_parts;  // in the order of for_each_linear

  const float* table = nullptr;  // the embedding [V, C]
  float* dtable = nullptr;
  const float* position_table = nullptr;  // [max_positions, C]; null: rotary positions
  float* dposition_table = nullptr;
  struct Effective {  // a norm's 1 + weight
    float* to;
    const float* from;
    int64_t size;
  };
  std::vector<Effective> effective_norms;
  std::vector<TransformerLayer> layers;
  Norm norm;
  LanguageHead language;
  ScoreHead score;
};

// Walks the parameters in the order of param_specs; a fused projection starts where its first part does. `effective`
// has room for norm_values(params) floats, where norms add one.
ModelParts attach_parts(const ModelConfig& config, DType compute, std::span<const Param> params, float* effective);
int64_t norm_values(std::span<const Param> params);

}  // namespace loquat
