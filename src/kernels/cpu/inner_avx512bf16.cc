// bfloat16 products and attention by AVX-512 BF16 (vdpbf16ps: two products a lane, added to float32), for processors
// that have it and no matrix unit: AMD's since Zen 4. float32 ones are AVX-512's. Panels are those of AMX. A sum runs
// over pairs of k in ascending order from zero, one chain for each element, whatever the number of rows.
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
#include "kernels/cpu/register_tile.h"
// clang-format on

// A pair of elements in each lane: two products added to float32.
struct DotPairs {
  using Left = uint16_t;
  using Right = uint16_t;
  using Operand = __m512bh;
  LOQUAT_INLINE Operand right(const uint16_t* b) { return (__m512bh)_mm512_loadu_si512(b); }
  LOQUAT_INLINE Vec add(Vec sum, const uint16_t* a, Operand b) {
    int32_t pair;
    __builtin_memcpy(&pair, a, sizeof(pair));
    return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_set1_epi32(pair), b)};
  }
};
using Step = DotPairs;

// put(row, sums) gets a [rows, depth] times one panel, some rows at a time. Meanwhile `next` (null: none), as large as
// the panel, is brought nearer, a little with every step: all at once the requests would wait for each other.
template <typename Put>
LOQUAT_INLINE void panel_product(const uint16_t* a, int64_t a_stride, int64_t rows, const uint16_t* panel,
                                 int64_t depth, const uint16_t* next, Put&& put) {
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  const int64_t ahead = next == nullptr ? 0 : (2 * kTileHalves / tiles + 31) / 32 * 32;  // elements by step
  for (int64_t row = 0; row < rows; row += kTileRows) {
    with_count<kTileRows>(rows - row < kTileRows ? rows - row : kTileRows, [&]<int R>() {
      Vec sums[R][2];
      clear(sums);
      const uint16_t* left = a + row * a_stride;
      const uint16_t* right = panel;
      for (int64_t s = 0; s < depth; s += kDepth, left += kDepth, right += 2 * kTileHalves) {
        for (int64_t at = 0; at < ahead; at += 32) __builtin_prefetch(next + at, 0, 2);
        next += ahead;
        add_products<DotPairs, R, 2>(sums, left, a_stride, 2, right, kDepth, kPanelRow, kTile);
      }
      put(row, sums);
    });
  }
}

// y's rows from `row` on, columns [0, cols) of a panel, = or += the sums.
template <bool kAdd, typename T, int R>
LOQUAT_INLINE void put_sums(T* y, int64_t stride, int64_t cols, const Vec (&sums)[R][2]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T* out = y + r * stride;
    if (cols >= kPanel) {
#pragma GCC unroll 2
      for (int w = 0; w < 2; ++w) store(out + w * kLanes, kAdd ? load(out + w * kLanes) + sums[r][w] : sums[r][w]);
    } else {
      for (int w = 0; w < 2 && cols > w * kLanes; ++w) {
        const int64_t n = cols - w * kLanes < kLanes ? cols - w * kLanes : kLanes;
        store_part(out + w * kLanes, kAdd ? load_part(out + w * kLanes, n) + sums[r][w] : sums[r][w], n);
      }
    }
  }
}

template <bool kAdd>
static void product_of(View y, const uint16_t* in, int64_t stride, int64_t rows, const uint16_t* panels, int64_t n,
                       int64_t depth, int64_t begin, int64_t end) {
  with_type(y, [&](auto* out) {
    for (int64_t p = begin; p < end; ++p) {
      const uint16_t* panel = panels + p * depth * kPanel;
      const uint16_t* next = rows > 1 && p + 1 < end ? panel + depth * kPanel : nullptr;
      panel_product(in, stride, rows, panel, depth, next, [&](int64_t row, const auto& sums) {
        put_sums<kAdd>(out + row * y.stride + p * kPanel, y.stride, n - p * kPanel, sums);
      });
    }
  });
}

static void product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                    bool add) {
  if (!x.bf16) return kProductsAvx512.product(y, x, rows, packed, n, k, begin, end, add);
  if (rows == 0) return;
  int64_t stride;
  const bool apart = x.stride % 1024 == 0;  // twelve rows 2 KiB apart would not fit the first cache's places
  const uint16_t* in = product_rows(x, rows, k, apart, &stride);
  const auto* panels = static_cast<const uint16_t*>(packed);
  const int64_t depth = round_up(k, kDepth);
  add ? product_of<true>(y, in, stride, rows, panels, n, depth, begin, end)
      : product_of<false>(y, in, stride, rows, panels, n, depth, begin, end);
}

