// What simd_quantized.h needs of AVX-512 VNNI (vpdpbusd: four products of an unsigned and a signed byte a lane, added
// to int32). Written over vec_avx512.h.
#define LOQUAT_ALWAYS inline __attribute__((always_inline))

constexpr int kQuantizedRows = 6;  // of a register tile, two Vecs wide

struct Ints {
  __m512i v;
};
using Codes = Ints;

LOQUAT_INLINE Codes load_codes(const uint8_t* p) {
  return {_mm512_loadu_si512(p)};
}
LOQUAT_INLINE void store_codes(uint8_t* p, Codes x) {
  _mm512_storeu_si512(p, x.v);
}
LOQUAT_INLINE Codes low_nibbles(Codes x) {
  return {_mm512_and_si512(x.v, _mm512_set1_epi8(15))};
}
LOQUAT_INLINE Codes high_nibbles(Codes x) {
  return {_mm512_and_si512(_mm512_srli_epi16(x.v, 4), _mm512_set1_epi8(15))};
}
LOQUAT_INLINE Vec to_floats(Ints x) {
  return {_mm512_cvtepi32_ps(x.v)};
}

template <bool kInt4>
struct Dot {
  using Sum = Ints;
  static LOQUAT_ALWAYS Sum start(int32_t at) { return {_mm512_set1_epi32(at)}; }
  static LOQUAT_ALWAYS Sum add(Sum sum, Codes codes, const int8_t* values) {
    int32_t quad;
    __builtin_memcpy(&quad, values, sizeof(quad));
    // GCC 12 copies the sum around its intrinsic, there and back.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(codes.v), "v"(_mm512_set1_epi32(quad)));
    return sum;
  }
  static LOQUAT_ALWAYS Ints finish(Sum sum, int32_t) { return sum; }
};

// Scales of columns 0 ... 15 and 16 ... 31.
LOQUAT_INLINE void read_scales(const uint8_t* p, Vec& first, Vec& second) {
  const __m512i both = _mm512_loadu_si512(p);
  first = {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))};
  second = {_mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}

// `vecs` Vecs times `inverse`, rounded to bytes; returns their sum.
LOQUAT_INLINE int32_t store_rounded(int8_t* out, const Vec* values, Vec inverse, int64_t vecs) {
  __m512i sum = _mm512_setzero_si512();
  for (int64_t v = 0; v < vecs; ++v) {
    const __m512i whole = _mm512_cvtps_epi32((values[v] * inverse).v);
    sum = _mm512_add_epi32(sum, whole);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + v * kLanes), _mm512_cvtsepi32_epi8(whole));
  }
  return _mm512_reduce_add_epi32(sum);
}
