// Matrix products by cuBLASLt, and by plain_product.cuh where cuBLASLt is not asked.
//
// Batch invariance: `linear` and `linear_backward_input` choose once, by the weight's shape and the types alone, how
// they multiply: by one algorithm of cuBLASLt that does not split the depth, for any number of rows, or by the plain
// kernel. A view that cuBLASLt does not take (its rows not aligned to 16 bytes) is copied to a place where they are, so
// that alignment does not change bits either. Before an algorithm is chosen it is tried: rows multiplied in company and
// in small parts must come out alike in every bit.
//
// cuBLASLt has columns adjacent where Mat has rows: its matrix [m, n] with leading dimension ld is our [n, m] with
// stride ld. So every product is handed over as its transpose, and the tokens are its n.
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <vector>

#include "base/check.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/plain_product.cuh"

namespace loquat::cuda {
namespace {

constexpr int64_t kWorkspaceBytes = 32 << 20;
constexpr int64_t kAlignment = 16;    // bytes, of each row that cuBLASLt reads or writes
constexpr int64_t kLeastSide = 8;     // of a weight, for cuBLASLt
constexpr int kCandidates = 16;       // algorithms that cuBLASLt is asked for
constexpr int64_t kUsualRows = 1024;  // tokens that it shall be fast for: between decoding (hundreds) and training
constexpr int64_t kLeastBucket = 64;  // of tokens, for the gradient of a weight
constexpr int kThreads = 256;         // of the small kernels here
constexpr int64_t kTrialElements = 8 << 20;
constexpr int64_t kFewestTrialRows = 256;
constexpr int64_t kMostTrialRows = 8192;
constexpr int64_t kCheckedRows[] = {1, 2, 3, 5, 8, 16, 17, 64, 100, 1000, 1024, 4096, 100000, 131072};
constexpr int64_t kTrialParts[] = {1, 2, 3, 5, 8, 16, 17, 33, 64, 100, 129, 200};

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

void check_library(cublasStatus_t status, const char* what) {
  CHECK(status == CUBLAS_STATUS_SUCCESS, "{}: {}", what, cublasLtGetStatusString(status));
}

cublasLtHandle_t library() {
  static const cublasLtHandle_t handle = [] {
    cublasLtHandle_t h = nullptr;
    check_library(cublasLtCreate(&h), "cublasLtCreate");
    return h;
  }();
  return handle;
}

// d [m, n] = op(a) op(b), or d += with `add`, as cuBLASLt sees it; depth k. a is stored [m, k], or [k, m] where it is
// transposed, b likewise [k, n] or [n, k].
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldd = 0;
  DType in = DType::kF32, out = DType::kF32;
  bool add = false;
};

cudaDataType_t library_type(DType dtype) {
  return dtype == DType::kF32 ? CUDA_R_32F : CUDA_R_16BF;
}

// What describes a Gemm to cuBLASLt, on the stack: cheap enough to be made for each call.
struct Description {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, d;

  explicit Description(const Gemm& g) {
    check_library(cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSA, g.transpose_a);
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSB, g.transpose_b);
    set_layout(&a, g.in, g.transpose_a ? g.k : g.m, g.transpose_a ? g.m : g.k, g.lda);
    set_layout(&b, g.in, g.transpose_b ? g.n : g.k, g.transpose_b ? g.k : g.n, g.ldb);
    set_layout(&d, g.out, g.m, g.n, g.ldd);
  }
  void set_transpose(cublasLtMatmulDescAttributes_t side, bool transpose) {
    const int32_t op = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    check_library(cublasLtMatmulDescSetAttribute(&operation, side, &op, sizeof op), "cublasLtMatmulDescSetAttribute");
  }
  static void set_layout(cublasLtMatrixLayoutOpaque_t* layout, DType dtype, int64_t rows, int64_t cols, int64_t ld) {
    check_library(cublasLtMatrixLayoutInit(layout, library_type(dtype), static_cast<uint64_t>(rows),
                                           static_cast<uint64_t>(cols), ld),
                  "cublasLtMatrixLayoutInit");
  }
};

