// The backward of causal attention: p = exp(s - lse); dv = pᵀ dout; dp = dout vᵀ; ds = p (dp - delta) scale;
// dq = ds k; dk = dsᵀ q, with delta = dout · out by line (attention.cuh). Scores are computed twice, once by key tile
// for dk and dv and once by line tile for dq, so that each sum has one owner and one order.
#include "kernels/cuda/attention.cuh"

namespace loquat::cuda {
namespace {

using namespace attention_parts;

template <typename T>
struct BackwardArgs {
  View<T> dq, dk, dv;
  View<const T> dout, q, k, v;
  const float* lse;    // [T, H]
  const float* delta;  // [T, H]
  const AttentionSegment* segments;
  const Item* items;
  int heads, group, head_dim;
  float scale;
  bool vector;  // dout, q, k, v can be read 16 bytes at a time
  bool paired;  // dq, dk, dv can be written 4 bytes at a time

  __device__ Lines<const T> lines(const View<const T>& m, int64_t row, int kv_head) const {
    return Lines<const T>(m, row, kv_head, group, head_dim);
  }
  template <typename U>
  __device__ Rows<U> rows(const View<U>& m, int64_t row, int kv_head) const {
    return {m.data + row * m.stride + static_cast<int64_t>(kv_head) * head_dim, m.stride};
  }
  // Where a line's lse and delta are.
  __device__ int64_t statistic(int64_t row, int kv_head, int line) const {
    const int i = line / group;
    return (row + i) * heads + kv_head * group + line - i * group;
  }
};

// --- delta ---------------------------------------------------------------------------------------

constexpr int kDeltaThreads = 256;
constexpr int kDeltaLanes = 8;  // of one row and head; each takes every eighth eight elements

template <typename T>
struct DeltaArgs {
  View<const T> dout, out;
  float* delta;
  int64_t count;  // rows * heads
  int heads, head_dim;
  bool vector;
};

__device__ inline float as_float(float x) {
  return x;
}
__device__ inline float as_float(Half x) {
  return __bfloat162float(x);
}

template <typename T>
__global__ void __launch_bounds__(kDeltaThreads) compute_delta(DeltaArgs<T> a) {
  const int64_t index = (static_cast<int64_t>(blockIdx.x) * kDeltaThreads + threadIdx.x) / kDeltaLanes;
  const int lane = threadIdx.x % kDeltaLanes;
  float sum = 0;
  if (index < a.count) {
    const int64_t row = index / a.heads, col = index % a.heads * a.head_dim;
    const T* left = a.dout.data + row * a.dout.stride + col;
    const T* right = a.out.data + row * a.out.stride + col;
    for (int c = 8 * lane; c < a.head_dim; c += 8 * kDeltaLanes) {
      if (a.vector) {
        constexpr int kPieces = sizeof(T) / 2;  // of 16 bytes in eight elements
        uint4 pieces[2][kPieces];
        for (int i = 0; i < kPieces; ++i) {
          pieces[0][i] = reinterpret_cast<const uint4*>(left + c)[i];
          pieces[1][i] = reinterpret_cast<const uint4*>(right + c)[i];
        }
        T elements[2][8];
        memcpy(elements, pieces, sizeof(pieces));
        for (int e = 0; e < 8; ++e) sum = __fmaf_rn(as_float(elements[0][e]), as_float(elements[1][e]), sum);
      } else {
        for (int e = 0; e < 8 && c + e < a.head_dim; ++e) {
          sum = __fmaf_rn(as_float(left[c + e]), as_float(right[c + e]), sum);
        }
      }
    }
  }
  for (int apart = 1; apart < kDeltaLanes; apart *= 2) sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, apart));
  if (index < a.count && lane == 0) a.delta[index] = sum;
}

// --- bfloat16 ------------------------------------------------------------------------------------

// Sizes by head size, so that registers (accumulators above all) and the 99 KiB of shared memory of sm_89 suffice.
template <int kSize>
constexpr int kWarpsOf = kSize <= 128 ? 4 : 2;
// Lines that key_gradients takes at a time, with 16 kMt keys for each warp.
template <int kSize, int kMt>
constexpr int kLinesAtOnce = kSize > 128             ? 16
                             : kSize > 64 || kMt > 1 ? 32
                                                     : 64;
// Keys that query_gradients takes at a time, with 16 kMt lines for each warp.
template <int kSize>
constexpr int kKeysAtOnce = kSize > 128  ? 16
                            : kSize > 64 ? 32
                                         : 64;
