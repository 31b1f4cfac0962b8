// The vocabulary head: log-probabilities, log-sum-exp and entropy, and their backward. Rows are taken in chunks, so
// that no more than kLogitsBytes of logits exist at a time; a chunk's logits come from `linear`, which gives a row the
// bits that it gives to a sampler.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kernels/cuda/cuda.h"

namespace loquat::cuda {
namespace {

constexpr int kRowThreads = 512;  // of a row's sums; with kGroup it fixes their order
constexpr int kRowWarps = kRowThreads / 32;
constexpr int kGroup = 4;  // adjacent columns that a thread takes at a time
constexpr int kGradientThreads = 256;
constexpr int kGradientColumns = 8;  // of a thread: 16 bytes of bfloat16
constexpr int64_t kLogitsBytes = 256 << 20;
constexpr int64_t kFewestRows = 16;
constexpr int64_t kMostRows = 2048;

// Rows of logits, and what is wanted of each.
struct HeadRows {
  const float* logits;
  int64_t stride;
  int vocab;
  bool vectors;                   // rows are aligned to 16 bytes
  float inv_temperature;          // of all rows, where inv_temperatures is null
  const float* inv_temperatures;  // [rows]
  const int32_t* targets;         // [rows], or null: no logprob is wanted
  float* logprob;                 // [rows]
  float* lse;                     // [rows]
  float* entropy;                 // [rows], or null
};

// f(logit) for the thread's columns: the same ones in the same order with vectors and without.
template <typename F>
__device__ inline void for_columns(const float* row, int vocab, bool vectors, F f) {
  for (int first = kGroup * static_cast<int>(threadIdx.x); first < vocab; first += kGroup * kRowThreads) {
    if (vectors && first + kGroup <= vocab) {
      const float4 logits = *reinterpret_cast<const float4*>(row + first);
      f(logits.x);
      f(logits.y);
      f(logits.z);
      f(logits.w);
    } else {
      for (int i = first; i < first + kGroup && i < vocab; ++i) f(row[i]);
    }
  }
}

// The sum over the block, for every thread; `parts` may be used once.
__device__ inline float block_sum(float value, float* parts) {
  for (int step = 16; step > 0; step /= 2) value = __fadd_rn(value, __shfl_xor_sync(0xffffffffu, value, step));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = parts[0];
  for (int i = 1; i < kRowWarps; ++i) sum = __fadd_rn(sum, parts[i]);
  return sum;
}

__device__ inline float block_max(float value, float* parts) {
  for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  float top = parts[0];
  for (int i = 1; i < kRowWarps; ++i) top = fmaxf(top, parts[i]);
  return top;
}

// A block per row. One kernel serves lm_head and log_sum_exp, so that both get the same bits; roundings are written
// out, because a host computes logit * inv_temperature - lse again, without fused multiply-adds.
__global__ void __launch_bounds__(kRowThreads) head_rows_kernel(const HeadRows h) {
  __shared__ float tops[kRowWarps], sums[kRowWarps], weighted_sums[kRowWarps];
  const int64_t t = blockIdx.x;
  const float* row = h.logits + t * h.stride;
  const float inv_temperature = h.inv_temperatures != nullptr ? h.inv_temperatures[t] : h.inv_temperature;
  float top = -INFINITY;
  for_columns(row, h.vocab, h.vectors, [&](float logit) { top = fmaxf(top, __fmul_rn(logit, inv_temperature)); });
  top = block_max(top, tops);
  float sum = 0, weighted = 0;
  const bool with_entropy = h.entropy != nullptr;
  for_columns(row, h.vocab, h.vectors, [&](float logit) {
    const float below = __fsub_rn(__fmul_rn(logit, inv_temperature), top);
    const float e = expf(below);
    sum = __fadd_rn(sum, e);
    if (with_entropy && e > 0) weighted = fmaf(e, below, weighted);  // of a logit of -infinity: nothing
  });
  sum = block_sum(sum, sums);
  if (with_entropy) weighted = block_sum(weighted, weighted_sums);
  if (threadIdx.x != 0) return;
  const float log_sum = logf(sum);
  const float lse = __fadd_rn(top, log_sum);
  h.lse[t] = lse;
  if (h.targets != nullptr) h.logprob[t] = __fsub_rn(__fmul_rn(row[h.targets[t]], inv_temperature), lse);
  if (with_entropy) h.entropy[t] = __fsub_rn(log_sum, __fdiv_rn(weighted, sum));
}

// Rows of the backward's logits, and the derivatives by what was made of them.
struct HeadGradient {
  void* dlogits;  // [rows, stride] of the compute type
  const float* logits;
  int64_t stride;  // a multiple of kGradientColumns
  int vocab;
  float inv_temperature;
  const int32_t* targets;
  const float *lse, *dlogprob;
  const float *entropy, *dentropy;  // both null: no derivative by the entropy
};

__device__ inline void store_columns(float* to, const float (&d)[kGradientColumns]) {
  reinterpret_cast<float4*>(to)[0] = make_float4(d[0], d[1], d[2], d[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(d[4], d[5], d[6], d[7]);
}

__device__ inline void store_columns(__nv_bfloat16* to, const float (&d)[kGradientColumns]) {
  __align__(16) __nv_bfloat162 pairs[kGradientColumns / 2];
#pragma unroll
  for (int i = 0; i < kGradientColumns / 2; ++i) pairs[i] = __floats2bfloat162_rn(d[2 * i], d[2 * i + 1]);
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(pairs);
}

// With z = logits / temperature and p = softmax(z): d logprob / dz = onehot - p; d entropy / dz = -p (log p + entropy).
// The columns after the vocabulary, up to the stride, become zero.
template <typename Out>
__global__ void __launch_bounds__(kGradientThreads) head_gradient_kernel(const HeadGradient h) {
  const int64_t t = blockIdx.y;
  const int first =
      (static_cast<int>(blockIdx.x) * kGradientThreads + static_cast<int>(threadIdx.x)) * kGradientColumns;
  if (first >= h.stride) return;
  const float4* from = reinterpret_cast<const float4*>(h.logits + t * h.stride + first);
  const float4 low = from[0], high = from[1];
  const float logits[kGradientColumns] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
  const float lse = h.lse[t], dlogprob = h.dlogprob[t];
  const bool with_entropy = h.dentropy != nullptr;
  const float entropy = with_entropy ? h.entropy[t] : 0.0f, dentropy = with_entropy ? h.dentropy[t] : 0.0f;
  const int target = h.targets[t];
  float d[kGradientColumns];
#pragma unroll
  for (int i = 0; i < kGradientColumns; ++i) {
    const float log_p = __fsub_rn(__fmul_rn(logits[i], h.inv_temperature), lse);
    const float p = expf(log_p);
    d[i] = dlogprob * ((first + i == target ? 1.0f : 0.0f) - p);
    if (with_entropy && p > 0) d[i] -= dentropy * p * (log_p + entropy);
    d[i] = first + i < h.vocab ? d[i] * h.inv_temperature : 0.0f;
  }
  store_columns(static_cast<Out*>(h.dlogits) + t * h.stride + first, d);
}

void check_head(Mat x, const PackedWeight& w, const int32_t* targets) {
  CHECK(x.cols == w.k && x.dtype == w.dtype, "the head: x [{}, {}] times W [{}, {}]", x.rows, x.cols, w.n, w.k);
  CHECK(w.softcap == 0, "the cuda kernels have no soft caps");
  for (int64_t t = 0; t < x.rows; ++t) {
    CHECK(targets[t] >= 0 && targets[t] < w.n, "target {} of a vocabulary of {}", targets[t], w.n);
  }
}

// Of a chunk's logits and of their gradients: so that every row can be read and written by vectors.
int64_t logits_stride(int64_t vocab) {
  return (vocab + kGradientColumns - 1) / kGradientColumns * kGradientColumns;
}

// Depends on the vocabulary alone, so that the order of the sums in dw does too.
int64_t chunk_rows(int64_t vocab) {
  return std::clamp<int64_t>(kLogitsBytes / (4 * logits_stride(vocab)), kFewestRows, kMostRows);
}

// The logits of a chunk's rows in scratch memory.
Mat chunk_logits(Mat x, const PackedWeight& w) {
  const int64_t stride = logits_stride(w.n);
  const Mat logits = {scratch(Scratch::kLogits, x.rows * stride * 4), x.rows, w.n, stride, DType::kF32};
  linear(logits, x, w, false);
  return logits;
}

// Of `logits`, and the temperatures not yet filled in.
HeadRows head_rows(Mat logits) {
  const bool vectors = reinterpret_cast<uintptr_t>(logits.data) % 16 == 0 && logits.stride % 4 == 0;
  HeadRows h = {};
  h.logits = logits.f32();
  h.stride = logits.stride;
  h.vocab = static_cast<int>(logits.cols);
  h.vectors = vectors;
  return h;
}

}  // namespace

void lm_head(Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature, float* logprob, float* lse,
             float* entropy) {
  check_head(x, w, targets);
  if (x.rows == 0) return;
  const int64_t results = entropy != nullptr ? 3 : 2;  // arrays: logprob, lse, entropy
  float* out = static_cast<float*>(scratch(Scratch::kHostResults, results * x.rows * 4));
  const int64_t chunk = chunk_rows(w.n);
  for (int64_t begin = 0; begin < x.rows; begin += chunk) {
    const int64_t end = std::min(begin + chunk, x.rows);
    HeadRows h = head_rows(chunk_logits(x.row_range(begin, end), w));
    h.inv_temperature = inv_temperature;
    h.targets = staged(targets + begin, end - begin);
    h.logprob = out + begin;
    h.lse = out + x.rows + begin;
    h.entropy = entropy != nullptr ? out + 2 * x.rows + begin : nullptr;
    head_rows_kernel<<<static_cast<unsigned>(end - begin), kRowThreads, 0, stream()>>>(h);
    launched("lm_head");
  }
  std::vector<float> host(results * x.rows);
  fetch(host.data(), out, results * x.rows * 4);
  std::copy_n(host.data(), x.rows, logprob);
  std::copy_n(host.data() + x.rows, x.rows, lse);
  if (entropy != nullptr) std::copy_n(host.data() + 2 * x.rows, x.rows, entropy);
}

void lm_head_backward(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
                      const float* lse, const float* dlogprob, const float* entropy, const float* dentropy) {
  check_head(x, w, targets);
  CHECK(dx.rows == x.rows && dx.cols == x.cols, "dx [{}, {}] of x [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
  CHECK(dentropy == nullptr || entropy != nullptr, "lm_head_backward: dentropy without entropy");
  const int64_t stride = logits_stride(w.n), chunk = chunk_rows(w.n);
  const int64_t per_block = kGradientThreads * kGradientColumns;
  for (int64_t begin = 0; begin < x.rows; begin += chunk) {
    const int64_t end = std::min(begin + chunk, x.rows), rows = end - begin;
    const Mat logits = chunk_logits(x.row_range(begin, end), w);
    void* data = scratch(Scratch::kLogitsGradient, rows * stride * bytes_of(x.dtype));
    HeadGradient h = {data,
                      logits.f32(),
                      stride,
                      static_cast<int>(w.n),
                      inv_temperature,
                      staged(targets + begin, rows),
                      staged(lse + begin, rows),
                      staged(dlogprob + begin, rows),
                      nullptr,
                      nullptr};
    if (dentropy != nullptr) {
      h.entropy = staged(entropy + begin, rows);
      h.dentropy = staged(dentropy + begin, rows);
    }
    const dim3 grid(static_cast<unsigned>((stride + per_block - 1) / per_block), static_cast<unsigned>(rows));
    if (x.dtype == DType::kF32) {
      head_gradient_kernel<float><<<grid, kGradientThreads, 0, stream()>>>(h);
    } else {
      head_gradient_kernel<__nv_bfloat16><<<grid, kGradientThreads, 0, stream()>>>(h);
    }
    launched("lm_head_backward");
    const Mat dlogits = {data, rows, w.n, stride, x.dtype};
    linear_backward_input(dx.row_range(begin, end), dlogits, w, false);
    if (dw != nullptr) linear_backward_weight(dw, dlogits, x.row_range(begin, end));
  }
}

void lm_head_loss(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, const float* dlogprob,
                  float* logprob, float* lse) {
  lm_head(x, w, targets, 1, logprob, lse, nullptr);
  lm_head_backward(dx, dw, x, w, targets, 1, lse, dlogprob, nullptr, nullptr);
}

void log_sum_exp(Mat logits, const float* inv_temperature, float* lse) {
  if (logits.rows == 0) return;
  HeadRows h = head_rows(logits);
  h.inv_temperatures = staged(inv_temperature, logits.rows);
  h.lse = static_cast<float*>(scratch(Scratch::kHostResults, logits.rows * 4));
  head_rows_kernel<<<static_cast<unsigned>(logits.rows), kRowThreads, 0, stream()>>>(h);
  launched("log_sum_exp");
  fetch(lse, h.lse, logits.rows * 4);
}

}  // namespace loquat::cuda
