#include "model/model_parts.h"

#include <utility>

#include "base/check.h"

namespace loquat {
namespace {

class Attacher {
 public:
  Attacher(const ModelConfig& config, DType compute, std::span<const Param> params, float* effective)
      : config_(config), features_(config.features), compute_(compute), params_(params), effective_(effective) {}

  ModelParts attach() {
    const Param& embedding = take();
    out_.table = embedding.value;
    out_.dtable = embedding.grad;
    if (features_.learned_positions) {
      const Param& p = take();
      out_.position_table = p.value;
      out_.dposition_table = p.grad;
    }
    for (int64_t i = 0; i < config_.num_layers; ++i) out_.layers.push_back(layer(i));
    out_.norm = norm();
    attach_heads();
    CHECK(next_ == params_.size(), "{} of {} parameters are used", next_, params_.size());
    return std::move(out_);
  }

 private:
  const Param& take(size_t count = 1) {
    const Param& first = params_[next_];
    next_ += count;
    return first;
  }

  // Of `count` neighbours; so are their biases.
  Linear linear(int64_t n, int64_t k, size_t count, bool biased) {
    out_.linear_parts.push_back({next_, count});
    const Param& p = take(count);
    Linear linear{p.value, p.grad, PackedWeight{n, k, compute_, nullptr, nullptr}};
    linear.index = out_.linear_parts.size() - 1;
    if (!biased) return linear;
    const Param& bias = take(count);
    linear.bias = bias.value;
    linear.bias_gradient = bias.grad;
    return linear;
  }

  Norm norm() {
    const Param& p = take();
    Norm norm{p.value, p.grad};
    if (features_.norm_adds_one) {
      out_.effective_norms.push_back({effective_, p.value, p.size});
      norm.weight = effective_;
      effective_ += p.size;
    }
    if (features_.norm != NormKind::kLayer) return norm;
    const Param& bias = take();
    norm.bias = bias.value;
    norm.bias_gradient = bias.grad;
    return norm;
  }

  TransformerLayer layer(int64_t i) {
    const int64_t C = config_.hidden_size, F = config_.intermediate_size;
    const size_t gate_up = features_.gated_mlp ? 2 : 1;
    TransformerLayer layer;
    layer.attention.index = i;
    layer.attention.features = config_.layer(i);
    layer.attention_norm = norm();
    layer.attention.qkv = linear(config_.qkv_dim(), C, 3, features_.qkv_bias);
    if (features_.qk_norm) {
      layer.attention.q_norm = norm();
      layer.attention.k_norm = norm();
    }
    layer.attention.output = linear(C, config_.num_heads * config_.head_dim, 1, features_.output_bias);
    if (features_.post_norms) layer.post_attention_norm = norm();
    layer.mlp_norm = norm();
    layer.mlp.gate_up = linear(static_cast<int64_t>(gate_up) * F, C, gate_up, features_.mlp_bias);
    layer.mlp.down = linear(C, F, 1, features_.mlp_bias);
    if (features_.post_norms) layer.post_mlp_norm = norm();
    return layer;
  }

  void attach_heads() {
    const int64_t V = config_.vocab_size, C = config_.hidden_size;
    if (config_.head == HeadKind::kScore) {
      const Param& p = take();
      out_.score = {p.value, p.grad};
    }
    if (config_.tie_embeddings) {  // then a score model can also tell how likely a reply is
      out_.linear_parts.push_back({0, 1});
      out_.language.linear = Linear{out_.table, out_.dtable, PackedWeight{V, C, compute_, nullptr, nullptr}};
    } else if (config_.head == HeadKind::kLanguage) {
      out_.language.linear = linear(V, C, 1, false);
    }
    out_.language.linear.packed.softcap = config_.final_softcap;
  }

  const ModelConfig& config_;
  const Features& features_;
  DType compute_;
  std::span<const Param> params_;
  float* effective_;
  size_t next_ = 0;
  ModelParts out_;
};

}  // namespace

ModelParts attach_parts(const ModelConfig& config, DType compute, std::span<const Param> params, float* effective) {
  return Attacher(config, compute, params, effective).attach();
}

int64_t norm_values(std::span<const Param> params) {
  int64_t n = 0;
  for (const Param& p : params) n += p.name.ends_with("norm.weight") ? p.size : 0;
  return n;
}

}  // namespace loquat
