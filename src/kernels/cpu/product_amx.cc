// bfloat16 products on AMX tiles; float32 ones are AVX-512's. A weight's panel is 32 output columns; for every 32 of k it
// holds two tiles of 16 rows (pairs of k) by 16 columns. Results are made 32 x 32 at a time in four tiles. A sum runs over k
// in ascending order from zero, the same for every number of rows: fewer rows are a smaller tile, not another order.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace amx {

#include "kernels/cpu/vec_avx512.h"
// After the Vec that it is written over.
#include "kernels/cpu/simd_math.h"

constexpr int64_t kTile = 16;              // rows of a tile; columns too, in 4-byte elements
constexpr int64_t kDepth = 32;             // of k in a tile
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTileHalves = 512;       // bfloat16 values in a tile
constexpr int64_t kColumns = 2 * kTile;    // of a panel

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// GCC's tile intrinsics do not tell the compiler that they touch memory.
LOQUAT_INLINE void memory_barrier() { asm volatile("" ::: "memory"); }

// Tiles 0 ... 3 hold the result (0, 1 the first rows), 4 and 5 the left operand's two blocks, 6 and 7 the right one's.
static void configure(int64_t first, int64_t second) {
  alignas(64) TileConfig config;
  const int64_t rows[8] = {first, first, second, second, first, second, kTile, kTile};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<uint8_t>(rows[i]);
    config.row_bytes[i] = rows[i] ? 64 : 0;
  }
  memory_barrier();
  _tile_loadconfig(&config);
}

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t panel_bytes(int64_t k, bool bf16) {
  return bf16 ? round_up(k, kDepth) * kColumns * 2 : kProductsAvx512.panel_bytes(k, false);
}