// Under a name of its own: nvcc stumbles over a vector of the unnamed structure.
struct Algorithm {
  cublasLtMatmulAlgo_t config;
};

cublasStatus_t run(const Gemm& g, const Algorithm& algorithm, const void* a, const void* b, void* d) {
  Description description(g);
  const float one = 1, beta = g.add ? 1 : 0;
  return cublasLtMatmul(library(), &description.operation, &one, a, &description.a, b, &description.b, &beta, d,
                        &description.d, d, &description.d, &algorithm.config,
                        scratch(Scratch::kCublas, kWorkspaceBytes), static_cast<size_t>(kWorkspaceBytes), stream());
}

bool runs(const Gemm& g, const Algorithm& algorithm) {
  Description description(g);
  cublasLtMatmulHeuristicResult_t result = {};
  return cublasLtMatmulAlgoCheck(library(), &description.operation, &description.a, &description.b, &description.d,
                                 &description.d, &algorithm.config, &result) == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= static_cast<size_t>(kWorkspaceBytes);
}

template <typename T>
void prefer(cublasLtMatmulPreferenceOpaque_t* preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  check_library(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value),
                "cublasLtMatmulPreferenceSetAttribute");
}

// Whether the depth is summed in one sequence, or, with `splits`, in parts that a second step adds up in their order.
bool sums_in_order(const Algorithm& algorithm, bool splits) {
  int32_t parts = 0;
  uint32_t scheme = 0;
  size_t written = 0;
  check_library(cublasLtMatmulAlgoConfigGetAttribute(&algorithm.config, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts,
                                                     sizeof parts, &written),
                "cublasLtMatmulAlgoConfigGetAttribute");
  check_library(cublasLtMatmulAlgoConfigGetAttribute(&algorithm.config, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                                     sizeof scheme, &written),
                "cublasLtMatmulAlgoConfigGetAttribute");
  if (parts == 1 && scheme == CUBLASLT_REDUCTION_SCHEME_NONE) return true;
  return splits && parts > 1 && scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
}

// cuBLASLt's algorithms for `g`, the fastest by its own estimate first; none where it has no say.
std::vector<Algorithm> candidates(const Gemm& g, bool splits) {
  Description description(g);
  cublasLtMatmulPreferenceOpaque_t preference;
  check_library(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  prefer<uint64_t>(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  prefer<uint32_t>(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                   splits ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE);
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    prefer<uint32_t>(&preference, attribute, kAlignment);
  }
  cublasLtMatmulHeuristicResult_t results[kCandidates] = {};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(library(), &description.operation, &description.a, &description.b, &description.d,
                                     &description.d, &preference, kCandidates, results, &count);
  cudaGetLastError();  // what the search tried and was refused is no error of ours
  std::vector<Algorithm> found;
  if (status != CUBLAS_STATUS_SUCCESS) return found;
  for (int i = 0; i < count; ++i) {
    const Algorithm algorithm = {results[i].algo};
    if (results[i].state == CUBLAS_STATUS_SUCCESS && sums_in_order(algorithm, splits)) {
      found.push_back(algorithm);
    }
  }
  return found;
}

// Of cuBLASLt's choices by shape; `library` false: the plain kernel it is.
struct Choice {
  bool library = false;
  Algorithm algorithm = {};
};
using Key = std::array<int64_t, 4>;

Key key_of(const Gemm& g) {
  const int64_t flags = (g.transpose_a ? 1 : 0) | (g.transpose_b ? 2 : 0) | (g.in == DType::kBF16 ? 4 : 0) |
                        (g.out == DType::kBF16 ? 8 : 0) | (g.add ? 16 : 0);
  return {g.m, g.n, g.k, flags};
}

// The trial of an algorithm.

__device__ inline float trial_value(int64_t i) {
  uint32_t bits = static_cast<uint32_t>(i) * 2654435761u + 12345u;
  bits = (bits ^ (bits >> 15)) * 2246822519u;
  bits = (bits ^ (bits >> 13)) * 3266489917u;
  bits ^= bits >> 16;
  return static_cast<float>(bits >> 8) * (2.0f / 16777216.0f) - 1.0f;
}

__global__ void __launch_bounds__(kThreads) fill_f32_kernel(float* to, int64_t n) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    to[i] = trial_value(i);
  }
}

