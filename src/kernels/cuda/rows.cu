// The layer's row-wise parts: embedding, RMS norm, rotary positions, SwiGLU, dropout, and their backward. What happens
// to a row depends on its width alone. All are bound by memory.
#include <cuda_pipeline.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/ints.h"
#include "base/rng.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/elements.cuh"

namespace loquat::cuda {
namespace {

using namespace elements;

// --- embedding -----------------------------------------------------------------------------------

constexpr int kFloatGroup = kGroupOf<float>;

__global__ void __launch_bounds__(kThreads)
    embedding_kernel(Rows<float> x, const float* table, const int32_t* tokens, GroupGrid grid, int cols, bool vector) {
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int col = place.group * kFloatGroup;
  float v[kFloatGroup];
  load(v, table + static_cast<int64_t>(tokens[place.row]) * cols + col, cols - col, vector);
  store(x.at(place.row, col), v, cols - col, vector);
}

// The rows of one token: order[begin] ... order[end - 1], ascending.
struct TokenRows {
  int32_t token, begin, end;
};

struct RowsByToken {
  std::vector<int32_t> order;     // all rows, by token
  std::vector<TokenRows> tokens;  // that occur, the frequent ones first
  int64_t frequent = 0;
};

constexpr int kFrequent = 16;

RowsByToken sort_rows(const int32_t* tokens, int64_t count, int64_t vocab) {
  std::vector<int32_t> next(static_cast<size_t>(vocab), 0);  // where a token's next row goes
  for (int64_t t = 0; t < count; ++t) {
    CHECK(tokens[t] >= 0 && tokens[t] < vocab, "token {} of a vocabulary of {}", tokens[t], vocab);
    ++next[tokens[t]];
  }
  RowsByToken sorted;
  int32_t begin = 0;
  for (int64_t token = 0; token < vocab; ++token) {
    const int32_t end = begin + next[token];
    if (end > begin) sorted.tokens.push_back({static_cast<int32_t>(token), begin, end});
    next[token] = begin;
    begin = end;
  }
  sorted.order.resize(static_cast<size_t>(count));
  for (int64_t t = 0; t < count; ++t) sorted.order[next[tokens[t]]++] = static_cast<int32_t>(t);
  const auto rare = std::stable_partition(sorted.tokens.begin(), sorted.tokens.end(),
                                          [](const TokenRows& t) { return t.end - t.begin >= kFrequent; });
  sorted.frequent = rare - sorted.tokens.begin();
  return sorted;
}

constexpr int kTokenThreads = 128;
constexpr int kBatch = 32;  // rows, one for each lane

// A block adds the rows of one token in kTokenThreads columns, one row after the other as the reference does. Two
// batches of them are on their way at a time; lane u of a warp holds the number of a batch's row u. A thread reads what
// it has copied itself, so nobody waits for another.
__global__ void __launch_bounds__(kTokenThreads)
    add_frequent_kernel(float* dtable, Rows<const float> dx, const TokenRows* tokens, const int32_t* order, int cols) {
  __shared__ float copied[2][kBatch][kTokenThreads];
  const TokenRows token = tokens[blockIdx.x];
  const int own_col = static_cast<int>(blockIdx.y * kTokenThreads + threadIdx.x);
  const int col = min(own_col, cols - 1);  // the last threads of a row's end keep their warps whole
  const int lane = static_cast<int>(threadIdx.x % 32);
  const auto row_number = [&](int first) { return order[min(first + lane, token.end - 1)]; };
  const auto start_copies = [&](int batch, int32_t numbers, int rows) {
    for (int u = 0; u < rows; ++u) {
      const int32_t row = __shfl_sync(kAllLanes, numbers, u);
      __pipeline_memcpy_async(&copied[batch % 2][u][threadIdx.x], dx.at(row, col), sizeof(float));
    }
    __pipeline_commit();
  };
  float* out = dtable + static_cast<int64_t>(token.token) * cols + col;
  float sum = *out;
  const int count = token.end - token.begin;
  const auto rows_of_batch = [&](int batch) { return max(0, min(kBatch, count - batch * kBatch)); };
  start_copies(0, row_number(token.begin), rows_of_batch(0));
  int32_t numbers = row_number(token.begin + kBatch);
  for (int batch = 0; batch * kBatch < count; ++batch) {
    start_copies(batch + 1, numbers, rows_of_batch(batch + 1));
    numbers = row_number(token.begin + (batch + 2) * kBatch);
    __pipeline_wait_prior(1);
    const int rows = rows_of_batch(batch);
#pragma unroll 8
    for (int u = 0; u < rows; ++u) sum = __fadd_rn(sum, copied[batch % 2][u][threadIdx.x]);
  }
  if (own_col < cols) *out = sum;
}

// The same for a token of few rows.
template <int kWidth>
__global__ void __launch_bounds__(kTokenThreads)
    add_rare_kernel(float* dtable, Rows<const float> dx, const TokenRows* tokens, const int32_t* order, int cols) {
  const TokenRows token = tokens[blockIdx.x];
  const int col = kWidth * static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  if (col >= cols) return;
  float* out = dtable + static_cast<int64_t>(token.token) * cols + col;
  float sum[kWidth], v[kWidth];
  load(sum, out, kWidth, true);
#pragma unroll 4
  for (int i = token.begin; i < token.end; ++i) {
    load(v, dx.at(order[i], col), kWidth, true);
#pragma unroll
    for (int e = 0; e < kWidth; ++e) sum[e] = __fadd_rn(sum[e], v[e]);
  }
  store(out, sum, kWidth, true);
}

struct TokenGrid {
  dim3 blocks;
  unsigned threads;
};

// For groups of `width` columns, which divides cols.
TokenGrid token_grid(int64_t tokens, int64_t cols, int64_t width) {
  const int64_t groups = cols / width;
  const int64_t threads = std::min<int64_t>(kTokenThreads, ceil_div(groups, 32) * 32);
  return {dim3(static_cast<unsigned>(tokens), static_cast<unsigned>(ceil_div(groups, threads))),
          static_cast<unsigned>(threads)};
}

// --- RMS norm: a row is spread over blockDim.x threads, whole warps; blockDim.y rows share a block ---------

constexpr int kMostThreads = 512;
constexpr int kMostWarps = kMostThreads / 32;
constexpr int64_t kMostNormSets = 1024;  // of rows, for each that a block has at a time
constexpr int64_t kFewestSetRows = 4;

// The sum over a row's threads, for each of them; all threads of the block take part. `parts` is used by whole blocks
// of more than one warp a row, and may be used again once every thread has passed another such sum.
__device__ inline float row_sum(float value, float (&parts)[kMostWarps]) {
  value = warp_sum(value);
  const int warps = static_cast<int>(blockDim.x / 32);
  if (warps == 1) return value;
  float* of_row = parts + threadIdx.y * warps;
  if (threadIdx.x % 32 == 0) of_row[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = of_row[0];
  for (int i = 1; i < warps; ++i) sum = __fadd_rn(sum, of_row[i]);
  return sum;
}

// Which of a call's arrays can be read in vectors.
struct NormVectors {
  bool rows, weight;
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    rms_norm_kernel(Rows<T> y, Rows<const float> x, const float* weight, float* rstd, int64_t rows, int cols, float eps,
                    NormVectors vectors) {
  __shared__ float parts[kMostWarps];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int used = row < rows ? cols : 0;
  const int begin = 4 * static_cast<int>(threadIdx.x), step = 4 * static_cast<int>(blockDim.x);
  float squares = 0;
  for (int c = begin; c < used; c += step) {
    float v[4];
    load(v, x.at(row, c), used - c, vectors.rows);
#pragma unroll
    for (int i = 0; i < 4; ++i) squares = __fmaf_rn(v[i], v[i], squares);
  }
  const float mean = __fdiv_rn(row_sum(squares, parts), static_cast<float>(cols));
  const float scale = __frcp_rn(__fsqrt_rn(__fadd_rn(mean, eps)));
  if (rstd != nullptr && used > 0 && threadIdx.x == 0) rstd[row] = scale;
  for (int c = begin; c < used; c += step) {
    float v[4], w[4];
    load(v, x.at(row, c), used - c, vectors.rows);
    load(w, weight + c, used - c, vectors.weight);
#pragma unroll
    for (int i = 0; i < 4; ++i) v[i] = __fmul_rn(__fmul_rn(v[i], scale), w[i]);
    store(y.at(row, c), v, used - c, vectors.rows);
  }
}

template <typename T>
void launch_rms_norm(const Mat& y, const Mat& x, const float* weight, float eps, float* rstd) {
  const int64_t across = std::min<int64_t>(kThreads, ceil_div(ceil_div(x.cols, 4), 32) * 32);
  const int64_t down = kThreads / across;
  const dim3 threads(static_cast<unsigned>(across), static_cast<unsigned>(down));
  const NormVectors vectors = {in_vectors(y, 4) && in_vectors(x, 4), aligned(weight, 16)};
  rms_norm_kernel<<<static_cast<unsigned>(ceil_div(x.rows, down)), threads, 0, stream()>>>(
      rows_of<T>(y), rows_of<const float>(x), weight, rstd, x.rows, static_cast<int>(x.cols), eps, vectors);
}

// The rows of a backward in sets of adjacent ones, whose parts of dweight are summed first: each in a row of `sums`.
struct NormSets {
  int64_t rows, set_rows;
  float* sums;
  int64_t sums_stride;
};

// With xhat = x rstd: dx += rstd (w dy - xhat mean(w dy xhat)); the set's sum = Σ dy xhat. blockDim.y sets share a
// block; a thread has kGroups groups of columns.
template <typename T, int kGroups>
__global__ void __launch_bounds__(kGroups <= 2 ? kThreads : kMostThreads)
    rms_norm_backward_kernel(Rows<float> dx, Rows<const T> dy, Rows<const float> x, const float* weight,
                             const float* rstd, NormSets sets, int cols, NormVectors vectors) {
  __shared__ float parts[2][kMostWarps];
  const int64_t set = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int64_t first = set * sets.set_rows;
  const int begin = 4 * static_cast<int>(threadIdx.x), step = 4 * static_cast<int>(blockDim.x);
  float w[kGroups][4], sums[kGroups][4] = {};
#pragma unroll
  for (int g = 0; g < kGroups; ++g) load(w[g], weight + begin + g * step, cols - begin - g * step, vectors.weight);
  for (int64_t i = 0; i < sets.set_rows; ++i) {
    const int64_t row = first + i;
    const int used = row < sets.rows ? cols : 0;  // past the end every value is zero, and nothing is stored
    const float r = used > 0 ? rstd[row] : 0.0f;
    float in[kGroups][4], d[kGroups][4], out[kGroups][4];
    float dot = 0;
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
      const int c = begin + g * step;
      load(in[g], x.at(row, c), used - c, vectors.rows);
      load(d[g], dy.at(row, c), used - c, vectors.rows);
      load(out[g], dx.at(row, c), used - c, vectors.rows);
#pragma unroll
      for (int e = 0; e < 4; ++e) dot = __fmaf_rn(__fmul_rn(w[g][e], d[g][e]), in[g][e], dot);
    }
    const float mean = __fdiv_rn(row_sum(dot, parts[i % 2]), static_cast<float>(cols));
    const float back = __fmul_rn(__fmul_rn(__fmul_rn(r, r), r), mean);
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        out[g][e] = __fmaf_rn(-in[g][e], back, __fmaf_rn(__fmul_rn(d[g][e], w[g][e]), r, out[g][e]));
        sums[g][e] = __fmaf_rn(__fmul_rn(d[g][e], in[g][e]), r, sums[g][e]);
      }
      const int c = begin + g * step;
      store(dx.at(row, c), out[g], used - c, vectors.rows);
    }
  }
  if (first >= sets.rows) return;
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int c = begin + g * step;
    store(sets.sums + set * sets.sums_stride + c, sums[g], cols - c, true);
  }
}