// One tile: pairs (k, k + 1) of 16 columns, zeros outside [n, k].
static void pack_tile(const float* w, int64_t row_stride, int64_t col_stride, int64_t columns, int64_t depth,
                      uint16_t* out) {
  float block[kDepth][kTile] = {};
  if (col_stride == 1 && columns == kTile && depth == kDepth) {
    Vec low[16], high[16];
    for (int i = 0; i < 16; ++i) {
      low[i] = load(w + i * row_stride);
      high[i] = load(w + i * row_stride + 16);
    }
    transpose(low);
    transpose(high);
    for (int i = 0; i < 16; ++i) {
      store(block[i], low[i]);
      store(block[16 + i], high[i]);
    }
  } else {
    for (int64_t j = 0; j < depth; ++j) {
      for (int64_t i = 0; i < columns; ++i) block[j][i] = w[i * row_stride + j * col_stride];
    }
  }
  for (int64_t r = 0; r < kTile; ++r) {
    const __m512i even = _mm512_cvtepu16_epi32(narrow(load(block[2 * r])));
    const __m512i odd = _mm512_cvtepu16_epi32(narrow(load(block[2 * r + 1])));
    _mm512_storeu_si512(out + r * kDepth, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
  }
}

static void pack(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, bool bf16, void* packed,
                 int64_t begin, int64_t end) {
  if (!bf16) return kProductsAvx512.pack(w, row_stride, col_stride, n, k, false, packed, begin, end);
  const int64_t depths = round_up(k, kDepth) / kDepth;
  uint16_t* out = static_cast<uint16_t*>(packed) + begin * depths * 2 * kTileHalves;
  for (int64_t p = begin; p < end; ++p) {
    for (int64_t s = 0; s < depths; ++s) {
      for (int64_t half = 0; half < 2; ++half, out += kTileHalves) {
        const int64_t column = p * kColumns + half * kTile, from = s * kDepth;
        const int64_t columns = n - column < 0 ? 0 : n - column < kTile ? n - column : kTile;
        const int64_t depth = k - from < kDepth ? k - from : kDepth;
        pack_tile(w + column * row_stride + from * col_stride, row_stride, col_stride, columns, depth, out);
      }
    }
  }
}

// Tiles 0 ... 3 += a (two row blocks, `a_block` elements apart; `a_step` from one depth to the next) times b's tile pairs.
// With one row block, tiles 2 and 3 stay.
LOQUAT_INLINE void multiply(const uint16_t* a, int64_t a_block, int64_t a_stride_bytes, int64_t a_step, const uint16_t* b0,
                            const uint16_t* b1, int64_t b_step, int64_t depths, bool two) {
  if (two) {
    for (int64_t s = 0; s < depths; ++s, a += a_step, b0 += b_step, b1 += b_step) {
      _tile_loadd(4, a, a_stride_bytes);
      _tile_loadd(6, b0, 64);
      _tile_loadd(7, b1, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(5, a + a_block, a_stride_bytes);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  } else {
    for (int64_t s = 0; s < depths; ++s, a += a_step, b0 += b_step, b1 += b_step) {
      _tile_loadd(4, a, a_stride_bytes);
      _tile_loadd(6, b0, 64);
      _tile_loadd(7, b1, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
  }
}

// 1 to 32 rows against panels [begin, end); the tiles are configured for them.
static void product_rows(View y, const uint16_t* x, int64_t x_stride, int64_t row, int64_t rows, const uint16_t* packed,
                         int64_t n, int64_t depths, int64_t begin, int64_t end, bool add) {
  alignas(64) float block[kColumns * kColumns];
  const bool two = rows > kTile;
  for (int64_t p = begin; p < end; ++p) {
    const uint16_t* b = packed + p * depths * 2 * kTileHalves;
    const int64_t columns = n - p * kColumns < kColumns ? n - p * kColumns : kColumns;
    const bool direct = !add && !y.bf16 && columns == kColumns;
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
      _tile_zero(2);
      _tile_zero(3);
    }
    memory_barrier();
    multiply(x, kTile * x_stride, x_stride * 2, kDepth, b, b + kTileHalves, 2 * kTileHalves, depths, two);
    float* c = direct ? static_cast<float*>(y.data) + row * y.stride + p * kColumns : block;
    const int64_t stride = direct ? y.stride : kColumns;
    _tile_stored(0, c, stride * 4);
    _tile_stored(1, c + kTile, stride * 4);
    if (two) {
      _tile_stored(2, c + kTile * stride, stride * 4);
      _tile_stored(3, c + kTile * stride + kTile, stride * 4);
    }
    memory_barrier();
    if (!direct) store_block(y, row, p * kColumns, block, kColumns, rows, columns, add);
  }
}

static void product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                    bool add) {
  if (!x.bf16) return kProductsAvx512.product(y, x, rows, packed, n, k, begin, end, add);
  if (rows == 0) return;
  const int64_t depths = round_up(k, kDepth) / kDepth;
  const uint16_t* in = static_cast<const uint16_t*>(x.data);
  int64_t stride = x.stride;
  if (k % kDepth != 0) {  // the last depth must see zeros after k
    stride = depths * kDepth;
    uint16_t* padded = static_cast<uint16_t*>(scratch(kInnerA, static_cast<size_t>(rows * stride * 2)));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < stride; ++c) padded[r * stride + c] = c < k ? in[r * x.stride + c] : 0;
    }
    in = padded;
  }
  const uint16_t* weights = static_cast<const uint16_t*>(packed);
  const int64_t whole = rows / kColumns * kColumns, rest = rows - whole;
  if (whole) configure(kTile, kTile);
  for (int64_t row = 0; row < whole; row += kColumns) {
    product_rows(y, in + row * stride, stride, row, kColumns, weights, n, depths, begin, end, add);
  }
  if (rest) {
    configure(rest < kTile ? rest : kTile, rest > kTile ? rest - kTile : 0);
    product_rows(y, in + whole * stride, stride, whole, rest, weights, n, depths, begin, end, add);
  }
  _tile_release();
}

// --- weight gradient ------------------------------------------------------------------------------------------------------

// Pairs of tokens t, t + 1 of columns [0, count) of one row pair, 32 columns at a time: 16 pairs each into low and high.
LOQUAT_INLINE void pair_rows(const uint16_t* even, const uint16_t* odd, int64_t count, __m512i* low, __m512i* high) {
  const __mmask32 mask = count >= 32 ? 0xffffffffu : (1u << count) - 1;
  const __m512i a = _mm512_maskz_loadu_epi16(even ? mask : 0, even);
  const __m512i b = _mm512_maskz_loadu_epi16(odd ? mask : 0, odd);
  const __m512i first = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(a));
  const __m512i second = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(a, 1));
  const __m512i first_odd = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(b));
  const __m512i second_odd = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(b, 1));
  *low = _mm512_or_si512(first, _mm512_slli_epi32(first_odd, 16));
  *high = _mm512_or_si512(second, _mm512_slli_epi32(second_odd, 16));
}