__global__ void __launch_bounds__(kThreads) fill_bf16_kernel(__nv_bfloat16* to, int64_t n) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    to[i] = __float2bfloat16_rn(trial_value(i));
  }
}

__global__ void __launch_bounds__(kThreads)
    differs_kernel(int* differs, const uint32_t* a, const uint32_t* b, int64_t n) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    if (a[i] != b[i]) *differs = 1;
  }
}

unsigned blocks_of(int64_t n) {
  return static_cast<unsigned>(std::clamp<int64_t>((n + kThreads - 1) / kThreads, 1, 1024));
}

void fill(void* to, DType dtype, int64_t n) {
  if (dtype == DType::kF32) {
    fill_f32_kernel<<<blocks_of(n), kThreads, 0, stream()>>>(static_cast<float*>(to), n);
  } else {
    fill_bf16_kernel<<<blocks_of(n), kThreads, 0, stream()>>>(static_cast<__nv_bfloat16*>(to), n);
  }
  check(cudaGetLastError(), "fill");
}

// Memory of the trial: `a`, `b` and two results of `rows` rows, and the verdict.
struct Trial {
  char* memory = nullptr;
  int64_t a = 0, b = 0, whole = 0, part = 0, verdict = 0, bytes = 0;  // offsets, and the size of all

