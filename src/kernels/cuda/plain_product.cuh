// A plain matrix product for the shapes and places that cuBLASLt is not asked for: any strides, any alignment. An
// element of the result is one chain of fused multiply-adds along the depth, in order, whatever the other rows and
// columns are.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/cuda.h"

namespace loquat::cuda {

// c [rows, cols] = a [rows, depth] b [depth, cols], or c += with `add`. Strides are in elements; c's columns are
// adjacent.
struct PlainProduct {
  void* c = nullptr;
  int64_t c_row = 0;
  const void* a = nullptr;
  int64_t a_row = 0, a_depth = 0;
  const void* b = nullptr;
  int64_t b_depth = 0, b_col = 0;
  int64_t rows = 0, cols = 0, depth = 0;
  bool add = false;
};

namespace {

constexpr int kPlainTile = 64;      // rows and columns of a block's part of c
constexpr int kPlainDepth = 16;     // of a and b in shared memory at a time
constexpr int kPlainThreads = 256;  // each has kPlainOwn x kPlainOwn elements of c
constexpr int kPlainOwn = 4;
constexpr int kPlainRow = kPlainTile + 4;  // keeps rows aligned to 16 bytes and off each other's banks

__device__ inline float plain_load(const float* p) {
  return *p;
}
__device__ inline float plain_load(const __nv_bfloat16* p) {
  return __bfloat162float(*p);
}
__device__ inline void plain_store(float* p, float value) {
  *p = value;
}
__device__ inline void plain_store(__nv_bfloat16* p, float value) {
  *p = __float2bfloat16_rn(value);
}

// tile[s][i] = from[(first + i) * across + (depth_begin + s) * along], zero outside. Neighbouring threads read
// neighbouring elements, whichever way those lie.
template <typename In>
__device__ inline void plain_tile(float (*tile)[kPlainRow], const In* from, int64_t first, int64_t count,
                                  int64_t across, int64_t depth_begin, int64_t depth, int64_t along) {
  constexpr int kElements = kPlainTile * kPlainDepth;
  for (int e = threadIdx.x; e < kElements; e += kPlainThreads) {
    const int i = along == 1 ? e / kPlainDepth : e % kPlainTile;
    const int s = along == 1 ? e % kPlainDepth : e / kPlainTile;
    const bool inside = first + i < count && depth_begin + s < depth;
    tile[s][i] = inside ? plain_load(from + (first + i) * across + (depth_begin + s) * along) : 0.0f;
  }
}

template <typename In, typename Out>
__global__ void __launch_bounds__(kPlainThreads) plain_product_kernel(const PlainProduct p) {
  __shared__ __align__(16) float a[kPlainDepth][kPlainRow];
  __shared__ __align__(16) float b[kPlainDepth][kPlainRow];
  const int64_t row_begin = static_cast<int64_t>(blockIdx.x) * kPlainTile;
  const int64_t col_begin = static_cast<int64_t>(blockIdx.y) * kPlainTile;
  const int own_row = threadIdx.x / (kPlainTile / kPlainOwn) * kPlainOwn;
  const int own_col = threadIdx.x % (kPlainTile / kPlainOwn) * kPlainOwn;
  float sum[kPlainOwn][kPlainOwn] = {};
  for (int64_t depth = 0; depth < p.depth; depth += kPlainDepth) {
    plain_tile(a, static_cast<const In*>(p.a), row_begin, p.rows, p.a_row, depth, p.depth, p.a_depth);
    plain_tile(b, static_cast<const In*>(p.b), col_begin, p.cols, p.b_col, depth, p.depth, p.b_depth);
    __syncthreads();
#pragma unroll
    for (int s = 0; s < kPlainDepth; ++s) {
      const float4 left = *reinterpret_cast<const float4*>(&a[s][own_row]);
      const float4 right = *reinterpret_cast<const float4*>(&b[s][own_col]);
      const float l[kPlainOwn] = {left.x, left.y, left.z, left.w};
      const float r[kPlainOwn] = {right.x, right.y, right.z, right.w};
#pragma unroll
      for (int i = 0; i < kPlainOwn; ++i) {
#pragma unroll
        for (int j = 0; j < kPlainOwn; ++j) sum[i][j] = fmaf(l[i], r[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kPlainOwn; ++i) {
    const int64_t row = row_begin + own_row + i;
#pragma unroll
    for (int j = 0; j < kPlainOwn; ++j) {
      const int64_t col = col_begin + own_col + j;
      if (row >= p.rows || col >= p.cols) continue;
      Out* c = static_cast<Out*>(p.c) + row * p.c_row + col;
      plain_store(c, p.add ? __fadd_rn(plain_load(c), sum[i][j]) : sum[i][j]);
    }
  }
}

void plain_product(const PlainProduct& p, DType in, DType out) {
  if (p.rows == 0 || p.cols == 0) return;
  const dim3 grid(static_cast<unsigned>((p.rows + kPlainTile - 1) / kPlainTile),
                  static_cast<unsigned>((p.cols + kPlainTile - 1) / kPlainTile));
  if (in == DType::kF32) {
    plain_product_kernel<float, float><<<grid, kPlainThreads, 0, stream()>>>(p);
  } else if (out == DType::kF32) {
    plain_product_kernel<__nv_bfloat16, float><<<grid, kPlainThreads, 0, stream()>>>(p);
  } else {
    plain_product_kernel<__nv_bfloat16, __nv_bfloat16><<<grid, kPlainThreads, 0, stream()>>>(p);
  }
}

}  // namespace
}  // namespace loquat::cuda
