// Flat float32 vectors, and conversion between types: every kernel here is bound by memory.
#include <initializer_list>

#include "base/check.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/elements.cuh"
#include "kernels/random_rounding.h"

namespace loquat::cuda {
namespace {

using namespace elements;

// --- one thread for four adjacent elements -------------------------------------------------------

// How a call's arrays are cut into groups. A run of parameters begins anywhere; where all of its arrays begin equally
// far from a multiple of 16 bytes, the first group is shortened by `lead` elements, so that the others are aligned in
// each.
struct FlatGrid {
  int64_t n;
  int lead;     // 0 ... 3
  bool vector;  // else a thread takes one element

  unsigned blocks() const {
    const int64_t threads = vector ? (n + lead + 3) / 4 : n;
    const int64_t count = (threads + kThreads - 1) / kThreads;
    CHECK(count < (int64_t{1} << 31), "a vector of {} elements", n);
    return static_cast<unsigned>(count);
  }
};

FlatGrid flat_grid(int64_t n, std::initializer_list<const float*> arrays) {
  const uintptr_t past = reinterpret_cast<uintptr_t>(*arrays.begin()) % 16;
  bool alike = past % 4 == 0;
  for (const float* array : arrays) alike = alike && reinterpret_cast<uintptr_t>(array) % 16 == past;
  return {n, static_cast<int>(past / 4), alike};
}

// whole(first) for four elements that exist and are aligned, one(i) for each of the others.
template <typename Whole, typename One>
__device__ inline void for_group(const FlatGrid& grid, Whole&& whole, One&& one) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (!grid.vector) {
    if (thread < grid.n) one(thread);
    return;
  }
  const int64_t first = 4 * thread - grid.lead;
  if (first >= 0 && first + 4 <= grid.n) {
    whole(first);
    return;
  }
  for (int64_t i = first; i < first + 4; ++i) {
    if (i >= 0 && i < grid.n) one(i);
  }
}

struct AdamWArrays {
  float* w;
  const float* g;
  float* m;
  float* v;
};

struct AdamWScalars {
  float grad_scale, beta1, beta2, rest1, rest2;  // rest = 1 - beta
  float correct1, correct2;                      // 1 / bias_correction
  float eps, lr, decay;
};

__device__ inline void adamw_one(float& w, float g, float& m, float& v, const AdamWScalars& s) {
  g = __fmul_rn(g, s.grad_scale);
  m = __fmaf_rn(s.beta1, m, __fmul_rn(s.rest1, g));
  v = __fmaf_rn(s.beta2, v, __fmul_rn(__fmul_rn(s.rest2, g), g));
  const float root = __fsqrt_rn(__fmul_rn(v, s.correct2));
  const float update = __fdiv_rn(__fmul_rn(m, s.correct1), __fadd_rn(root, s.eps));
  w = __fmaf_rn(-s.lr, __fmaf_rn(s.decay, w, update), w);
}

__global__ void __launch_bounds__(kThreads) adamw_kernel(AdamWArrays a, FlatGrid grid, AdamWScalars s) {
  for_group(
      grid,
      [&](int64_t first) {
        float w[4], g[4], m[4], v[4];
        load_vector(w, a.w + first);
        load_vector(g, a.g + first);
        load_vector(m, a.m + first);
        load_vector(v, a.v + first);
#pragma unroll
        for (int i = 0; i < 4; ++i) adamw_one(w[i], g[i], m[i], v[i], s);
        store_vector(a.w + first, w);
        store_vector(a.m + first, m);
        store_vector(a.v + first, v);
      },
      [&](int64_t i) { adamw_one(a.w[i], a.g[i], a.m[i], a.v[i], s); });
}

template <bool kReadsY>
__device__ inline float axpby_one(float x, float y, float a, float b) {
  const float scaled = __fmul_rn(b, y);
  return kReadsY ? __fmaf_rn(a, x, scaled) : __fmul_rn(a, x);
}

// x may be y.
template <bool kReadsY>
__global__ void __launch_bounds__(kThreads) axpby_kernel(float* y, const float* x, FlatGrid grid, float a, float b) {
  for_group(
      grid,
      [&](int64_t first) {
        float in[4], out[4] = {};
        load_vector(in, x + first);
        if constexpr (kReadsY) load_vector(out, y + first);
#pragma unroll
        for (int i = 0; i < 4; ++i) out[i] = axpby_one<kReadsY>(in[i], out[i], a, b);
        store_vector(y + first, out);
      },
      [&](int64_t i) { y[i] = axpby_one<kReadsY>(x[i], kReadsY ? y[i] : 0.0f, a, b); });
}

__global__ void __launch_bounds__(kThreads)
    round_at_random_kernel(uint16_t* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i < n) y[i] = bf16_at_random(__float_as_uint(x[i]), noise_of(seed, first + static_cast<uint64_t>(i)));
}

// --- sums ----------------------------------------------------------------------------------------

constexpr int kRounds = 4;
constexpr int64_t kSumRun = int64_t{4} * kThreads * kRounds;  // elements of a block: with kThreads it fixes the order
constexpr int kLastThreads = 1024;