  Trial(const Gemm& g, int64_t rows) {
    const auto place = [this](int64_t size) {
      const int64_t at = bytes;
      bytes += round_up(size, 256);
      return at;
    };
    a = place(g.m * g.k * bytes_of(g.in));
    b = place(rows * g.ldb * bytes_of(g.in));
    whole = place(rows * g.ldd * bytes_of(g.out));
    part = place(rows * g.ldd * bytes_of(g.out));
    verdict = place(sizeof(int));
    if (cudaMalloc(&memory, bytes) != cudaSuccess) {
      cudaGetLastError();
      memory = nullptr;
    }
  }
  ~Trial() {
    if (memory != nullptr) check(cudaFree(memory), "cudaFree");
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
};

// Whether rows of random numbers come out alike from one product of them all and from products of a few of them. True
// where there is no memory to find out.
bool invariant(Gemm g, const Algorithm& algorithm) {
  const int64_t rows = std::clamp(kTrialElements / std::max(g.ldb, g.ldd), kFewestTrialRows, kMostTrialRows);
  const Trial trial(g, rows);
  if (trial.memory == nullptr) return true;
  char* const memory = trial.memory;
  const int64_t row_in = g.ldb * bytes_of(g.in), row_out = g.ldd * bytes_of(g.out);
  int* const verdict = reinterpret_cast<int*>(memory + trial.verdict);
  fill(memory + trial.a, g.in, g.m * g.k);
  fill(memory + trial.b, g.in, rows * g.ldb);
  check(cudaMemsetAsync(memory + trial.whole, 0, trial.bytes - trial.whole, stream()), "cudaMemsetAsync");
  const auto multiply = [&](int64_t begin, int64_t count, int64_t to) {
    g.n = count;
    return run(g, algorithm, memory + trial.a, memory + trial.b + begin * row_in, memory + to) == CUBLAS_STATUS_SUCCESS;
  };
  bool works = multiply(0, rows, trial.whole);
  for (const int64_t count : kTrialParts) {
    for (const int64_t begin : {int64_t{0}, (37 * count + 7) % (rows - count + 1), rows - count}) {
      check(cudaMemsetAsync(memory + trial.part, 0, count * row_out, stream()), "cudaMemsetAsync");
      works = works && multiply(begin, count, trial.part);
      const int64_t words = count * row_out / 4;
      differs_kernel<<<blocks_of(words), kThreads, 0, stream()>>>(
          verdict, reinterpret_cast<const uint32_t*>(memory + trial.part),
          reinterpret_cast<const uint32_t*>(memory + trial.whole + begin * row_out), words);
    }
  }
  cudaGetLastError();  // of a refusal; a kernel that fails makes the fetch fail
  int differs = 0;
  fetch(&differs, verdict, sizeof differs);
  return works && differs == 0;
}

// The choices.

// For any number of rows (n): by the other two sides and the types alone.
const Choice& choice_for_rows(Gemm g) {
  static std::map<Key, Choice> choices;
  g.n = 0;
  const auto entry = choices.try_emplace(key_of(g));
  Choice& choice = entry.first->second;
  if (!entry.second) return choice;
  if (std::min(g.m, g.k) < kLeastSide || g.lda * bytes_of(g.in) % kAlignment != 0) return choice;
  g.ldb = round_up(g.k, kAlignment / bytes_of(g.in));
  g.ldd = round_up(g.m, kAlignment / bytes_of(g.out));
  g.n = kUsualRows;
  for (const Algorithm& algorithm : candidates(g, false)) {
    bool any_rows = true;
    for (const int64_t rows : kCheckedRows) {
      g.n = rows;
      any_rows = any_rows && runs(g, algorithm);
    }
    if (!any_rows || !invariant(g, algorithm)) continue;
    choice = {true, algorithm};
    break;
  }
  return choice;
}

// For one shape. Its depth may be split into parts that are added up in order: with few tiles and many tokens that is
// most of the speed.
const Choice& choice_for_shape(const Gemm& g) {
  static std::map<Key, Choice> choices;
  const auto entry = choices.try_emplace(key_of(g));
  Choice& choice = entry.first->second;
  if (!entry.second) return choice;
  for (const bool splits : {true, false}) {
    for (const Algorithm& algorithm : candidates(g, splits)) {
      if (!runs(g, algorithm)) continue;
      choice = {true, algorithm};
      return choice;
    }
  }
  return choice;
}

// Views.

// Tokens for which the algorithm of a weight's gradient is looked up: `tokens` and at most an eighth or so more.
int64_t bucket_of(int64_t tokens) {
  const int64_t octave = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(tokens)));
  return round_up(tokens, std::max(kLeastBucket, octave / 8));
}

bool aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % kAlignment == 0;
}

bool aligned(Mat m) {
  return aligned(m.data) && m.stride * bytes_of(m.dtype) % kAlignment == 0;
}

void copy(Mat to, Mat from) {
  const size_t size = static_cast<size_t>(bytes_of(from.dtype));
  check(cudaMemcpy2DAsync(to.data, to.stride * size, from.data, from.stride * size, from.cols * size, from.rows,
                          cudaMemcpyDefault, stream()),
        "cudaMemcpy2DAsync");
}

// Two views with their rows aligned: themselves, or room for copies of them in scratch memory.
struct Aligned {
  Mat first, second;

  Aligned(Mat a, Mat b) : first(a), second(b) {
    const int64_t first_bytes = set_stride(first), second_bytes = set_stride(second);
    if (first_bytes + second_bytes == 0) return;
    char* memory = static_cast<char*>(scratch(Scratch::kRows, first_bytes + second_bytes));
    if (first_bytes != 0) first.data = memory;
    if (second_bytes != 0) second.data = memory + first_bytes;
  }
  // The bytes that a copy takes; none where there is no need for one.
  static int64_t set_stride(Mat& m) {
    const int64_t stride = round_up(m.cols, kAlignment / bytes_of(m.dtype));
    if (m.rows == 1 && aligned(m.data)) m.stride = stride;  // no second row lies anywhere
    if (aligned(m)) return 0;
    m.stride = stride;
    return round_up(m.rows * stride * bytes_of(m.dtype), 256);
  }
};

