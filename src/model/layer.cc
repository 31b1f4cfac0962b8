// Norm, Mlp and the whole layer; attention has a file of its own.
#include "model/layer.h"

#include "base/rng.h"

namespace loquat {

void Norm::forward(const LayerContext& context, Mat y, Mat x, float* rstd) const {
  const float eps = context.config->rms_norm_eps;
  if (bias != nullptr) return context.kernels->layer_norm(y, x, weight, bias, eps, rstd);
  context.kernels->rms_norm(y, x, weight, eps, rstd);
}

void Norm::backward(const LayerContext& context, Mat dx_added, Mat dy, Mat x, const float* rstd) const {
  if (bias != nullptr)
    return context.kernels->layer_norm_backward(dx_added, gradient, bias_gradient, dy, x, weight, rstd);
  context.kernels->rms_norm_backward(dx_added, gradient, dy, x, weight, rstd);
}

void Mlp::forward(const LayerContext& context, Mat x, Saved& saved) const {
  const Kernels& kernels = *context.kernels;
  const Features& f = context.config->features;
  gate_up.forward(context, saved.gate_up, x, false);
  const auto activate = !f.gated_mlp                        ? kernels.gelu
                        : f.activation == Activation::kSilu ? kernels.swiglu
                                                            : kernels.geglu;
  activate(saved.activated, saved.gate_up);
}

void Mlp::backward(const LayerContext& context, Mat dx, Mat dactivated, Mat dgate_up, Mat x, const Saved& saved) const {
  const Kernels& kernels = *context.kernels;
  const Features& f = context.config->features;
  const auto activate_backward = !f.gated_mlp                        ? kernels.gelu_backward
                                 : f.activation == Activation::kSilu ? kernels.swiglu_backward
                                                                     : kernels.geglu_backward;
  activate_backward(dgate_up, dactivated, saved.gate_up);
  gate_up.backward(context, dx, dgate_up, x);
}

namespace {

int64_t gate_up_width(const ModelConfig& c) {
  return (c.features.gated_mlp ? 2 : 1) * c.intermediate_size;
}

}  // namespace

void TransformerLayer::Saved::take(const LayerContext& context, int64_t rows, bool for_backward, bool dropout,
                                   Arena& arena) {
  const ModelConfig& c = *context.config;
  const int64_t q_dim = c.num_heads * c.head_dim;
  middle = for_backward ? arena.take(rows, c.hidden_size, DType::kF32) : input;
  normed_attention = arena.take(rows, c.hidden_size, context.compute);
  normed_mlp = for_backward ? arena.take(rows, c.hidden_size, context.compute) : normed_attention;
  rstd_attention = arena.take_floats(rows);
  rstd_mlp = for_backward ? arena.take_floats(rows) : rstd_attention;
  attention.qkv = arena.take(rows, c.qkv_dim(), context.compute);
  attention.out = arena.take(rows, q_dim, context.compute);
  attention.lse = for_backward ? arena.take_floats(rows * c.num_heads) : nullptr;
  mlp.gate_up = arena.take(rows, gate_up_width(c), context.compute);
  mlp.activated = arena.take(rows, c.intermediate_size, context.compute);
  branch = Mat{};
  if (c.features.post_norms) {
    branch = arena.take(rows, c.hidden_size, DType::kF32);
    raw_attention = arena.take(rows, c.hidden_size, DType::kF32);
    raw_mlp = for_backward ? arena.take(rows, c.hidden_size, DType::kF32) : raw_attention;
    rstd_post_attention = arena.take_floats(rows);
    rstd_post_mlp = for_backward ? arena.take_floats(rows) : rstd_post_attention;
  } else if (dropout) {
    branch = arena.take(rows, c.hidden_size, context.compute);
  }
  if (c.features.qk_norm && for_backward) {
    attention.raw = arena.take(rows, (c.num_heads + c.num_kv_heads) * c.head_dim, context.compute);
    attention.q_rstd = arena.take_floats(rows * c.num_heads);
    attention.k_rstd = arena.take_floats(rows * c.num_kv_heads);
  }
}

void TransformerLayer::BackwardScratch::take(const LayerContext& context, int64_t rows, Arena& arena) {
  const ModelConfig& c = *context.config;
  dbranch = arena.take(rows, c.hidden_size, context.compute);
  dnormed = arena.take(rows, c.hidden_size, context.compute);
  dattention = arena.take(rows, c.num_heads * c.head_dim, context.compute);
  dqkv = arena.take(rows, c.qkv_dim(), context.compute);
  dactivated = arena.take(rows, c.intermediate_size, context.compute);
  dgate_up = arena.take(rows, gate_up_width(c), context.compute);
  if (c.features.post_norms) draw = arena.take(rows, c.hidden_size, DType::kF32);
}

namespace {

void copy_unless_same(const Kernels& kernels, Mat to, Mat from) {
  if (to.data != from.data) kernels.convert(to, from);
}

uint64_t branch_seed(const Dropout& dropout, uint64_t branch_index) {
  return mix64(dropout.seed ^ mix64(branch_index));
}

}  // namespace

TransformerLayer::Branch TransformerLayer::attention_branch(const Saved& saved) const {
  return {attention.output, post_attention_norm, 2 * static_cast<uint64_t>(attention.index), saved.raw_attention,
          saved.rstd_post_attention};
}

TransformerLayer::Branch TransformerLayer::mlp_branch(const Saved& saved) const {
  return {mlp.down, post_mlp_norm, 2 * static_cast<uint64_t>(attention.index) + 1, saved.raw_mlp, saved.rstd_post_mlp};
}

void TransformerLayer::add_branch(const LayerContext& context, Mat sum, Mat x, const Branch& branch,
                                  const Dropout& dropout, Mat scratch) const {
  const Kernels& kernels = *context.kernels;
  const bool normed = branch.post.weight != nullptr;
  if (!normed && dropout.p == 0) return branch.linear.forward(context, sum, x, true);
  branch.linear.forward(context, normed ? branch.raw : scratch, x, false);
  if (normed) branch.post.forward(context, scratch, branch.raw, branch.rstd);
  if (dropout.p > 0) {
    kernels.dropout_add(sum, scratch, dropout.p, branch_seed(dropout, branch.index));
  } else {
    kernels.axpby(sum.f32(), scratch.f32(), sum.rows * sum.cols, 1, 1);
  }
}

void TransformerLayer::branch_gradient(const LayerContext& context, Mat dbranch, Mat dx, const Branch& branch,
                                       const Dropout& dropout, Mat draw) const {
  const Kernels& kernels = *context.kernels;
  if (dropout.p == 0) {
    kernels.convert(dbranch, dx);
  } else {
    kernels.dropout_backward(dbranch, dx, dropout.p, branch_seed(dropout, branch.index));
  }
  if (branch.post.weight == nullptr) return;
  if (draw.rows > 0) kernels.clear(draw.data, draw.rows * draw.cols * 4);
  branch.post.backward(context, draw, dbranch, branch.raw, branch.rstd);
  kernels.convert(dbranch, draw);
}

void TransformerLayer::forward(const LayerContext& context, Mat output, const Sequences& sequences,
                               const Dropout& dropout, Saved& saved) const {
  attention_norm.forward(context, saved.normed_attention, saved.input, saved.rstd_attention);
  attention.forward(context, saved.normed_attention, sequences, saved.attention);
  copy_unless_same(*context.kernels, saved.middle, saved.input);
  add_branch(context, saved.middle, saved.attention.out, attention_branch(saved), dropout, saved.branch);

  mlp_norm.forward(context, saved.normed_mlp, saved.middle, saved.rstd_mlp);
  mlp.forward(context, saved.normed_mlp, saved.mlp);
  // A recomputation needs of the last product only what a norm behind it reads.
  if (output.data == nullptr) {
    if (post_mlp_norm.weight == nullptr) return;
    mlp.down.forward(context, saved.raw_mlp, saved.mlp.activated, false);
    return post_mlp_norm.forward(context, saved.branch, saved.raw_mlp, saved.rstd_post_mlp);
  }
  copy_unless_same(*context.kernels, output, saved.middle);
  add_branch(context, output, saved.mlp.activated, mlp_branch(saved), dropout, saved.branch);
}

void TransformerLayer::backward(const LayerContext& context, Mat dx, const Sequences& sequences, const Dropout& dropout,
                                const Saved& saved, BackwardScratch& scratch) const {
  branch_gradient(context, scratch.dbranch, dx, mlp_branch(saved), dropout, scratch.draw);
  mlp.down.backward(context, scratch.dactivated, scratch.dbranch, saved.mlp.activated);
  mlp.backward(context, scratch.dnormed, scratch.dactivated, scratch.dgate_up, saved.normed_mlp, saved.mlp);
  mlp_norm.backward(context, dx, scratch.dnormed, saved.middle, saved.rstd_mlp);

  branch_gradient(context, scratch.dbranch, dx, attention_branch(saved), dropout, scratch.draw);
  attention.output.backward(context, scratch.dattention, scratch.dbranch, saved.attention.out);
  attention.backward(context, scratch.dnormed, scratch.dattention, scratch.dqkv, saved.normed_attention, sequences,
                     saved.attention);
  attention_norm.backward(context, dx, scratch.dnormed, saved.input, saved.rstd_attention);
}

}  // namespace loquat
