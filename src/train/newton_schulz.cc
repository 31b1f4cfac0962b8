// Newton-Schulz over the packed products that layers use (newton_schulz.h).
#include "train/newton_schulz.h"

#include <algorithm>
#include <cmath>

namespace loquat {
namespace {

// A matrix in the compute type, as the rows of a product, and packed as its weight where it is one.
class Operand {
 public:
  enum class As { kRows, kWeight, kWeightBothWays };

  Operand(const Kernels& kernels, int64_t rows, int64_t cols, DType dtype, As as, Arena& scratch)
      : kernels_(kernels), rows_(scratch.take(rows, cols, dtype)), weight_{rows, cols, dtype} {
    const int64_t floats = (kernels.packed_bytes(rows, cols, dtype) + 3) / 4;
    if (as != As::kRows) weight_.forward = forward_ = scratch.take_floats(floats);
    if (as == As::kWeightBothWays) weight_.backward = backward_ = scratch.take_floats(floats);
  }
  void set(float* values) {
    kernels_.convert(rows_, mat(values, rows_.rows, rows_.cols));
    if (forward_ != nullptr) kernels_.pack(values, weight_.n, weight_.k, weight_.dtype, forward_, backward_);
  }
  Mat rows() const { return rows_; }
  const PackedWeight& weight() const { return weight_; }

 private:
  const Kernels& kernels_;
  Mat rows_;
  PackedWeight weight_;
  float *forward_ = nullptr, *backward_ = nullptr;
};

}  // namespace

void newton_schulz(const Kernels& kernels, float* x, int64_t rows, int64_t cols, DType dtype, Arena& scratch) {
  const int64_t size = rows * cols;
  const double norm = std::sqrt(kernels.sum_of_squares(x, size));
  if (!(norm > 0)) return;
  kernels.axpby(x, x, size, static_cast<float>(1 / (norm + 1e-7)), 0);
  const bool wide = rows <= cols;  // the Gram matrix is taken on the short side
  const int64_t n = std::min(rows, cols);
  const Mat whole = mat(x, rows, cols), gram = mat(scratch.take_floats(n * n), n, n),
            square = mat(scratch.take_floats(n * n), n, n);
  using As = Operand::As;
  Operand factor(kernels, rows, cols, dtype, wide ? As::kWeightBothWays : As::kRows, scratch);
  Operand middle(kernels, n, n, dtype, As::kWeight, scratch);
  constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
  for (int iteration = 0; iteration < 5; ++iteration) {
    factor.set(x);
    if (wide) {
      kernels.linear(gram, factor.rows(), factor.weight(), false);
    } else {
      kernels.clear(gram.f32(), n * n * bytes_of(DType::kF32));
      kernels.linear_backward_weight(gram.f32(), factor.rows(), factor.rows());
    }
    middle.set(gram.f32());
    kernels.linear(square, middle.rows(), middle.weight(), false);  // G is symmetric
    kernels.axpby(square.f32(), gram.f32(), n * n, kB, kC);
    middle.set(square.f32());
    kernels.axpby(x, x, size, kA, 0);
    if (wide) {
      kernels.linear_backward_input(whole, middle.rows(), factor.weight(), true);
    } else {
      kernels.linear(whole, factor.rows(), middle.weight(), true);
    }
  }
}

}  // namespace loquat