// y [T, m] (+)= x [T, k] times the weight, by `g` without its leading dimensions of x and y. False: not by cuBLASLt.
bool library_rows(Gemm g, Mat y, Mat x, const void* weight) {
  const Choice& choice = choice_for_rows(g);
  if (!choice.library) return false;
  const Aligned views(y, x);
  const Mat y_aligned = views.first, x_aligned = views.second;
  if (x_aligned.data != x.data) copy(x_aligned, x);
  if (y_aligned.data != y.data && g.add) copy(y_aligned, y);
  g.ldb = x_aligned.stride;
  g.ldd = y_aligned.stride;
  check_library(run(g, choice.algorithm, weight, x_aligned.data, y_aligned.data), "cublasLtMatmul");
  if (y_aligned.data != y.data) copy(y, y_aligned);
  return true;
}

// Packing.

__global__ void __launch_bounds__(kThreads) pack_kernel(__nv_bfloat16* to, const float* w, int64_t n) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i < n) to[i] = __float2bfloat16_rn(w[i]);
}

// Four at a time: both ends aligned.
__global__ void __launch_bounds__(kThreads) pack_fours_kernel(uint2* to, const float4* w, int64_t fours) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i >= fours) return;
  const float4 x = w[i];
  __align__(8) const __nv_bfloat162 pairs[2] = {__floats2bfloat162_rn(x.x, x.y), __floats2bfloat162_rn(x.z, x.w)};
  to[i] = *reinterpret_cast<const uint2*>(pairs);
}

void check_weight(Mat y, Mat x, const PackedWeight& w, int64_t n, int64_t k) {
  CHECK(y.rows == x.rows && y.cols == n && x.cols == k, "y [{}, {}] = x [{}, {}] times W [{}, {}]", y.rows, y.cols,
        x.rows, x.cols, n, k);
  CHECK(x.dtype == w.dtype && (y.dtype == DType::kF32 || y.dtype == w.dtype), "the types of a product with W [{}, {}]",
        w.n, w.k);
  CHECK(w.forward != nullptr && aligned(w.forward), "W [{}, {}] is not packed, or not aligned", w.n, w.k);
}

}  // namespace

int64_t packed_bytes(int64_t n, int64_t k, DType dtype) {
  return round_up(n * k * bytes_of(dtype), 64);
}

void pack(const float* w, int64_t n, int64_t k, DType dtype, void* forward, void*) {
  const int64_t size = n * k;
  if (size == 0) return;
  if (dtype == DType::kF32) {
    check(cudaMemcpyAsync(forward, w, size * 4, cudaMemcpyDefault, stream()), "cudaMemcpyAsync");
  } else if (size % 4 == 0 && aligned(w) && aligned(forward)) {
    pack_fours_kernel<<<static_cast<unsigned>((size / 4 + kThreads - 1) / kThreads), kThreads, 0, stream()>>>(
        static_cast<uint2*>(forward), reinterpret_cast<const float4*>(w), size / 4);
  } else {
    pack_kernel<<<static_cast<unsigned>((size + kThreads - 1) / kThreads), kThreads, 0, stream()>>>(
        static_cast<__nv_bfloat16*>(forward), w, size);
  }
  launched("pack");
}

void linear(Mat y, Mat x, const PackedWeight& w, bool add) {
  if (x.rows == 0 || w.n == 0) return;
  check_weight(y, x, w, w.n, w.k);
  // W [N, K] is cuBLASLt's [K, N]: transposed, it is a [m = N, k = K].
  const Gemm g = {w.n, x.rows, w.k, true, false, w.k, 0, 0, x.dtype, y.dtype, add};
  if (!library_rows(g, y, x, w.forward)) {
    plain_product({y.data, y.stride, x.data, x.stride, 1, w.forward, 1, w.k, x.rows, w.n, w.k, add}, x.dtype, y.dtype);
  }
  launched("linear");
}