// Blocks that share the columns of dk and dv.
template <int kSize>
constexpr int kPartsOf = kSize <= 128 ? 1 : 2;

// What key_gradients needs of each line of a tile.
template <int kLines>
struct LineFacts {
  float lse[kLines];  // times log2(e)
  float delta[kLines];
  int last[kLines];  // the last key that the line sees; -1 past the end
};

template <int kLines, typename T>
__device__ void load_facts(LineFacts<kLines>& facts, const BackwardArgs<T>& a, int64_t row, int kv_head, int begin,
                           int end) {
  for (int i = threadIdx.x; i < kLines; i += blockDim.x) {
    const bool there = begin + i < end;
    const int64_t at = there ? a.statistic(row, kv_head, begin + i) : 0;
    facts.lse[i] = there ? __fmul_rn(a.lse[at], kLog2E) : 0;
    facts.delta[i] = there ? a.delta[at] : 0;
    facts.last[i] = there ? (begin + i) / a.group : -1;
  }
}

// Scores of [16 kMt keys from `key`] x [lines] to probabilities.
template <int kMt, int kCols, int kLines>
__device__ inline void key_probabilities(float (&s)[kMt][kCols][4], const LineFacts<kLines>& facts, int key, bool hides,
                                         float scale) {
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int n = 0; n < kCols; ++n) {
    const int line = 8 * n + 2 * t;
    const float lse[2] = {facts.lse[line], facts.lse[line + 1]};
    if (hides) {
      const int last[2] = {facts.last[line], facts.last[line + 1]};
#pragma unroll
      for (int m = 0; m < kMt; ++m) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          if (key + 16 * m + 8 * (e / 2) + g > last[e % 2]) s[m][n][e] = -INFINITY;
        }
      }
    }
#pragma unroll
    for (int m = 0; m < kMt; ++m) {
#pragma unroll
      for (int e = 0; e < 4; ++e) s[m][n][e] = exp2_fast(__fmaf_rn(s[m][n][e], scale, -lse[e % 2]));
    }
  }
}

// Rows [row, end) of the warp's 16 kMt, times factor.
template <int kMt, int kValues, typename Target>
__device__ inline void store_sums(const Target& to, int row, int end, const float (&sums)[kMt][kValues][4],
                                  float factor, int first_col, int head_dim, bool paired) {
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int own = row + 16 * m + 8 * half + g;
      if (own >= end) continue;
      Half* first = to[own];
#pragma unroll
      for (int n = 0; n < kValues; ++n) {
        const int col = first_col + 8 * n + 2 * t;
        if (col < head_dim)
          store_pair(first + col, sums[m][n][2 * half] * factor, sums[m][n][2 * half + 1] * factor, paired);
      }
    }
  }
}

template <int kMt, int kCols>
__device__ inline void set_zero(float (&sums)[kMt][kCols][4]) {
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int n = 0; n < kCols; ++n) sums[m][n][0] = sums[m][n][1] = sums[m][n][2] = sums[m][n][3] = 0;
  }
}

template <int kSize, int kMt>
constexpr int kKeyGradientBytes = (2 * 16 * kMt * kWarpsOf<kSize> +
                                   4 * kLinesAtOnce<kSize, kMt>)*kHalfStride<kSize>* static_cast<int>(sizeof(Half)) +
                                  2 * static_cast<int>(sizeof(LineFacts<kLinesAtOnce<kSize, kMt>>));

