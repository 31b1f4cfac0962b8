// Attention on AMX tiles, in bfloat16 with heads of a multiple of 32; everything else is AVX-512's. Probabilities and
// their gradients are rounded to bfloat16 for the second products, sums stay in float32. As there, a query's sums run
// over whole key blocks counted from key 0, with exact zeros for keys it must not see: the same bits alone against a
// cache and inside a packed batch.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace amx_attention {

// Each is written over those before it.
// clang-format off
#include "kernels/cpu/vec_avx512.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/bf16_tiles.h"
#include "kernels/cpu/amx_tiles.h"
// clang-format on

static inline const uint16_t* at(const View& v, int64_t row, int64_t col) {
  return static_cast<const uint16_t*>(v.data) + row * v.stride + col;
}

// Hands out pieces of the attention scratch, each on its own cache lines.
struct Arena {
  char* next;
  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next);
    next += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
};

// Rows as the right operand of products over D: [16 rows][depth] tiles of [pair of D][row]. `all` rows, zeros from
// `rows` on.
static void pack_across(const View& x, int64_t rows, int64_t all, int64_t d, uint16_t* out) {
  for (int64_t j = 0; j < all; j += kTile) {
    for (int64_t c = 0; c < d; c += kDepth, out += kTileHalves) {
      __m512i tile[16];
      for (int r = 0; r < 16; ++r) {
        tile[r] = j + r < rows ? _mm512_loadu_si512(at(x, j + r, c)) : _mm512_setzero_si512();
      }
      transpose_epi32(tile);
      for (int r = 0; r < 16; ++r) _mm512_store_si512(out + r * kDepth, tile[r]);
    }
  }
}

// Rows as the right operand of products over rows: [32 rows][16 of D] tiles of [pair of rows][D].
static void pack_along(const View& x, int64_t rows, int64_t all, int64_t d, uint16_t* out) {
  for (int64_t j = 0; j < all; j += kDepth, out += d / kTile * kTileHalves) {
    pack_tokens<false>(at(x, j, 0), x.stride, rows - j < kDepth ? rows - j : kDepth, d, out, kTileHalves);
  }
}

LOQUAT_INLINE void store_tiles(float* c, int64_t stride, bool two) {
  _tile_stored(0, c, stride * 4);
  _tile_stored(1, c + kTile, stride * 4);
  if (two) {
    _tile_stored(2, c + kTile * stride, stride * 4);
    _tile_stored(3, c + kTile * stride + kTile, stride * 4);
  }
  memory_barrier();
}

LOQUAT_INLINE void zero_tiles(bool two) {
  _tile_zero(0);
  _tile_zero(1);
  if (two) {
    _tile_zero(2);
    _tile_zero(3);
  }
  memory_barrier();
}

// out [rows, 16 tiles] = a [rows, D] against `tiles` (even) tiles of packed-across rows; the tiles are configured for
// `rows`.
LOQUAT_INLINE void scores_of(float* out, int64_t out_stride, const uint16_t* a, int64_t a_stride,
                             const uint16_t* across, int64_t depths, int64_t tiles, bool two) {
  for (int64_t j = 0; j < tiles; j += 2) {
    zero_tiles(two);
    const uint16_t* b = across + j * depths * kTileHalves;
    multiply(a, kTile * a_stride, a_stride * 2, kDepth, b, b + depths * kTileHalves, kTileHalves, depths, two);
    store_tiles(out + j * kTile, out_stride, two);
  }
}

// out [rows, D] = weights [rows, 32 depths] times packed-along rows.
LOQUAT_INLINE void weighted_rows(float* out, const uint16_t* weights, int64_t stride, const uint16_t* along, int64_t d,
                                 int64_t depths, bool two) {
  const int64_t step = d / kTile * kTileHalves;
  for (int64_t c = 0; c < d; c += kPanel) {
    zero_tiles(two);
    const uint16_t* b = along + c / kTile * kTileHalves;
    multiply(weights, kTile * stride, stride * 2, kDepth, b, b + kTileHalves, step, depths, two);
    store_tiles(out + c, d, two);
  }
}