constexpr int kSumColumns = 32;
constexpr int kSumSlices = 32;

// total [cols] += the rows of parts, in an order that depends on their number alone.
__global__ void __launch_bounds__(kSumColumns* kSumSlices)
    add_rows_kernel(float* total, const float* parts, int64_t rows, int64_t stride, int cols) {
  __shared__ float slices[kSumSlices][kSumColumns];
  const int col = static_cast<int>(blockIdx.x * kSumColumns + threadIdx.x);
  float sum = 0;
  if (col < cols) {
#pragma unroll 8
    for (int64_t r = threadIdx.y; r < rows; r += kSumSlices) sum = __fadd_rn(sum, parts[r * stride + col]);
  }
  slices[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || col >= cols) return;
  for (int slice = 1; slice < kSumSlices; ++slice) sum = __fadd_rn(sum, slices[slice][threadIdx.x]);
  total[col] = __fadd_rn(total[col], sum);
}

template <typename T, int kGroups>
void launch_rms_norm_backward(const Mat& dx, float* dweight, const Mat& dy, const Mat& x, const float* weight,
                              const float* rstd) {
  const int64_t across = ceil_div(ceil_div(x.cols, int64_t{4} * kGroups), 32) * 32;
  const int64_t down = std::max<int64_t>(1, kThreads / across);
  const int64_t set_rows = std::max(kFewestSetRows, ceil_div(x.rows, kMostNormSets * down));
  const int64_t count = ceil_div(x.rows, set_rows);
  const int64_t stride = ceil_div(x.cols, 4) * 4;
  auto* sums = static_cast<float*>(scratch(Scratch::kReduction, count * stride * static_cast<int64_t>(sizeof(float))));
  const dim3 threads(static_cast<unsigned>(across), static_cast<unsigned>(down));
  const NormVectors vectors = {in_vectors(dx, 4) && in_vectors(dy, 4) && in_vectors(x, 4), aligned(weight, 16)};
  const int cols = static_cast<int>(x.cols);
  rms_norm_backward_kernel<T, kGroups><<<static_cast<unsigned>(ceil_div(count, down)), threads, 0, stream()>>>(
      rows_of<float>(dx), rows_of<const T>(dy), rows_of<const float>(x), weight, rstd, {x.rows, set_rows, sums, stride},
      cols, vectors);
  if (dweight == nullptr) return;
  add_rows(dweight, sums, count, stride, cols);
}