// dk and dv of a tile of keys: passes over the lines that see it. Everything is transposed ([keys, lines]), so that
// probabilities come out of one product as the next one's left operand.
template <int kSize, int kMt>
__global__ void __launch_bounds__(32 * kWarpsOf<kSize>) key_gradients_bf16(BackwardArgs<Half> a) {
  constexpr int kThreads = 32 * kWarpsOf<kSize>, kKeys = 16 * kMt * kWarpsOf<kSize>, kLines = kLinesAtOnce<kSize, kMt>;
  constexpr int kCols = kSize / kPartsOf<kSize>, kStride = kHalfStride<kSize>;
  Half* const k_tile = reinterpret_cast<Half*>(shared_memory);
  Half* const v_tile = k_tile + kKeys * kStride;
  Half* const q_tiles = v_tile + kKeys * kStride;  // two, as of all below: one is worked on, the next on its way
  Half* const dout_tiles = q_tiles + 2 * kLines * kStride;
  auto* const facts = reinterpret_cast<LineFacts<kLines>*>(dout_tiles + 2 * kLines * kStride);
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y, first_col = blockIdx.z * kCols;
  const int64_t row = a.segments[item.segment].q_begin;
  const int length = static_cast<int>(a.segments[item.segment].q_len), lines = length * a.group;
  const int key_begin = item.tile * kKeys, key_end = min(key_begin + kKeys, length);
  const auto q = a.lines(a.q, row, kv_head), dout = a.lines(a.dout, row, kv_head);
  const auto load_lines = [&](int stage, int begin) {
    load_tile<kSize, kLines, kThreads>(q_tiles + stage * kLines * kStride, q, begin, lines, a.head_dim, a.vector);
    load_tile<kSize, kLines, kThreads>(dout_tiles + stage * kLines * kStride, dout, begin, lines, a.head_dim, a.vector);
    load_facts(facts[stage], a, row, kv_head, begin, lines);
  };
  load_tile<kSize, kKeys, kThreads>(k_tile, a.rows(a.k, row, kv_head), key_begin, key_end, a.head_dim, a.vector);
  load_tile<kSize, kKeys, kThreads>(v_tile, a.rows(a.v, row, kv_head), key_begin, key_end, a.head_dim, a.vector);
  const int first_line = key_begin * a.group / kLines * kLines;
  load_lines(0, first_line);

  const int warp_key = key_begin + static_cast<int>(threadIdx.x) / 32 * 16 * kMt;
  const int warp_offset = (warp_key - key_begin) * kStride;
  const float scale = a.scale * kLog2E;
  float dk[kMt][kCols / 8][4], dv[kMt][kCols / 8][4];
  set_zero(dk);
  set_zero(dv);
  for (int line = first_line, stage = 0; line < lines; line += kLines, stage ^= 1) {
    wait_for_copies();
    __syncthreads();  // this stage is there, and all are done with the other
    if (line + kLines < lines) load_lines(stage ^ 1, line + kLines);
    if (warp_key >= key_end || warp_key > (min(line + kLines, lines) - 1) / a.group) continue;
    const Half *q_tile = q_tiles + stage * kLines * kStride, *dout_tile = dout_tiles + stage * kLines * kStride;
    const bool hides = line / a.group < warp_key + 16 * kMt - 1 || line + kLines > lines;
    float p[kMt][kLines / 8][4], ds[kMt][kLines / 8][4];
    products_of_rows<kSize, kMt, kLines / 16>(p, k_tile + warp_offset, q_tile);
    key_probabilities(p, facts[stage], warp_key, hides, scale);
    add_weighted_rows<kSize, kMt, kLines / 16, kCols / 16>(dv, p, dout_tile + first_col);
    products_of_rows<kSize, kMt, kLines / 16>(ds, v_tile + warp_offset, dout_tile);
#pragma unroll
    for (int n = 0; n < kLines / 8; ++n) {
      const int own = 8 * n + 2 * (threadIdx.x % 4);
      const float delta[2] = {facts[stage].delta[own], facts[stage].delta[own + 1]};
#pragma unroll
      for (int m = 0; m < kMt; ++m) {
#pragma unroll
        for (int e = 0; e < 4; ++e) ds[m][n][e] = __fmul_rn(p[m][n][e], __fsub_rn(ds[m][n][e], delta[e % 2]));
      }
    }
    add_weighted_rows<kSize, kMt, kLines / 16, kCols / 16>(dk, ds, q_tile + first_col);
  }
  store_sums(a.rows(a.dk, row, kv_head), warp_key, key_end, dk, a.scale, first_col, a.head_dim, a.paired);
  store_sums(a.rows(a.dv, row, kv_head), warp_key, key_end, dv, 1.0f, first_col, a.head_dim, a.paired);
}

template <int kSize, int kMt>
constexpr int kQueryGradientBytes = (2 * 16 * kMt * kWarpsOf<kSize> +
                                     4 * kKeysAtOnce<kSize>)*kHalfStride<kSize>* static_cast<int>(sizeof(Half));

