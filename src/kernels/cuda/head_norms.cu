// The RMS norm of each head of queries and keys, and its backward: a warp for a head of a row. Bound by memory.
#include <algorithm>

#include "base/check.h"
#include "base/ints.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/elements.cuh"

namespace loquat::cuda {
namespace {

using namespace elements;

constexpr int kWarps = kThreads / 32;  // of a block
constexpr int64_t kFewestSetHeads = 8;
constexpr int64_t kMostSets = 4096;

// All heads of all rows, counted row by row.
struct Heads {
  int64_t count;
  int in_row, dim;
};

Heads heads_of(const Mat& x, int64_t head_dim) {
  const int64_t in_row = x.cols / head_dim;
  return {x.rows * in_row, static_cast<int>(in_row), static_cast<int>(head_dim)};
}

__device__ inline int64_t own_warp() {
  return static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
}

// y may be x: a thread reads an element right before it writes it.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    head_norm_kernel(Rows<T> y, Rows<const T> x, Heads heads, const float* weight, float eps, float* rstd) {
  const int64_t head = own_warp();
  if (head >= heads.count) return;
  const int64_t row = head / heads.in_row;
  const int first = static_cast<int>(head % heads.in_row) * heads.dim, lane = static_cast<int>(threadIdx.x % 32);
  float squares = 0;
  for (int c = lane; c < heads.dim; c += 32) {
    const float v = widen(*x.at(row, first + c));
    squares = __fmaf_rn(v, v, squares);
  }
  const float mean = __fdiv_rn(warp_sum(squares), static_cast<float>(heads.dim));
  const float scale = __frcp_rn(__fsqrt_rn(__fadd_rn(mean, eps)));
  if (rstd != nullptr && lane == 0) rstd[head] = scale;
  for (int c = lane; c < heads.dim; c += 32)
    put(y.at(row, first + c), __fmul_rn(__fmul_rn(widen(*x.at(row, first + c)), scale), weight[c]));
}

// With xhat = x rstd: dx = rstd (w dy - xhat mean(w dy xhat)). A warp takes a set of heads, and leaves the set's
// Σ dy xhat in a row of `sums`. A lane has kOwn elements of a head, 32 apart.
template <typename T, int kOwn>
__global__ void __launch_bounds__(kThreads)
    head_norm_backward_kernel(Rows<T> dx, Rows<const T> dy, Rows<const T> x, Heads heads, const float* weight,
                              const float* rstd, int64_t set_heads, float* sums) {
  const int64_t set = own_warp(), begin = set * set_heads;
  if (begin >= heads.count) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  float own_sums[kOwn] = {};
  for (int64_t head = begin; head < min(begin + set_heads, heads.count); ++head) {
    const int64_t row = head / heads.in_row;
    const int first = static_cast<int>(head % heads.in_row) * heads.dim;
    float in[kOwn] = {}, slope[kOwn] = {};  // slope: w dy
    float dot = 0;
    const float r = rstd[head];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int c = lane + 32 * i;
      if (c >= heads.dim) break;
      const float d = widen(*dy.at(row, first + c));
      in[i] = widen(*x.at(row, first + c));
      slope[i] = __fmul_rn(weight[c], d);
      own_sums[i] = __fmaf_rn(__fmul_rn(d, in[i]), r, own_sums[i]);
      dot = __fmaf_rn(slope[i], in[i], dot);
    }
    const float mean = __fdiv_rn(warp_sum(dot), static_cast<float>(heads.dim));
    const float back = __fmul_rn(__fmul_rn(__fmul_rn(r, r), r), mean);
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int c = lane + 32 * i;
      if (c < heads.dim) put(dx.at(row, first + c), __fmaf_rn(-in[i], back, __fmul_rn(slope[i], r)));
    }
  }
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const int c = lane + 32 * i;
    if (c < heads.dim) sums[set * heads.dim + c] = own_sums[i];
  }
}

template <typename T, int kOwn>
void launch_backward(const Mat& dx, float* dweight, const Mat& dy, const Mat& x, const Heads& heads,
                     const float* weight, const float* rstd) {
  const int64_t set_heads = std::max(kFewestSetHeads, ceil_div(heads.count, kMostSets));
  const int64_t sets = ceil_div(heads.count, set_heads);
  auto* sums =
      static_cast<float*>(scratch(Scratch::kReduction, sets * heads.dim * static_cast<int64_t>(sizeof(float))));
  head_norm_backward_kernel<T, kOwn><<<static_cast<unsigned>(ceil_div(sets, kWarps)), kThreads, 0, stream()>>>(
      rows_of<T>(dx), rows_of<const T>(dy), rows_of<const T>(x), heads, weight, rstd, set_heads, sums);
  if (dweight != nullptr) add_rows(dweight, sums, sets, heads.dim, heads.dim);
}

template <typename T>
void backward_of(const Mat& dx, float* dweight, const Mat& dy, const Mat& x, const Heads& heads, const float* weight,
                 const float* rstd) {
  if (heads.dim <= 64) {
    launch_backward<T, 2>(dx, dweight, dy, x, heads, weight, rstd);
  } else if (heads.dim <= 128) {
    launch_backward<T, 4>(dx, dweight, dy, x, heads, weight, rstd);
  } else {
    launch_backward<T, 8>(dx, dweight, dy, x, heads, weight, rstd);
  }
}

}  // namespace

void head_norm(Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd) {
  if (x.rows == 0 || x.cols == 0) return;
  CHECK(x.dtype == y.dtype && x.cols % head_dim == 0, "heads of {} in rows of {}, or two types", head_dim, x.cols);
  const Heads heads = heads_of(x, head_dim);
  const auto blocks = static_cast<unsigned>(ceil_div(heads.count, kWarps));
  if (x.dtype == DType::kF32) {
    head_norm_kernel<float>
        <<<blocks, kThreads, 0, stream()>>>(rows_of<float>(y), rows_of<const float>(x), heads, weight, eps, rstd);
  } else {
    head_norm_kernel<BF16>
        <<<blocks, kThreads, 0, stream()>>>(rows_of<BF16>(y), rows_of<const BF16>(x), heads, weight, eps, rstd);
  }
  launched("head_norm");
}

void head_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim, const float* weight,
                        const float* rstd) {
  if (x.rows == 0 || x.cols == 0) return;
  CHECK(dx.dtype == dy.dtype && x.dtype == dy.dtype, "the backward of a norm of heads in two types");
  CHECK(head_dim <= 256 && x.cols % head_dim == 0, "heads of {} in rows of {}", head_dim, x.cols);
  const Heads heads = heads_of(x, head_dim);
  x.dtype == DType::kF32 ? backward_of<float>(dx, dweight, dy, x, heads, weight, rstd)
                         : backward_of<BF16>(dx, dweight, dy, x, heads, weight, rstd);
  launched("head_norm_backward");
}

}  // namespace loquat::cuda