static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  if (!x.bf16) return kProductsAvx512.weight_gradient(dw, dw_stride, dy, x, tokens, n, k);
  constexpr int64_t kBlock = 256, kRows = 8, kWidth = 3 * kTile;  // three tiles of a block stay in the first cache
  const int64_t most = round_up(tokens < kBlock ? tokens : kBlock, kDepth);
  uint16_t* a = static_cast<uint16_t*>(scratch(kInnerA, static_cast<size_t>(round_up(n, kPanel) * most * 2)));
  uint16_t* b = static_cast<uint16_t*>(scratch(kInnerB, static_cast<size_t>(round_up(k, kPanel) * most * 2)));
  for (int64_t begin = 0; begin < tokens; begin += kBlock) {
    const int64_t count = tokens - begin < kBlock ? tokens - begin : kBlock;
    const int64_t depths = pack_gradient<false>(a, b, dy, x, begin, count, n, k), step = depths * kTileHalves;
    for (int64_t j = 0; j < k; j += kWidth) {
      const int64_t cols = k - j, tiles = cols > 2 * kTile ? 3 : cols > kTile ? 2 : 1;
      for (int64_t i = 0; i < n; i += kRows) {
        const uint16_t* left = a + i / kTile * step + 2 * (i % kTile);
        with_count<3>(tiles, [&]<int W>() {
          gradient_tile<DotPairs, kRows, W>(dw + i * dw_stride + j, dw_stride, n - i, cols, left, 2, kDepth,
                                            b + j / kTile * step, step, kDepth, depths * kTile);
        });
      }
    }
  }
}

// --- small products of attention -----------------------------------------------------------------

// c [rows, n] (rounded up to whole panels) = a [rows, depth] times an operand packed with `packed_depth` >= depth.
static void block_product(float* c, int64_t c_stride, const Element* a, int64_t a_stride, int64_t rows,
                          const Element* packed, int64_t packed_depth, int64_t n, int64_t depth) {
  for (int64_t j = 0; j < n; j += kPanel) {
    panel_product(a, a_stride, rows, packed + j * packed_depth, depth, nullptr,
                  [&](int64_t row, const auto& sums) { store_sums(c + row * c_stride + j, c_stride, sums); });
  }
}

LOQUAT_INLINE void key_tile(__m512bh (&tile)[16], const View& x, int64_t row, int64_t rows, int64_t c, int64_t cols) {
  __m512i pairs[16];
  turned_pairs(pairs, x, row, rows, c, cols);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) tile[i] = (__m512bh)pairs[i];
}

// The pairs of rows `row`, `row` + 1 of x (zeros past `rows`), W vectors from column c on, in the order that pair_rows
// has before it sorts them.
template <int W>
LOQUAT_INLINE void value_columns(__m512bh (&out)[W], const View& x, int64_t row, int64_t rows, int64_t c,
                                 int64_t cols) {
  static_assert(W % 2 == 0);
  const uint16_t* even = static_cast<const uint16_t*>(x.data) + row * x.stride + c;
#pragma GCC unroll 2
  for (int w = 0; w < W; w += 2) {
    const int64_t left = cols - c - w * kLanes;
    const __mmask32 mask = left >= 32 ? 0xffffffffu : left > 0 ? (1u << left) - 1 : 0;
    const __m512i a = _mm512_maskz_loadu_epi16(mask, even + w * kLanes);
    const __m512i b = _mm512_maskz_loadu_epi16(row + 1 < rows ? mask : 0, even + x.stride + w * kLanes);
    out[w] = (__m512bh)_mm512_unpacklo_epi16(a, b);
    out[w + 1] = (__m512bh)_mm512_unpackhi_epi16(a, b);
  }
}

// Sums over value_columns, in the columns' order.
template <int W>
LOQUAT_INLINE void store_value_columns(float* out, const Vec (&sums)[W]) {
#pragma GCC unroll 2
  for (int w = 0; w < W; w += 2) {
    const __m512d low = _mm512_castps_pd(sums[w].v), high = _mm512_castps_pd(sums[w + 1].v);
    const __m512d first = _mm512_permutex2var_pd(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
    const __m512d second = _mm512_permutex2var_pd(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
    store(out + w * kLanes, {_mm512_castpd_ps(first)});
    store(out + (w + 1) * kLanes, {_mm512_castpd_ps(second)});
  }
}

#include "kernels/cpu/simd_attention.h"
#include "kernels/cpu/simd_decode.h"

static void attention_of(const AttentionTask& t) {
  t.q.bf16 ? attention(t) : kAttentionAvx512.forward(t);
}

static void attention_backward_of(const AttentionBackwardTask& t) {
  t.q.bf16 ? attention_backward(t) : kAttentionAvx512.backward(t);
}

static void decode_scores_of(const DecodeTask& t, int64_t begin, int64_t end) {
  t.task.q.bf16 ? decode_scores(t, begin, end) : kAttentionAvx512.decode->scores(t, begin, end);
}

static void decode_softmax_of(const DecodeTask& t, int64_t begin, int64_t end) {
  t.task.q.bf16 ? decode_softmax(t, begin, end) : kAttentionAvx512.decode->softmax(t, begin, end);
}

static void decode_values_of(const DecodeTask& t, int64_t begin, int64_t end) {
  t.task.q.bf16 ? decode_values(t, begin, end) : kAttentionAvx512.decode->values(t, begin, end);
}

}  // namespace avx512bf16

extern const Products kProductsAvx512Bf16 = {avx512bf16::kPanel, avx512bf16::panel_bytes, avx512bf16::pack,
                                             avx512bf16::product, avx512bf16::weight_gradient};

// Slices of float32 are as wide: both have Vecs of 16.
static constexpr Decode kDecode = {avx512bf16::kDecodeSlice, avx512bf16::decode_scores_of,
                                   avx512bf16::decode_softmax_of, avx512bf16::decode_values_of};
extern const Attention kAttentionAvx512Bf16 = {avx512bf16::attention_of, avx512bf16::attention_backward_of, &kDecode};

}  // namespace loquat::cpu
