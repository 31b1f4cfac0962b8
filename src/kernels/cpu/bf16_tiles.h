// bfloat16 operands as pairs along the summed dimension, which is what both AMX and AVX-512 BF16 multiply: a tile has
// 16 rows of pairs by 16 columns. A weight's panel is 32 output columns; for every 32 of k it holds two tiles, row by
// row side by side: a reader of one row goes through memory in one line, twice as fast as by two lines 1 KiB apart.
// Written over vec_avx512.h and simd_math.h, which the including file includes first.

constexpr int64_t kTile = 16;   // rows of a tile; columns too, in 4-byte elements
constexpr int64_t kDepth = 32;  // of k in a tile
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTileHalves = 512;       // bfloat16 values in a tile
constexpr int64_t kPanel = 2 * kTile;      // columns of a panel
constexpr int64_t kPanelRow = 2 * kDepth;  // bfloat16 values from one row of pairs of a panel to the next
constexpr int kStepLength = 2;             // elements of a sum that one step takes

using Element = uint16_t;  // of the operands that block_product multiplies

static int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

static inline int64_t panel_bytes(int64_t k, bool bf16) {
  return bf16 ? round_up(k, kDepth) * kPanel * 2 : kProductsAvx512.panel_bytes(k, false);
}

// One tile of a panel: pairs (k, k + 1) of 16 columns, zeros outside [n, k].
static inline void pack_tile(const float* w, int64_t row_stride, int64_t col_stride, int64_t columns, int64_t depth,
                             uint16_t* out) {
  const bool whole = columns == kTile && depth == kDepth;
  if (whole && col_stride == 1) {
    __m512i tile[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const float* row = w + i * row_stride;
      tile[i] = _mm512_inserti64x4(_mm512_castsi256_si512(narrow(load(row))), narrow(load(row + kTile)), 1);
    }
    transpose_epi32(tile);
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) _mm512_storeu_si512(out + r * kPanelRow, tile[r]);
    return;
  }
  float block[kDepth][kTile];
  if (!whole || row_stride != 1) {
    for (int64_t j = 0; j < kDepth; ++j) {
      for (int64_t i = 0; i < kTile; ++i)
        block[j][i] = j < depth && i < columns ? w[i * row_stride + j * col_stride] : 0.0f;
    }
    w = block[0];
    col_stride = kTile;
  }
  for (int64_t r = 0; r < kTile; ++r) {
    const __m512i even = _mm512_cvtepu16_epi32(narrow(load(w + 2 * r * col_stride)));
    const __m512i odd = _mm512_cvtepu16_epi32(narrow(load(w + (2 * r + 1) * col_stride)));
    _mm512_storeu_si512(out + r * kPanelRow, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
  }
}

static inline void pack(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, bool bf16,
                        void* packed, int64_t begin, int64_t end) {
  if (!bf16) return kProductsAvx512.pack(w, row_stride, col_stride, n, k, false, packed, begin, end);
  const int64_t depths = round_up(k, kDepth) / kDepth;
  uint16_t* out = static_cast<uint16_t*>(packed) + begin * depths * 2 * kTileHalves;
  for (int64_t p = begin; p < end; ++p) {
    for (int64_t s = 0; s < depths; ++s, out += 2 * kTileHalves) {
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t column = p * kPanel + half * kTile, from = s * kDepth;
        const int64_t columns = n - column < 0 ? 0 : n - column < kTile ? n - column : kTile;
        const int64_t depth = k - from < kDepth ? k - from : kDepth;
        pack_tile(w + column * row_stride + from * col_stride, row_stride, col_stride, columns, depth,
                  out + half * kDepth);
      }
    }
  }
}

// Pairs of tokens t, t + 1 of columns [0, count) of one row pair, 32 columns at a time: 16 pairs each into low and
// high.
LOQUAT_INLINE void pair_rows(const uint16_t* even, const uint16_t* odd, int64_t count, __m512i* low, __m512i* high) {
  const __mmask32 mask = count >= 32 ? 0xffffffffu : (1u << count) - 1;
  const __m512i a = _mm512_maskz_loadu_epi16(even ? mask : 0, even);
  const __m512i b = _mm512_maskz_loadu_epi16(odd ? mask : 0, odd);
  // By 128-bit lanes: columns 0-3, 8-11, 16-19, 24-27 and 4-7, 12-15, 20-23, 28-31.
  const __m512i left = _mm512_unpacklo_epi16(a, b), right = _mm512_unpackhi_epi16(a, b);
  *low = _mm512_permutex2var_epi64(left, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), right);
  *high = _mm512_permutex2var_epi64(left, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), right);
}

// 32 tokens (zeros past `tokens`) of all columns to tiles of 16 columns, `tile_step` apart, their rows `row_step`:
// [token pair][column], or, turned, [column][token pair].
template <bool kTurned>
static void pack_tokens(const uint16_t* x, int64_t stride, int64_t tokens, int64_t columns, uint16_t* out,
                        int64_t tile_step, int64_t row_step) {
  for (int64_t c = 0; c < columns; c += 32, out += 2 * tile_step) {
    const auto pair = [&](int64_t r, __m512i* low, __m512i* high) {
      const uint16_t* even = 2 * r < tokens ? x + 2 * r * stride + c : nullptr;
      const uint16_t* odd = 2 * r + 1 < tokens ? x + (2 * r + 1) * stride + c : nullptr;
      pair_rows(even, odd, columns - c, low, high);
    };
    const auto put = [&](int64_t r, __m512i low, __m512i high) {
      _mm512_store_si512(out + r * row_step, low);
      _mm512_store_si512(out + tile_step + r * row_step, high);
    };
    if constexpr (kTurned) {
      __m512i low[16], high[16];
      for (int r = 0; r < 16; ++r) pair(r, &low[r], &high[r]);
      transpose_epi32(low);
      transpose_epi32(high);
      for (int r = 0; r < 16; ++r) put(r, low[r], high[r]);
    } else {
      for (int r = 0; r < 16; ++r) {
        __m512i low, high;
        pair(r, &low, &high);
        put(r, low, high);
      }
    }
  }
}

