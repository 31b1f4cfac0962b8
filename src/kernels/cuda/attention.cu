// Causal softmax attention by segment, forward: for each tile of lines (attention.cuh) one pass over the keys with a
// running maximum and sum. The backward is in attention_backward.cu.
#include "kernels/cuda/attention.cuh"

namespace loquat::cuda {
namespace {

using namespace attention_parts;

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;

// Keys of a tile: a row's bits depend on it, so on nothing but the head size.
template <int kSize>
constexpr int kKeysOf = kSize <= 128 ? 64 : 32;

template <typename T>
struct ForwardArgs {
  View<T> out;
  View<const T> q;
  const AttentionSegment* segments;
  const Item* items;
  float* lse;
  int heads, group, head_dim;
  float scale;  // times log2(e)
  bool vector;  // q, keys and values can be read 16 bytes at a time
  bool paired;  // out can be written 4 bytes at a time
};

// A block's part of the work.
struct Work {
  int64_t q_begin;
  int begin, end;  // lines
  int q_len;
  int hidden;  // keys before the one of query row 0's own position
  int keys;    // that the last line sees

  __device__ Work(const AttentionSegment& s, int tile, int tile_lines, int group)
      : q_begin(s.q_begin), begin(tile * tile_lines), q_len(static_cast<int>(s.q_len)) {
    end = min(begin + tile_lines, q_len * group);
    hidden = static_cast<int>(s.kv_len - s.q_len);
    keys = hidden + (end - 1) / group + 1;
  }
  // The last key that a line sees. Lines past the end are computed like the last row's and thrown away.
  __device__ int last_key(int line, int group) const { return hidden + min(line / group, q_len - 1); }
};

template <typename T>
__device__ Rows<const T> head_rows(const void* first, int64_t stride, int kv_head, int head_dim) {
  return {static_cast<const T*>(first) + static_cast<int64_t>(kv_head) * head_dim, stride};
}

// Takes a tile of scores into the running maximum `top` (scaled), the sum of this thread's columns and the weighted
// values, and makes them probabilities relative to top. A row whose scores are all -inf (never its first tile) keeps
// its state to the bit: its factor is 2^0.
template <int kMt, int kScores, int kValues>
__device__ inline void update_softmax(float (&s)[kMt][kScores][4], float (&o)[kMt][kValues][4], float (&top)[kMt][2],
                                      float (&sum)[kMt][2], float scale) {
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float most = -INFINITY;
#pragma unroll
      for (int n = 0; n < kScores; ++n) most = fmaxf(most, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
      most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
      most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
      const float next = fmaxf(top[m][half], __fmul_rn(most, scale));
      const float factor = exp2_fast(__fsub_rn(top[m][half], next));
      top[m][half] = next;
      float total = __fmul_rn(sum[m][half], factor);
#pragma unroll
      for (int n = 0; n < kScores; ++n) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          s[m][n][e] = exp2_fast(__fmaf_rn(s[m][n][e], scale, -next));
          total = __fadd_rn(total, s[m][n][e]);
        }
      }
      sum[m][half] = total;
#pragma unroll
      for (int n = 0; n < kValues; ++n) {
        o[m][n][2 * half] = __fmul_rn(o[m][n][2 * half], factor);
        o[m][n][2 * half + 1] = __fmul_rn(o[m][n][2 * half + 1], factor);
      }
    }
  }
}

// Writes the warp's lines, from `line` on.
template <int kMt, int kValues>
__device__ inline void store_lines(const ForwardArgs<Half>& a, const Work& work, int kv_head, int line,
                                   const float (&o)[kMt][kValues][4], const float (&top)[kMt][2],
                                   const float (&sum)[kMt][2]) {
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const Lines<Half> out(a.out, work.q_begin, kv_head, a.group, a.head_dim);
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float total = sum[m][half];
      total = __fadd_rn(total, __shfl_xor_sync(kAllLanes, total, 1));
      total = __fadd_rn(total, __shfl_xor_sync(kAllLanes, total, 2));
      const int own = line + 16 * m + 8 * half + g;
      if (own >= work.end) continue;
      const float inverse = __frcp_rn(total);
      Half* to = out[own];
#pragma unroll
      for (int n = 0; n < kValues; ++n) {
        const int col = 8 * n + 2 * t;
        if (col < a.head_dim) {
          store_pair(to + col, __fmul_rn(o[m][n][2 * half], inverse), __fmul_rn(o[m][n][2 * half + 1], inverse),
                     a.paired);
        }
      }
      if (a.lse != nullptr && t == 0) {
        const int row = own / a.group;
        a.lse[(work.q_begin + row) * a.heads + kv_head * a.group + own - row * a.group] =
            __fmaf_rn(top[m][half], kLn2, logf(total));
      }
    }
  }
}

