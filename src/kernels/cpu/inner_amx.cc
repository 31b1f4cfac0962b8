// bfloat16 products and attention on AMX tiles; float32 ones are AVX-512's. Results are made 32 x 32 at a time in four
// tiles. A sum runs over k in ascending order from zero, the same for every number of rows: fewer rows are a smaller
// tile, not another order.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

#ifdef LOQUAT_EMULATED_TILES  // amx_emulated_test.cc
#include "kernels/cpu/emulated_tiles.h"
#define amx amx_emulated
#endif

namespace loquat::cpu {
namespace amx {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/bf16_tiles.h"
#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/simd_attention.h"
// clang-format on

static void product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                    bool add) {
  if (!x.bf16) return kProductsAvx512.product(y, x, rows, packed, n, k, begin, end, add);
  const int64_t depth = round_up(k, kDepth);
  int64_t stride;
  const uint16_t* in = product_rows(x, rows, k, false, &stride);
  alignas(64) float block[kPanel * kPanel];
  for_row_blocks(rows, [&](int64_t row, int64_t count) {
    for (int64_t p = begin; p < end; ++p) {
      const uint16_t* panel = static_cast<const uint16_t*>(packed) + p * depth * kPanel;
      const int64_t columns = n - p * kPanel < kPanel ? n - p * kPanel : kPanel;
      if (!add && !y.bf16 && columns == kPanel) {
        block_of(static_cast<float*>(y.data) + row * y.stride + p * kPanel, y.stride, in + row * stride, stride, count,
                 panel, depth);
      } else {
        block_of(block, kPanel, in + row * stride, stride, count, panel, depth);
        store_block(y, row, p * kPanel, block, kPanel, count, columns, add);
      }
    }
  });
}

static void weight_gradient_of(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  if (!x.bf16) return kProductsAvx512.weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
  weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
}

// --- attention -----------------------------------------------------------------------------------

// The tiles of a decoding step with `group` query heads: 0 scores [key][head], 1 keys, 2 queries [pair of D][head];
// 3, 4 result [head][D], 5 probabilities, 6, 7 values.
static void configure_decode(int64_t group) {
  alignas(64) TileConfig config;
  const int64_t rows[8] = {kTile, kTile, kTile, group, group, group, kTile, kTile};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<uint8_t>(rows[i]);
    config.row_bytes[i] = static_cast<uint16_t>(i == 0 || i == 2 ? 4 * group : 64);
  }
  memory_barrier();
  _tile_loadconfig(&config);
}