template <typename T>
void rms_norm_backward_of(const Mat& dx, float* dweight, const Mat& dy, const Mat& x, const float* weight,
                          const float* rstd) {
  constexpr int64_t kGroupColumns = 4 * kThreads;
  CHECK(x.cols <= 4 * 4 * kMostThreads, "rows of {} columns", x.cols);
  if (x.cols <= kGroupColumns) {
    launch_rms_norm_backward<T, 1>(dx, dweight, dy, x, weight, rstd);
  } else if (x.cols <= 2 * kGroupColumns) {
    launch_rms_norm_backward<T, 2>(dx, dweight, dy, x, weight, rstd);
  } else {
    launch_rms_norm_backward<T, 4>(dx, dweight, dy, x, weight, rstd);
  }
}

// --- rotary positions ----------------------------------------------------------------------------

struct RopeTable {
  const int32_t* positions;
  const float* cos_sin;
  float sign;   // of the sines
  bool vector;  // the table can be read in vectors
};

// A thread has a group of a head's first half and the same group of its second half.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(Rows<T> x, RopeTable table, GroupGrid grid, int head_groups, int head_dim, int half, bool vector) {
  constexpr int kWidth = kGroupOf<T>;
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int head = place.group / head_groups;
  const int i = (place.group - head * head_groups) * kWidth;
  const float* cosine = table.cos_sin + static_cast<int64_t>(table.positions[place.row]) * (2 * half) + i;
  T* low = x.at(place.row, head * head_dim + i);
  float a[kWidth], b[kWidth], c[kWidth], s[kWidth];
  load(a, low, half - i, vector);
  load(b, low + half, half - i, vector);
  load(c, cosine, half - i, table.vector);
  load(s, cosine + half, half - i, table.vector);
