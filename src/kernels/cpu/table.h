// A kernel table out of one instruction set's inner loops.
#pragma once

#include "kernels/cpu/drivers.h"
#include "kernels/host_memory.h"

namespace loquat::cpu {

// A driver with its inner loops bound: a plain function for the table.
template <const Inner& inner, auto F>
struct Bound;
template <const Inner& inner, typename R, typename... A, R (*F)(const Inner&, A...)>
struct Bound<inner, F> {
  static R call(A... args) { return F(inner, args...); }
};

template <const Inner& inner>
constexpr Kernels table_of(const char* name) {
  return {
      .name = name,
      .host_memory = true,
      .shared_prefixes = true,
      .paged_attention = true,
      .quantized_weights = true,
      .windows_and_caps = true,
      .host_reads = true,
      .allocate = host::allocate,
      .release = host::release,
      .upload = host::copy,
      .download = host::copy,
      .clear = host::clear,
      .copy_rows = host::copy_rows,
      .packed_bytes = Bound<inner, packed_bytes>::call,
      .pack = Bound<inner, pack>::call,
      .quantized_bytes = Bound<inner, quantized_bytes>::call,
      .pack_quantized = Bound<inner, pack_quantized>::call,
      .linear = Bound<inner, linear>::call,
      .linear_backward_input = Bound<inner, linear_backward_input>::call,
      .linear_backward_weight = Bound<inner, linear_backward_weight>::call,
      .matmul = Bound<inner, matmul>::call,
      .embedding = Bound<inner, embedding>::call,
      .embedding_backward = Bound<inner, embedding_backward>::call,
      .rms_norm = Bound<inner, rms_norm>::call,
      .rms_norm_backward = Bound<inner, rms_norm_backward>::call,
      .rope = Bound<inner, rope>::call,
      .swiglu = Bound<inner, swiglu>::call,
      .swiglu_backward = Bound<inner, swiglu_backward>::call,
      .layer_norm = Bound<inner, layer_norm>::call,
      .layer_norm_backward = Bound<inner, layer_norm_backward>::call,
      .add_bias = Bound<inner, add_bias>::call,
      .bias_backward = Bound<inner, bias_backward>::call,
      .head_norm = Bound<inner, head_norm>::call,
      .head_norm_backward = Bound<inner, head_norm_backward>::call,
      .geglu = Bound<inner, geglu>::call,
      .geglu_backward = Bound<inner, geglu_backward>::call,
      .gelu = Bound<inner, gelu>::call,
      .gelu_backward = Bound<inner, gelu_backward>::call,
      .soft_cap = Bound<inner, soft_cap>::call,
      .attention = Bound<inner, attention>::call,
      .attention_backward = Bound<inner, attention_backward>::call,
      .dropout_add = Bound<inner, dropout_add>::call,
      .dropout_backward = Bound<inner, dropout_backward>::call,
      .lm_head = Bound<inner, lm_head>::call,
      .lm_head_backward = Bound<inner, lm_head_backward>::call,
      .lm_head_loss = Bound<inner, lm_head_loss>::call,
      .log_sum_exp = Bound<inner, log_sum_exp>::call,
      .adamw = Bound<inner, adamw>::call,
      .sum_of_squares = Bound<inner, sum_of_squares>::call,
      .axpby = Bound<inner, axpby>::call,
      .convert = Bound<inner, convert>::call,
      .round_at_random = Bound<inner, round_at_random>::call,
  };
}

}  // namespace loquat::cpu
