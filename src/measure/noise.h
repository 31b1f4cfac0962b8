// Random tensors, models and tokens: what is computed does not depend on the values, but power, and with it the clock,
// may.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "model/memory.h"
#include "model/model.h"

namespace loquat::measure {

// A matrix that owns its memory.
struct Tensor {
  Buffer memory;
  Mat mat;
};
Tensor empty_tensor(const Kernels& kernels, int64_t rows, int64_t cols, DType dtype);
Tensor random_tensor(const Kernels& kernels, int64_t rows, int64_t cols, DType dtype, uint64_t seed);

// A weight with its packed copies; `gradients`: also the one that the backward multiplies from.
struct Weight {
  Buffer forward, backward;
  PackedWeight packed;
};
Weight random_weight(const Kernels& kernels, int64_t n, int64_t k, DType dtype, bool gradients, uint64_t seed,
                     WeightType type = WeightType::kCompute);

// Norms are 1, all else has the deviation of a new model. Model::init draws each value for itself, which takes minutes
// for a billion.
std::unique_ptr<Model> random_model(const ModelConfig& config, const Kernels& kernels, DType compute, bool gradients,
                                    uint64_t seed);

// One that only serves.
std::unique_ptr<Model> random_serving_model(const ModelConfig& config, const Kernels& kernels, DType compute,
                                            WeightType weights, uint64_t seed);

// A frozen base, and a model over it with an adapter of this rank on every projection (0: none).
std::shared_ptr<const Model> random_base(const ModelConfig& config, const Kernels& kernels, DType compute,
                                         WeightType weights, uint64_t seed);
std::unique_ptr<Model> random_adapter(const std::shared_ptr<const Model>& base, int64_t rank, HeadKind head,
                                      bool gradients, uint64_t seed);

std::vector<int32_t> random_tokens(Rng& rng, int64_t count, int64_t vocab);

}  // namespace loquat::measure