// dq of a tile of lines: passes over the keys that it sees.
template <int kSize, int kMt>
__global__ void __launch_bounds__(32 * kWarpsOf<kSize>) query_gradients_bf16(BackwardArgs<Half> a) {
  constexpr int kThreads = 32 * kWarpsOf<kSize>, kLines = 16 * kMt * kWarpsOf<kSize>, kKeys = kKeysAtOnce<kSize>;
  constexpr int kStride = kHalfStride<kSize>;
  Half* const q_tile = reinterpret_cast<Half*>(shared_memory);
  Half* const dout_tile = q_tile + kLines * kStride;
  Half* const k_tiles = dout_tile + kLines * kStride;  // two, as v_tiles
  Half* const v_tiles = k_tiles + 2 * kKeys * kStride;
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y;
  const int64_t row = a.segments[item.segment].q_begin;
  const int length = static_cast<int>(a.segments[item.segment].q_len), lines = length * a.group;
  const int begin = item.tile * kLines, end = min(begin + kLines, lines), keys = (end - 1) / a.group + 1;
  const auto k = a.rows(a.k, row, kv_head), v = a.rows(a.v, row, kv_head);
  const auto load_keys = [&](int stage, int key) {
    load_tile<kSize, kKeys, kThreads>(k_tiles + stage * kKeys * kStride, k, key, keys, a.head_dim, a.vector);
    load_tile<kSize, kKeys, kThreads>(v_tiles + stage * kKeys * kStride, v, key, keys, a.head_dim, a.vector);
  };
  load_tile<kSize, kLines, kThreads>(q_tile, a.lines(a.q, row, kv_head), begin, end, a.head_dim, a.vector);
  load_tile<kSize, kLines, kThreads>(dout_tile, a.lines(a.dout, row, kv_head), begin, end, a.head_dim, a.vector);
  load_keys(0, 0);

  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const int warp_line = begin + static_cast<int>(threadIdx.x) / 32 * 16 * kMt;
  const int warp_offset = (warp_line - begin) * kStride;
  const int warp_last = warp_line < end ? (min(warp_line + 16 * kMt, end) - 1) / a.group : -1;
  const float scale = a.scale * kLog2E;
  float lse[kMt][2], delta[kMt][2], dq[kMt][kSize / 8][4];
  set_zero(dq);
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int line = warp_line + 16 * m + 8 * half + g;
      const int64_t at = line < end ? a.statistic(row, kv_head, line) : 0;
      lse[m][half] = line < end ? __fmul_rn(a.lse[at], kLog2E) : 0;
      delta[m][half] = line < end ? a.delta[at] : 0;
    }
  }
  for (int key = 0, stage = 0; key < keys; key += kKeys, stage ^= 1) {
    wait_for_copies();
    __syncthreads();  // this stage is there, and all are done with the other
    if (key + kKeys < keys) load_keys(stage ^ 1, key + kKeys);
    if (key > warp_last) continue;
    const Half *k_tile = k_tiles + stage * kKeys * kStride, *v_tile = v_tiles + stage * kKeys * kStride;
    const bool hides = key + kKeys - 1 > warp_line / a.group;
    float p[kMt][kKeys / 8][4], ds[kMt][kKeys / 8][4];
    products_of_rows<kSize, kMt, kKeys / 16>(p, q_tile + warp_offset, k_tile);
    products_of_rows<kSize, kMt, kKeys / 16>(ds, dout_tile + warp_offset, v_tile);
#pragma unroll
    for (int m = 0; m < kMt; ++m) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int half = e / 2, last = hides ? (warp_line + 16 * m + 8 * half + g) / a.group : INT32_MAX;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
          const float s = key + 8 * n + 2 * t + e % 2 > last ? -INFINITY : p[m][n][e];
          const float weight = exp2_fast(__fmaf_rn(s, scale, -lse[m][half]));
          ds[m][n][e] = __fmul_rn(weight, __fsub_rn(ds[m][n][e], delta[m][half]));
        }
      }
    }
    add_weighted_rows<kSize, kMt, kKeys / 16, kSize / 16>(dq, ds, k_tile);
  }
  const Lines<Half> to(a.dq, row, kv_head, a.group, a.head_dim);
  store_sums(to, warp_line, end, dq, a.scale, 0, a.head_dim, a.paired);
}

// --- float32 -------------------------------------------------------------------------------------

template <int kSize>
constexpr int kBackwardFloats = 2 * (FloatTiles<kSize>::kLeftFloats + FloatTiles<kSize>::kRightFloats +
                                     FloatTiles<kSize>::kWeightFloats);
