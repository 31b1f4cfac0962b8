// The reference table.
#include "kernels/reference.h"

#include "kernels/host_memory.h"

namespace loquat::reference {

constinit const Kernels kTable = {
    .name = "reference",
    .host_memory = true,
    .shared_prefixes = true,
    .paged_attention = true,
    .quantized_weights = true,
    .host_reads = true,
    .allocate = host::allocate,
    .release = host::release,
    .upload = host::copy,
    .download = host::copy,
    .clear = host::clear,
    .copy_rows = host::copy_rows,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .quantized_bytes = quantized_bytes,
    .pack_quantized = pack_quantized,
    .linear = linear,
    .linear_backward_input = linear_backward_input,
    .linear_backward_weight = linear_backward_weight,
    .matmul = matmul,
    .embedding = embedding,
    .embedding_backward = embedding_backward,
    .rms_norm = rms_norm,
    .rms_norm_backward = rms_norm_backward,
    .rope = rope,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .attention = attention,
    .attention_backward = attention_backward,
    .dropout_add = dropout_add,
    .dropout_backward = dropout_backward,
    .lm_head = lm_head,
    .lm_head_backward = lm_head_backward,
    .lm_head_loss = lm_head_loss,
    .log_sum_exp = log_sum_exp_rows,
    .adamw = adamw,
    .sum_of_squares = sum_of_squares,
    .axpby = axpby,
    .convert = convert,
    .round_at_random = round_at_random,
};

}  // namespace loquat::reference
