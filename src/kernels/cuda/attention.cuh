// What the forward and the backward of attention share: work items, tiles in shared memory, products on tensor cores.
//
// A block works on one key-value head of one segment. The group of query heads that read this head is laid out as
// "lines": line i * group + j is query row i of the group's head j. So keys and values are read once for the whole
// group, also where a single row is decoded.
//
// Batch invariance: every row's sums run over tiles of a fixed number of keys counted from key 0 in the same order, and
// a tile that a row must not see adds exact zeros to it. What must give the same bits in every instantiation is
// written with intrinsics that the compiler cannot contract.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "kernels/cuda/cuda.h"

namespace loquat::cuda::attention_parts {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kFloatThreads = 128;  // of a block of the float32 kernels

using Half = __nv_bfloat16;

// Tile `tile` of a segment's lines or keys.
struct Item {
  int32_t segment;
  int32_t tile;
};

// --- host ----------------------------------------------------------------------------------------

struct Items {
  const Item* items;  // the card's
  int64_t count;
};

// Tiles of `tile` rows of the segments, of which each has q_len * factor. The heavier ones come first: with causal
// attention the last query tile sees the most keys, and the first key tile the most queries.
inline Items stage_items(std::span<const AttentionSegment> segments, int64_t factor, int64_t tile, bool last_first) {
  static thread_local std::vector<Item> items;
  items.clear();
  for (size_t s = 0; s < segments.size(); ++s) {
    const int64_t tiles = (segments[s].q_len * factor + tile - 1) / tile;
    for (int64_t i = 0; i < tiles; ++i) {
      items.push_back({static_cast<int32_t>(s), static_cast<int32_t>(last_first ? tiles - 1 - i : i)});
    }
  }
  const auto count = static_cast<int64_t>(items.size());
  return {count > 0 ? staged(items.data(), count) : nullptr, count};
}

// Whether tiles of twice `tile` rows leave enough blocks and few idle rows. The choice does not change any bits.
inline bool prefer_wide(std::span<const AttentionSegment> segments, int64_t factor, int64_t tile, int64_t kv_heads) {
  int64_t narrow = 0, wide = 0;
  for (const AttentionSegment& s : segments) {
    narrow += (s.q_len * factor + tile - 1) / tile;
    wide += (s.q_len * factor + 2 * tile - 1) / (2 * tile);
  }
  return wide * kv_heads >= 2 * multiprocessors() && 16 * wide <= 9 * narrow;
}

inline bool any_rows(std::span<const AttentionSegment> segments) {
  return std::any_of(segments.begin(), segments.end(), [](const AttentionSegment& s) { return s.q_len > 0; });
}

// Whether rows at `data`, `stride` elements apart, can be read in pieces of `bytes`, head by head.
inline bool aligned_rows(const void* data, int64_t stride, int64_t head_dim, DType dtype, int64_t bytes = 16) {
  return reinterpret_cast<uintptr_t>(data) % bytes == 0 && stride * bytes_of(dtype) % bytes == 0 &&
         head_dim * bytes_of(dtype) % bytes == 0;
}
inline bool aligned_rows(const Mat& m, int64_t head_dim, int64_t bytes = 16) {
  return aligned_rows(m.data, m.stride, head_dim, m.dtype, bytes);
}

inline void check_shape(const AttentionShape& shape, const Mat& q) {
  CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0 && q.cols == shape.heads * shape.head_dim &&
            shape.head_dim > 0 && shape.head_dim % 2 == 0 && shape.head_dim <= 256 && shape.scale > 0,
        "attention: {} heads over {} of {} in [{}, {}]", shape.heads, shape.kv_heads, shape.head_dim, q.rows, q.cols);
  CHECK(shape.window == 0 && shape.softcap == 0, "the cuda kernels have no windows and no soft caps");
}

