// Low-rank adapters (LoRA, Hu et al. 2021): beside a projection's frozen W [N, K], y = W x + s B A x with A [r, K],
// B [N, r] and s = alpha / r, or alpha / sqrt(r) (rsLoRA). With a magnitude (DoRA, Liu et al. 2024) each output c of
// the whole is multiplied by m[c] / |row c of W + s B A|, the norm being a constant to the gradients, as in PEFT.
// Dropout is on the adapter's input alone, in training alone.
//
// A fused projection (q, k, v; gate, up) has one adapter for each of PEFT's modules. Their A lie one under the other,
// so that x is read once, under one dropout mask; their outputs are column ranges. Nothing is kept between the passes:
// the backward makes A x again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"
#include "model/memory.h"
#include "model/params.h"

namespace loquat {

struct Param;
struct Linear;

struct LoraConfig {
  int64_t rank = 0;  // 0: no adapter
  double alpha = 16;
  double dropout = 0;                // for whoever trains; no part of the adapter
  std::vector<std::string> targets;  // of lora_modules(), sorted as there
  bool rslora = false;
  bool dora = false;

  float scaling() const;
  bool same_shape(const LoraConfig& other) const;  // equal but for the dropout
};

// q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.
const std::vector<std::string>& lora_modules();
// In the order of lora_modules, each once; "all-linear" is all of them. An error names what is no module.
Result<std::vector<std::string>> lora_targets(const std::vector<std::string>& names);
// "model.layers.0.self_attn.q_proj.weight": q_proj.
std::string module_of(const std::string& weight_name);

constexpr const char* kPeftPrefix = "base_model.model.";
// PEFT's name of a module's parameter: part is lora_A.weight, lora_B.weight or lora_magnitude_vector.
std::string peft_name(const std::string& weight_name, const char* part);

// W [n, k] + s B A, rows scaled to the magnitudes where there are any; all in ordinary memory. w is overwritten.
void merge_lora(std::span<float> w, std::span<const float> a, std::span<const float> b,
                std::span<const float> magnitude, int64_t n, int64_t k, int64_t rank, float scaling);

class Adapters;

// Of one pass through a model: whose adapters apply to which rows, and what they share.
struct LoraPass {
  struct Rows {
    int64_t begin = 0, end = 0;
    const Adapters* adapters = nullptr;
  };
  explicit LoraPass(const Kernels& kernels) : memory(kernels) {}
  std::vector<Rows> rows;  // ascending; rows between them are the base's alone
  Arena memory;            // of one projection of one adapter at a time
  float dropout = 0;
  uint64_t seed = 0;
};

// One module's adapter.
struct LoraPart {
  int64_t begin = 0, n = 0;  // columns of the product
  int64_t row = 0;           // its A's first row among all of the projection
  float* b = nullptr;
  float* db = nullptr;
  float* magnitude = nullptr;  // [n]; null: none
  float* dmagnitude = nullptr;
  PackedWeight packed;  // B
};

// The adapters of one projection.
struct Lora {
  int64_t rank = 0;  // of each part
  float scaling = 1;
  uint64_t index = 0;  // of the projection in the model
  float* a = nullptr;  // [parts * rank, k]
  float* da = nullptr;
  PackedWeight packed;  // s A
  std::vector<LoraPart> parts;
  const float* squares = nullptr;  // DoRA: of W's rows [n]
  float* gains = nullptr;          // DoRA [n]: m / norm; 1 where no part is
  float* norms = nullptr;          // DoRA [n]

  // With `add`, y holds a sum already, which magnitudes must not multiply: then the base's product is made here.
  bool makes_product(bool add) const { return add && gains != nullptr; }
  // y holds the base's product, unless it is made here: it becomes the adapted one; with `add`, of the sum.
  void forward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat y, Mat x, bool add) const;
  // dx, where that is wanted, of the adapted product; the gradients of A, B and the magnitudes are added up.
  void backward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat dx, Mat dy, Mat x) const;
  // After a change of the values.
  void pack(const Kernels& kernels, LoraPass& pass, const PackedWeight& base) const;

 private:
  Mat dropped(const Kernels& kernels, LoraPass& pass, Mat x) const;
  Mat down(const Kernels& kernels, LoraPass& pass, Mat x) const;
  void add_up(const Kernels& kernels, Mat y, Mat u) const;
  Mat magnitude_backward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat dy, Mat x, Mat u) const;
  void measure_norms(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, const float* scaled_a) const;
};

// The adapters of a model. First every projection is shown, in their order, then the parameters are laid out by
// `specs`, then attached.
class Adapters {
 public:
  Adapters(const Kernels& kernels, const LoraConfig& config, DType compute, bool with_gradients);
  // `modules`: the parameters that the projection's weight is made of, in the order of its outputs.
  void add(const Linear& linear, std::span<const Param> modules);
  // For each projection that is adapted: its A's, its B's, its magnitudes; with PEFT's names.
  const std::vector<ParamSpec>& specs() const { return specs_; }
  void attach(std::span<const Param> params);  // of specs
  void pack(LoraPass& pass);
  void init_magnitudes(LoraPass& pass);  // to the norms, with the present A and B

  const LoraConfig& config() const { return config_; }
  const Lora* of(const Linear& linear) const;  // null: it is not adapted

 private:
  void place();

  const Kernels& kernels_;
  LoraConfig config_;
  DType compute_;
  bool with_gradients_;
  std::vector<ParamSpec> specs_;
  std::vector<std::unique_ptr<Lora>> loras_;
  std::vector<const Linear*> linears_;       // of each of loras_
  std::vector<const Lora*> of_projections_;  // null: it is not adapted
  Buffer memory_;                            // packed weights, gains, norms
};

}  // namespace loquat
