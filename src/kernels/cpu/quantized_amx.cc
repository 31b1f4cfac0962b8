// Products by quantised weights on AMX tiles (tdpbsud: signed by unsigned bytes, added to int32); few rows by AVX-512
// VNNI, with the same bits: sums of products are exact, and groups are added up alike.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

#ifdef LOQUAT_EMULATED_TILES  // amx_emulated_test.cc
#include "kernels/cpu/emulated_tiles.h"
#define quantized_amx quantized_amx_emulated
#endif

namespace loquat::cpu {
namespace quantized_amx {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/register_tile.h"
#include "kernels/cpu/vnni.h"
#include "kernels/cpu/simd_quantized.h"
// clang-format on

constexpr int64_t kTile = 16;
constexpr int64_t kBlockRows = 2 * kTile;
constexpr int64_t kFewRows = 8;  // that VNNI multiplies sooner

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 ... 3 hold sums (0, 1 the first rows), 4 and 5 values of the rows, 6 and 7 codes; a group is one step.
static void configure(int64_t first, int64_t second, bool int4) {
  alignas(64) TileConfig config;
  const int64_t length = length_of(int4), quads = length / kQuad;
  const int64_t rows[8] = {first, first, second, second, first, second, quads, quads};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<uint8_t>(rows[i]);
    config.row_bytes[i] = static_cast<uint16_t>(rows[i] == 0 ? 0 : i == 4 || i == 5 ? length : 64);
  }
  asm volatile("" ::: "memory");  // the intrinsics do not say that they read memory
  _tile_loadconfig(&config);
}

// products [rows, kPanel] = `rows` (up to kBlockRows) rows' values of one group times its codes.
static void multiply_group(int32_t* products, const int8_t* values, int64_t stride, bool two, const uint8_t* codes) {
  asm volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_loadd(4, values, stride);
  _tile_loadd(6, codes, 2 * kCodesBytes);
  _tile_dpbsud(0, 4, 6);
  _tile_loadd(7, codes + kCodesBytes, 2 * kCodesBytes);
  _tile_dpbsud(1, 4, 7);
  _tile_stored(0, products, kPanel * 4);
  _tile_stored(1, products + kTile, kPanel * 4);
  if (two) {
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(5, values + kTile * stride, stride);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
    _tile_stored(2, products + kTile * kPanel, kPanel * 4);
    _tile_stored(3, products + kTile * kPanel + kTile, kPanel * 4);
  }
  asm volatile("" ::: "memory");
}

// c [rows, kPanel] = rows `row` ... of x times one panel.
static void block_product(float* c, const QuantizedRows& x, int64_t row, int64_t rows, const uint8_t* scales,
                          int64_t scale_step, const uint8_t* codes, int64_t code_step, int64_t length) {
  alignas(64) int32_t products[kBlockRows * kPanel];
  for (int64_t i = 0; i < rows * kPanel; i += kLanes) store(c + i, zero());
  for (int64_t g = 0; g < x.groups; ++g, scales += scale_step, codes += code_step) {
    multiply_group(products, x.values + row * x.stride + g * length, x.stride, rows > kTile, codes);
    Vec first, second;
    read_scales(scales, first, second);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = (row + r) * x.groups + g;
      const __m512i start = _mm512_set1_epi32(x.starts[at]);
      const int32_t* from = products + r * kPanel;
      float* to = c + r * kPanel;
      store(to, add_group(load(to), {_mm512_add_epi32(_mm512_load_si512(from), start)}, first, x.scales[at]));
      store(to + kLanes, add_group(load(to + kLanes), {_mm512_add_epi32(_mm512_load_si512(from + kLanes), start)},
                                   second, x.scales[at]));
    }
  }
}

static void tile_product(View y, const QuantizedRows& x, int64_t first, int64_t rows, const void* packed, int64_t n,
                         int64_t k, bool int4, int64_t begin, int64_t end, bool add) {
  if (rows <= kFewRows) return product(y, x, first, rows, packed, n, k, int4, begin, end, add);
  const int64_t wide_step = length_of(true) / kQuad * 2 * kCodesBytes;
  uint8_t* wide = static_cast<uint8_t*>(scratch(kInnerB, static_cast<size_t>(int4 ? x.groups * wide_step : 64)));
  alignas(64) float c[kBlockRows * kPanel];
  int64_t configured = 0;
  for (int64_t p = begin; p < end; ++p) {
    const uint8_t* panel = static_cast<const uint8_t*>(packed) + p * panel_bytes(k, int4);
    if (int4) unpack_panel(wide, panel, x.groups);
    const uint8_t* codes = int4 ? wide : panel + kScalesBytes;
    for (int64_t r = 0; r < rows; r += kBlockRows) {
      const int64_t count = rows - r < kBlockRows ? rows - r : kBlockRows;
      if (count != configured) configure(count < kTile ? count : kTile, count > kTile ? count - kTile : 0, int4);
      configured = count;
      block_product(c, x, first + r, count, panel, group_bytes(int4), codes, int4 ? wide_step : group_bytes(false),
                    length_of(int4));
      store_block(y, r, p * kPanel, c, kPanel, count, n - p * kPanel < kPanel ? n - p * kPanel : kPanel, add);
    }
  }
  _tile_release();
}

constexpr QuantizedProducts kQuantized = {kPanel, panel_bytes, pack, quantize_rows, tile_product};

}  // namespace quantized_amx

#ifndef LOQUAT_EMULATED_TILES
extern const QuantizedProducts kQuantizedAmx = quantized_amx::kQuantized;
#endif

}  // namespace loquat::cpu
