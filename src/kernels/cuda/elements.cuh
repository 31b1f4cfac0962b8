// Rows of float32 or bfloat16 taken in groups of adjacent elements: what the row-wise kernels share. A group is read
// and written as one 16-byte vector (8 bytes for four bfloat16) where the call's pointers and strides allow it, else
// one element at a time; which elements a thread takes, and what it computes, is the same either way.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/cuda.h"

namespace loquat::cuda::elements {

constexpr int kThreads = 256;
constexpr unsigned kAllLanes = 0xffffffffu;

// Elements in a group, so that the widest type takes 16 bytes.
template <typename... T>
constexpr int kGroupOf = 16 / static_cast<int>(std::max({sizeof(T)...}));

template <typename T>
struct Rows {
  T* data;
  int64_t stride;
  __device__ T* at(int64_t row, int col) const { return data + row * stride + col; }
};

template <typename T>
Rows<T> rows_of(const Mat& m) {
  return {static_cast<T*>(m.data), m.stride};
}

inline bool aligned(const void* p, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) == 0;
}

// Whether each group of `width` elements from a row's begin on can be one vector.
inline bool in_vectors(const Mat& m, int width) {
  const int64_t bytes = std::min<int64_t>(16, width * bytes_of(m.dtype));
  return aligned(m.data, bytes) && (m.rows <= 1 || m.stride * bytes_of(m.dtype) % bytes == 0);
}

// Over a whole warp, for each of its lanes.
__device__ inline float warp_sum(float value) {
  for (int step = 16; step > 0; step /= 2) value = __fadd_rn(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

// --- groups --------------------------------------------------------------------------------------

__device__ inline float widen(float x) {
  return x;
}
__device__ inline float widen(BF16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}

// A word whose upper half is x as to_bf16 of tensor.h rounds it. The card's own conversion would lose a NaN's bits.
__device__ inline uint32_t rounded_to_bf16(float x) {
  const uint32_t u = __float_as_uint(x);
  return (u & 0x7fffffffu) > 0x7f800000u ? u | 0x400000u : u + 0x7fffu + ((u >> 16) & 1u);
}

__device__ inline void put(float* to, float x) {
  *to = x;
}
__device__ inline void put(BF16* to, float x) {
  to->bits = static_cast<uint16_t>(rounded_to_bf16(x) >> 16);
}

template <int kWidth>
__device__ inline void load_vector(float (&v)[kWidth], const float* from) {
#pragma unroll
  for (int i = 0; i < kWidth; i += 4) {
    const float4 part = *reinterpret_cast<const float4*>(from + i);
    v[i] = part.x;
    v[i + 1] = part.y;
    v[i + 2] = part.z;
    v[i + 3] = part.w;
  }
}

__device__ inline void unpack(float& low, float& high, uint32_t word) {
  low = __uint_as_float(word << 16);
  high = __uint_as_float(word & 0xffff0000u);
}

template <int kWidth>
__device__ inline void load_vector(float (&v)[kWidth], const BF16* from) {
  if constexpr (kWidth == 8) {
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    unpack(v[0], v[1], words.x);
    unpack(v[2], v[3], words.y);
    unpack(v[4], v[5], words.z);
    unpack(v[6], v[7], words.w);
  } else {
    static_assert(kWidth == 4);
    const uint2 words = *reinterpret_cast<const uint2*>(from);
    unpack(v[0], v[1], words.x);
    unpack(v[2], v[3], words.y);
  }
}

template <int kWidth>
__device__ inline void store_vector(float* to, const float (&v)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; i += 4) {
    *reinterpret_cast<float4*>(to + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
  }
}

__device__ inline uint32_t pack(float low, float high) {
  return __byte_perm(rounded_to_bf16(low), rounded_to_bf16(high), 0x7632);  // the upper halves of both
}

template <int kWidth>
__device__ inline void store_vector(BF16* to, const float (&v)[kWidth]) {
  if constexpr (kWidth == 8) {
    *reinterpret_cast<uint4*>(to) = make_uint4(pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7]));
  } else {
    static_assert(kWidth == 4);
    *reinterpret_cast<uint2*>(to) = make_uint2(pack(v[0], v[1]), pack(v[2], v[3]));
  }
}

// The group's first `count` elements (all, where it is more), then zeros. `vector`: it may be read as one.
template <int kWidth, typename T>
__device__ inline void load(float (&v)[kWidth], const T* from, int count, bool vector) {
  if constexpr (kWidth >= 4) {
    if (vector && count >= kWidth) {
      load_vector(v, from);
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) v[i] = i < count ? widen(from[i]) : 0.0f;
}

template <int kWidth, typename T>
__device__ inline void store(T* to, const float (&v)[kWidth], int count, bool vector) {
  if constexpr (kWidth >= 4) {
    if (vector && count >= kWidth) {
      store_vector(to, v);
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) put(to + i, v[i]);
  }
}

// --- one thread for each group of a matrix -------------------------------------------------------

struct GroupGrid {
  dim3 threads;
  unsigned blocks;
  unsigned chunks;  // that a row is cut into, each a block's
  int64_t rows;
  int groups;  // of a row
};

// rows and groups > 0. Short rows share a block; long ones are cut evenly.
inline GroupGrid group_grid(int64_t rows, int64_t groups) {
  const int64_t chunks = (groups + kThreads - 1) / kThreads;
  const int64_t across = (groups + chunks - 1) / chunks;
  const int64_t down = kThreads / across;
  const int64_t blocks = (rows + down - 1) / down * chunks;
  CHECK(blocks < (int64_t{1} << 31) && groups < (int64_t{1} << 28), "a tensor of {} rows of {} groups", rows, groups);
  return {dim3(static_cast<unsigned>(across), static_cast<unsigned>(down)), static_cast<unsigned>(blocks),
          static_cast<unsigned>(chunks), rows, static_cast<int>(groups)};
}

// The thread's group.
struct GroupPlace {
  int64_t row;
  int group;
  bool exists;

  __device__ explicit GroupPlace(const GroupGrid& grid) {
    const unsigned block_row = blockIdx.x / grid.chunks;
    const unsigned chunk = blockIdx.x - block_row * grid.chunks;
    row = static_cast<int64_t>(block_row) * blockDim.y + threadIdx.y;
    group = static_cast<int>(chunk * blockDim.x + threadIdx.x);
    exists = row < grid.rows && group < grid.groups;
  }
};

}  // namespace loquat::cuda::elements