template <int kSize, int kMt>
constexpr int kForwardHalves = (kThreads / 2 * kMt + 2 * kKeysOf<kSize>)*kHalfStride<kSize>;

// A warp has 16 kMt lines. Values are on their way while scores are computed, the next keys while values are added.
template <int kSize, int kMt>
__global__ void __launch_bounds__(kThreads) forward_bf16(ForwardArgs<Half> a) {
  constexpr int kKeys = kKeysOf<kSize>, kLines = 16 * kMt * kWarps;
  Half* const q_tile = reinterpret_cast<Half*>(shared_memory);
  Half* const k_tile = q_tile + kLines * kHalfStride<kSize>;
  Half* const v_tile = k_tile + kKeys * kHalfStride<kSize>;
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y;
  const AttentionSegment segment = a.segments[item.segment];
  const Work work(segment, item.tile, kLines, a.group);
  const Rows<const Half> k = head_rows<Half>(segment.k, segment.kv_stride, kv_head, a.head_dim);
  const Rows<const Half> v = head_rows<Half>(segment.v, segment.kv_stride, kv_head, a.head_dim);

  const int lane = threadIdx.x % 32, first_line = work.begin + static_cast<int>(threadIdx.x) / 32 * 16 * kMt;
  const int warp_first = work.last_key(first_line, a.group);
  const int warp_last = first_line < work.end ? work.last_key(first_line + 16 * kMt - 1, a.group) : -1;
  float top[kMt][2], sum[kMt][2], o[kMt][kSize / 8][4];
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      top[m][half] = -INFINITY;
      sum[m][half] = 0;
    }
#pragma unroll
    for (int n = 0; n < kSize / 8; ++n) o[m][n][0] = o[m][n][1] = o[m][n][2] = o[m][n][3] = 0;
  }

  load_tile<kSize, kLines, kThreads>(q_tile, Lines<const Half>(a.q, work.q_begin, kv_head, a.group, a.head_dim),
                                     work.begin, work.end, a.head_dim, a.vector);
  load_tile<kSize, kKeys, kThreads>(k_tile, k, 0, work.keys, a.head_dim, a.vector);
  for (int key = 0; key < work.keys; key += kKeys) {
    const bool sees = key <= warp_last;
    wait_for_copies();
    __syncthreads();  // the keys are there, and all are done with the last values
    load_tile<kSize, kKeys, kThreads>(v_tile, v, key, work.keys, a.head_dim, a.vector);
    float s[kMt][kKeys / 8][4];
    if (sees) {
      products_of_rows<kSize, kMt, kKeys / 16>(s, q_tile + (first_line - work.begin) * kHalfStride<kSize>, k_tile);
    }
    wait_for_copies();
    __syncthreads();  // the values are there, and all are done with the keys
    if (key + kKeys < work.keys) {
      load_tile<kSize, kKeys, kThreads>(k_tile, k, key + kKeys, work.keys, a.head_dim, a.vector);
    }
    if (!sees) continue;
    if (key + kKeys - 1 > warp_first) {
#pragma unroll
      for (int m = 0; m < kMt; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int last = work.last_key(first_line + 16 * m + 8 * half + lane / 4, a.group);
#pragma unroll
          for (int n = 0; n < kKeys / 8; ++n) {
            const int col = key + 8 * n + 2 * (lane % 4);
            if (col > last) s[m][n][2 * half] = -INFINITY;
            if (col + 1 > last) s[m][n][2 * half + 1] = -INFINITY;
          }
        }
      }
    }
    update_softmax(s, o, top, sum, a.scale);
    add_weighted_rows<kSize, kMt, kKeys / 16, kSize / 16>(o, s, v_tile);
  }
  store_lines(a, work, kv_head, first_line, o, top, sum);
}

