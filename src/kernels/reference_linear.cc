// Reference products. "Packed" is W itself in the compute type: [n, k] for forward, its transpose [k, n] for backward.
#include <algorithm>

#include "base/threads.h"
#include "kernels/reference.h"

namespace loquat::reference {
namespace {

void store(void* data, int64_t i, DType dtype, float value) {
  if (dtype == DType::kF32) {
    static_cast<float*>(data)[i] = value;
  } else {
    static_cast<BF16*>(data)[i] = to_bf16(value);
  }
}

// y [T, n] = x [T, k] Wᵀ for `packed` [n, k].
void product(Mat y, Mat x, const void* packed, int64_t n, int64_t k, DType dtype, bool add) {
  CHECK(y.rows == x.rows && y.cols == n && x.cols == k, "y [{}, {}] = x [{}, {}] times W [{}, {}]", y.rows, y.cols,
        x.rows, x.cols, n, k);
  parallel_for(x.rows, [&](int64_t t) {
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += get(x, t, j) * load(packed, i * k + j, dtype);
      put(y, t, i, add ? get(y, t, i) + static_cast<float>(sum) : sum);
    }
  });
}

}  // namespace

int64_t packed_bytes(int64_t n, int64_t k, DType dtype) {
  return (n * k * bytes_of(dtype) + 63) / 64 * 64;
}

void pack(const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      store(forward, i * k + j, dtype, w[i * k + j]);
      if (backward) store(backward, j * n + i, dtype, w[i * k + j]);
    }
  }
}

void linear(Mat y, Mat x, const PackedWeight& w, bool add) {
  if (w.type != WeightType::kCompute) return quantized_linear(y, x, w, add);
  product(y, x, w.forward, w.n, w.k, w.dtype, add);
}

void linear_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add) {
  if (w.type != WeightType::kCompute) return quantized_backward_input(dx, dy, w, add);
  CHECK(w.backward != nullptr, "W [{}, {}] is not packed for a backward", w.n, w.k);
  product(dx, dy, w.backward, w.k, w.n, w.dtype, add);
}

void linear_backward_weight(float* dw, Mat dy, Mat x) {
  CHECK(dy.rows == x.rows, "dy has {} rows, x {}", dy.rows, x.rows);
  parallel_for(dy.cols, [&](int64_t n) {
    for (int64_t k = 0; k < x.cols; ++k) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t) sum += static_cast<double>(get(dy, t, n)) * get(x, t, k);
      dw[n * x.cols + k] += static_cast<float>(sum);
    }
  });
}

void matmul(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, bool transpose_a,
            bool transpose_b) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t s = 0; s < k; ++s) {
        sum += static_cast<double>(transpose_a ? a[s * m + i] : a[i * k + s]) *
               (transpose_b ? b[j * k + s] : b[s * n + j]);
      }
      c[i * n + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace loquat::reference