// exp(scale score - max) of the first `seen` keys, zeros up to `padded`; returns max, and the sum in *sum.
LOQUAT_INLINE float softmax_row(uint16_t* probs, const float* scores, int64_t seen, int64_t padded, Vec scale,
                                float* sum) {
  Vec top = set1(-__builtin_inff());
  const int64_t whole = seen / kLanes * kLanes;
  for (int64_t j = 0; j < whole; j += kLanes) top = max(top, load(scores + j) * scale);
  if (whole < seen) {
    const Vec last = load(scores + whole) * scale;
    top = {_mm512_mask_max_ps(top.v, first_lanes(seen - whole), top.v, last.v)};
  }
  const float most = max_lanes(top);
  const Vec m = set1(most);
  Vec total = zero();
  for (int64_t j = 0; j < padded; j += kLanes) {
    const Vec p = keep_first(exp(load(scores + j) * scale - m), seen - j);
    store(probs + j, p);
    total = total + p;
  }
  *sum = sum_lanes(total);
  return most;
}

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

// One query of up to 16 heads. As `attention`, but keys are the left operand, straight from the cache: an element's
// products and their order are the same, and so are its bits.
static void decode(const AttentionTask& t) {
  const int64_t d = t.head_dim, g = t.group, keys = t.first + 1, all = round_up(keys, kDepth), depths = d / kDepth;
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, static_cast<size_t>(all * d * 2 + all * g * 8 + g * all * 2 + kTile * d * 8 + 2048)))};
  uint16_t* v = arena.take<uint16_t>(all * d);
  float* turned = arena.take<float>(all * g);
  float* scores = arena.take<float>(all * g);
  uint16_t* probs = arena.take<uint16_t>(all * g);
  uint16_t* last = arena.take<uint16_t>(kTile * d);
  uint32_t* q = arena.take<uint32_t>(g * d / 2);
  float* out = arena.take<float>(g * d);
  configure_decode(g);
  for (int64_t h = 0; h < g; ++h) {
    for (int64_t c = 0; c < d / 2; ++c) __builtin_memcpy(q + c * g + h, at(t.q, 0, h * d + 2 * c), 4);
  }
  // The next head's keys and values lie beside this one's.
  for (int64_t j = 0; j < keys; ++j) {
    _mm_prefetch(reinterpret_cast<const char*>(at(t.k, j, d)), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(at(t.v, j, d)), _MM_HINT_T0);
  }
  const int64_t whole = keys / kTile * kTile;
  for (int64_t r = 0; r < kTile; ++r) {
    for (int64_t c = 0; c < d; c += kDepth) {
      _mm512_store_si512(last + r * d + c,
                         whole + r < keys ? _mm512_loadu_si512(at(t.k, whole + r, c)) : _mm512_setzero_si512());
    }
  }
  memory_barrier();
  for (int64_t j = 0; j < keys; j += kTile) {
    const uint16_t* rows = j < whole ? at(t.k, j, 0) : last;
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
    if (keys <= all - kTile) store(scores + h * all + all - kTile, zero());
    const float top = softmax_row(probs + h * all, scores + h * all, keys, all, set1(t.scale), &sums[h]);
    if (t.lse) t.lse[h] = top + __builtin_logf(sums[h]);
  }
  pack_along(t.v, keys, all, d, v);
  memory_barrier();
  for (int64_t c = 0; c < d; c += kPanel) {
    _tile_zero(3);
    _tile_zero(4);
    for (int64_t j = 0; j < all; j += kDepth) {
      const uint16_t* b = v + (j / kDepth * (d / kTile) + c / kTile) * kTileHalves;
      _tile_loadd(5, probs + j, all * 2);
      _tile_loadd(6, b, 64);
      _tile_loadd(7, b + kTileHalves, 64);
      _tile_dpbf16ps(3, 5, 6);
      _tile_dpbf16ps(4, 5, 7);
    }
    _tile_stored(3, out + c, d * 4);
    _tile_stored(4, out + c + kTile, d * 4);
  }
  memory_barrier();
  _tile_release();
  for (int64_t h = 0; h < g; ++h) {
    const Vec inverse = set1(1.0f / sums[h]);
    for (int64_t c = 0; c < d; c += kLanes) store(out + h * d + c, load(out + h * d + c) * inverse);
    store_block(t.out, 0, h * d, out + h * d, d, 1, d, false);
  }
}

