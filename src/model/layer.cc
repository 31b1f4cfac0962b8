// RmsNorm, Mlp and the whole layer; attention has a file of its own.
#include "model/layer.h"

#include "base/rng.h"

namespace loquat {

void RmsNorm::forward(const LayerContext& context, Mat y, Mat x, float* rstd) const {
  context.kernels->rms_norm(y, x, weight, context.config->rms_norm_eps, rstd);
}

void RmsNorm::backward(const LayerContext& context, Mat dx_added, Mat dy, Mat x, const float* rstd) const {
  context.kernels->rms_norm_backward(dx_added, gradient, dy, x, weight, rstd);
}

void Mlp::forward(const LayerContext& context, Mat x, Saved& saved) const {
  gate_up.forward(*context.kernels, saved.gate_up, x, false);
  context.kernels->swiglu(saved.activated, saved.gate_up);
}

void Mlp::backward(const LayerContext& context, Mat dx, Mat dactivated, Mat dgate_up, Mat x, const Saved& saved) const {
  context.kernels->swiglu_backward(dgate_up, dactivated, saved.gate_up);
  gate_up.backward(*context.kernels, dx, dgate_up, x);
}

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
  mlp.gate_up = arena.take(rows, 2 * c.intermediate_size, context.compute);
  mlp.activated = arena.take(rows, c.intermediate_size, context.compute);
  branch = dropout ? arena.take(rows, c.hidden_size, context.compute) : Mat{};
}

void TransformerLayer::BackwardScratch::take(const LayerContext& context, int64_t rows, Arena& arena) {
  const ModelConfig& c = *context.config;
  dbranch = arena.take(rows, c.hidden_size, context.compute);
  dnormed = arena.take(rows, c.hidden_size, context.compute);
  dattention = arena.take(rows, c.num_heads * c.head_dim, context.compute);
  dqkv = arena.take(rows, c.qkv_dim(), context.compute);
  dactivated = arena.take(rows, c.intermediate_size, context.compute);
  dgate_up = arena.take(rows, 2 * c.intermediate_size, context.compute);
}

namespace {

void copy_unless_same(const Kernels& kernels, Mat to, Mat from) {
  if (to.data != from.data) kernels.convert(to, from);
}

uint64_t branch_seed(const Dropout& dropout, uint64_t branch_index) {
  return mix64(dropout.seed ^ mix64(branch_index));
}

}  // namespace

void TransformerLayer::add_branch(const LayerContext& context, Mat sum, Mat x, const Linear& linear,
                                  const Dropout& dropout, uint64_t branch_index, Mat scratch) const {
  if (dropout.p == 0) {
    linear.forward(*context.kernels, sum, x, true);
  } else {
    linear.forward(*context.kernels, scratch, x, false);
    context.kernels->dropout_add(sum, scratch, dropout.p, branch_seed(dropout, branch_index));
  }
}

void TransformerLayer::branch_gradient(const LayerContext& context, Mat dbranch, Mat dx, const Dropout& dropout,
                                       uint64_t branch_index) const {
  if (dropout.p == 0) {
    context.kernels->convert(dbranch, dx);
  } else {
    context.kernels->dropout_backward(dbranch, dx, dropout.p, branch_seed(dropout, branch_index));
  }
}

void TransformerLayer::forward(const LayerContext& context, Mat output, const Sequences& sequences,
                               const Dropout& dropout, Saved& saved) const {
  attention_norm.forward(context, saved.normed_attention, saved.input, saved.rstd_attention);
  attention.forward(context, saved.normed_attention, sequences, saved.attention);
  copy_unless_same(*context.kernels, saved.middle, saved.input);
  const uint64_t branch = 2 * static_cast<uint64_t>(attention.index);
  add_branch(context, saved.middle, saved.attention.out, attention.output, dropout, branch, saved.branch);

  mlp_norm.forward(context, saved.normed_mlp, saved.middle, saved.rstd_mlp);
  mlp.forward(context, saved.normed_mlp, saved.mlp);
  if (output.data == nullptr) return;
  copy_unless_same(*context.kernels, output, saved.middle);
  add_branch(context, output, saved.mlp.activated, mlp.down, dropout, branch + 1, saved.branch);
}

void TransformerLayer::backward(const LayerContext& context, Mat dx, const Sequences& sequences, const Dropout& dropout,
                                const Saved& saved, BackwardScratch& scratch) const {
  const Kernels& kernels = *context.kernels;
  const uint64_t branch = 2 * static_cast<uint64_t>(attention.index);

  branch_gradient(context, scratch.dbranch, dx, dropout, branch + 1);
  mlp.down.backward(kernels, scratch.dactivated, scratch.dbranch, saved.mlp.activated);
  mlp.backward(context, scratch.dnormed, scratch.dactivated, scratch.dgate_up, saved.normed_mlp, saved.mlp);
  mlp_norm.backward(context, dx, scratch.dnormed, saved.middle, saved.rstd_mlp);

  branch_gradient(context, scratch.dbranch, dx, dropout, branch);
  attention.output.backward(kernels, scratch.dattention, scratch.dbranch, saved.attention.out);
  attention.backward(context, scratch.dnormed, scratch.dattention, scratch.dqkv, saved.normed_attention, sequences,
                     saved.attention);
  attention_norm.backward(context, dx, scratch.dnormed, saved.input, saved.rstd_attention);
}

}  // namespace loquat
