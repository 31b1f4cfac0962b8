// The parts that some architectures alone have: every table against the reference, the references' gradients against
// central differences, invariance of rows and threads.
#include <functional>

#include "kernels/test_support.h"

namespace loquat {
namespace {

using PartsTest = KernelsTest;
INSTANTIATE_TEST_SUITE_P(Tables, PartsTest, every_table(), table_name);

#define SKIP_WITHOUT(part) \
  if (!k().part) GTEST_SKIP() << "the table has no " #part

struct Shape {
  int64_t rows, cols;
};
const Shape kShapes[] = {{0, 8}, {1, 2}, {3, 34}, {130, 64}, {257, 100}, {5, 1000}};

TEST_P(PartsTest, LayerNorm) {
  SKIP_WITHOUT(layer_norm);
  Rng rng(1, "layer norm");
  for (const Shape& s : kShapes) {
    const Tensor x = Tensor::random(rng, s.rows, s.cols, DType::kF32, 3, 2),
                 dy = Tensor::random(rng, s.rows, s.cols, dtype());
    for (int64_t t = 0; t < s.rows; ++t) {
      for (int64_t c = 0; c < s.cols; ++c) reference::put(x, t, c, x.at(t, c) + 5);  // a mean to be taken off
    }
    const auto weight = random_floats(rng, s.cols), bias = random_floats(rng, s.cols);
    const Tensor y(s.rows, s.cols, dtype(), 1), y_ref(y);
    Floats rstd(s.rows), rstd_ref(s.rows);
    k().layer_norm(y, x, weight.data(), bias.data(), 1e-5f, rstd.data());
    reference::layer_norm(y_ref, x, weight.data(), bias.data(), 1e-5f, rstd_ref.data());
    expect_close(y, y_ref, tolerance(), "y");
    expect_close(rstd, rstd_ref, 1e-5, "rstd");
    const Tensor dx = Tensor::random(rng, s.rows, s.cols, DType::kF32), dx_ref(dx), dx_frozen(dx);
    auto dw = random_floats(rng, s.cols), dw_ref = dw, db = random_floats(rng, s.cols), db_ref = db;
    k().layer_norm_backward(dx, dw.data(), db.data(), dy, x, weight.data(), rstd_ref.data());
    reference::layer_norm_backward(dx_ref, dw_ref.data(), db_ref.data(), dy, x, weight.data(), rstd_ref.data());
    expect_close(dx, dx_ref, 5e-5, "dx");
    expect_close(dw, dw_ref, 5e-5, "dweight");
    expect_close(db, db_ref, 2e-5, "dbias");
    k().layer_norm_backward(dx_frozen, nullptr, nullptr, dy, x, weight.data(), rstd_ref.data());
    EXPECT_EQ(dx_frozen.bytes(), dx.bytes());
  }
}

TEST_P(PartsTest, Bias) {
  SKIP_WITHOUT(add_bias);
  Rng rng(2, "bias");
  for (const Shape& s : kShapes) {
    const Tensor y = Tensor::random(rng, s.rows, s.cols, dtype(), 3, 2), y_ref(y);
    const auto bias = random_floats(rng, s.cols);
    k().add_bias(y, bias.data());
    reference::add_bias(y_ref, bias.data());
    EXPECT_EQ(y.bytes(), y_ref.bytes());
    auto d = random_floats(rng, s.cols), d_ref = d;
    k().bias_backward(d.data(), y);
    reference::bias_backward(d_ref.data(), y);
    expect_close(d, d_ref, 2e-5, "dbias");
  }
}

TEST_P(PartsTest, HeadNorm) {
  SKIP_WITHOUT(head_norm);
  Rng rng(3, "head norm");
  for (const auto& [rows, heads, d] : {std::array<int64_t, 3>{0, 2, 8}, {1, 1, 4}, {33, 3, 10}, {140, 2, 64}}) {
    const Tensor x = Tensor::random(rng, rows, heads * d, dtype(), 3, 2),
                 dy = Tensor::random(rng, rows, heads * d, dtype(), 1, 5);
    const auto weight = random_floats(rng, d);
    const Tensor y(rows, heads * d, dtype(), 1), y_ref(y), in_place(x);
    Floats rstd(rows * heads), rstd_ref(rows * heads);
    k().head_norm(y, x, d, weight.data(), 1e-5f, rstd.data());
    k().head_norm(in_place, in_place, d, weight.data(), 1e-5f, nullptr);
    reference::head_norm(y_ref, x, d, weight.data(), 1e-5f, rstd_ref.data());
    expect_close(y, y_ref, tolerance(), "y");
    expect_close(in_place, y, 0, "y in place");
    expect_close(rstd, rstd_ref, 1e-5, "rstd");
    const Tensor dx(rows, heads * d, dtype()), dx_ref(dx), dx_in_place(dy);
    auto dw = random_floats(rng, d), dw_ref = dw;
    k().head_norm_backward(dx, dw.data(), dy, x, d, weight.data(), rstd_ref.data());
    k().head_norm_backward(dx_in_place, nullptr, dx_in_place, x, d, weight.data(), rstd_ref.data());
    reference::head_norm_backward(dx_ref, dw_ref.data(), dy, x, d, weight.data(), rstd_ref.data());
    expect_close(dx, dx_ref, tolerance(), "dx");
    expect_close(dx_in_place, dx, 0, "dx in place");
    expect_close(dw, dw_ref, 5e-5, "dweight");
  }
}

TEST_P(PartsTest, Gelu) {
  SKIP_WITHOUT(geglu);
  Rng rng(4, "gelu");
  for (const Shape& s : kShapes) {
    const Tensor gate_up = Tensor::random(rng, s.rows, 2 * s.cols, dtype(), 4, 3);
    const Tensor dy = Tensor::random(rng, s.rows, s.cols, dtype(), 1, 1), x(gate_up);
    const Mat in = x.mat().col_range(0, s.cols);
    const Tensor y(s.rows, s.cols, dtype()), y_ref(y), d(s.rows, 2 * s.cols, dtype(), 5), d_ref(d), dx(y), dx_ref(y);
    k().geglu(y, gate_up);
    reference::geglu(y_ref, gate_up);
    expect_close(y, y_ref, tolerance(), "geglu");
    k().geglu_backward(d, dy, gate_up);
    reference::geglu_backward(d_ref, dy, gate_up);
    expect_close(d, d_ref, tolerance(), "geglu's gradient");
    k().gelu(y, in);
    reference::gelu(y_ref, in);
    expect_close(y, y_ref, tolerance(), "gelu");
    k().gelu_backward(dx, dy, in);
    reference::gelu_backward(dx_ref, dy, in);
    expect_close(dx, dx_ref, tolerance(), "gelu's gradient");
  }
}

TEST_P(PartsTest, SoftCap) {
  SKIP_WITHOUT(soft_cap);
  Rng rng(5, "cap");
  for (const double scale : {1e-3, 1.0, 30.0, 1e4}) {
    const Tensor x = Tensor::random(rng, 3, 1037, DType::kF32, scale, 3), expected(x);
    k().soft_cap(x, 30);
    reference::soft_cap(expected, 30);
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t c = 0; c < 1037; ++c) ASSERT_NEAR(x.at(r, c), expected.at(r, c), 3e-7 * std::abs(expected.at(r, c)));
    }
  }
  const Tensor ends(1, 3, DType::kF32);
  ends.f32()[0] = INFINITY, ends.f32()[1] = -INFINITY, ends.f32()[2] = NAN;
  k().soft_cap(ends, 50);
  EXPECT_EQ(ends.at(0, 0), 50);
  EXPECT_EQ(ends.at(0, 1), -50);
  EXPECT_TRUE(std::isnan(ends.at(0, 2)));
}