template <int kSize>
constexpr int kKeyGradientFloatBytes = kBackwardFloats<kSize>* static_cast<int>(sizeof(float)) +
                                       static_cast<int>(sizeof(LineFacts<FloatTiles<kSize>::kRight>));

template <int kSize>
__global__ void __launch_bounds__(kFloatThreads) key_gradients_f32(BackwardArgs<float> a) {
  using Tiles = FloatTiles<kSize>;
  constexpr int kR = Tiles::kR, kC = Tiles::kC, kVectors = kSize / 32, kLines = Tiles::kRight;
  float* const k_tile = reinterpret_cast<float*>(shared_memory);
  float* const v_tile = k_tile + Tiles::kLeftFloats;
  float* const q_tile = v_tile + Tiles::kLeftFloats;
  float* const dout_tile = q_tile + Tiles::kRightFloats;
  float* const p_tile = dout_tile + Tiles::kRightFloats;
  float* const ds_tile = p_tile + Tiles::kWeightFloats;
  auto& facts = *reinterpret_cast<LineFacts<kLines>*>(ds_tile + Tiles::kWeightFloats);
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y, x = threadIdx.x % 8, y = threadIdx.x / 8;
  const int64_t row = a.segments[item.segment].q_begin;
  const int length = static_cast<int>(a.segments[item.segment].q_len), lines = length * a.group;
  const int key_begin = item.tile * Tiles::kLeft, key_end = min(key_begin + Tiles::kLeft, length);
  const auto q = a.lines(a.q, row, kv_head), dout = a.lines(a.dout, row, kv_head);
  load_tile<kSize, Tiles::kLeft, kFloatThreads>(k_tile, a.rows(a.k, row, kv_head), key_begin, key_end, a.head_dim,
                                                a.vector);
  load_tile<kSize, Tiles::kLeft, kFloatThreads>(v_tile, a.rows(a.v, row, kv_head), key_begin, key_end, a.head_dim,
                                                a.vector);
  const float scale = a.scale * kLog2E;
  float4 dk[kR][kVectors], dv[kR][kVectors];
  for (int r = 0; r < kR; ++r) {
    for (int j = 0; j < kVectors; ++j) dk[r][j] = dv[r][j] = {0, 0, 0, 0};
  }
  for (int line = key_begin * a.group / kLines * kLines; line < lines; line += kLines) {
    load_tile<kSize, kLines, kFloatThreads>(q_tile, q, line, lines, a.head_dim, a.vector);
    load_tile<kSize, kLines, kFloatThreads>(dout_tile, dout, line, lines, a.head_dim, a.vector);
    load_facts(facts, a, row, kv_head, line, lines);
    __syncthreads();
    float s[kR][kC], dp[kR][kC];
    products_of_rows<kSize>(s, k_tile, q_tile);
    products_of_rows<kSize>(dp, v_tile, dout_tile);
    for (int r = 0; r < kR; ++r) {
      for (int c = 0; c < kC; ++c) {
        const int own = x + 8 * c, at = (y + 16 * r) * Tiles::kWeightStride + own;
        const bool seen = key_begin + y + 16 * r <= facts.last[own];
        const float p = seen ? exp2_fast(__fmaf_rn(s[r][c], scale, -facts.lse[own])) : 0;
        p_tile[at] = p;
        ds_tile[at] = __fmul_rn(p, __fsub_rn(dp[r][c], facts.delta[own]));
      }
    }
    __syncwarp();
    add_weighted_rows<kSize>(dv, p_tile, dout_tile);
    add_weighted_rows<kSize>(dk, ds_tile, q_tile);
    __syncthreads();
  }
  for (int r = 0; r < kR; ++r) {
    const int key = key_begin + y + 16 * r;
    if (key >= key_end) continue;
    store_row(a.rows(a.dk, row, kv_head)[key], dk[r], a.scale, a.head_dim);
    store_row(a.rows(a.dv, row, kv_head)[key], dv[r], 1.0f, a.head_dim);
  }
}

