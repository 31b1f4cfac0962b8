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