template <int kSize>
constexpr int kForwardFloats =
    FloatTiles<kSize>::kLeftFloats + 2 * FloatTiles<kSize>::kRightFloats + FloatTiles<kSize>::kWeightFloats;

template <int kSize>
__global__ void __launch_bounds__(kFloatThreads) forward_f32(ForwardArgs<float> a) {
  using Tiles = FloatTiles<kSize>;
  constexpr int kR = Tiles::kR, kC = Tiles::kC, kVectors = kSize / 32, kKeys = Tiles::kRight;
  float* const q_tile = reinterpret_cast<float*>(shared_memory);
  float* const k_tile = q_tile + Tiles::kLeftFloats;
  float* const v_tile = k_tile + Tiles::kRightFloats;
  float* const weights = v_tile + Tiles::kRightFloats;
  const Item item = a.items[blockIdx.x];
  const int kv_head = blockIdx.y, x = threadIdx.x % 8, y = threadIdx.x / 8;
  const AttentionSegment segment = a.segments[item.segment];
  const Work work(segment, item.tile, Tiles::kLeft, a.group);
  const Rows<const float> k = head_rows<float>(segment.k, segment.kv_stride, kv_head, a.head_dim);
  const Rows<const float> v = head_rows<float>(segment.v, segment.kv_stride, kv_head, a.head_dim);
  float top[kR], sum[kR];
  float4 o[kR][kVectors];
  for (int r = 0; r < kR; ++r) {
    top[r] = -INFINITY;
    sum[r] = 0;
    for (int j = 0; j < kVectors; ++j) o[r][j] = {0, 0, 0, 0};
  }
  load_tile<kSize, Tiles::kLeft, kFloatThreads>(q_tile,
                                                Lines<const float>(a.q, work.q_begin, kv_head, a.group, a.head_dim),
                                                work.begin, work.end, a.head_dim, a.vector);
  for (int key = 0; key < work.keys; key += kKeys) {
    load_tile<kSize, kKeys, kFloatThreads>(k_tile, k, key, work.keys, a.head_dim, a.vector);
    load_tile<kSize, kKeys, kFloatThreads>(v_tile, v, key, work.keys, a.head_dim, a.vector);
    __syncthreads();
    float s[kR][kC];
    products_of_rows<kSize>(s, q_tile, k_tile);
    for (int r = 0; r < kR; ++r) {
      const int last = work.last_key(work.begin + y + 16 * r, a.group);
      float most = -INFINITY;
      for (int c = 0; c < kC; ++c) {
        if (key + x + 8 * c > last) s[r][c] = -INFINITY;
        most = fmaxf(most, s[r][c]);
      }
      for (int apart = 1; apart < 8; apart *= 2) most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, apart));
      const float next = fmaxf(top[r], __fmul_rn(most, a.scale));
      const float factor = exp2_fast(__fsub_rn(top[r], next));
      top[r] = next;
      sum[r] = __fmul_rn(sum[r], factor);
      for (int c = 0; c < kC; ++c) {
        const float p = exp2_fast(__fmaf_rn(s[r][c], a.scale, -next));
        sum[r] = __fadd_rn(sum[r], p);
        weights[(y + 16 * r) * Tiles::kWeightStride + x + 8 * c] = p;
      }
      for (int j = 0; j < kVectors; ++j) {
        o[r][j] = {__fmul_rn(o[r][j].x, factor), __fmul_rn(o[r][j].y, factor), __fmul_rn(o[r][j].z, factor),
                   __fmul_rn(o[r][j].w, factor)};
      }
    }
    __syncwarp();
    add_weighted_rows<kSize>(o, weights, v_tile);
    __syncthreads();
  }
  const Lines<float> out(a.out, work.q_begin, kv_head, a.group, a.head_dim);
  for (int r = 0; r < kR; ++r) {
    const int line = work.begin + y + 16 * r;
    float total = sum[r];
    for (int apart = 1; apart < 8; apart *= 2) total = __fadd_rn(total, __shfl_xor_sync(kAllLanes, total, apart));
    if (line >= work.end) continue;
    store_row(out[line], o[r], __frcp_rn(total), a.head_dim);
    if (a.lse != nullptr && x == 0) {
      const int row = line / a.group;
      a.lse[(work.q_begin + row) * a.heads + kv_head * a.group + line - row * a.group] =
          __fmaf_rn(top[r], kLn2, logf(total));
    }
  }
}

