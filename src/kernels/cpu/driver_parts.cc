// Drivers of the parts that some architectures alone have.
#include <algorithm>

#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kElementsPerPart = 1 << 14;
constexpr int64_t kSumRows = 128;  // rows whose part of a parameter's gradient is summed first
constexpr int64_t kSumCols = 256;  // columns of a part that sums all rows

int64_t row_grain(int64_t cols) {
  return std::max<int64_t>(1, kElementsPerPart / std::max<int64_t>(1, cols));
}

void check_same(const char* what, const Mat& a, const Mat& b) {
  CHECK(a.rows == b.rows && a.cols == b.cols && a.dtype == b.dtype, "{}: [{}, {}] beside [{}, {}]", what, a.rows,
        a.cols, b.rows, b.cols);
}

void check_gated(const char* what, const Mat& y, const Mat& gate_up) {
  CHECK(gate_up.rows == y.rows && gate_up.cols == 2 * y.cols && gate_up.dtype == y.dtype, "{}: [{}, {}] of [{}, {}]",
        what, y.rows, y.cols, gate_up.rows, gate_up.cols);
}

// Sums of `width` floats over rows, in an order that the number of rows alone decides: f(sums, begin, end) adds those
// of rows [begin, end), and all of them are added to the (first_count and the other) places that are not null.
template <typename F>
void sum_by_blocks(const Inner& inner, int64_t rows, int64_t width, F&& f, float* first, int64_t first_count,
                   float* second) {
  const int64_t blocks = (rows + kSumRows - 1) / kSumRows;
  const size_t floats = static_cast<size_t>(blocks * width);
  float* partial = static_cast<float*>(scratch(kDriverPartials, sizeof(float) * floats));
  std::fill_n(partial, floats, 0.0f);
  parallel_blocks(rows, kSumRows,
                  [&](int64_t begin, int64_t end) { f(partial + begin / kSumRows * width, begin, end); });
  for (int64_t b = 0; b < blocks; ++b) {
    if (first) inner.rows->axpby(first, partial + b * width, first_count, 1, 1);
    if (second) inner.rows->axpby(second, partial + b * width + first_count, width - first_count, 1, 1);
  }
}

}  // namespace

void layer_norm(const Inner& inner, Mat y, Mat x, const float* weight, const float* bias, float eps, float* rstd) {
  CHECK(x.dtype == DType::kF32 && y.rows == x.rows && y.cols == x.cols, "layer_norm: [{}, {}] of float32 [{}, {}]",
        y.rows, y.cols, x.rows, x.cols);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.parts->layer_norm(view(y, begin), view(x, begin), end - begin, x.cols, weight, bias, eps,
                            rstd ? rstd + begin : nullptr);
  });
}

void layer_norm_backward(const Inner& inner, Mat dx, float* dweight, float* dbias, Mat dy, Mat x, const float* weight,
                         const float* rstd) {
  check_same("layer_norm_backward", dx, x);
  CHECK(x.dtype == DType::kF32 && dy.rows == x.rows && dy.cols == x.cols, "layer_norm_backward: dy [{}, {}]", dy.rows,
        dy.cols);
  sum_by_blocks(
      inner, x.rows, 2 * x.cols,
      [&](float* sums, int64_t begin, int64_t end) {
        inner.parts->layer_norm_backward(view(dx, begin), sums, sums + x.cols, view(dy, begin), view(x, begin),
                                         end - begin, x.cols, weight, rstd + begin);
      },
      dweight, x.cols, dbias);
}

void add_bias(const Inner& inner, Mat y, const float* bias) {
  parallel_blocks(y.rows, row_grain(y.cols), [&](int64_t begin, int64_t end) {
    inner.parts->add_bias(view(y, begin), end - begin, y.cols, bias);
  });
}

// Cut by columns: every part adds all rows, in order.
void bias_backward(const Inner& inner, float* dbias, Mat dy) {
  parallel_blocks(dy.cols, kSumCols, [&](int64_t begin, int64_t end) {
    inner.parts->add_rows(dbias + begin, view(dy, 0, begin), dy.rows, end - begin);
  });
}

void head_norm(const Inner& inner, Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd) {
  check_same("head_norm", y, x);
  CHECK(head_dim > 0 && x.cols % head_dim == 0, "heads of {} in rows of {}", head_dim, x.cols);
  const int64_t heads = x.cols / head_dim;
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.parts->head_norm(view(y, begin), view(x, begin), end - begin, heads, head_dim, weight, eps,
                           rstd ? rstd + begin * heads : nullptr);
  });
}

void head_norm_backward(const Inner& inner, Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim,
                        const float* weight, const float* rstd) {
  check_same("head_norm_backward", dx, x);
  check_same("head_norm_backward", dy, x);
  CHECK(head_dim > 0 && x.cols % head_dim == 0, "heads of {} in rows of {}", head_dim, x.cols);
  const int64_t heads = x.cols / head_dim;
  sum_by_blocks(
      inner, x.rows, head_dim,
      [&](float* sums, int64_t begin, int64_t end) {
        inner.parts->head_norm_backward(view(dx, begin), sums, view(dy, begin), view(x, begin), end - begin, heads,
                                        head_dim, weight, rstd + begin * heads);
      },
      dweight, head_dim, nullptr);
}

void geglu(const Inner& inner, Mat y, Mat gate_up) {
  check_gated("geglu", y, gate_up);
  parallel_blocks(y.rows, row_grain(y.cols), [&](int64_t begin, int64_t end) {
    inner.parts->geglu(view(y, begin), view(gate_up, begin), end - begin, y.cols);
  });
}

void geglu_backward(const Inner& inner, Mat dgate_up, Mat dy, Mat gate_up) {
  check_gated("geglu_backward", dy, gate_up);
  check_same("geglu_backward", dgate_up, gate_up);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.parts->geglu_backward(view(dgate_up, begin), view(dy, begin), view(gate_up, begin), end - begin, dy.cols);
  });
}

void gelu(const Inner& inner, Mat y, Mat x) {
  check_same("gelu", y, x);
  parallel_blocks(y.rows, row_grain(y.cols), [&](int64_t begin, int64_t end) {
    inner.parts->gelu(view(y, begin), view(x, begin), end - begin, y.cols);
  });
}

void gelu_backward(const Inner& inner, Mat dx, Mat dy, Mat x) {
  check_same("gelu_backward", dx, x);
  check_same("gelu_backward", dy, x);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.parts->gelu_backward(view(dx, begin), view(dy, begin), view(x, begin), end - begin, dy.cols);
  });
}

void soft_cap(const Inner& inner, Mat x, float cap) {
  CHECK(x.dtype == DType::kF32 && cap > 0, "a soft cap of {} is for float32", cap);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) inner.parts->soft_cap(static_cast<float*>(x.row(t)), x.cols, cap);
  });
}

}  // namespace loquat::cpu
