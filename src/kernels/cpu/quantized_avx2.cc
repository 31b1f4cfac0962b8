// Products by quantised weights on AVX2, which multiplies unsigned by signed bytes into sums of two in 16 bits that
// must not run over: with 4 bits a whole group fits; with 8 the sign goes from the weight to the row's value.
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace quantized_avx2 {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx2.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/register_tile.h"
// clang-format on

#define LOQUAT_ALWAYS inline __attribute__((always_inline))

constexpr int kQuantizedRows = 2;

struct Ints {
  __m256i v;
};
using Codes = Ints;

LOQUAT_INLINE Codes load_codes(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
LOQUAT_INLINE void store_codes(uint8_t* p, Codes x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.v);
}
LOQUAT_INLINE Codes low_nibbles(Codes x) {
  return {_mm256_and_si256(x.v, _mm256_set1_epi8(15))};
}
LOQUAT_INLINE Codes high_nibbles(Codes x) {
  return {_mm256_and_si256(_mm256_srli_epi16(x.v, 4), _mm256_set1_epi8(15))};
}
LOQUAT_INLINE Vec to_floats(Ints x) {
  return {_mm256_cvtepi32_ps(x.v)};
}
LOQUAT_INLINE __m256i quad_of(const int8_t* values) {
  int32_t quad;
  __builtin_memcpy(&quad, values, sizeof(quad));
  return _mm256_set1_epi32(quad);
}
LOQUAT_INLINE __m256i pair_sums(__m256i x) {
  return _mm256_madd_epi16(x, _mm256_set1_epi16(1));
}

template <bool kInt4>
struct Dot;

// A sum of 16 bits takes at most 8 steps of 2 * 15 * 127.
template <>
struct Dot<true> {
  using Sum = Ints;
  static LOQUAT_ALWAYS Sum start(int32_t) { return {_mm256_setzero_si256()}; }
  static LOQUAT_ALWAYS Sum add(Sum sum, Codes codes, const int8_t* values) {
    return {_mm256_add_epi16(sum.v, _mm256_maddubs_epi16(codes.v, quad_of(values)))};
  }
  static LOQUAT_ALWAYS Ints finish(Sum sum, int32_t at) {
    return {_mm256_add_epi32(pair_sums(sum.v), _mm256_set1_epi32(at))};
  }
};

// The codes less 128, |..| <= 128, times |values| <= 127: two of them fit 16 bits.
template <>
struct Dot<false> {
  using Sum = Ints;
  static LOQUAT_ALWAYS Sum start(int32_t) { return {_mm256_setzero_si256()}; }
  static LOQUAT_ALWAYS Sum add(Sum sum, Codes codes, const int8_t* values) {
    const __m256i weights = _mm256_xor_si256(codes.v, _mm256_set1_epi8(-128));
    const __m256i signed_values = _mm256_sign_epi8(quad_of(values), weights);
    const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), signed_values);
    return {_mm256_add_epi32(sum.v, pair_sums(products))};
  }
  static LOQUAT_ALWAYS Ints finish(Sum sum, int32_t) { return sum; }
};

// Scales of columns 0 ... 7 and 8 ... 15.
LOQUAT_INLINE void read_scales(const uint8_t* p, Vec& first, Vec& second) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  first = {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16))};
  second = {_mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xffff0000u))))};
}

// `vecs` Vecs times `inverse`, rounded to bytes; returns their sum.
LOQUAT_INLINE int32_t store_rounded(int8_t* out, const Vec* values, Vec inverse, int64_t vecs) {
  __m256i sum = _mm256_setzero_si256();
  for (int64_t v = 0; v < vecs; ++v) {
    const __m256i whole = _mm256_cvtps_epi32((values[v] * inverse).v);
    sum = _mm256_add_epi32(sum, whole);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + v * kLanes), _mm_packs_epi16(halves, halves));
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  four = _mm_hadd_epi32(four, four);
  return _mm_cvtsi128_si32(_mm_hadd_epi32(four, four));
}

// clang-format off
#include "kernels/cpu/simd_quantized.h"
// clang-format on

}  // namespace quantized_avx2

extern const QuantizedProducts kQuantizedAvx2 = {quantized_avx2::kPanel, quantized_avx2::panel_bytes,
                                                 quantized_avx2::pack, quantized_avx2::quantize_rows,
                                                 quantized_avx2::product};

}  // namespace loquat::cpu