// 32 tokens (zeros past `tokens`) of all columns to tiles of 16 columns, `tile_step` apart: [token pair][column], or, turned,
// [column][token pair].
template <bool kTurned>
static void pack_tokens(const uint16_t* x, int64_t stride, int64_t tokens, int64_t columns, uint16_t* out,
                        int64_t tile_step) {
  for (int64_t c = 0; c < columns; c += 32, out += 2 * tile_step) {
    __m512i low[16], high[16];
    for (int r = 0; r < 16; ++r) {
      const uint16_t* even = 2 * r < tokens ? x + 2 * r * stride + c : nullptr;
      const uint16_t* odd = 2 * r + 1 < tokens ? x + (2 * r + 1) * stride + c : nullptr;
      pair_rows(even, odd, columns - c, &low[r], &high[r]);
    }
    if constexpr (kTurned) {
      transpose_epi32(low);
      transpose_epi32(high);
    }
    for (int r = 0; r < 16; ++r) {
      _mm512_store_si512(out + r * 32, low[r]);
      _mm512_store_si512(out + tile_step + r * 32, high[r]);
    }
  }
}

// dw's 32 x 32 block += four tile products over `depths` of 32 tokens; `rows` and `cols` of it exist.
static void gradient_block(float* dw, int64_t stride, int64_t rows, int64_t cols, const uint16_t* a, const uint16_t* b,
                           int64_t tile_step, int64_t depths) {
  alignas(64) float block[kColumns * kColumns];
  const bool whole = rows == kColumns && cols == kColumns;
  float* c = whole ? dw : block;
  const int64_t c_stride = whole ? stride : kColumns;
  if (!whole) {
    for (int64_t r = 0; r < kColumns; ++r) {
      widen_row(block + r * kColumns, dw + r * stride, r < rows ? cols : 0, kColumns, set1(1.0f));
    }
  }
  memory_barrier();
  _tile_loadd(0, c, c_stride * 4);
  _tile_loadd(1, c + kTile, c_stride * 4);
  _tile_loadd(2, c + kTile * c_stride, c_stride * 4);
  _tile_loadd(3, c + kTile * c_stride + kTile, c_stride * 4);
  multiply(a, tile_step, 64, kTileHalves, b, b + tile_step, kTileHalves, depths, true);
  _tile_stored(0, c, c_stride * 4);
  _tile_stored(1, c + kTile, c_stride * 4);
  _tile_stored(2, c + kTile * c_stride, c_stride * 4);
  _tile_stored(3, c + kTile * c_stride + kTile, c_stride * 4);
  memory_barrier();
  if (!whole) store_rows(dw, stride, block, kColumns, rows, cols, false);
}

static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  if (!x.bf16) return kProductsAvx512.weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
  if (tokens == 0) return;
  // As many tokens at a time as leave both rearranged operands in the second-level cache.
  const int64_t n_padded = round_up(n, kColumns), k_padded = round_up(k, kColumns);
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
    for (int64_t i = 0; i < n; i += kColumns) {
      for (int64_t j = 0; j < k; j += kColumns) {
        gradient_block(dw + i * dw_stride + j, dw_stride, n - i < kColumns ? n - i : kColumns,
                       k - j < kColumns ? k - j : kColumns, a + i / kTile * step, b + j / kTile * step, step, depths);
      }
    }
  }
  _tile_release();
}

}  // namespace amx

extern const Products kProductsAmx = {amx::kColumns, amx::panel_bytes, amx::pack, amx::product, amx::weight_gradient};

}  // namespace loquat::cpu