template <int kSize>
__global__ void __launch_bounds__(kFloatThreads) query_gradients_f32(BackwardArgs<float> a) {
  using Tiles = FloatTiles<kSize>;
  constexpr int kR = Tiles::kR, kC = Tiles::kC, kVectors = kSize / 32, kKeys = Tiles::kRight;
  float* const q_tile = reinterpret_cast<float*>(shared_memory);
  float* const dout_tile = q_tile + Tiles::kLeftFloats;
  float* const k_tile = dout_tile + Tiles::kLeftFloats;
  float* const v_tile = k_tile + Tiles::kRightFloats;
  float* const ds_tile = v_tile + Tiles::kRightFloats;
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y, x = threadIdx.x % 8, y = threadIdx.x / 8;
  const int64_t row = a.segments[item.segment].q_begin;
  const int length = static_cast<int>(a.segments[item.segment].q_len), lines = length * a.group;
  const int begin = item.tile * Tiles::kLeft, end = min(begin + Tiles::kLeft, lines), keys = (end - 1) / a.group + 1;
  const auto k = a.rows(a.k, row, kv_head), v = a.rows(a.v, row, kv_head);
  load_tile<kSize, Tiles::kLeft, kFloatThreads>(q_tile, a.lines(a.q, row, kv_head), begin, end, a.head_dim, a.vector);
  load_tile<kSize, Tiles::kLeft, kFloatThreads>(dout_tile, a.lines(a.dout, row, kv_head), begin, end, a.head_dim,
                                                a.vector);
  const float scale = a.scale * kLog2E;
  float lse[kR], delta[kR];
  float4 dq[kR][kVectors];
  for (int r = 0; r < kR; ++r) {
    const int line = begin + y + 16 * r;
    const int64_t at = line < end ? a.statistic(row, kv_head, line) : 0;
    lse[r] = line < end ? __fmul_rn(a.lse[at], kLog2E) : 0;
    delta[r] = line < end ? a.delta[at] : 0;
    for (int j = 0; j < kVectors; ++j) dq[r][j] = {0, 0, 0, 0};
  }
  for (int key = 0; key < keys; key += kKeys) {
    load_tile<kSize, kKeys, kFloatThreads>(k_tile, k, key, keys, a.head_dim, a.vector);
    load_tile<kSize, kKeys, kFloatThreads>(v_tile, v, key, keys, a.head_dim, a.vector);
    __syncthreads();
    float s[kR][kC], dp[kR][kC];
    products_of_rows<kSize>(s, q_tile, k_tile);
    products_of_rows<kSize>(dp, dout_tile, v_tile);
    for (int r = 0; r < kR; ++r) {
      const int last = (begin + y + 16 * r) / a.group;
      for (int c = 0; c < kC; ++c) {
        const float p = key + x + 8 * c <= last ? exp2_fast(__fmaf_rn(s[r][c], scale, -lse[r])) : 0;
        ds_tile[(y + 16 * r) * Tiles::kWeightStride + x + 8 * c] = __fmul_rn(p, __fsub_rn(dp[r][c], delta[r]));
      }
    }
    __syncwarp();
    add_weighted_rows<kSize>(dq, ds_tile, k_tile);
    __syncthreads();
  }
  const Lines<float> to(a.dq, row, kv_head, a.group, a.head_dim);
  for (int r = 0; r < kR; ++r) {
    const int line = begin + y + 16 * r;
    if (line < end) store_row(to[line], dq[r], a.scale, a.head_dim);
  }
}

// --- host ----------------------------------------------------------------------------------------

template <typename T>
float* delta_of(const Mat& dout, const Mat& out, const AttentionShape& shape) {
  const int64_t count = dout.rows * shape.heads, lanes = count * kDeltaLanes;
  auto* delta = static_cast<float*>(scratch(Scratch::kAttention, count * static_cast<int64_t>(sizeof(float))));
  const DeltaArgs<T> args = {
      .dout = view<const T>(dout),
      .out = view<const T>(out),
      .delta = delta,
      .count = count,
      .heads = static_cast<int>(shape.heads),
      .head_dim = static_cast<int>(shape.head_dim),
      .vector = shape.head_dim % 8 == 0 && aligned_rows(dout, shape.head_dim) && aligned_rows(out, shape.head_dim)};
  launch(compute_delta<T>, dim3((lanes + kDeltaThreads - 1) / kDeltaThreads), kDeltaThreads, 0, args);
  return delta;
}

template <int kSize, int kMt>
void launch_keys_bf16(BackwardArgs<Half> args, std::span<const AttentionSegment> segments, int64_t kv_heads) {
  const Items items = stage_items(segments, 1, 16 * kMt * kWarpsOf<kSize>, false);
  args.items = items.items;
  launch(key_gradients_bf16<kSize, kMt>, dim3(items.count, kv_heads, kPartsOf<kSize>), 32 * kWarpsOf<kSize>,
         kKeyGradientBytes<kSize, kMt>, args);
}

