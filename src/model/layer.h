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
  const float* cos_sin = nullptr;        // [max_positions, rotary_dim]
  const float* local_cos_sin = nullptr;  // of layers with LayerRope::kLocal
  LoraPass* lora = nullptr;              // of the pass under way
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

// y = x Wᵀ + bias. W lies in the flat master buffer; its packed copies follow it at refresh(). In a model over a base W
// and bias are the base's, frozen, and the pass says which rows have an adapter, each range of them its own.
struct Linear {
  const float* weight = nullptr;  // null in a model that only serves, and in one over a base
  float* gradient = nullptr;      // null: no gradient of W in this model
  PackedWeight packed;
  const float* bias = nullptr;  // [N]; null: none
  float* bias_gradient = nullptr;
  bool frozen_backward = false;    // of a base: packed for the backward too
  const float* squares = nullptr;  // of a base: the sums of W's rows' squares [N]
  size_t index = 0;                // among the model's projections

  void forward(const LayerContext& context, Mat y, Mat x, bool add) const;
  // dx (may have null data: not wanted) and the gradients of weight and bias, or of the adapter, which all rows share.
  void backward(const LayerContext& context, Mat dx, Mat dy, Mat x) const;
  bool has_backward() const { return gradient != nullptr || frozen_backward; }
  int64_t packed_bytes(const Kernels& kernels) const;  // of all orientations
  void place(const Kernels& kernels, char* memory);
  void pack(const Kernels& kernels) const;
};

// By Features::norm. `weight` is what x is multiplied by: the parameter, or 1 + the parameter, made at refresh().
struct Norm {
  const float* weight = nullptr;
  float* gradient = nullptr;
  const float* bias = nullptr;  // of a layer norm
  float* bias_gradient = nullptr;

  void forward(const LayerContext& context, Mat y, Mat x, float* rstd) const;
  void backward(const LayerContext& context, Mat dx_added, Mat dy, Mat x, const float* rstd) const;
};

struct Attention {
  struct Saved {
    Mat qkv;                  // [T, (H + 2G) D], q and k normed and rotated
    Mat raw;                  // [T, (H + G) D]: q and k before their norms; no data: no norms or no backward
    float* q_rstd = nullptr;  // [T, H]
    float* k_rstd = nullptr;  // [T, G]
    Mat out;                  // [T, H D]
    float* lse = nullptr;     // [T, H]; null: no backward
  };
  Linear qkv, output;
  Norm q_norm, k_norm;  // of each head [D]; without weight where there are none
  int64_t index = 0;    // of the layer, for the cache
  LayerFeatures features;

  // Computes up to the heads' outputs; the caller applies `output` to saved.out.
  void forward(const LayerContext& context, Mat x, const Sequences& sequences, Saved& saved) const;
  // dx from dout, the gradient of saved.out. dqkv: memory as saved.qkv.
  void backward(const LayerContext& context, Mat dx, Mat dout, Mat dqkv, Mat x, const Sequences& sequences,
                const Saved& saved) const;
};

struct Mlp {
  struct Saved {
    Mat gate_up;    // [T, 2F]; [T, F] without a gate
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

// middle = input + dropout(post(attention(norm(input)))); output = middle + dropout(post(mlp(norm(middle)))), where
// post is a norm that some architectures have. The residual stream is float32; middle and output may be the same memory
// as input where nothing is kept.
struct TransformerLayer {
  struct Saved {
    Mat input, middle;                 // [T, C] float32
    Mat normed_attention, normed_mlp;  // [T, C]
    float* rstd_attention = nullptr;   // [T]
    float* rstd_mlp = nullptr;
    Attention::Saved attention;
    Mlp::Saved mlp;
    Mat branch;  // [T, C]: a branch before dropout; used only where there is dropout or a norm behind the branches
    Mat raw_attention, raw_mlp;  // [T, C] float32: branches before their norms
    float* rstd_post_attention = nullptr;
    float* rstd_post_mlp = nullptr;

    // Everything but input; `middle` is made only for a backward, else it is the input's memory.
    void take(const LayerContext& context, int64_t rows, bool for_backward, bool dropout, Arena& arena);
  };
  // Memory that the backwards of all layers share.
  struct BackwardScratch {
    Mat dbranch, dnormed;      // [T, C]
    Mat dattention, dqkv;      // [T, H D], [T, (H + 2G) D]
    Mat dactivated, dgate_up;  // [T, F], as Mlp::Saved::gate_up
    Mat draw;                  // [T, C] float32, with norms behind the branches
    void take(const LayerContext& context, int64_t rows, Arena& arena);
  };

  Norm attention_norm, mlp_norm;
  Norm post_attention_norm, post_mlp_norm;  // without weight where there are none
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
  // A branch's end: its projection, and the norm behind it.
  struct Branch {
    const Linear& linear;
    const Norm& post;
    uint64_t index;
    Mat raw;  // as Saved::raw_attention
    float* rstd;
  };
  Branch attention_branch(const Saved& saved) const;
  Branch mlp_branch(const Saved& saved) const;
  void add_branch(const LayerContext& context, Mat sum, Mat x, const Branch& branch, const Dropout& dropout,
                  Mat scratch) const;
  void branch_gradient(const LayerContext& context, Mat dbranch, Mat dx, const Branch& branch, const Dropout& dropout,
                       Mat draw) const;
};

}  // namespace loquat
