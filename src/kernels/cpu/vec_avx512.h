// Vec: 16 floats in an AVX-512 register, with the operations that the shared loops (simd_*.h) are written in.
// vec_avx2.h has the same with 8. Included inside a namespace of the including file's own.
#define LOQUAT_INLINE static inline __attribute__((always_inline))

struct Vec {
  __m512 v;
};
constexpr int kLanes = 16;
constexpr int kTileRows = 12;  // rows of a product's register tile, two Vecs wide

LOQUAT_INLINE __mmask16 first_lanes(int64_t n) {
  return static_cast<__mmask16>((1u << n) - 1);
}

LOQUAT_INLINE Vec zero() {
  return {_mm512_setzero_ps()};
}
LOQUAT_INLINE Vec set1(float x) {
  return {_mm512_set1_ps(x)};
}
LOQUAT_INLINE Vec widen(__m256i x) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
}
LOQUAT_INLINE Vec load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
LOQUAT_INLINE Vec load(const uint16_t* p) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
// The first n < kLanes lanes; zero in the others.
LOQUAT_INLINE Vec load_part(const float* p, int64_t n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
LOQUAT_INLINE Vec load_part(const uint16_t* p, int64_t n) {
  return widen(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

// Round to nearest even; a NaN stays one. (The instruction takes what is below 1.2e-38 for zero.)
LOQUAT_INLINE __m256i narrow(Vec x) {
#ifdef __AVX512BF16__
  return (__m256i)_mm512_cvtneps_pbh(x.v);
#else
  const __m512i u = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i r = _mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  r = _mm512_mask_or_epi32(r, nan, u, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
#endif
}
LOQUAT_INLINE void store(float* p, Vec x) {
  _mm512_storeu_ps(p, x.v);
}
LOQUAT_INLINE void store(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x));
}
LOQUAT_INLINE void store_part(float* p, Vec x, int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), x.v);
}
LOQUAT_INLINE void store_part(uint16_t* p, Vec x, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), narrow(x));
}

LOQUAT_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm512_add_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm512_div_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}  // a b + c
LOQUAT_INLINE Vec fnma(Vec a, Vec b, Vec c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}  // c - a b
LOQUAT_INLINE Vec max(Vec a, Vec b) {
  return {_mm512_max_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec min(Vec a, Vec b) {
  return {_mm512_min_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec sqrt(Vec a) {
  return {_mm512_sqrt_ps(a.v)};
}
// 1 / a to about a unit in the last place, for a in [1, 3e38].
LOQUAT_INLINE Vec reciprocal(Vec a) {
  const Vec r = {_mm512_rcp14_ps(a.v)};
  return fma(r, fnma(a, r, set1(1.0f)), r);
}
LOQUAT_INLINE Vec round(Vec a) {
  return {_mm512_roundscale_ps(a.v, 0)};
}
// 2^n for whole n in [-126, 127].
LOQUAT_INLINE Vec exp2_whole(Vec n) {
  const __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(e, 23))};
}
// x where a < b does not hold (so also where either is NaN), zero elsewhere.
LOQUAT_INLINE Vec unless_less(Vec a, Vec b, Vec x) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_NLT_UQ), x.v)};
}
// x in the first n lanes (any n), zero in the others.
LOQUAT_INLINE Vec keep_first(Vec x, int64_t n) {
  return {_mm512_maskz_mov_ps(n >= kLanes ? static_cast<__mmask16>(0xffff) : first_lanes(n < 0 ? 0 : n), x.v)};
}
// x in the first n > 0 lanes, `rest` in the others.
LOQUAT_INLINE Vec first_of(Vec x, int64_t n, Vec rest) {
  return {_mm512_mask_mov_ps(rest.v, n >= kLanes ? static_cast<__mmask16>(0xffff) : first_lanes(n), x.v)};
}
LOQUAT_INLINE float sum_lanes(Vec x) {
  return _mm512_reduce_add_ps(x.v);
}
LOQUAT_INLINE float max_lanes(Vec x) {
  return _mm512_reduce_max_ps(x.v);
}

// Unrolled, so that all of it stays in registers.
LOQUAT_INLINE void transpose_epi32(__m512i r[16]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // r[4 g + c], 128-bit lane l: column 4 l + c of rows 4 g ... 4 g + 3.
#pragma GCC unroll 16
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);      // lanes 0, 2 of groups 0, 1
    t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);  // lanes 1, 3
    t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
  }
#pragma GCC unroll 16
  for (int c = 0; c < 4; ++c) {
    r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}
// In place: lane j of r[i] and lane i of r[j] change places.
LOQUAT_INLINE void transpose(Vec r[kLanes]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) t[i] = _mm512_castps_si512(r[i].v);
  transpose_epi32(t);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i].v = _mm512_castsi512_ps(t[i]);
}