template <typename Args>
void launch(void (*kernel)(Args), dim3 grid, int threads, int shared_bytes, const Args& args) {
  constexpr int kWithoutAsking = 48 << 10;
  if (shared_bytes > kWithoutAsking) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes), "attention");
  }
  kernel<<<grid, threads, shared_bytes, stream()>>>(args);
}

// Calls `f` with the padded head size as a constant: the smallest that holds head_dim.
template <int kFirst, int... kOthers, typename F>
void with_size(int64_t head_dim, const F& f) {
  if constexpr (sizeof...(kOthers) > 0) {
    if (head_dim > kFirst) return with_size<kOthers...>(head_dim, f);
  }
  f(std::integral_constant<int, kFirst>{});
}

// --- rows in the card's memory -------------------------------------------------------------------

template <typename T>
struct View {
  T* data;
  int64_t stride;
};

template <typename T>
View<T> view(const Mat& m) {
  return {static_cast<T*>(m.data), m.stride};
}

// The lines of one group of query heads.
template <typename T>
struct Lines {
  T* first;
  int64_t stride;
  int group;
  int head_dim;

  __device__ Lines(View<T> m, int64_t row, int64_t kv_head, int group, int head_dim)
      : first(m.data + row * m.stride + kv_head * group * head_dim),
        stride(m.stride),
        group(group),
        head_dim(head_dim) {}
  __device__ T* operator[](int line) const {
    const int row = line / group;
    return first + row * stride + (line - row * group) * head_dim;
  }
};

// The rows of one key-value head.
template <typename T>
struct Rows {
  T* first;
  int64_t stride;

  __device__ T* operator[](int row) const { return first + row * stride; }
};

// --- tiles in shared memory ----------------------------------------------------------------------

extern __shared__ uint4 shared_memory[];

// Elements from one row of a tile to the next. The 16 bytes added make the eight rows that ldmatrix reads at once (or
// eight rows read as float4) fall on different banks.
template <int kSize>
constexpr int kHalfStride = kSize + 8;
template <int kSize>
constexpr int kFloatStride = kSize + 4;

__device__ inline void copy_16_bytes(void* to_shared, const void* from, bool there) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
// Waits for this thread's copies; a __syncthreads() must follow before others' are read.
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_all;\n" ::: "memory");
}

// Rows [begin, begin + kRows) of `source`, head_dim columns of them, as a tile of kSize columns; zeros from row `end`
// and from column head_dim on. With `vector` (aligned_rows) the copy goes on in the background.
template <int kSize, int kRows, int kThreads, typename Source>
__device__ void load_tile(Half* tile, const Source& source, int begin, int end, int head_dim, bool vector) {
  constexpr int kChunks = kSize / 8;
  for (int index = threadIdx.x; index < kRows * kChunks; index += kThreads) {
    const int row = index / kChunks, col = index % kChunks * 8;
    const bool there = begin + row < end && col < head_dim;
    const Half* from = there ? source[begin + row] + col : source.first;
    Half* to = tile + row * kHalfStride<kSize> + col;
    if (vector) {
      copy_16_bytes(to, from, there);
    } else {
      for (int e = 0; e < 8; ++e) to[e] = there && col + e < head_dim ? from[e] : Half(__nv_bfloat16_raw{0});
    }
  }
}

template <int kSize, int kRows, int kThreads, typename Source>
__device__ void load_tile(float* tile, const Source& source, int begin, int end, int head_dim, bool vector) {
  constexpr int kChunks = kSize / 4;
  for (int index = threadIdx.x; index < kRows * kChunks; index += kThreads) {
    const int row = index / kChunks, col = index % kChunks * 4;
    const bool there = begin + row < end && col < head_dim;
    const float* from = there ? source[begin + row] + col : source.first;
    float* to = tile + row * kFloatStride<kSize> + col;
    if (vector) {
      *reinterpret_cast<float4*>(to) = there ? *reinterpret_cast<const float4*>(from) : float4{0, 0, 0, 0};
    } else {
      for (int e = 0; e < 4; ++e) to[e] = there && col + e < head_dim ? from[e] : 0.0f;
    }
  }
}

