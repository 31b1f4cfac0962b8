// Vec: 8 floats in an AVX2 register; see vec_avx512.h.
#define LOQUAT_INLINE static inline __attribute__((always_inline))

struct Vec {
  __m256 v;
};
constexpr int kLanes = 8;
constexpr int kTileRows = 6;

LOQUAT_INLINE __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

LOQUAT_INLINE Vec zero() {
  return {_mm256_setzero_ps()};
}
LOQUAT_INLINE Vec set1(float x) {
  return {_mm256_set1_ps(x)};
}
LOQUAT_INLINE Vec widen(__m128i x) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16))};
}
LOQUAT_INLINE Vec load(const float* p) {
  return {_mm256_loadu_ps(p)};
}
LOQUAT_INLINE Vec load(const uint16_t* p) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LOQUAT_INLINE Vec load_part(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, first_lanes(n))};
}
LOQUAT_INLINE Vec load_part(const uint16_t* p, int64_t n) {
  uint16_t all[8] = {};
  for (int64_t i = 0; i < n; ++i) all[i] = p[i];
  return load(all);
}

// Round to nearest even; a NaN stays one.
LOQUAT_INLINE __m128i narrow(Vec x) {
  const __m256i u = _mm256_castps_si256(x.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i r = _mm256_add_epi32(_mm256_add_epi32(u, odd), _mm256_set1_epi32(0x7fff));
  const __m256 nan = _mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q);
  const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
  const __m256i top = _mm256_srli_epi32(_mm256_blendv_epi8(r, quiet, _mm256_castps_si256(nan)), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
}
LOQUAT_INLINE void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x.v);
}
LOQUAT_INLINE void store(uint16_t* p, Vec x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(x));
}
LOQUAT_INLINE void store_part(float* p, Vec x, int64_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), x.v);
}
LOQUAT_INLINE void store_part(uint16_t* p, Vec x, int64_t n) {
  uint16_t all[8];
  store(all, x);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}

LOQUAT_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
LOQUAT_INLINE Vec fnma(Vec a, Vec b, Vec c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
LOQUAT_INLINE Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.v, b.v)};
}
LOQUAT_INLINE Vec sqrt(Vec a) {
  return {_mm256_sqrt_ps(a.v)};
}
LOQUAT_INLINE Vec reciprocal(Vec a) {
  return set1(1.0f) / a;
}
LOQUAT_INLINE Vec round(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LOQUAT_INLINE Vec exp2_whole(Vec n) {
  const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(e, 23))};
}
LOQUAT_INLINE Vec unless_less(Vec a, Vec b, Vec x) {
  return {_mm256_and_ps(_mm256_cmp_ps(a.v, b.v, _CMP_NLT_UQ), x.v)};
}
LOQUAT_INLINE Vec keep_first(Vec x, int64_t n) {
  const int64_t lanes = n > kLanes ? kLanes : n < 0 ? 0 : n;
  return {_mm256_and_ps(_mm256_castsi256_ps(first_lanes(lanes)), x.v)};
}
LOQUAT_INLINE Vec first_of(Vec x, int64_t n, Vec rest) {
  return {_mm256_blendv_ps(rest.v, x.v, _mm256_castsi256_ps(first_lanes(n)))};
}
LOQUAT_INLINE float sum_lanes(Vec x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
LOQUAT_INLINE float max_lanes(Vec x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

// In place: lane j of r[i] and lane i of r[j] change places.
LOQUAT_INLINE void transpose(Vec r[kLanes]) {
  __m256 t[8], u[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    t[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 4; ++i) {
    r[i].v = _mm256_permute2f128_ps(u[i], u[4 + i], 0x20);
    r[4 + i].v = _mm256_permute2f128_ps(u[i], u[4 + i], 0x31);
  }
}
