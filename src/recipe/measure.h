// Measures one model folder on the town: what the recipe does after each stage, and `loquat eval` with any model.
#pragma once

#include <functional>
#include <string>

#include "eval/tasks/town.h"
#include "kernels/kernels.h"
#include "recipe/plan.h"

namespace loquat::recipe {

struct MeasureRequest {
  std::string model;        // its folder
  std::string out;          // gets replies.jsonl and measures.json; empty: nothing is written
  bool base_model = false;  // no chat format: asked with a fixed few-shot prompt
  EvalOptions options;
  town::TownScale scale;
  uint64_t seed = 1;
  std::function<void(int64_t done, int64_t all)> progress;
};

Result<eval::TownMeasures> measure_model(const MeasureRequest& request, const town::World& world,
                                         const town::GoldScorer& gold, const Kernels& kernels, DType compute);

}  // namespace loquat::recipe