// `count` tokens of both operands of a weight gradient, in tiles of 32 tokens by 16 columns (dy's turned, where asked):
// tile (column / 16, token / 32), each column's tiles side by side. Returns the tiles of a column.
template <bool kTurned>
static int64_t pack_gradient(uint16_t* a, uint16_t* b, View dy, View x, int64_t begin, int64_t count, int64_t n,
                             int64_t k) {
  const int64_t depths = (count + kDepth - 1) / kDepth, step = depths * kTileHalves;
  for (int64_t s = 0; s < depths; ++s) {
    const int64_t row = begin + s * kDepth, left = count - s * kDepth < kDepth ? count - s * kDepth : kDepth;
    pack_tokens<kTurned>(static_cast<const uint16_t*>(dy.data) + row * dy.stride, dy.stride, left, n,
                         a + s * kTileHalves, step, kDepth);
    pack_tokens<false>(static_cast<const uint16_t*>(x.data) + row * x.stride, x.stride, left, k, b + s * kTileHalves,
                       step, kDepth);
  }
  return depths;
}

// --- small products of attention -----------------------------------------------------------------

// Elements from one row of a left operand to the next: rows that are a multiple of 1 KiB apart would share the cache's
// few places.
static inline int64_t padded_stride(int64_t k) {
  const int64_t stride = round_up(k, kDepth);
  return stride % 512 == 0 ? stride + kDepth : stride;
}

// Elements that a right operand [n, depth] takes for block_product.
static inline int64_t operand_elements(int64_t n, int64_t depth) {
  return round_up(n, kPanel) * round_up(depth, kDepth);
}

// 16 rows by 32 columns of x, turned: vector i holds columns c + 2i and c + 2i + 1; zeros outside [rows, cols].
LOQUAT_INLINE void turned_pairs(__m512i (&tile)[16], const View& x, int64_t row, int64_t rows, int64_t c,
                                int64_t cols) {
  const int64_t width = cols - c;
  const __mmask32 mask = width >= 32 ? 0xffffffffu : (1u << width) - 1;
  const uint16_t* in = static_cast<const uint16_t*>(x.data) + row * x.stride + c;
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) tile[i] = _mm512_maskz_loadu_epi16(row + i < rows ? mask : 0, in + i * x.stride);
  transpose_epi32(tile);
}

// W [n, cols] from its rows, of which `rows` exist; zeros for the others.
static inline void pack_rows(Element* out, View w, int64_t rows, int64_t n, int64_t cols) {
  for (int64_t j = 0; j < round_up(n, kPanel); j += kPanel) {
    for (int64_t c = 0; c < cols; c += kDepth, out += 2 * kTileHalves) {
      for (int64_t half = 0; half < 2; ++half) {
        __m512i tile[16];
        turned_pairs(tile, w, j + half * kTile, rows, c, cols);
#pragma GCC unroll 16
        for (int r = 0; r < 16; ++r) _mm512_store_si512(out + half * kDepth + r * kPanelRow, tile[r]);
      }
    }
  }
}

// W [n, depth] from its columns: `depth` rows of w with n columns, of which `rows` exist.
static inline void pack_columns(Element* out, View w, int64_t n, int64_t depth, int64_t rows) {
  for (int64_t j = 0; j < n; j += kPanel) {
    for (int64_t t = 0; t < depth; t += kDepth, out += 2 * kTileHalves) {
      const int64_t left = rows - t < kDepth ? rows - t : kDepth;
      pack_tokens<false>(static_cast<const uint16_t*>(w.data) + t * w.stride + j, w.stride, left,
                         n - j < kPanel ? n - j : kPanel, out, kDepth, kPanelRow);
    }
  }
}

// A left operand's rows, zeros from `cols` on.
static inline void gather_rows(Element* out, int64_t stride, View x, int64_t rows, int64_t cols) {
  const uint16_t* in = static_cast<const uint16_t*>(x.data);
  for (int64_t r = 0; r < rows; ++r, in += x.stride, out += stride) {
    for (int64_t c = 0; c < stride; c += 32) {
      const int64_t left = cols - c;
      const __mmask32 mask = left >= 32 ? 0xffffffffu : left > 0 ? (1u << left) - 1 : 0;
      _mm512_storeu_si512(out + c, _mm512_maskz_loadu_epi16(mask, in + c));
    }
  }
}

// x's rows [rows, k] for a product: as they lie, or, where k ends within a depth or `apart` asks for it, copied with
// zeros after k.
static inline const uint16_t* product_rows(const View& x, int64_t rows, int64_t k, bool apart, int64_t* stride) {
  *stride = x.stride;
  if (k % kDepth == 0 && !apart) return static_cast<const uint16_t*>(x.data);
  *stride = padded_stride(k);
  uint16_t* padded = static_cast<uint16_t*>(scratch(kInnerA, static_cast<size_t>(rows * *stride * 2)));
  gather_rows(padded, *stride, x, rows, k);
  return padded;
}
