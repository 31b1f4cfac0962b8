// bfloat16 products on AMX tiles; float32 ones are AVX-512's. Results are made 32 x 32 at a time in four tiles. A sum
// runs over k in ascending order from zero, the same for every number of rows: fewer rows are a smaller tile, not
// another order.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace amx {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/bf16_tiles.h"
#include "kernels/cpu/amx_tiles.h"
// clang-format on

// 1 to 32 rows against panels [begin, end); the tiles are configured for them.
static void product_rows(View y, const uint16_t* x, int64_t x_stride, int64_t row, int64_t rows, const uint16_t* packed,
                         int64_t n, int64_t depths, int64_t begin, int64_t end, bool add) {
  alignas(64) float block[kPanel * kPanel];
  const bool two = rows > kTile;
  for (int64_t p = begin; p < end; ++p) {
    const uint16_t* b = packed + p * depths * 2 * kTileHalves;
    const int64_t columns = n - p * kPanel < kPanel ? n - p * kPanel : kPanel;
    const bool direct = !add && !y.bf16 && columns == kPanel;
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
      _tile_zero(2);
      _tile_zero(3);
    }
    memory_barrier();
    multiply(x, kTile * x_stride, x_stride * 2, kDepth, b, b + kTileHalves, 2 * kTileHalves, depths, two);
    float* c = direct ? static_cast<float*>(y.data) + row * y.stride + p * kPanel : block;
    const int64_t stride = direct ? y.stride : kPanel;
    _tile_stored(0, c, stride * 4);
    _tile_stored(1, c + kTile, stride * 4);
    if (two) {
      _tile_stored(2, c + kTile * stride, stride * 4);
      _tile_stored(3, c + kTile * stride + kTile, stride * 4);
    }
    memory_barrier();
    if (!direct) store_block(y, row, p * kPanel, block, kPanel, rows, columns, add);
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
  const uint16_t* weights = static_cast<const uint16_t*>(packed);
  const int64_t whole = rows / kPanel * kPanel, rest = rows - whole;
  if (whole) configure(kTile, kTile);
  for (int64_t row = 0; row < whole; row += kPanel) {
    product_rows(y, in + row * stride, stride, row, kPanel, weights, n, depths, begin, end, add);
  }
  if (rest) {
    configure(rest < kTile ? rest : kTile, rest > kTile ? rest - kTile : 0);
    product_rows(y, in + whole * stride, stride, whole, rest, weights, n, depths, begin, end, add);
  }
  _tile_release();
}

// --- weight gradient
// ------------------------------------------------------------------------------------------------------

static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  if (!x.bf16) return kProductsAvx512.weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
  if (tokens == 0) return;
  // As many tokens at a time as leave both rearranged operands in the second-level cache.
  const int64_t n_padded = round_up(n, kPanel), k_padded = round_up(k, kPanel);
  int64_t block = (768 << 10) / ((n_padded + k_padded) * 2) / kDepth * kDepth;
  block = block < 4 * kDepth ? 4 * kDepth : block > 512 ? 512 : block;
  const int64_t most = block / kDepth;
  uint16_t* a = static_cast<uint16_t*>(scratch(kInnerA, static_cast<size_t>(n_padded / kTile * most * kTileBytes)));
  uint16_t* b = static_cast<uint16_t*>(scratch(kInnerB, static_cast<size_t>(k_padded / kTile * most * kTileBytes)));
  configure(kTile, kTile);
  for (int64_t begin = 0; begin < tokens; begin += block) {
    const int64_t count = tokens - begin < block ? tokens - begin : block;
    const int64_t depths = (count + kDepth - 1) / kDepth, step = depths * kTileHalves;
    const uint16_t* dy_rows = static_cast<const uint16_t*>(dy.data) + begin * dy.stride;
    const uint16_t* x_rows = static_cast<const uint16_t*>(x.data) + begin * x.stride;
    for (int64_t s = 0; s < depths; ++s) {
      const int64_t left = count - s * kDepth < kDepth ? count - s * kDepth : kDepth;
      pack_tokens<true>(dy_rows + s * kDepth * dy.stride, dy.stride, left, n, a + s * kTileHalves, step);
      pack_tokens<false>(x_rows + s * kDepth * x.stride, x.stride, left, k, b + s * kTileHalves, step);
    }
    for (int64_t i = 0; i < n; i += kPanel) {
      for (int64_t j = 0; j < k; j += kPanel) {
        gradient_block(dw + i * dw_stride + j, dw_stride, n - i < kPanel ? n - i : kPanel,
                       k - j < kPanel ? k - j : kPanel, a + i / kTile * step, b + j / kTile * step, step, depths);
      }
    }
  }
  _tile_release();
}

}  // namespace amx

extern const Products kProductsAmx = {amx::kPanel, amx::panel_bytes, amx::pack, amx::product, amx::weight_gradient};

}  // namespace loquat::cpu