void linear_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add) {
  if (dy.rows == 0 || w.k == 0) return;
  check_weight(dx, dy, w, w.k, w.n);
  // W [N, K] is cuBLASLt's [K, N]: a [m = K, k = N] as it lies.
  const Gemm g = {w.k, dy.rows, w.n, false, false, w.k, 0, 0, dy.dtype, dx.dtype, add};
  if (!library_rows(g, dx, dy, w.forward)) {
    plain_product({dx.data, dx.stride, dy.data, dy.stride, 1, w.forward, w.k, 1, dy.rows, w.k, w.n, add}, dy.dtype,
                  dx.dtype);
  }
  launched("linear_backward_input");
}

void linear_backward_weight(float* dw, Mat dy, Mat x) {
  CHECK(dy.rows == x.rows && dy.dtype == x.dtype, "dy has {} rows, x {}, or their types differ", dy.rows, x.rows);
  const int64_t tokens = x.rows, n = dy.cols, k = x.cols;
  if (tokens == 0 || n == 0 || k == 0) return;
  bool done = false;
  if (std::min(n, k) >= kLeastSide && k * 4 % kAlignment == 0 && aligned(dw)) {
    // dw [N, K] is cuBLASLt's [m = K, n = N], x its a [K, T], dy its b [N, T], transposed.
    Gemm g = {k, n, 0, false, true, 0, 0, k, x.dtype, DType::kF32, true};
    g.k = bucket_of(tokens);
    g.lda = round_up(k, kAlignment / bytes_of(x.dtype));
    g.ldb = round_up(n, kAlignment / bytes_of(x.dtype));
    const Choice& choice = choice_for_shape(g);
    if (choice.library) {
      const Aligned views(dy, x);
      if (views.first.data != dy.data) copy(views.first, dy);
      if (views.second.data != x.data) copy(views.second, x);
      g.k = tokens;
      g.lda = views.second.stride;
      g.ldb = views.first.stride;
      const cublasStatus_t status = run(g, choice.algorithm, views.second.data, views.first.data, dw);
      done = status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE;
      if (done) check_library(status, "cublasLtMatmul");
    }
  }
  if (!done) {
    cudaGetLastError();  // a refusal is no error
    plain_product({dw, k, dy.data, 1, dy.stride, x.data, x.stride, 1, n, k, tokens, true}, x.dtype, DType::kF32);
  }
  launched("linear_backward_weight");
}

void matmul(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, bool transpose_a,
            bool transpose_b) {
  if (m == 0 || n == 0) return;
  // The algorithm goes by the whole shape, except where the rows are tokens: a score for each, n = 1, is never aligned,
  // and the plain kernel's sums do not depend on the other rows.
  // cuBLASLt computes cᵀ [n, m] = bᵀ aᵀ; b [k, n] is its [n, k], a [m, k] its [k, m].
  const Gemm g = {n, m, k, transpose_b, transpose_a, transpose_b ? k : n, transpose_a ? m : k, n};
  const bool takes =
      k > 0 && g.lda % 4 == 0 && g.ldb % 4 == 0 && g.ldd % 4 == 0 && aligned(a) && aligned(b) && aligned(c);
  const Choice* choice = takes ? &choice_for_shape(g) : nullptr;
  if (choice != nullptr && choice->library) {
    check_library(run(g, choice->algorithm, b, a, c), "cublasLtMatmul");
  } else {
    plain_product({c, n, a, transpose_a ? 1 : k, transpose_a ? m : 1, b, transpose_b ? 1 : n, transpose_b ? k : 1, m, n,
                   k, false},
                  DType::kF32, DType::kF32);
  }
  launched("matmul");
}

}  // namespace loquat::cuda