// The sum over the block, in a fixed tree, for thread 0.
template <int kBlockThreads>
__device__ inline double block_sum(double value) {
  constexpr int kWarps = kBlockThreads / 32;
  __shared__ double warps[kWarps];
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(kAllLanes, value, step);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x >= 32) return 0;
  value = static_cast<int>(threadIdx.x) < kWarps ? warps[threadIdx.x] : 0;
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(kAllLanes, value, step);
  return value;
}

__global__ void __launch_bounds__(kThreads) squares_kernel(double* sums, const float* x, int64_t n, bool vector) {
  const int64_t begin = blockIdx.x * kSumRun + 4 * threadIdx.x;
  float v[kRounds][4];
#pragma unroll
  for (int r = 0; r < kRounds; ++r) {
    const int64_t first = begin + r * 4 * kThreads;
    load(v[r], x + first, static_cast<int>(max(min(n - first, int64_t{4}), int64_t{0})), vector);
  }
  double sum = 0;
#pragma unroll
  for (int r = 0; r < kRounds; ++r) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(v[r][i]) * v[r][i];  // the product is exact
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kLastThreads) last_sum_kernel(double* result, const double* sums, int64_t count) {
  double sum = 0;
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < count; i += kLastThreads) sum += sums[i];
  sum = block_sum<kLastThreads>(sum);
  if (threadIdx.x == 0) *result = sum;
}

// --- conversion ----------------------------------------------------------------------------------

template <typename Y, typename X>
__global__ void __launch_bounds__(kThreads)
    convert_kernel(Rows<Y> y, Rows<const X> x, GroupGrid grid, int cols, bool vector) {
  constexpr int kWidth = kGroupOf<Y, X>;
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int col = place.group * kWidth;
  float v[kWidth];
  load(v, x.at(place.row, col), cols - col, vector);
  store(y.at(place.row, col), v, cols - col, vector);
}

template <typename Y, typename X>
void launch_convert(const Mat& y, const Mat& x) {
  constexpr int kWidth = kGroupOf<Y, X>;
  const GroupGrid grid = group_grid(y.rows, (y.cols + kWidth - 1) / kWidth);
  convert_kernel<<<grid.blocks, grid.threads, 0, stream()>>>(rows_of<Y>(y), rows_of<const X>(x), grid,
                                                             static_cast<int>(y.cols),
                                                             in_vectors(y, kWidth) && in_vectors(x, kWidth));
}

}  // namespace

void adamw(float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step) {
  if (n == 0) return;
  const FlatGrid grid = flat_grid(n, {w, g, m, v});
  const AdamWScalars scalars = {
      .grad_scale = step.grad_scale,
      .beta1 = step.beta1,
      .beta2 = step.beta2,
      .rest1 = 1.0f - step.beta1,
      .rest2 = 1.0f - step.beta2,
      .correct1 = 1.0f / step.bias_correction1,
      .correct2 = 1.0f / step.bias_correction2,
      .eps = step.eps,
      .lr = step.lr,
      .decay = step.weight_decay,
  };
  adamw_kernel<<<grid.blocks(), kThreads, 0, stream()>>>({w, g, m, v}, grid, scalars);
  launched("adamw");
}

double sum_of_squares(const float* x, int64_t n) {
  if (n == 0) return 0;
  const int64_t blocks = (n + kSumRun - 1) / kSumRun;
  CHECK(blocks < (int64_t{1} << 31), "a vector of {} elements", n);
  auto* sums = static_cast<double*>(scratch(Scratch::kReduction, blocks * static_cast<int64_t>(sizeof(double))));
  auto* result = static_cast<double*>(scratch(Scratch::kHostResults, sizeof(double)));
  squares_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream()>>>(sums, x, n, aligned(x, 16));
  last_sum_kernel<<<1, kLastThreads, 0, stream()>>>(result, sums, blocks);
  launched("sum_of_squares");
  double sum = 0;
  fetch(&sum, result, sizeof(sum));
  return sum;
}

void axpby(float* y, const float* x, int64_t n, float a, float b) {
  if (n == 0) return;
  const FlatGrid grid = flat_grid(n, {y, x});
  if (b == 0) {
    axpby_kernel<false><<<grid.blocks(), kThreads, 0, stream()>>>(y, x, grid, a, b);
  } else {
    axpby_kernel<true><<<grid.blocks(), kThreads, 0, stream()>>>(y, x, grid, a, b);
  }
  launched("axpby");
}

void convert(Mat y, Mat x) {
  CHECK(y.rows == x.rows && y.cols == x.cols, "[{}, {}] into [{}, {}]", x.rows, x.cols, y.rows, y.cols);
  if (y.rows == 0 || y.cols == 0) return;
  const bool from_f32 = x.dtype == DType::kF32;
  if (y.dtype == DType::kF32) {
    from_f32 ? launch_convert<float, float>(y, x) : launch_convert<float, BF16>(y, x);
  } else {
    from_f32 ? launch_convert<BF16, float>(y, x) : launch_convert<BF16, BF16>(y, x);
  }
  launched("convert");
}

void round_at_random(BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  if (n == 0) return;
  const auto blocks = static_cast<unsigned>((n + kThreads - 1) / kThreads);
  round_at_random_kernel<<<blocks, kThreads, 0, stream()>>>(reinterpret_cast<uint16_t*>(y), x, n, seed, first);
  launched("round_at_random");
}

}  // namespace loquat::cuda
