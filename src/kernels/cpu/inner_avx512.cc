// The inner loops for AVX512: the shared ones over this width's Vec.
// GCC 12 warns of its own intrinsics.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"
#include "kernels/random_rounding.h"

namespace loquat::cpu {
namespace avx512 {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/register_tile.h"
#include "kernels/cpu/simd_product.h"
#include "kernels/cpu/simd_attention.h"
#include "kernels/cpu/simd_decode.h"
#include "kernels/cpu/simd_rows.h"
#include "kernels/cpu/simd_parts.h"
// clang-format on

}  // namespace avx512

extern const Products kProductsAvx512 = {avx512::kPanel, avx512::panel_bytes, avx512::pack, avx512::product,
                                         avx512::weight_gradient};

static constexpr Decode kDecode = {avx512::kDecodeSlice, avx512::decode_scores, avx512::decode_softmax,
                                   avx512::decode_values};
extern const Attention kAttentionAvx512 = {avx512::attention, avx512::attention_backward, &kDecode};

extern const Rows kRowsAvx512 = {
    avx512::rms_norm,
    avx512::rms_norm_backward,
    avx512::rope,
    avx512::swiglu,
    avx512::swiglu_backward,
    avx512::dropout_add,
    avx512::dropout_backward,
    avx512::log_sum,
    avx512::vocab_gradient,
    avx512::adamw,
    avx512::sum_of_squares,
    avx512::axpby,
    avx512::convert,
    avx512::round_at_random,
};

extern const Parts kPartsAvx512 = {
    avx512::layer_norm, avx512::layer_norm_backward, avx512::add_bias, avx512::add_rows,
    avx512::head_norm,  avx512::head_norm_backward,  avx512::geglu,    avx512::geglu_backward,
    avx512::gelu,       avx512::gelu_backward,       avx512::soft_cap, avx512::soft_cap_slope,
};

}  // namespace loquat::cpu
