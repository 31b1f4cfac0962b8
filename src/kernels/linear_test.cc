// Products: against the reference, batch invariance, independence of the number of threads; gradients of the reference.
#include "kernels/test_support.h"

namespace loquat {
namespace {

using LinearTest = KernelsTest;
INSTANTIATE_TEST_SUITE_P(Tables, LinearTest, every_table(), table_name);

struct Shape {
  int64_t rows, n, k;
};
const Shape kShapes[] = {{0, 5, 7},      {1, 1, 1},     {1, 48, 64},   {3, 33, 31},   {16, 32, 32},
                         {17, 64, 96},   {31, 70, 45},  {47, 100, 65}, {129, 96, 64}, {200, 40, 130},
                         {300, 160, 33}, {700, 35, 64}, {30, 33, 1024}};

void match_reference(const Kernels& k, DType dtype, double tolerance, Rng& rng, const Shape& s) {
  SCOPED_TRACE(fmt::format("rows {} n {} k {}", s.rows, s.n, s.k));
  const auto weights = random_floats(rng, s.n * s.k);
  const Packed w(k, weights, s.n, s.k, dtype), w_ref(reference::kTable, weights, s.n, s.k, dtype);
  const Tensor x = Tensor::random(rng, s.rows, s.k, dtype, 1, 3);
  const Tensor dy = Tensor::random(rng, s.rows, s.n, dtype, 1, 5);
  for (const DType out : {DType::kF32, dtype}) {
    for (const bool add : {false, true}) {
      if (add && out != DType::kF32) continue;
      const Tensor y0 = Tensor::random(rng, s.rows, s.n, out, 1, 2), dx0 = Tensor::random(rng, s.rows, s.k, out, 1, 2);
      const Tensor y(y0), y_ref(y0), dx(dx0), dx_ref(dx0);
      k.linear(y, x, w, add);
      reference::linear(y_ref, x, w_ref, add);
      expect_close(y, y_ref, out == DType::kF32 ? 2e-5 : tolerance, "y", std::sqrt(s.k));
      k.linear_backward_input(dx, dy, w, add);
      reference::linear_backward_input(dx_ref, dy, w_ref, add);
      expect_close(dx, dx_ref, out == DType::kF32 ? 2e-5 : tolerance, "dx", std::sqrt(s.n));
    }
  }
  auto dw = random_floats(rng, s.n * s.k), dw_ref = dw;
  k.linear_backward_weight(dw.data(), dy, x);
  reference::linear_backward_weight(dw_ref.data(), dy, x);
  expect_close(dw, dw_ref, 5e-5, "dw", std::sqrt(s.rows));
}

TEST_P(LinearTest, MatchesReference) {
  Rng rng(1, "linear");
  for (const Shape& s : kShapes) match_reference(k(), dtype(), tolerance(), rng, s);
}

TEST_P(LinearTest, MatchesReferenceOnRandomShapes) {
  Rng rng = random_shapes("linear.random");
  for (int i = 0; i < 25; ++i) {
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(rng.below(n)); };
    match_reference(k(), dtype(), tolerance(), rng, {below(3) ? below(160) : below(4), 1 + below(150), 1 + below(170)});
  }
}

TEST_P(LinearTest, LeavesColumnsBesideTheViewAlone) {
  Rng rng(2, "columns");
  const auto weights = random_floats(rng, 37 * 40);
  const Packed w(k(), weights, 37, 40, dtype());
  const Tensor x = Tensor::random(rng, 35, 100, dtype());
  const Tensor y = Tensor::random(rng, 35, 120, dtype()), before(y);
  k().linear(y.mat().col_range(50, 87), x.mat().col_range(11, 51), w, false);
  for (int64_t r = 0; r < 35; ++r) {
    for (int64_t c = 0; c < 120; ++c) {
      if (c < 50 || c >= 87) {
        ASSERT_EQ(y.at(r, c), before.at(r, c)) << r << " " << c;
      }
    }
  }
}

TEST_P(LinearTest, ARowGetsTheSameBitsAloneAndInACrowd) {
  Rng rng(3, "invariance");
  const int64_t rows = 275, n = 200, depth = 72;
  const auto weights = random_floats(rng, n * depth);
  const Packed w(k(), weights, n, depth, dtype());
  const Tensor x = Tensor::random(rng, rows, depth, dtype()), dy = Tensor::random(rng, rows, n, dtype());
  const Tensor y(rows, n, dtype()), dx(rows, depth, dtype());
  k().linear(y, x, w, false);
  k().linear_backward_input(dx, dy, w, false);
  for (const int64_t count : {1, 2, 5, 13, 16, 19, 33, 140}) {
    for (const int64_t begin : {int64_t{0}, int64_t{7}, rows - count}) {
      const Tensor y_part(count, n, dtype()), dx_part(count, depth, dtype());
      k().linear(y_part, x.mat().row_range(begin, begin + count), w, false);
      k().linear_backward_input(dx_part, dy.mat().row_range(begin, begin + count), w, false);
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t c = 0; c < n; ++c) ASSERT_EQ(y_part.at(r, c), y.at(begin + r, c)) << count << " " << r << " " << c;
        for (int64_t c = 0; c < depth; ++c) ASSERT_EQ(dx_part.at(r, c), dx.at(begin + r, c)) << count << " " << r;
      }
    }
  }
}