#pragma unroll
  for (int e = 0; e < kWidth; ++e) {
    const float sine = __fmul_rn(s[e], table.sign), before = a[e];
    a[e] = __fmaf_rn(-b[e], sine, __fmul_rn(before, c[e]));
    b[e] = __fmaf_rn(before, sine, __fmul_rn(b[e], c[e]));
  }
  store(low, a, half - i, vector);
  store(low + half, b, half - i, vector);
}

template <typename T>
void launch_rope(const Mat& x, int64_t head_dim, int64_t rotary_dim, const RopeTable& table) {
  constexpr int kWidth = kGroupOf<T>;
  const int64_t half = rotary_dim / 2, head_groups = ceil_div(half, kWidth);
  const GroupGrid grid = group_grid(x.rows, x.cols / head_dim * head_groups);
  rope_kernel<<<grid.blocks, grid.threads, 0, stream()>>>(
      rows_of<T>(x), table, grid, static_cast<int>(head_groups), static_cast<int>(head_dim), static_cast<int>(half),
      half % kWidth == 0 && head_dim % kWidth == 0 && in_vectors(x, kWidth));
}

// --- SwiGLU --------------------------------------------------------------------------------------

__device__ inline float sigmoid(float x) {
  return __frcp_rn(__fadd_rn(1.0f, expf(-x)));
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    swiglu_kernel(Rows<T> y, Rows<const T> gate_up, GroupGrid grid, int cols, bool vector) {
  constexpr int kWidth = kGroupOf<T>;
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int col = place.group * kWidth, count = cols - col;
  const T* gate = gate_up.at(place.row, col);
  float g[kWidth], u[kWidth];
  load(g, gate, count, vector);
  load(u, gate + cols, count, vector);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) g[i] = __fmul_rn(__fmul_rn(g[i], sigmoid(g[i])), u[i]);
  store(y.at(place.row, col), g, count, vector);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    swiglu_backward_kernel(Rows<T> dgate_up, Rows<const T> dy, Rows<const T> gate_up, GroupGrid grid, int cols,
                           bool vector) {
  constexpr int kWidth = kGroupOf<T>;
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int col = place.group * kWidth, count = cols - col;
  const T* gate = gate_up.at(place.row, col);
  T* out = dgate_up.at(place.row, col);
  float g[kWidth], u[kWidth], d[kWidth];
  load(g, gate, count, vector);
  load(u, gate + cols, count, vector);
  load(d, dy.at(place.row, col), count, vector);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float s = sigmoid(g[i]);
    const float silu = __fmul_rn(g[i], s);
    g[i] = __fmul_rn(__fmul_rn(d[i], u[i]), __fmaf_rn(silu, __fsub_rn(1.0f, s), s));
    u[i] = __fmul_rn(d[i], silu);
  }
  store(out, g, count, vector);
  store(out + cols, u, count, vector);
}