template <int kSize, int kMt>
void launch_queries_bf16(BackwardArgs<Half> args, std::span<const AttentionSegment> segments, int64_t kv_heads) {
  const Items items = stage_items(segments, args.group, 16 * kMt * kWarpsOf<kSize>, true);
  args.items = items.items;
  launch(query_gradients_bf16<kSize, kMt>, dim3(items.count, kv_heads), 32 * kWarpsOf<kSize>,
         kQueryGradientBytes<kSize, kMt>, args);
}

void backward_bf16(const BackwardArgs<Half>& args, std::span<const AttentionSegment> segments, int64_t kv_heads) {
  const bool wide_keys = prefer_wide(segments, 1, 64, kv_heads);
  const bool wide_lines = prefer_wide(segments, args.group, 64, kv_heads);
  with_size<16, 32, 64, 96, 128, 256>(args.head_dim, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    constexpr int kWide = kSize <= 64 ? 2 : 1;
    if (wide_keys) {
      launch_keys_bf16<kSize, kWide>(args, segments, kv_heads);
    } else {
      launch_keys_bf16<kSize, 1>(args, segments, kv_heads);
    }
    if (wide_lines) {
      launch_queries_bf16<kSize, kWide>(args, segments, kv_heads);
    } else {
      launch_queries_bf16<kSize, 1>(args, segments, kv_heads);
    }
  });
}

void backward_f32(BackwardArgs<float> args, std::span<const AttentionSegment> segments, int64_t kv_heads) {
  with_size<32, 64, 128, 256>(args.head_dim, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    const Items keys = stage_items(segments, 1, FloatTiles<kSize>::kLeft, false);
    args.items = keys.items;
    launch(key_gradients_f32<kSize>, dim3(keys.count, kv_heads), kFloatThreads, kKeyGradientFloatBytes<kSize>, args);
    const Items lines = stage_items(segments, args.group, FloatTiles<kSize>::kLeft, true);
    args.items = lines.items;
    launch(query_gradients_f32<kSize>, dim3(lines.count, kv_heads), kFloatThreads,
           kBackwardFloats<kSize> * static_cast<int>(sizeof(float)), args);
  });
}

}  // namespace

void attention_backward(Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v, const float* lse,
                        std::span<const AttentionSegment> segments, const AttentionShape& shape) {
  check_shape(shape, q);
  const int64_t d = shape.head_dim;
  CHECK(k.cols == shape.kv_heads * d && v.cols == k.cols && dk.cols == k.cols && dv.cols == k.cols &&
            dq.cols == q.cols && out.cols == q.cols && dout.cols == q.cols && k.dtype == q.dtype,
        "attention_backward: {} heads over {} of {}", shape.heads, shape.kv_heads, d);
  for (const AttentionSegment& s : segments) {
    CHECK(s.q_len == 0 || (s.q_len == s.kv_len && s.q_len * (shape.heads / shape.kv_heads) < INT32_MAX / 2),
          "attention_backward: a segment of {} queries and {} keys", s.q_len, s.kv_len);
  }
  if (!any_rows(segments)) return;
  const auto run = [&]<typename T>(T, auto backward) {
    const BackwardArgs<T> args = {
        .dq = view<T>(dq),
        .dk = view<T>(dk),
        .dv = view<T>(dv),
        .dout = view<const T>(dout),
        .q = view<const T>(q),
        .k = view<const T>(k),
        .v = view<const T>(v),
        .lse = lse,
        .delta = delta_of<T>(dout, out, shape),
        .segments = staged(segments.data(), static_cast<int64_t>(segments.size())),
        .items = nullptr,
        .heads = static_cast<int>(shape.heads),
        .group = static_cast<int>(shape.heads / shape.kv_heads),
        .head_dim = static_cast<int>(d),
        .scale = shape.scale,
        .vector = aligned_rows(dout, d) && aligned_rows(q, d) && aligned_rows(k, d) && aligned_rows(v, d),
        .paired = aligned_rows(dq, d, 4) && aligned_rows(dk, d, 4) && aligned_rows(dv, d, 4)};
    backward(args, segments, shape.kv_heads);
  };
  if (q.dtype == DType::kBF16) {
    run(Half(), backward_bf16);
  } else {
    run(0.0f, backward_f32);
  }
  launched("attention_backward");
}

}  // namespace loquat::cuda
