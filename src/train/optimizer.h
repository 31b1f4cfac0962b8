// AdamW, and Muon (momentum orthogonalised by Newton-Schulz; Jordan et al. 2024) for the projections with AdamW for the
// rest. One global gradient norm is clipped. Moments are flat buffers of the weights' layout, so a checkpoint is a
// copy.
//
// With several ranks each adds its gradients to all, keeps the moments of its part of the weights, updates that part,
// and gets the rest of the weights from the others (Rajbhandari et al. 2020, ZeRO stage 1). A checkpoint is the whole,
// and so any number of ranks goes on from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/memory.h"
#include "model/model.h"
#include "ranks/ranks.h"
#include "store/checkpoint.h"

namespace loquat {

struct OptimizerOptions {
  std::string kind = "adamw";  // or "muon"
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;      // of projections only, decoupled
  double clip = 1;              // global gradient norm; 0: no clipping
  std::string moments = "f32";  // or "bf16": half their memory, rounded at random
  double muon_rate = 1;         // Muon's rate over AdamW's
  double muon_momentum = 0.95;
};

// A running mean for each of the weights [first, first + count), laid out as they are and in their memory; kept as
// float32 or bfloat16.
class Moments {
 public:
  Moments() = default;
  Moments(const Kernels& kernels, int64_t first, int64_t count, DType dtype);
  // Of weights [begin, begin + count): as float32, in place or, where they are kept narrow, in `scratch`; close() puts
  // them back, rounded by the noise that `seed` names.
  float* open(int64_t begin, int64_t count, Arena& scratch) const;
  void close(const float* opened, int64_t begin, int64_t count, uint64_t seed) const;
  DType dtype() const { return dtype_; }
  std::vector<float> to_host() const;
  void load(std::span<const float> values);

 private:
  Mat row(int64_t begin, int64_t count) const;

  const Kernels* kernels_ = nullptr;
  int64_t first_ = 0, count_ = 0;
  DType dtype_ = DType::kF32;
  Buffer memory_;
};

class Optimizer {
 public:
  Optimizer(Model& model, const OptimizerOptions& options, Ranks& ranks = one_process());
  // One update from the sum of all ranks' gradients; then the model is refreshed and its gradients are zero. Returns
  // the norm of the gradient before clipping. Where that is not finite the weights stay as they were. All ranks call
  // it.
  double step(double lr);
  int64_t steps() const { return steps_; }
  int64_t own_moments() const { return cuts_[ranks_.rank() + 1] - cuts_[ranks_.rank()]; }  // that this rank keeps
  // The whole, on rank 0; all ranks call it.
  void save(CheckpointState& state, const std::string& prefix) const;
  Status load(const CheckpointState& state, const std::string& prefix);

 private:
  struct Run {  // neighbouring parameters that are treated alike
    int64_t begin = 0;
    int64_t size = 0;
    int64_t rows = 0;  // > 0: one matrix for Muon
    int64_t cols = 0;
    bool decay = false;
  };
  void cut();
  void adamw(const Run& run, const AdamWStep& step);
  void muon_all(double lr, float grad_scale);
  void muon(const Run& run, double lr, float grad_scale, Arena& scratch);
  uint64_t seed_of(const char* moment) const;

  Model& model_;
  OptimizerOptions options_;
  Ranks& ranks_;
  std::vector<int64_t> cuts_;  // of the weights, between the ranks
  std::vector<Run> runs_;      // of this rank, AdamW's
  std::vector<Run> matrices_;  // of this rank, Muon's
  Moments m_, v_;
  Arena scratch_;
  std::vector<Arena> lanes_;  // scratch of each thread that takes some of matrices_
  int64_t steps_ = 0;
};

// A tensor of a checkpoint with so many values; an error names a missing or misfitting tensor.
Result<std::span<const float>> find_tensor(const CheckpointState& state, const std::string& name, size_t size);
// Copies one into ordinary memory of the same size, or into a buffer.
Status load_tensor(const CheckpointState& state, const std::string& name, std::span<float> into);
Status load_tensor(const CheckpointState& state, const std::string& name, const Kernels& kernels, const Buffer& into);

}  // namespace loquat