TEST_P(LinearTest, ThreadsDoNotChangeBits) {
  Rng rng(4, "threads");
  const int64_t rows = 390, n = 145, depth = 97;
  const auto weights = random_floats(rng, n * depth);
  const Packed w(k(), weights, n, depth, dtype());
  const Tensor x = Tensor::random(rng, rows, depth, dtype()), dy = Tensor::random(rng, rows, n, dtype());
  std::vector<Bytes> results;
  std::vector<Floats> gradients;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Tensor y(rows, n, dtype()), dx(rows, depth, dtype());
    Floats dw(n * depth, 0.25f), product(n * n);
    k().linear(y, x, w, false);
    k().linear_backward_input(dx, dy, w, false);
    k().linear_backward_weight(dw.data(), dy, x);
    k().matmul(product.data(), weights.data(), weights.data(), n, n, depth, false, true);
    dw.insert(dw.end(), product.begin(), product.end());
    results.push_back(y.bytes());
    results.back().insert(results.back().end(), dx.bytes().begin(), dx.bytes().end());
    gradients.push_back(dw);
  }
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
  EXPECT_TRUE(gradients[0] == gradients[1] && gradients[0] == gradients[2]);
}

TEST_P(LinearTest, Matmul) {
  if (dtype() != DType::kF32) GTEST_SKIP() << "float32 only";
  Rng rng(5, "matmul");
  for (const Shape& s : kShapes) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        const auto a = random_floats(rng, s.rows * s.k), b = random_floats(rng, s.n * s.k);
        Floats c(s.rows * s.n, 7), c_ref(c);
        k().matmul(c.data(), a.data(), b.data(), s.rows, s.n, s.k, ta, tb);
        reference::matmul(c_ref.data(), a.data(), b.data(), s.rows, s.n, s.k, ta, tb);
        expect_close(c, c_ref, 2e-5, fmt::format("{} {} {} {} {}", s.rows, s.n, s.k, ta, tb));
      }
    }
  }
}

// The reference's own backward: for L = Σ g · (x Wᵀ), dx = g W and dW = gᵀ x, by plain float64 sums here.
TEST(LinearReference, BackwardIsTheTransposedProduct) {
  Rng rng(6, "reference");
  const int64_t rows = 5, n = 4, depth = 3;
  const auto weights = random_floats(rng, n * depth);
  const Packed w(reference::kTable, weights, n, depth, DType::kF32);
  const Tensor x = Tensor::random(rng, rows, depth, DType::kF32), g = Tensor::random(rng, rows, n, DType::kF32);
  const Tensor dx(rows, depth, DType::kF32);
  Floats dw(n * depth);
  reference::linear_backward_input(dx, g, w, false);
  reference::linear_backward_weight(dw.data(), g, x);
  const auto loss = [&](int64_t xr, int64_t xc, double dx_by, int64_t wi, double dw_by) {
    double sum = 0;
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < depth; ++j) {
          const double xv = x.at(t, j) + (t == xr && j == xc ? dx_by : 0);
          sum += g.at(t, i) * xv * (weights[i * depth + j] + (i * depth + j == wi ? dw_by : 0));
        }
      }
    }
    return sum;
  };
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t j = 0; j < depth; ++j) {
      EXPECT_NEAR(dx.at(t, j), (loss(t, j, 1e-3, -1, 0) - loss(t, j, -1e-3, -1, 0)) / 2e-3, 1e-5);
    }
  }
  for (int64_t i = 0; i < n * depth; ++i) {
    EXPECT_NEAR(dw[i], (loss(-1, 0, 0, i, 1e-3) - loss(-1, 0, 0, i, -1e-3)) / 2e-3, 1e-5);
  }
}

}  // namespace
}  // namespace loquat