// One query of up to 16 heads of one key-value head. As `attend`, but keys are the left operand, straight from the
// cache: an element's products and their order are the same, and so are its bits.
static void decode_head(const AttentionTask& t, int64_t kv_head) {
  const int64_t d = t.head_dim, g = t.group, first = kv_head * g, keys = t.first + 1, all = round_up(keys, kDepth),
                depths = d / kDepth;
  const auto row_of = [&](const View& x, int64_t row, int64_t c) {
    return static_cast<const uint16_t*>(view_from(rows_at(t, x, row), 0, kv_head * d + c).data);
  };
  const auto key = [&](int64_t row, int64_t c) { return row_of(t.k, row, c); };
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, arena_bytes(2 * all * g + g * d, operand_elements(d, all) + all * g + kTile * d + g * d +
                                                                    joined_elements(t.pages, keys, d))))};
  uint16_t* v = arena.take<uint16_t>(operand_elements(d, all));
  float* turned = arena.take<float>(all * g);
  float* scores = arena.take<float>(all * g);
  uint16_t* probs = arena.take<uint16_t>(all * g);
  uint16_t* last = arena.take<uint16_t>(kTile * d);
  uint32_t* q = arena.take<uint32_t>(g * d / 2);
  float* out = arena.take<float>(g * d);
  configure_decode(g);
  for (int64_t h = 0; h < g; ++h) {
    const uint16_t* from = static_cast<const uint16_t*>(t.q.data) + (first + h) * d;
    for (int64_t c = 0; c < d / 2; ++c) __builtin_memcpy(q + c * g + h, from + 2 * c, 4);
  }
  const int64_t whole = keys / kTile * kTile;
  for (int64_t r = 0; r < kTile; ++r) {
    for (int64_t c = 0; c < d; c += kDepth) {
      _mm512_store_si512(last + r * d + c,
                         whole + r < keys ? _mm512_loadu_si512(key(whole + r, c)) : _mm512_setzero_si512());
    }
  }
  memory_barrier();
  const bool more = kv_head + 1 < t.kv_heads;  // whose keys and values lie beside this one's
  for (int64_t j = 0; j < keys; j += kTile) {
    for (int64_t i = j; more && i < j + kTile && i < keys; ++i) {
      prefetch(key(i, d), 2 * d);
      prefetch(row_of(t.v, i, d), 2 * d);
    }
    const uint16_t* rows = j < whole ? key(j, 0) : last;
    const int64_t stride = (j < whole ? t.k.stride : d) * 2;
    _tile_zero(0);
    for (int64_t s = 0; s < depths; ++s) {
      _tile_loadd(1, rows + s * kDepth, stride);
      if (j == 0 || depths > 1) _tile_loadd(2, q + s * kTile * g, 4 * g);
      _tile_dpbf16ps(0, 1, 2);
    }
    _tile_stored(0, turned + j * g, 4 * g);
  }
  memory_barrier();
  const __m512i index = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                           _mm512_set1_epi32(static_cast<int>(g)));
  float sums[kTile];
  for (int64_t h = 0; h < g; ++h) {
    for (int64_t j = 0; j < keys; j += kTile) {
      _mm512_storeu_ps(scores + h * all + j, _mm512_i32gather_ps(index, turned + j * g + h, 4));
    }
    const float top = seen_row(t, probs + h * all, scores + h * all, 0, keys, all, &sums[h]);
    if (t.lse) t.lse[first + h] = top + __builtin_logf(sums[h]);
  }
  pack_columns(v, head_rows(arena.take<uint16_t>(joined_elements(t.pages, keys, d)), t, t.v, t.v, kv_head * d), d, all,
               keys);
  memory_barrier();
  for (int64_t c = 0; c < d; c += kPanel) {
    _tile_zero(3);
    _tile_zero(4);
    for (int64_t j = 0; j < all; j += kDepth) {
      const uint16_t* b = v + c * all + j * kPanel;
      _tile_loadd(5, probs + j, all * 2);
      _tile_loadd(6, b, kPanelRow * 2);
      _tile_loadd(7, b + kDepth, kPanelRow * 2);
      _tile_dpbf16ps(3, 5, 6);
      _tile_dpbf16ps(4, 5, 7);
    }
    _tile_stored(3, out + c, d * 4);
    _tile_stored(4, out + c + kTile, d * 4);
  }
  memory_barrier();
  _tile_release();
  for (int64_t h = 0; h < g; ++h) {
    scale_floats(out + h * d, d, 1.0f / sums[h]);
    store_block(t.out, 0, (first + h) * d, out + h * d, d, 1, d, false);
  }
}

static void decode(const AttentionTask& t) {
  for (int64_t g = 0; g < t.kv_heads; ++g) t.group <= kTile ? decode_head(t, g) : attend(t, g);
}

static bool on_tiles(const View& q, int64_t head_dim) {
  return q.bf16 && head_dim % kDepth == 0;
}

static void attention_of(const AttentionTask& t) {
  on_tiles(t.q, t.head_dim) ? attention(t) : kAttentionAvx512.forward(t);
}

static void attention_backward_of(const AttentionBackwardTask& t) {
  on_tiles(t.q, t.head_dim) ? attention_backward(t) : kAttentionAvx512.backward(t);
}

constexpr Products kProducts = {kPanel, panel_bytes, pack, product, weight_gradient_of};
constexpr Attention kAttention = {attention_of, attention_backward_of, nullptr};

}  // namespace amx

#ifndef LOQUAT_EMULATED_TILES
extern const Products kProductsAmx = amx::kProducts;
extern const Attention kAttentionAmx = amx::kAttention;
#endif

}  // namespace loquat::cpu
