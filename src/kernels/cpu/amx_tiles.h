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
// pairs. With one row block, tiles 2 and 3 stay.
LOQUAT_INLINE void multiply(const uint16_t* a, int64_t a_block, int64_t a_stride_bytes, int64_t a_step,
                            const uint16_t* b0, const uint16_t* b1, int64_t b_step, int64_t depths, bool two) {
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
  multiply(a, tile_step, 64, kTileHalves, b, b + tile_step, kTileHalves, depths, true);
  _tile_stored(0, c, c_stride * 4);
  _tile_stored(1, c + kTile, c_stride * 4);
  _tile_stored(2, c + kTile * c_stride, c_stride * 4);
  _tile_stored(3, c + kTile * c_stride + kTile, c_stride * 4);
  memory_barrier();
  if (!whole) store_rows(dw, stride, block, kPanel, rows, cols, false);
}
