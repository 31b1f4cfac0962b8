// What has to be done at least, counted from a model's sizes: operations of the multiply units (a multiplication and
// its addition are two) and bytes that pass between memory and processor. What an implementation computes twice to save
// memory (scores in the backward of attention, logits in that of the vocabulary) counts once, so it counts against us.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernels.h"
#include "model/config.h"

namespace loquat::measure {

struct Work {
  double operations = 0;
  double bytes = 0;
  double working_set = 0;  // bytes that are touched over and over: they say which memory it is that limits
  bool reads_only = false;  // hardly anything of it is written: memory that takes writes beside reads gives it no more

  Work& operator+=(const Work& other);  // one after the other
};

// A forward's new tokens of one sequence.
struct Pass {
  int64_t before = 0;  // tokens in the cache already
  int64_t tokens = 0;
  int64_t head_rows = 0;  // rows whose logits or log-probabilities are wanted
};

double projection_parameters(const ModelConfig& config);             // of all layers
double head_parameters(const ModelConfig& config);                   // the vocabulary's matrix
double adapter_parameters(const ModelConfig& config, int64_t rank);  // of every projection in the layers
// As a forward reads them, once. Where the weights are quantised the head has 8 bits.
double weight_bytes(const ModelConfig& config, DType compute, bool head, WeightType weights = WeightType::kCompute);
double cache_bytes(const ModelConfig& config, DType compute, double tokens);  // their keys and values, all layers
double kept_bytes(const ModelConfig& config, DType compute, double tokens);   // what a forward keeps for the backward
double attended_keys(const Pass& pass);                                       // summed over the new tokens

double forward_operations(const ModelConfig& config, const Pass& pass);

// One pass over all of these: the weights are read once. `cached`: keys and values of the tokens before are read, those
// of the new ones written; otherwise they are these rows' own and count as activations, which stay in the caches.
Work forward_work(const ModelConfig& config, DType compute, std::span<const Pass> passes, bool cached,
                  WeightType weights = WeightType::kCompute);
// Forward and backward: twice the forward's operations more. Weights are read in both; what is kept is written and
// read; gradients are written, and by each further micro-batch read and written.
Work train_work(const ModelConfig& config, DType compute, std::span<const Pass> passes, int64_t micro_batches);
// The same of adapters of this rank on every projection, over a frozen base: no product for the base's gradients, and
// the weights as they are held.
Work lora_train_work(const ModelConfig& config, DType compute, WeightType weights, int64_t rank,
                     std::span<const Pass> passes, int64_t micro_batches);
// AdamW with clipping: gradients read twice and cleared, weights and moments read and written, both packed copies
// written. Its few operations a parameter do not run on the multiply units; they are counted all the same.
Work optimizer_work(const ModelConfig& config, DType compute);
Work lora_optimizer_work(const ModelConfig& config, DType compute, int64_t rank);

}  // namespace loquat::measure