TEST_P(PartsTest, PartialRope) {
  Rng rng(6, "rope");
  for (const auto& [d, r] : {std::pair<int64_t, int64_t>{10, 4}, {64, 32}, {96, 72}}) {
    const Tensor x = Tensor::random(rng, 33, 3 * d, dtype(), 1, 2), expected(x), before(x);
    const auto positions = random_tokens(rng, 33, 50);
    const Floats cos_sin = random_floats(rng, 50 * r);
    k().rope(x, d, r, positions.data(), cos_sin.data(), false);
    reference::rope(expected, d, r, positions.data(), cos_sin.data(), false);
    expect_close(x, expected, tolerance(), "x");
    for (int64_t t = 0; t < 33; ++t) {
      for (int64_t c = 0; c < 3 * d; ++c) {
        if (c % d >= r) {
          ASSERT_EQ(x.at(t, c), before.at(t, c));
        }
      }
    }
  }
}

TEST_P(PartsTest, ThreadsAndRowsDoNotChangeBits) {
  SKIP_WITHOUT(layer_norm);
  const int64_t rows = 300, cols = 96, d = 24;
  Rng rng(7, "threads");
  const Tensor x = Tensor::random(rng, rows, cols, DType::kF32), dy = Tensor::random(rng, rows, cols, dtype());
  const Tensor heads = Tensor::random(rng, rows, cols, dtype());
  const auto weight = random_floats(rng, cols), bias = random_floats(rng, cols);
  Floats rstd(rows), head_rstd(rows * cols / d);
  std::vector<Bytes> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Tensor y(rows, cols, dtype()), dx(rows, cols, DType::kF32), normed(y), dheads(y), activated(y);
    Floats sums(3 * cols + d, 0);
    k().layer_norm(y, x, weight.data(), bias.data(), 1e-5f, rstd.data());
    k().layer_norm_backward(dx, sums.data(), sums.data() + cols, dy, x, weight.data(), rstd.data());
    k().bias_backward(sums.data() + 2 * cols, dy);
    k().head_norm(normed, heads, d, weight.data(), 1e-5f, head_rstd.data());
    k().head_norm_backward(dheads, sums.data() + 3 * cols, dy, heads, d, weight.data(), head_rstd.data());
    k().gelu(activated, heads);
    const auto* bytes = reinterpret_cast<const uint8_t*>(sums.data());
    std::vector<Bytes> all = {y.bytes(),      dx.bytes(),        normed.bytes(),
                              dheads.bytes(), activated.bytes(), Bytes(bytes, bytes + sums.size() * 4)};
    if (threads == 1) first = all;
    EXPECT_EQ(all, first);
    const Tensor one(1, cols, dtype()), head(1, cols, dtype());
    k().layer_norm(one, x.mat().row_range(217, 218), weight.data(), bias.data(), 1e-5f, nullptr);
    k().head_norm(head, heads.mat().row_range(217, 218), d, weight.data(), 1e-5f, nullptr);
    for (int64_t c = 0; c < cols; ++c) {
      ASSERT_EQ(one.at(0, c), y.at(217, c));
      ASSERT_EQ(head.at(0, c), normed.at(217, c));
    }
  }
}