static void attend(const AttentionTask& t) {
  const int64_t d = t.head_dim;
  if (t.rows == 1 && t.group <= kTile) return decode(t);
  const int64_t keys = t.first + t.rows, all = round_up(keys, kDepth);
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, static_cast<size_t>(all * d * 4 + kTile * all * 6 + kTile * d * 4 + 1024)))};
  uint16_t* k = arena.take<uint16_t>(all * d);
  uint16_t* v = arena.take<uint16_t>(all * d);
  float* scores = arena.take<float>(kTile * all);
  uint16_t* probs = arena.take<uint16_t>(kTile * all);
  float* out = arena.take<float>(kTile * d);
  pack_across(t.k, keys, all, d, k);
  pack_along(t.v, keys, all, d, v);
  int64_t configured = 0;
  for (int64_t head = 0; head < t.group; ++head) {
    for (int64_t i = 0; i < t.rows; i += kTile) {
      const int64_t rows = t.rows - i < kTile ? t.rows - i : kTile;
      if (rows != configured) configure(rows, 0);
      configured = rows;
      const int64_t depths = (t.first + i + rows + kDepth - 1) / kDepth;
      scores_of(scores, all, at(t.q, i, head * d), t.q.stride, k, d / kDepth, 2 * depths, false);
      float sums[kTile];
      for (int64_t r = 0; r < rows; ++r) {
        const float top = softmax_row(probs + r * all, scores + r * all, t.first + i + r + 1, depths * kDepth,
                                      set1(t.scale), &sums[r]);
        if (t.lse) t.lse[(i + r) * t.lse_stride + head] = top + __builtin_logf(sums[r]);
      }
      weighted_rows(out, probs, all, v, d, depths, false);
      for (int64_t r = 0; r < rows; ++r) {
        const Vec inverse = set1(1.0f / sums[r]);
        for (int64_t c = 0; c < d; c += kLanes) store(out + r * d + c, load(out + r * d + c) * inverse);
      }
      store_block(t.out, i, head * d, out, d, rows, d, false);
    }
  }
  _tile_release();
}

static void attention(const AttentionTask& t) {
  const int64_t d = t.head_dim;
  if (!t.q.bf16 || d % kDepth != 0) return kAttentionAvx512.forward(t);
  for (int64_t g = 0; g < t.kv_heads; ++g) {
    AttentionTask one = t;
    one.q = view_from(t.q, 0, g * t.group * d);
    one.out = view_from(t.out, 0, g * t.group * d);
    one.k = view_from(t.k, 0, g * d);
    one.v = view_from(t.v, 0, g * d);
    if (t.lse) one.lse = t.lse + g * t.group;
    one.kv_heads = 1;
    attend(one);
  }
}

// What the backward of one key-value head keeps in scratch: of all keys, then of 32 queries.
struct BackwardBuffers {
  uint16_t *k_across, *v_across, *k_along;
  float *dk, *dv;
  float *scores, *dprobs, *dq;
  uint16_t *probs, *dscores;                // [32][all]
  uint16_t *probs_turned, *dscores_turned;  // tiles of [key][pair of queries]
  uint16_t *q_along, *dout_along;
  int64_t all;
};

// One query's p = exp(scale s - lse) and ds = p (dp - dout · out), to bfloat16.
LOQUAT_INLINE void gradient_row(const AttentionBackwardTask& t, const BackwardBuffers& b, int64_t r, int64_t query,
                                int64_t head, int64_t padded) {
  const uint16_t* dout = at(t.dout, query, head * t.head_dim);
  const uint16_t* out = at(t.out, query, head * t.head_dim);
  Vec dot = zero();
  for (int64_t c = 0; c < t.head_dim; c += kLanes) dot = fma(load(dout + c), load(out + c), dot);
  const Vec delta = set1(sum_lanes(dot)), lse = set1(t.lse[query * t.lse_stride + head]), scale = set1(t.scale);
  const int64_t row = r * b.all;
  for (int64_t j = 0; j < padded; j += kLanes) {
    const Vec p = keep_first(exp(load(b.scores + row + j) * scale - lse), query + 1 - j);
    store(b.probs + row + j, p);
    store(b.dscores + row + j, p * (load(b.dprobs + row + j) - delta));
  }
}