template <typename T>
void launch_swiglu(const Mat& y, const Mat& gate_up) {
  constexpr int kWidth = kGroupOf<T>;
  const GroupGrid grid = group_grid(y.rows, ceil_div(y.cols, kWidth));
  const bool vector = y.cols % kWidth == 0 && in_vectors(y, kWidth) && in_vectors(gate_up, kWidth);
  swiglu_kernel<<<grid.blocks, grid.threads, 0, stream()>>>(rows_of<T>(y), rows_of<const T>(gate_up), grid,
                                                            static_cast<int>(y.cols), vector);
}

template <typename T>
void launch_swiglu_backward(const Mat& dgate_up, const Mat& dy, const Mat& gate_up) {
  constexpr int kWidth = kGroupOf<T>;
  const GroupGrid grid = group_grid(dy.rows, ceil_div(dy.cols, kWidth));
  const bool vector =
      dy.cols % kWidth == 0 && in_vectors(dgate_up, kWidth) && in_vectors(dy, kWidth) && in_vectors(gate_up, kWidth);
  swiglu_backward_kernel<<<grid.blocks, grid.threads, 0, stream()>>>(
      rows_of<T>(dgate_up), rows_of<const T>(dy), rows_of<const T>(gate_up), grid, static_cast<int>(dy.cols), vector);
}