// d/dx of Σ dy · y(x), by central differences of the reference's forward, for each element of x.
void expect_gradient(const Tensor& x, const Tensor& dy, const std::function<void(Mat y, Mat x)>& forward,
                     const Tensor& gradient) {
  const auto loss = [&] {
    const Tensor y(dy.mat().rows, dy.mat().cols, DType::kF32);
    forward(y, x);
    double sum = 0;
    for (int64_t r = 0; r < dy.mat().rows; ++r) {
      for (int64_t c = 0; c < dy.mat().cols; ++c) sum += double{dy.at(r, c)} * y.at(r, c);
    }
    return sum;
  };
  for (int64_t r = 0; r < x.mat().rows; ++r) {
    for (int64_t c = 0; c < x.mat().cols; ++c) {
      const float before = x.at(r, c);
      const double h = 1.0 / 128;
      reference::put(x, r, c, before + h);
      const double above = loss(), above_at = x.at(r, c);
      reference::put(x, r, c, before - h);
      const double below = loss(), below_at = x.at(r, c);
      reference::put(x, r, c, before);
      EXPECT_NEAR(gradient.at(r, c), (above - below) / (above_at - below_at), 3e-4) << r << " " << c;
    }
  }
}

TEST(PartsReference, Gradients) {
  Rng rng(8, "gradients");
  const Tensor x = Tensor::random(rng, 3, 8, DType::kF32), dy = Tensor::random(rng, 3, 8, DType::kF32);
  const Tensor half = Tensor::random(rng, 3, 4, DType::kF32);
  Tensor d(3, 8, DType::kF32);
  const Floats weight = random_floats(rng, 8), bias = random_floats(rng, 8);
  Floats rstd(6), dw(8), db(8);
  const auto norm = [&](Mat y, Mat in) {
    reference::layer_norm(y, in, weight.data(), bias.data(), 1e-5f, rstd.data());
  };
  norm(d, x);
  d.fill(0);
  reference::layer_norm_backward(d, dw.data(), db.data(), dy, x, weight.data(), rstd.data());
  expect_gradient(x, dy, norm, d);
  const auto heads = [&](Mat y, Mat in) { reference::head_norm(y, in, 4, weight.data(), 1e-5f, rstd.data()); };
  heads(d, x);
  reference::head_norm_backward(d, dw.data(), dy, x, 4, weight.data(), rstd.data());
  expect_gradient(x, dy, heads, d);
  reference::geglu_backward(d, half, x);
  expect_gradient(
      x, half, [](Mat y, Mat in) { reference::geglu(y, in); }, d);
  reference::gelu_backward(d, dy, x);
  expect_gradient(
      x, dy, [](Mat y, Mat in) { reference::gelu(y, in); }, d);
}

}  // namespace
}  // namespace loquat
