// bfloat16 products by AVX-512 BF16 (vdpbf16ps: two products a lane, added to float32), for processors that have it and
// no matrix unit: AMD's since Zen 4. float32 ones are AVX-512's. Panels are those of AMX. A sum runs over pairs of k in
// ascending order from zero, one chain for each element, whatever the number of rows.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace avx512bf16 {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/bf16_tiles.h"
// clang-format on

constexpr int kRows = 12;         // of a register tile, two vectors wide
constexpr int kGradientRows = 8;  // of dw's, three wide

LOQUAT_INLINE __m512bh pairs(const uint16_t* p) {
  return (__m512bh)_mm512_loadu_si512(p);
}
// One row's pair in every lane.
LOQUAT_INLINE __m512bh every_lane(const uint16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof(pair));
  return (__m512bh)_mm512_set1_epi32(pair);
}

// c [R, kColumns] = x [R, 32 depths] times one panel.
template <int R>
static void product_tile(float* c, const uint16_t* x, int64_t stride, const uint16_t* b, int64_t depths) {
  __m512 sums[R][2];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  for (int64_t s = 0; s < depths; ++s, b += 2 * kTileHalves, x += kDepth) {
    for (int64_t i = 0; i < kTile; ++i) {
      const __m512bh b0 = pairs(b + i * kDepth), b1 = pairs(b + kTileHalves + i * kDepth);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const __m512bh a = every_lane(x + r * stride + 2 * i);
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], a, b0);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], a, b1);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    _mm512_store_ps(c + r * kColumns, sums[r][0]);
    _mm512_store_ps(c + r * kColumns + kTile, sums[r][1]);
  }
}

template <int R = kRows>
LOQUAT_INLINE void product_rows(int64_t rows, float* c, const uint16_t* x, int64_t stride, const uint16_t* b,
                                int64_t depths) {
  if constexpr (R > 0) {
    if (rows == R) {
      product_tile<R>(c, x, stride, b, depths);
    } else {
      product_rows<R - 1>(rows, c, x, stride, b, depths);
    }
  }
}

static void product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                    bool add) {
  if (!x.bf16) return kProductsAvx512.product(y, x, rows, packed, n, k, begin, end, add);
  if (rows == 0) return;
  const int64_t depths = round_up(k, kDepth) / kDepth;
  const uint16_t* in = static_cast<const uint16_t*>(x.data);
  int64_t stride = x.stride;
  if (k % kDepth != 0) in = pad_depth(in, rows, k, &stride);
  alignas(64) float c[kRows * kColumns];
  for (int64_t p = begin; p < end; ++p) {
    const uint16_t* b = static_cast<const uint16_t*>(packed) + p * depths * 2 * kTileHalves;
    const int64_t columns = n - p * kColumns < kColumns ? n - p * kColumns : kColumns;
    for (int64_t row = 0; row < rows; row += kRows) {
      const int64_t count = rows - row < kRows ? rows - row : kRows;
      product_rows(count, c, in + row * stride, stride, b, depths);
      store_block(y, row, p * kColumns, c, kColumns, count, columns, add);
    }
  }
}

// --- weight gradient
// ------------------------------------------------------------------------------------------------------

// dw's block of up to kGradientRows rows and 16 C columns += `depths` of 32 tokens. a: tiles of dy, from the first
// row's column; b: C tiles of x, `step` apart.
template <int C>
static void gradient_tile(float* dw, int64_t stride, int64_t rows, int64_t cols, const uint16_t* a, const uint16_t* b,
                          int64_t step, int64_t depths) {
  __m512 sums[kGradientRows][C];
  __mmask16 seen[C];
#pragma GCC unroll 3
  for (int c = 0; c < C; ++c) {
    const int64_t left = cols - c * kTile;
    seen[c] = left >= kTile ? static_cast<__mmask16>(0xffff) : first_lanes(left < 0 ? 0 : left);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kGradientRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < C; ++c)
      sums[r][c] = _mm512_maskz_loadu_ps(r < rows ? seen[c] : static_cast<__mmask16>(0), dw + r * stride + c * kTile);
  }
  for (int64_t i = 0; i < depths * kTile; ++i, a += kDepth, b += kDepth) {
    __m512bh x[C];
#pragma GCC unroll 3
    for (int c = 0; c < C; ++c) x[c] = pairs(b + c * step);
#pragma GCC unroll 8
    for (int r = 0; r < kGradientRows; ++r) {
      const __m512bh d = every_lane(a + 2 * r);
#pragma GCC unroll 3
      for (int c = 0; c < C; ++c) sums[r][c] = _mm512_dpbf16_ps(sums[r][c], d, x[c]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kGradientRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < C; ++c)
      _mm512_mask_storeu_ps(dw + r * stride + c * kTile, r < rows ? seen[c] : static_cast<__mmask16>(0), sums[r][c]);
  }
}

static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  if (!x.bf16) return kProductsAvx512.weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
  constexpr int64_t kBlock = 256, kMost = kBlock / kDepth, kWidth = 3 * kTile;  // three tiles stay in the first cache
  uint16_t* a =
      static_cast<uint16_t*>(scratch(kInnerA, static_cast<size_t>(round_up(n, kColumns) / kTile * kMost * kTileBytes)));
  uint16_t* b =
      static_cast<uint16_t*>(scratch(kInnerB, static_cast<size_t>(round_up(k, kColumns) / kTile * kMost * kTileBytes)));
  for (int64_t begin = 0; begin < tokens; begin += kBlock) {
    const int64_t count = tokens - begin < kBlock ? tokens - begin : kBlock;
    const int64_t depths = (count + kDepth - 1) / kDepth, step = depths * kTileHalves;
    const uint16_t* dy_rows = static_cast<const uint16_t*>(dy.data) + begin * dy.stride;
    const uint16_t* x_rows = static_cast<const uint16_t*>(x.data) + begin * x.stride;
    for (int64_t s = 0; s < depths; ++s) {
      const int64_t left = count - s * kDepth < kDepth ? count - s * kDepth : kDepth;
      pack_tokens<false>(dy_rows + s * kDepth * dy.stride, dy.stride, left, n, a + s * kTileHalves, step);
      pack_tokens<false>(x_rows + s * kDepth * x.stride, x.stride, left, k, b + s * kTileHalves, step);
    }
    for (int64_t j = 0; j < k; j += kWidth) {
      const int64_t cols = k - j;
      const uint16_t* right = b + j / kTile * step;
      for (int64_t i = 0; i < n; i += kGradientRows) {
        const int64_t rows = n - i < kGradientRows ? n - i : kGradientRows;
        const uint16_t* left = a + i / kTile * step + 2 * (i % kTile);
        float* out = dw + i * dw_stride + j;
        if (cols > 2 * kTile) {
          gradient_tile<3>(out, dw_stride, rows, cols, left, right, step, depths);
        } else if (cols > kTile) {
          gradient_tile<2>(out, dw_stride, rows, cols, left, right, step, depths);
        } else {
          gradient_tile<1>(out, dw_stride, rows, cols, left, right, step, depths);
        }
      }
    }
  }
}

}  // namespace avx512bf16

extern const Products kProductsAvx512Bf16 = {avx512bf16::kColumns, avx512bf16::panel_bytes, avx512bf16::pack,
                                             avx512bf16::product, avx512bf16::weight_gradient};

}  // namespace loquat::cpu