// --- dropout -------------------------------------------------------------------------------------

// As base/rng.h's mix64, which is the host's; reference::dropout_keeps is the definition of the mask.
__device__ inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct Dropout {
  uint64_t key;  // of the seed
  float p, scale;
};

// y (+)= x where it is kept, scaled.
template <typename Y, typename X, bool kAdd>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(Rows<Y> y, Rows<const X> x, Dropout dropout, GroupGrid grid, int cols, bool vector) {
  constexpr int kWidth = kGroupOf<Y, X>;
  const GroupPlace place(grid);
  if (!place.exists) return;
  const int col = place.group * kWidth, count = cols - col;
  float in[kWidth], out[kWidth] = {};
  load(in, x.at(place.row, col), count, vector);
  if constexpr (kAdd) load(out, y.at(place.row, col), count, vector);
  const uint64_t first = dropout.key + static_cast<uint64_t>(place.row * cols + col);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const auto high = static_cast<uint32_t>(mix(first + static_cast<uint64_t>(i)) >> 40);
    const bool kept = __fmul_rn(__uint2float_rn(high), 0x1.0p-24f) >= dropout.p;
    if (kept) out[i] = __fmaf_rn(in[i], dropout.scale, out[i]);
  }
  store(y.at(place.row, col), out, count, vector);
}

template <typename Y, typename X, bool kAdd>
void launch_dropout(const Mat& y, const Mat& x, float p, uint64_t seed) {
  constexpr int kWidth = kGroupOf<Y, X>;
  const GroupGrid grid = group_grid(y.rows, ceil_div(y.cols, kWidth));
  dropout_kernel<Y, X, kAdd><<<grid.blocks, grid.threads, 0, stream()>>>(
      rows_of<Y>(y), rows_of<const X>(x), {mix64(seed), p, 1.0f / (1.0f - p)}, grid, static_cast<int>(y.cols),
      in_vectors(y, kWidth) && in_vectors(x, kWidth));
}

}  // namespace

void add_rows(float* total, const float* parts, int64_t rows, int64_t stride, int64_t cols) {
  add_rows_kernel<<<static_cast<unsigned>(ceil_div(cols, kSumColumns)), dim3(kSumColumns, kSumSlices), 0, stream()>>>(
      total, parts, rows, stride, static_cast<int>(cols));
}

void embedding(Mat x, const float* table, const int32_t* tokens) {
  if (x.rows == 0 || x.cols == 0) return;
  const Rows<float> out = {x.f32(), x.stride};
  const int32_t* list = staged(tokens, x.rows);
  const GroupGrid grid = group_grid(x.rows, ceil_div(x.cols, kFloatGroup));
  const bool vector = x.cols % kFloatGroup == 0 && in_vectors(x, kFloatGroup) && aligned(table, 16);
  embedding_kernel<<<grid.blocks, grid.threads, 0, stream()>>>(out, table, list, grid, static_cast<int>(x.cols),
                                                               vector);
  launched("embedding");
}

void embedding_backward(float* dtable, int64_t vocab, Mat dx, const int32_t* tokens) {
  if (dx.rows == 0 || dx.cols == 0) return;
  CHECK(dx.dtype == DType::kF32 && dx.rows < (int64_t{1} << 31), "{} rows", dx.rows);
  const RowsByToken sorted = sort_rows(tokens, dx.rows, vocab);
  const int64_t count = static_cast<int64_t>(sorted.tokens.size());
  const TokenRows* list = staged(sorted.tokens.data(), count);
  const int32_t* order = staged(sorted.order.data(), dx.rows);
  const Rows<const float> rows = rows_of<const float>(dx);
  const int cols = static_cast<int>(dx.cols);
  if (sorted.frequent > 0) {
    const dim3 blocks(static_cast<unsigned>(sorted.frequent), static_cast<unsigned>(ceil_div(cols, kTokenThreads)));
    add_frequent_kernel<<<blocks, kTokenThreads, 0, stream()>>>(dtable, rows, list, order, cols);
  }
  if (sorted.frequent < count) {
    const bool vector = cols % kFloatGroup == 0 && in_vectors(dx, kFloatGroup) && aligned(dtable, 16);
    const TokenGrid grid = token_grid(count - sorted.frequent, cols, vector ? kFloatGroup : 1);
    const auto kernel = vector ? add_rare_kernel<kFloatGroup> : add_rare_kernel<1>;
    kernel<<<grid.blocks, grid.threads, 0, stream()>>>(dtable, rows, list + sorted.frequent, order, cols);
  }
  launched("embedding_backward");
}

