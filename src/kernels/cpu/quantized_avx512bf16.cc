// Products by quantised weights on AVX-512 VNNI.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace quantized_avx512bf16 {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/register_tile.h"
#include "kernels/cpu/vnni.h"
#include "kernels/cpu/simd_quantized.h"
// clang-format on

}  // namespace quantized_avx512bf16

extern const QuantizedProducts kQuantizedAvx512Bf16 = {quantized_avx512bf16::kPanel, quantized_avx512bf16::panel_bytes,
                                                       quantized_avx512bf16::pack, quantized_avx512bf16::quantize_rows,
                                                       quantized_avx512bf16::product};

}  // namespace loquat::cpu
