// The layers. Each is a struct of its weights with a forward and a backward; the forward writes what the backward will
// read into a struct of views that the caller owns (so that a pass that keeps nothing can hand every layer the same
// memory). Gradients of parameters are added to; gradients of activations are overwritten unless said otherwise.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/lora.h"
#include "model/memory.h"

namespace loquat {

// What every layer of one model shares.
struct LayerContext {
  const Kernels* kernels = nullptr;
  const ModelConfig* config = nullptr;
  DType compute = DType::kF32;
  const float* cos_sin = nullptr;  // [max_positions, D]
};

// The sequences of one pass: rows, their positions, and where each sequence's keys and values are.
struct Sequences {
  std::span<const int32_t> positions;      // [T]
  std::span<const int64_t> starts;         // sequence b is rows starts[b] ... starts[b + 1] - 1
  std::span<const int64_t> prefix;         // the sequence that b goes on from, or -1; empty: none of them
  KvCache* cache = nullptr;                // null: keys and values are those of these rows alone
  std::span<const CachedSequence> cached;  // one for each sequence
  int64_t rows() const { return static_cast<int64_t>(positions.size()); }
};

// y = x Wᵀ. W lies in the flat master buffer; its packed copies follow it at refresh(). In a model over a base W is the
// base's, frozen, and there may be an adapter.
struct Linear {
  const float* weight = nullptr;  // null in a model that only serves, and in one over a base
  float* gradient = nullptr;      // null: no gradient of W in this model
  PackedWeight packed;
  bool frozen_backward = false;    // of a base: packed for the backward too
  const float* squares = nullptr;  // of a base: the sums of W's rows' squares [N]
  const Lora* lora = nullptr;

  void forward(const Kernels& kernels, Mat y, Mat x, bool add) const;
  // dx (may have null data: not wanted) and the gradients of the weight or of the adapter.
  void backward(const Kernels& kernels, Mat dx, Mat dy, Mat x) const;
  bool has_backward() const { return gradient != nullptr || frozen_backward; }
  int64_t packed_bytes(const Kernels& kernels) const;  // of all orientations
  void place(const Kernels& kernels, char* memory);
  void pack(const Kernels& kernels) const;
};

struct RmsNorm {
  const float* weight = nullptr;
  float* gradient = nullptr;

  void forward(const LayerContext& context, Mat y, Mat x, float* rstd) const;
  void backward(const LayerContext& context, Mat dx_added, Mat dy, Mat x, const float* rstd) const;
};

struct Attention {
  struct Saved {
    Mat qkv;               // [T, (H + 2G) D], q and k rotated
    Mat out;               // [T, H D]
    float* lse = nullptr;  // [T, H]; null: no backward
  };
  Linear qkv, output;
  int64_t index = 0;  // of the layer, for the cache

  // Computes up to the heads' outputs; the caller applies `output` to saved.out.
  void forward(const LayerContext& context, Mat x, const Sequences& sequences, Saved& saved) const;
  // dx from dout, the gradient of saved.out. dqkv: memory as saved.qkv.
  void backward(const LayerContext& context, Mat dx, Mat dout, Mat dqkv, Mat x, const Sequences& sequences,
                const Saved& saved) const;
};

struct Mlp {
  struct Saved {
    Mat gate_up;    // [T, 2F]
    Mat activated;  // [T, F]
  };
  Linear gate_up, down;

  void forward(const LayerContext& context, Mat x, Saved& saved) const;
  // dgate_up: memory as saved.gate_up.
  void backward(const LayerContext& context, Mat dx, Mat dactivated, Mat dgate_up, Mat x, const Saved& saved) const;
};

struct Dropout {
  float p = 0;
  uint64_t seed = 0;
};

// middle = input + dropout(attention(norm(input))); output = middle + dropout(mlp(norm(middle))). The residual stream
// is float32; middle and output may be the same memory as input where nothing is kept.
struct TransformerLayer {
  struct Saved {
    Mat input, middle;                 // [T, C] float32
    Mat normed_attention, normed_mlp;  // [T, C]
    float* rstd_attention = nullptr;   // [T]
    float* rstd_mlp = nullptr;
    Attention::Saved attention;
    Mlp::Saved mlp;
    Mat branch;  // [T, C]: a branch before dropout; used only where there is dropout

    // Everything but input; `middle` is made only for a backward, else it is the input's memory.
    void take(const LayerContext& context, int64_t rows, bool for_backward, bool dropout, Arena& arena);
  };
  // Memory that the backwards of all layers share.
  struct BackwardScratch {
    Mat dbranch, dnormed;      // [T, C]
    Mat dattention, dqkv;      // [T, H D], [T, (H + 2G) D]
    Mat dactivated, dgate_up;  // [T, F], [T, 2F]
    void take(const LayerContext& context, int64_t rows, Arena& arena);
  };

  RmsNorm attention_norm, mlp_norm;
  Attention attention;
  Mlp mlp;

  // An output without data is not computed: a recomputation needs only what the backward reads.
  void forward(const LayerContext& context, Mat output, const Sequences& sequences, const Dropout& dropout,
               Saved& saved) const;
  // dx [T, C] float32: the gradient of the output on entry, of the input on return.
  void backward(const LayerContext& context, Mat dx, const Sequences& sequences, const Dropout& dropout,
                const Saved& saved, BackwardScratch& scratch) const;

  template <typename F>
  void for_each_linear(F&& f) {
    f(attention.qkv), f(attention.output), f(mlp.gate_up), f(mlp.down);
  }

 private:
  void add_branch(const LayerContext& context, Mat sum, Mat x, const Linear& linear, const Dropout& dropout,
                  uint64_t branch_index, Mat scratch) const;
  void branch_gradient(const LayerContext& context, Mat dbranch, Mat dx, const Dropout& dropout,
                       uint64_t branch_index) const;
};

}  // namespace loquat