void rms_norm(Mat y, Mat x, const float* weight, float eps, float* rstd) {
  if (x.rows == 0 || x.cols == 0) return;
  CHECK(x.dtype == DType::kF32, "the rows to norm are not float32");
  y.dtype == DType::kF32 ? launch_rms_norm<float>(y, x, weight, eps, rstd)
                         : launch_rms_norm<BF16>(y, x, weight, eps, rstd);
  launched("rms_norm");
}

void rms_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, const float* weight, const float* rstd) {
  if (x.rows == 0 || x.cols == 0) return;
  CHECK(x.dtype == DType::kF32 && dx.dtype == DType::kF32, "the normed rows or their gradient are not float32");
  dy.dtype == DType::kF32 ? rms_norm_backward_of<float>(dx, dweight, dy, x, weight, rstd)
                          : rms_norm_backward_of<BF16>(dx, dweight, dy, x, weight, rstd);
  launched("rms_norm_backward");
}

void rope(Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions, const float* cos_sin, bool inverse) {
  if (x.rows == 0 || x.cols == 0) return;
  CHECK(rotary_dim % 2 == 0 && rotary_dim <= head_dim && x.cols % head_dim == 0, "{} of heads of {} in rows of {}",
        rotary_dim, head_dim, x.cols);
  const RopeTable table = {staged(positions, x.rows), cos_sin, inverse ? -1.0f : 1.0f,
                           aligned(cos_sin, 16) && rotary_dim % 8 == 0};
  x.dtype == DType::kF32 ? launch_rope<float>(x, head_dim, rotary_dim, table)
                         : launch_rope<BF16>(x, head_dim, rotary_dim, table);
  launched("rope");
}

void swiglu(Mat y, Mat gate_up) {
  if (y.rows == 0 || y.cols == 0) return;
  CHECK(y.dtype == gate_up.dtype, "swiglu of two types");
  y.dtype == DType::kF32 ? launch_swiglu<float>(y, gate_up) : launch_swiglu<BF16>(y, gate_up);
  launched("swiglu");
}

void swiglu_backward(Mat dgate_up, Mat dy, Mat gate_up) {
  if (dy.rows == 0 || dy.cols == 0) return;
  CHECK(dy.dtype == gate_up.dtype && dgate_up.dtype == gate_up.dtype, "swiglu_backward of two types");
  dy.dtype == DType::kF32 ? launch_swiglu_backward<float>(dgate_up, dy, gate_up)
                          : launch_swiglu_backward<BF16>(dgate_up, dy, gate_up);
  launched("swiglu_backward");
}

void dropout_add(Mat y, Mat x, float p, uint64_t seed) {
  if (y.rows == 0 || y.cols == 0) return;
  CHECK(y.dtype == DType::kF32, "the sum is not float32");
  x.dtype == DType::kF32 ? launch_dropout<float, float, true>(y, x, p, seed)
                         : launch_dropout<float, BF16, true>(y, x, p, seed);
  launched("dropout_add");
}

void dropout_backward(Mat dx, Mat dy, float p, uint64_t seed) {
  if (dx.rows == 0 || dx.cols == 0) return;
  const bool from_f32 = dy.dtype == DType::kF32;
  if (dx.dtype == DType::kF32) {
    from_f32 ? launch_dropout<float, float, false>(dx, dy, p, seed)
             : launch_dropout<float, BF16, false>(dx, dy, p, seed);
  } else {
    from_f32 ? launch_dropout<BF16, float, false>(dx, dy, p, seed) : launch_dropout<BF16, BF16, false>(dx, dy, p, seed);
  }
  launched("dropout_backward");
}

}  // namespace loquat::cuda
