// The inner loops for AVX2: the shared ones over this width's Vec.
#include <immintrin.h>

#include "kernels/cpu/inner.h"
#include "kernels/random_rounding.h"

namespace loquat::cpu {
namespace avx2 {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx2.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/register_tile.h"
#include "kernels/cpu/simd_product.h"
#include "kernels/cpu/simd_attention.h"
#include "kernels/cpu/simd_decode.h"
#include "kernels/cpu/simd_rows.h"
#include "kernels/cpu/simd_parts.h"
// clang-format on

}  // namespace avx2

extern const Products kProductsAvx2 = {avx2::kPanel, avx2::panel_bytes, avx2::pack, avx2::product,
                                       avx2::weight_gradient};

static constexpr Decode kDecode = {avx2::kDecodeSlice, avx2::decode_scores, avx2::decode_softmax, avx2::decode_values};
extern const Attention kAttentionAvx2 = {avx2::attention, avx2::attention_backward, &kDecode};

extern const Rows kRowsAvx2 = {
    avx2::rms_norm,
    avx2::rms_norm_backward,
    avx2::rope,
    avx2::swiglu,
    avx2::swiglu_backward,
    avx2::dropout_add,
    avx2::dropout_backward,
    avx2::log_sum,
    avx2::vocab_gradient,
    avx2::adamw,
    avx2::sum_of_squares,
    avx2::axpby,
    avx2::convert,
    avx2::round_at_random,
};

extern const Parts kPartsAvx2 = {
    avx2::layer_norm, avx2::layer_norm_backward, avx2::add_bias, avx2::add_rows,
    avx2::head_norm,  avx2::head_norm_backward,  avx2::geglu,    avx2::geglu_backward,
    avx2::gelu,       avx2::gelu_backward,       avx2::soft_cap, avx2::soft_cap_slope,
};

}  // namespace loquat::cpu
