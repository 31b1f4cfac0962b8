// AMX tiles: their configuration and the 2 x 2 block of tile products. Written over vec_avx512.h, simd_math.h and
// bf16_tiles.h, which the including file includes first.

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// GCC's tile intrinsics do not tell the compiler that they touch memory.
LOQUAT_INLINE void memory_barrier() {
  asm volatile("" ::: "memory");
}

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

// Tiles 0 ... 3 += a (two row blocks, `a_block` elements apart; `a_step` from one depth to the next) times b's tile
// pairs, whose rows are `b_stride_bytes` apart. With one row block, tiles 2 and 3 stay.
LOQUAT_INLINE void multiply(const uint16_t* a, int64_t a_block, int64_t a_stride_bytes, int64_t a_step,
                            const uint16_t* b0, const uint16_t* b1, int64_t b_stride_bytes, int64_t b_step,
                            int64_t depths, bool two) {
  if (two) {
    for (int64_t s = 0; s < depths; ++s, a += a_step, b0 += b_step, b1 += b_step) {
      _tile_loadd(4, a, a_stride_bytes);
      _tile_loadd(6, b0, b_stride_bytes);
      _tile_loadd(7, b1, b_stride_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(5, a + a_block, a_stride_bytes);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  } else {
    for (int64_t s = 0; s < depths; ++s, a += a_step, b0 += b_step, b1 += b_step) {
      _tile_loadd(4, a, a_stride_bytes);
      _tile_loadd(6, b0, b_stride_bytes);
      _tile_loadd(7, b1, b_stride_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
  }
}

// dw's 32 x 32 block += four tile products over `depths` of 32 tokens; `rows` and `cols` of it exist.
static void gradient_block(float* dw, int64_t stride, int64_t rows, int64_t cols, const uint16_t* a, const uint16_t* b,
                           int64_t tile_step, int64_t depths) {
  alignas(64) float block[kPanel * kPanel];
  const bool whole = rows == kPanel && cols == kPanel;
  float* c = whole ? dw : block;
  const int64_t c_stride = whole ? stride : kPanel;
  if (!whole) {
    for (int64_t r = 0; r < kPanel; ++r) {
      widen_row(block + r * kPanel, dw + r * stride, r < rows ? cols : 0, kPanel, set1(1.0f));
    }
  }
  memory_barrier();
  _tile_loadd(0, c, c_stride * 4);
  _tile_loadd(1, c + kTile, c_stride * 4);
  _tile_loadd(2, c + kTile * c_stride, c_stride * 4);
  _tile_loadd(3, c + kTile * c_stride + kTile, c_stride * 4);
  multiply(a, tile_step, 64, kTileHalves, b, b + tile_step, 64, kTileHalves, depths, true);
  _tile_stored(0, c, c_stride * 4);
  _tile_stored(1, c + kTile, c_stride * 4);
  _tile_stored(2, c + kTile * c_stride, c_stride * 4);
  _tile_stored(3, c + kTile * c_stride + kTile, c_stride * 4);
  memory_barrier();
  if (!whole) store_rows(dw, stride, block, kPanel, rows, cols, false);
}

// f(first row, rows) for blocks of 32 rows and what is left, with the tiles configured for them.
template <typename F>
static void for_row_blocks(int64_t rows, F&& f) {
  const int64_t whole = rows / kPanel * kPanel, rest = rows - whole;
  if (whole) configure(kTile, kTile);
  for (int64_t row = 0; row < whole; row += kPanel) f(row, kPanel);
  if (rest) {
    configure(rest < kTile ? rest : kTile, rest > kTile ? rest - kTile : 0);
    f(whole, rest);
  }
  if (rows) _tile_release();
}

// c [rows, kPanel] = a [rows, depth] times one panel; the tiles are configured for 1 to 32 rows.
LOQUAT_INLINE void block_of(float* c, int64_t c_stride, const uint16_t* a, int64_t a_stride, int64_t rows,
                            const uint16_t* panel, int64_t depth) {
  const bool two = rows > kTile;
  _tile_zero(0);
  _tile_zero(1);
  if (two) {
    _tile_zero(2);
    _tile_zero(3);
  }
  memory_barrier();
  multiply(a, kTile * a_stride, a_stride * 2, kDepth, panel, panel + kDepth, kPanelRow * 2, 2 * kTileHalves,
           depth / kDepth, two);
  _tile_stored(0, c, c_stride * 4);
  _tile_stored(1, c + kTile, c_stride * 4);
  if (two) {
    _tile_stored(2, c + kTile * c_stride, c_stride * 4);
    _tile_stored(3, c + kTile * c_stride + kTile, c_stride * 4);
  }
  memory_barrier();
}

// c [rows, n] (rounded up to whole panels) = a [rows, depth] times an operand packed with `packed_depth` >= depth.
static void block_product(float* c, int64_t c_stride, const Element* a, int64_t a_stride, int64_t rows,
                          const Element* packed, int64_t packed_depth, int64_t n, int64_t depth) {
  for_row_blocks(rows, [&](int64_t row, int64_t count) {
    for (int64_t j = 0; j < n; j += kPanel) {
      block_of(c + row * c_stride + j, c_stride, a + row * a_stride, a_stride, count, packed + j * packed_depth, depth);
    }
  });
}

static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
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
    const int64_t depths = pack_gradient<true>(a, b, dy, x, begin, count, n, k), step = depths * kTileHalves;
    for (int64_t i = 0; i < n; i += kPanel) {
      for (int64_t j = 0; j < k; j += kPanel) {
        gradient_block(dw + i * dw_stride + j, dw_stride, n - i < kPanel ? n - i : kPanel,
                       k - j < kPanel ? k - j : kPanel, a + i / kTile * step, b + j / kTile * step, step, depths);
      }
    }
  }
  _tile_release();
}
