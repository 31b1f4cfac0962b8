// Drivers of the layer's row-wise parts and of flat vectors.
#include <algorithm>
#include <cstring>

#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kElementsPerPart = 1 << 14;
constexpr int64_t kNormRows = 128;  // rows whose part of dweight is summed first

int64_t row_grain(int64_t cols) {
  return std::max<int64_t>(1, kElementsPerPart / std::max<int64_t>(1, cols));
}

void check_same(const char* what, const Mat& a, const Mat& b) {
  CHECK(a.rows == b.rows && a.cols == b.cols, "{}: [{}, {}] beside [{}, {}]", what, a.rows, a.cols, b.rows, b.cols);
}

}  // namespace

void embedding(const Inner&, Mat x, const float* table, const int32_t* tokens) {
  float* data = x.f32();
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(data + t * x.stride, table + tokens[t] * x.cols, sizeof(float) * static_cast<size_t>(x.cols));
    }
  });
}

// Cut by columns: every part adds all tokens, in order, to columns of its own.
void embedding_backward(const Inner& inner, float* dtable, int64_t vocab, Mat dx, const int32_t* tokens) {
  const float* data = dx.f32();
  for (int64_t t = 0; t < dx.rows; ++t) {
    CHECK(tokens[t] >= 0 && tokens[t] < vocab, "token {} of a vocabulary of {}", tokens[t], vocab);
  }
  parallel_blocks(dx.cols, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < dx.rows; ++t) {
      inner.rows->axpby(dtable + tokens[t] * dx.cols + begin, data + t * dx.stride + begin, end - begin, 1, 1);
    }
  });
}

void rms_norm(const Inner& inner, Mat y, Mat x, const float* weight, float eps, float* rstd) {
  check_same("rms_norm", y, x);
  CHECK(x.dtype == DType::kF32, "rms_norm reads float32");
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->rms_norm(view(y, begin), view(x, begin), end - begin, x.cols, weight, eps,
                         rstd ? rstd + begin : nullptr);
  });
}

void rms_norm_backward(const Inner& inner, Mat dx, float* dweight, Mat dy, Mat x, const float* weight,
                       const float* rstd) {
  check_same("rms_norm_backward", dx, x);
  check_same("rms_norm_backward", dy, x);
  CHECK(x.dtype == DType::kF32 && dx.dtype == DType::kF32, "rms_norm_backward reads and adds float32");
  const int64_t blocks = (x.rows + kNormRows - 1) / kNormRows;
  const size_t floats = static_cast<size_t>(blocks * x.cols);
  float* partial = static_cast<float*>(scratch(kDriverPartials, sizeof(float) * floats));
  std::fill_n(partial, floats, 0.0f);
  parallel_blocks(x.rows, kNormRows, [&](int64_t begin, int64_t end) {
    inner.rows->rms_norm_backward(view(dx, begin), partial + begin / kNormRows * x.cols, view(dy, begin),
                                  view(x, begin), end - begin, x.cols, weight, rstd + begin);
  });
  if (dweight == nullptr) return;
  for (int64_t b = 0; b < blocks; ++b) inner.rows->axpby(dweight, partial + b * x.cols, x.cols, 1, 1);
}

void rope(const Inner& inner, Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions,
          const float* cos_sin, bool inverse) {
  CHECK(rotary_dim > 0 && rotary_dim % 2 == 0 && rotary_dim <= head_dim && x.cols % head_dim == 0,
        "{} of heads of {} in rows of {}", rotary_dim, head_dim, x.cols);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->rope(view(x, begin), end - begin, x.cols, head_dim, rotary_dim, positions + begin, cos_sin, inverse);
  });
}

void swiglu(const Inner& inner, Mat y, Mat gate_up) {
  CHECK(gate_up.rows == y.rows && gate_up.cols == 2 * y.cols && gate_up.dtype == y.dtype,
        "swiglu: [{}, {}] of [{}, {}]", y.rows, y.cols, gate_up.rows, gate_up.cols);
  parallel_blocks(y.rows, row_grain(y.cols), [&](int64_t begin, int64_t end) {
    inner.rows->swiglu(view(y, begin), view(gate_up, begin), end - begin, y.cols);
  });
}

void swiglu_backward(const Inner& inner, Mat dgate_up, Mat dy, Mat gate_up) {
  check_same("swiglu_backward", dgate_up, gate_up);
  CHECK(
      gate_up.rows == dy.rows && gate_up.cols == 2 * dy.cols && gate_up.dtype == dy.dtype && dgate_up.dtype == dy.dtype,
      "swiglu_backward: [{}, {}] of [{}, {}]", dy.rows, dy.cols, gate_up.rows, gate_up.cols);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.rows->swiglu_backward(view(dgate_up, begin), view(dy, begin), view(gate_up, begin), end - begin, dy.cols);
  });
}

void dropout_add(const Inner& inner, Mat y, Mat x, float p, uint64_t seed) {
  check_same("dropout_add", y, x);
  CHECK(y.dtype == DType::kF32 && p >= 0 && p < 1, "dropout_add adds to float32, with p = {} in [0, 1)", p);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->dropout_add(view(y, begin), view(x, begin), end - begin, x.cols, p, seed,
                            static_cast<uint64_t>(begin * x.cols));
  });
}

void dropout_backward(const Inner& inner, Mat dx, Mat dy, float p, uint64_t seed) {
  check_same("dropout_backward", dx, dy);
  CHECK(p >= 0 && p < 1, "dropout with p = {}", p);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.rows->dropout_backward(view(dx, begin), view(dy, begin), end - begin, dy.cols, p, seed,
                                 static_cast<uint64_t>(begin * dy.cols));
  });
}

// --- flat vectors --------------------------------------------------------------------------------

void adamw(const Inner& inner, float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step) {
  const AdamWScalars s = {
      step.lr,        step.beta1, step.beta2, step.eps, step.weight_decay, step.bias_correction1, step.bias_correction2,
      step.grad_scale};
  parallel_blocks(n, kElementsPerPart,
                  [&](int64_t b, int64_t e) { inner.rows->adamw(w + b, g + b, m + b, v + b, e - b, s); });
}

double sum_of_squares(const Inner& inner, const float* x, int64_t n) {
  const int64_t blocks = (n + kElementsPerPart - 1) / kElementsPerPart;
  double* partial = static_cast<double*>(scratch(kDriverPartials, sizeof(double) * static_cast<size_t>(blocks)));
  parallel_blocks(n, kElementsPerPart, [&](int64_t begin, int64_t end) {
    partial[begin / kElementsPerPart] = inner.rows->sum_of_squares(x + begin, end - begin);
  });
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b) sum += partial[b];
  return sum;
}

void axpby(const Inner& inner, float* y, const float* x, int64_t n, float a, float b) {
  parallel_blocks(n, kElementsPerPart,
                  [&](int64_t begin, int64_t end) { inner.rows->axpby(y + begin, x + begin, end - begin, a, b); });
}

void convert(const Inner& inner, Mat y, Mat x) {
  check_same("convert", y, x);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->convert(view(y, begin), view(x, begin), end - begin, x.cols);
  });
}

void round_at_random(const Inner& inner, BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  parallel_blocks(n, kElementsPerPart, [&](int64_t begin, int64_t end) {
    inner.rows->round_at_random(&y[begin].bits, x + begin, end - begin, seed, first + static_cast<uint64_t>(begin));
  });
}

}  // namespace loquat::cpu