// Queries i ... i + rows - 1 (at most 32) of one head.
static void attend_backward(const AttentionBackwardTask& t, int64_t i, int64_t rows, int64_t head,
                            const BackwardBuffers& b) {
  const int64_t d = t.head_dim, depths = (i + rows + kDepth - 1) / kDepth, tiles = 2 * depths;
  const bool two = rows > kTile;
  if (rows < kPanel) configure(two ? kTile : rows, two ? rows - kTile : 0);
  const uint16_t* q = at(t.q, i, head * d);
  const uint16_t* dout = at(t.dout, i, head * d);
  scores_of(b.scores, b.all, q, t.q.stride, b.k_across, d / kDepth, tiles, two);
  scores_of(b.dprobs, b.all, dout, t.dout.stride, b.v_across, d / kDepth, tiles, two);
  for (int64_t r = 0; r < rows; ++r) gradient_row(t, b, r, i + r, head, depths * kDepth);
  weighted_rows(b.dq, b.dscores, b.all, b.k_along, d, depths, two);
  for (int64_t c = 0; c < rows * d; c += kLanes) store(b.dq + c, load(b.dq + c) * set1(t.scale));
  store_block(t.dq, i, head * d, b.dq, d, rows, d, false);

  if (rows < kPanel) configure(kTile, kTile);
  pack_tokens<true>(b.probs, b.all, rows, tiles * kTile, b.probs_turned, kTileHalves);
  pack_tokens<true>(b.dscores, b.all, rows, tiles * kTile, b.dscores_turned, kTileHalves);
  pack_tokens<false>(q, t.q.stride, rows, d, b.q_along, kTileHalves);
  pack_tokens<false>(dout, t.dout.stride, rows, d, b.dout_along, kTileHalves);
  for (int64_t j = 0; j < tiles; j += 2) {
    for (int64_t c = 0; c < d; c += kPanel) {
      const int64_t block = j * kTile * d + c, a = j * kTileHalves, right = c / kTile * kTileHalves;
      gradient_block(b.dv + block, d, kPanel, kPanel, b.probs_turned + a, b.dout_along + right, kTileHalves, 1);
      gradient_block(b.dk + block, d, kPanel, kPanel, b.dscores_turned + a, b.q_along + right, kTileHalves, 1);
    }
  }
}

static void attention_backward(const AttentionBackwardTask& t) {
  const int64_t d = t.head_dim;
  if (!t.q.bf16 || d % kDepth != 0) return kAttentionAvx512.backward(t);
  const int64_t all = round_up(t.rows, kDepth), square = kPanel * all, side = kPanel * d;
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention,
              static_cast<size_t>(3 * 2 * all * d + 2 * 4 * all * d + (2 * 4 + 4 * 2) * square + 8 * side + 2048)))};
  BackwardBuffers b;
  b.all = all;
  b.k_across = arena.take<uint16_t>(all * d);
  b.v_across = arena.take<uint16_t>(all * d);
  b.k_along = arena.take<uint16_t>(all * d);
  b.dk = arena.take<float>(all * d);
  b.dv = arena.take<float>(all * d);
  b.scores = arena.take<float>(square);
  b.dprobs = arena.take<float>(square);
  b.probs = arena.take<uint16_t>(square);
  b.dscores = arena.take<uint16_t>(square);
  b.probs_turned = arena.take<uint16_t>(square);
  b.dscores_turned = arena.take<uint16_t>(square);
  b.dq = arena.take<float>(side);
  b.q_along = arena.take<uint16_t>(side);
  b.dout_along = arena.take<uint16_t>(side);
  pack_across(t.k, t.rows, all, d, b.k_across);
  pack_across(t.v, t.rows, all, d, b.v_across);
  pack_along(t.k, t.rows, all, d, b.k_along);
  for (int64_t c = 0; c < all * d; c += kLanes) {
    store(b.dk + c, zero());
    store(b.dv + c, zero());
  }
  configure(kTile, kTile);
  for (int64_t head = 0; head < t.group; ++head) {
    for (int64_t i = 0; i < t.rows; i += kPanel) {
      attend_backward(t, i, t.rows - i < kPanel ? t.rows - i : kPanel, head, b);
    }
  }
  _tile_release();
  for (int64_t c = 0; c < all * d; c += kLanes) store(b.dk + c, load(b.dk + c) * set1(t.scale));
  store_block(t.dk, 0, 0, b.dk, d, t.rows, d, false);
  store_block(t.dv, 0, 0, b.dv, d, t.rows, d, false);
}

}  // namespace amx_attention

extern const Attention kAttentionAmx = {amx_attention::attention, amx_attention::attention_backward};

}  // namespace loquat::cpu