template <int kSize, int kMt>
void launch_bf16(ForwardArgs<Half> args, std::span<const AttentionSegment> segments, int64_t kv_heads) {
  const Items items = stage_items(segments, args.group, 16 * kMt * kWarps, true);
  args.items = items.items;
  launch(forward_bf16<kSize, kMt>, dim3(items.count, kv_heads), kThreads,
         kForwardHalves<kSize, kMt> * static_cast<int>(sizeof(Half)), args);
}

template <typename T>
ForwardArgs<T> forward_args(const Mat& out, const Mat& q, std::span<const AttentionSegment> segments,
                            const AttentionShape& shape, float* lse) {
  bool vector = aligned_rows(q, shape.head_dim);
  for (const AttentionSegment& s : segments) {
    CHECK(s.prefix_len == 0, "the cuda kernels share no prefix");
    CHECK(s.q_len == 0 ||
              (s.q_len > 0 && s.kv_len >= s.q_len && s.kv_len * (shape.heads / shape.kv_heads) < INT32_MAX / 2),
          "attention: a segment of {} queries and {} keys", s.q_len, s.kv_len);
    vector = vector && (s.q_len == 0 || (aligned_rows(s.k, s.kv_stride, shape.head_dim, q.dtype) &&
                                         aligned_rows(s.v, s.kv_stride, shape.head_dim, q.dtype)));
  }
  return {.out = view<T>(out),
          .q = view<const T>(q),
          .segments = staged(segments.data(), static_cast<int64_t>(segments.size())),
          .items = nullptr,
          .lse = lse,
          .heads = static_cast<int>(shape.heads),
          .group = static_cast<int>(shape.heads / shape.kv_heads),
          .head_dim = static_cast<int>(shape.head_dim),
          .scale = shape.scale * kLog2E,
          .vector = vector,
          .paired = aligned_rows(out, shape.head_dim, 4)};
}

}  // namespace

void attention(Mat out, Mat q, std::span<const AttentionSegment> segments, const AttentionShape& shape, float* lse) {
  check_shape(shape, q);
  CHECK(out.cols == q.cols && out.dtype == q.dtype, "attention: [{}, {}] from [{}, {}]", out.rows, out.cols, q.rows,
        q.cols);
  if (!any_rows(segments)) return;
  const int64_t group = shape.heads / shape.kv_heads;
  if (q.dtype == DType::kBF16) {
    const auto args = forward_args<Half>(out, q, segments, shape, lse);
    const bool wide = prefer_wide(segments, group, 16 * kWarps, shape.kv_heads);
    with_size<16, 32, 64, 96, 128, 256>(shape.head_dim, [&](auto size) {
      constexpr int kSize = decltype(size)::value;
      if constexpr (kSize <= 128) {
        if (wide) return launch_bf16<kSize, 2>(args, segments, shape.kv_heads);
      }
      launch_bf16<kSize, 1>(args, segments, shape.kv_heads);
    });
  } else {
    auto args = forward_args<float>(out, q, segments, shape, lse);
    with_size<32, 64, 128, 256>(shape.head_dim, [&](auto size) {
      constexpr int kSize = decltype(size)::value;
      const Items items = stage_items(segments, group, FloatTiles<kSize>::kLeft, true);
      args.items = items.items;
      launch(forward_f32<kSize>, dim3(items.count, shape.kv_heads), kFloatThreads,
             kForwardFloats<kSize> * static_cast<int>(sizeof(float)), args);
    });
  }
  launched("attention");
}

}  // namespace loquat::cuda
