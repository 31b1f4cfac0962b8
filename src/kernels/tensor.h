// Non-owning tensor views. A view never allocates and never frees; who owns the memory is said where it is made.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace loquat {

enum class DType : uint8_t { kF32, kBF16 };

inline int64_t bytes_of(DType dtype) {
  return dtype == DType::kF32 ? 4 : 2;
}

// bfloat16 as its bits; rounds to nearest even, quiet NaN stays NaN.
struct BF16 {
  uint16_t bits = 0;
};

inline float to_float(BF16 x) {
  const uint32_t u = static_cast<uint32_t>(x.bits) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline float to_float(float x) {
  return x;
}

inline BF16 to_bf16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return BF16{static_cast<uint16_t>((u >> 16) | 0x40)};
  return BF16{static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

// 32 random bits for element i of what `seed` names: the same on every processor and card (a mixer of Wellons' family).
inline uint32_t noise_of(uint64_t seed, uint64_t i) {
  uint32_t x = static_cast<uint32_t>(i) * 0x9e3779b1u + static_cast<uint32_t>(i >> 32) * 0x85ebca77u +
               static_cast<uint32_t>(seed) + static_cast<uint32_t>(seed >> 32) * 0xc2b2ae3du;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Rounds to one of the two neighbours, to each the likelier the nearer it is (by 16 random bits): right on average, so
// that a sum of many small changes is not lost. Infinities and NaN as to_bf16 has them.
inline BF16 to_bf16_at_random(float f, uint32_t noise) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7f800000u) == 0x7f800000u) return to_bf16(f);
  return BF16{static_cast<uint16_t>((u + (noise & 0xffffu)) >> 16)};
}

// rows x cols, row-major; `stride` elements from one row to the next (stride >= cols). Higher shapes are folded into
// rows: activations are [T, C] with T the tokens of all packed sequences; heads lie side by side in a row.
struct Mat {
  void* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  DType dtype = DType::kF32;

  float* f32() const {
    CHECK(dtype == DType::kF32, "the tensor [{}, {}] is not float32", rows, cols);
    return static_cast<float*>(data);
  }
  BF16* bf16() const {
    CHECK(dtype == DType::kBF16, "the tensor [{}, {}] is not bfloat16", rows, cols);
    return static_cast<BF16*>(data);
  }
  void* row(int64_t r) const { return static_cast<char*>(data) + r * stride * bytes_of(dtype); }
  Mat row_range(int64_t begin, int64_t end) const { return {row(begin), end - begin, cols, stride, dtype}; }
  Mat col_range(int64_t begin, int64_t end) const {
    return {static_cast<char*>(data) + begin * bytes_of(dtype), rows, end - begin, stride, dtype};
  }
};

inline Mat mat(float* data, int64_t rows, int64_t cols) {
  return {data, rows, cols, cols, DType::kF32};
}

}  // namespace loquat