__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

// --- bfloat16: products on tensor cores ----------------------------------------------------------

// mma.m16n8k16, with g = lane / 4
// and t = lane % 4: the sums c0, c1 are row g, columns 2t, 2t + 1; c2, c3 are row g + 8.

__device__ inline void load_fragments(uint32_t (&to)[4], const Half* from) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}
__device__ inline void load_fragments_transposed(uint32_t (&to)[4], const Half* from) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}
__device__ inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// `low` in the low half, which holds the lower column.
__device__ inline uint32_t pack_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
}

// sums [16 kMt, 16 kPairs] = a bᵀ, over the kSize columns of both tiles: rows of a from `a` on, of b from `b` on.
template <int kSize, int kMt, int kPairs>
__device__ inline void products_of_rows(float (&sums)[kMt][2 * kPairs][4], const Half* a, const Half* b) {
  const int lane = threadIdx.x % 32;
  a += (lane & 15) * kHalfStride<kSize> + (lane >> 4) * 8;
  b += ((lane & 7) + (lane >> 4) * 8) * kHalfStride<kSize> + ((lane >> 3) & 1) * 8;
#pragma unroll
  for (int m = 0; m < kMt; ++m) {
#pragma unroll
    for (int n = 0; n < 2 * kPairs; ++n) sums[m][n][0] = sums[m][n][1] = sums[m][n][2] = sums[m][n][3] = 0;
  }
#pragma unroll
  for (int k = 0; k < kSize; k += 16) {
    uint32_t left[kMt][4];
#pragma unroll
    for (int m = 0; m < kMt; ++m) load_fragments(left[m], a + m * 16 * kHalfStride<kSize> + k);
#pragma unroll
    for (int n = 0; n < kPairs; ++n) {
      uint32_t right[4];
      load_fragments(right, b + n * 16 * kHalfStride<kSize> + k);
#pragma unroll
      for (int m = 0; m < kMt; ++m) {
        multiply_add(sums[m][2 * n], left[m], right[0], right[1]);
        multiply_add(sums[m][2 * n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

// sums [16 kMt, 16 kPairs] += weights [16 kMt, 16 kSteps], rounded to bfloat16, times the first 16 kPairs columns of
// the rows at `b`.
template <int kSize, int kMt, int kSteps, int kPairs>
__device__ inline void add_weighted_rows(float (&sums)[kMt][2 * kPairs][4], const float (&weights)[kMt][2 * kSteps][4],
                                         const Half* b) {
  const int lane = threadIdx.x % 32;
  b += (lane & 15) * kHalfStride<kSize> + (lane >> 4) * 8;
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    uint32_t left[kMt][4];
#pragma unroll
    for (int m = 0; m < kMt; ++m) {
      const auto &lower = weights[m][2 * k], &upper = weights[m][2 * k + 1];
      left[m][0] = pack_pair(lower[0], lower[1]);
      left[m][1] = pack_pair(lower[2], lower[3]);
      left[m][2] = pack_pair(upper[0], upper[1]);
      left[m][3] = pack_pair(upper[2], upper[3]);
    }
#pragma unroll
    for (int n = 0; n < kPairs; ++n) {
      uint32_t right[4];
      load_fragments_transposed(right, b + k * 16 * kHalfStride<kSize> + n * 16);
#pragma unroll
      for (int m = 0; m < kMt; ++m) {
        multiply_add(sums[m][2 * n], left[m], right[0], right[1]);
        multiply_add(sums[m][2 * n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

__device__ inline void store_pair(Half* to, float low, float high, bool paired) {
  if (paired) {
    *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(low, high);
  } else {
    to[0] = __float2bfloat16_rn(low);
    to[1] = __float2bfloat16_rn(high);
  }
}

// --- float32 -------------------------------------------------------------------------------------

// 128
// threads as 16 x 8: thread (y, x) holds rows y + 16 r of the left tile, rows x + 8 c of the right tile in products,
// and columns 32 j + 4 x ... + 3 of the sums. The eight threads of a row belong to one warp.

template <int kSize>
struct FloatTiles {
  static constexpr int kR = kSize <= 128 ? 2 : 1;
  static constexpr int kC = kSize <= 128 ? 4 : 2;
  static constexpr int kLeft = 16 * kR;
  static constexpr int kRight = 8 * kC;
  static constexpr int kLeftFloats = kLeft * kFloatStride<kSize>;
  static constexpr int kRightFloats = kRight * kFloatStride<kSize>;
  static constexpr int kWeightStride = kRight + 1;
  static constexpr int kWeightFloats = kLeft * kWeightStride;
};

template <int kSize, int kR, int kC>
__device__ inline void products_of_rows(float (&sums)[kR][kC], const float* a, const float* b) {
  const int x = threadIdx.x % 8, y = threadIdx.x / 8;
  for (int r = 0; r < kR; ++r) {
    for (int c = 0; c < kC; ++c) sums[r][c] = 0;
  }
#pragma unroll 4
  for (int k = 0; k < kSize; k += 4) {
    float4 left[kR];
    for (int r = 0; r < kR; ++r) {
      left[r] = *reinterpret_cast<const float4*>(a + (y + 16 * r) * kFloatStride<kSize> + k);
    }
    for (int c = 0; c < kC; ++c) {
      const float4 right = *reinterpret_cast<const float4*>(b + (x + 8 * c) * kFloatStride<kSize> + k);
      for (int r = 0; r < kR; ++r) {
        float sum = sums[r][c];
        sum = __fmaf_rn(left[r].x, right.x, sum);
        sum = __fmaf_rn(left[r].y, right.y, sum);
        sum = __fmaf_rn(left[r].z, right.z, sum);
        sums[r][c] = __fmaf_rn(left[r].w, right.w, sum);
      }
    }
  }
}

// The weights come from shared memory: row y + 16 r at (y + 16 r) * kWeightStride.
template <int kSize, int kR, int kVectors>
__device__ inline void add_weighted_rows(float4 (&sums)[kR][kVectors], const float* weights, const float* rows) {
  using Tiles = FloatTiles<kSize>;
  const int x = threadIdx.x % 8, y = threadIdx.x / 8;
#pragma unroll 4
  for (int k = 0; k < Tiles::kRight; ++k) {
    for (int j = 0; j < kVectors; ++j) {
      const float4 row = *reinterpret_cast<const float4*>(rows + k * kFloatStride<kSize> + 32 * j + 4 * x);
      for (int r = 0; r < kR; ++r) {
        const float weight = weights[(y + 16 * r) * Tiles::kWeightStride + k];
        sums[r][j].x = __fmaf_rn(weight, row.x, sums[r][j].x);
        sums[r][j].y = __fmaf_rn(weight, row.y, sums[r][j].y);
        sums[r][j].z = __fmaf_rn(weight, row.z, sums[r][j].z);
        sums[r][j].w = __fmaf_rn(weight, row.w, sums[r][j].w);
      }
    }
  }
}

// One row of sums, times `factor`.
template <int kVectors>
__device__ inline void store_row(float* to, const float4 (&sums)[kVectors], float factor, int head_dim) {
  const int x = threadIdx.x % 8;
  for (int j = 0; j < kVectors; ++j) {
    const int col = 32 * j + 4 * x;
    if (col < head_dim) to[col] = __fmul_rn(sums[j].x, factor);
    if (col + 1 < head_dim) to[col + 1] = __fmul_rn(sums[j].y, factor);
    if (col + 2 < head_dim) to[col + 2] = __fmul_rn(sums[j].z, factor);
    if (col + 3 < head_dim) to[col + 3] = __fmul_rn(sums[j].w, factor);
  }
}

}  // namespace loquat::cuda::attention_parts
