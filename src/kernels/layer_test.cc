// The layer's smaller parts and flat vectors: every table against the reference, invariance, the reference's gradients,
// and the choice of a table.
#include <cstdlib>
#include <functional>

#include "kernels/test_support.h"

namespace loquat {
namespace {

using LayerTest = KernelsTest;
INSTANTIATE_TEST_SUITE_P(Tables, LayerTest, every_table(), table_name);

struct Shape {
  int64_t rows, cols;
};
const Shape kShapes[] = {{0, 8}, {1, 2}, {3, 34}, {130, 64}, {257, 100}, {5, 1000}};

TEST_P(LayerTest, RmsNorm) {
  Rng rng(1, "norm");
  for (const Shape& s : kShapes) {
    const Tensor x = Tensor::random(rng, s.rows, s.cols, DType::kF32, 3, 2),
                 dy = Tensor::random(rng, s.rows, s.cols, dtype());
    const auto weight = random_floats(rng, s.cols);
    const Tensor y(s.rows, s.cols, dtype(), 1), y_ref(y);
    Floats rstd(s.rows), rstd_ref(s.rows);
    k().rms_norm(y, x, weight.data(), 1e-5f, rstd.data());
    reference::rms_norm(y_ref, x, weight.data(), 1e-5f, rstd_ref.data());
    expect_close(y, y_ref, tolerance(), "y");
    expect_close(rstd, rstd_ref, 1e-6, "rstd");
    const Tensor dx = Tensor::random(rng, s.rows, s.cols, DType::kF32), dx_ref(dx);
    auto dw = random_floats(rng, s.cols), dw_ref = dw;
    k().rms_norm_backward(dx, dw.data(), dy, x, weight.data(), rstd_ref.data());
    reference::rms_norm_backward(dx_ref, dw_ref.data(), dy, x, weight.data(), rstd_ref.data());
    expect_close(dx, dx_ref, 2e-5, "dx");
    expect_close(dw, dw_ref, 2e-5, "dweight");
  }
}

TEST_P(LayerTest, RopeAndItsInverse) {
  Rng rng(2, "rope");
  for (const int64_t d : {2, 10, 32, 64, 100}) {
    const Tensor x = Tensor::random(rng, 33, 3 * d, dtype(), 1, 2), x_ref(x), before(x);
    const auto positions = random_tokens(rng, 33, 50);
    Floats cos_sin(50 * d);
    for (int64_t p = 0; p < 50; ++p) {
      for (int64_t i = 0; i < d / 2; ++i) {
        cos_sin[p * d + i] = static_cast<float>(std::cos(p * std::pow(100.0, -2.0 * i / d)));
        cos_sin[p * d + d / 2 + i] = static_cast<float>(std::sin(p * std::pow(100.0, -2.0 * i / d)));
      }
    }
    k().rope(x, d, d, positions.data(), cos_sin.data(), false);
    reference::rope(x_ref, d, d, positions.data(), cos_sin.data(), false);
    expect_close(x, x_ref, tolerance(), "x");
    k().rope(x, d, d, positions.data(), cos_sin.data(), true);
    expect_close(x, before, 2 * tolerance(), "x, rotated back");
  }
}

TEST_P(LayerTest, Swiglu) {
  Rng rng(3, "swiglu");
  for (const Shape& s : kShapes) {
    const Tensor gate_up = Tensor::random(rng, s.rows, 2 * s.cols, dtype(), 4, 3);
    const Tensor dy = Tensor::random(rng, s.rows, s.cols, dtype(), 1, 1);
    const Tensor y(s.rows, s.cols, dtype()), y_ref(y), d(s.rows, 2 * s.cols, dtype(), 5), d_ref(d);
    k().swiglu(y, gate_up);
    reference::swiglu(y_ref, gate_up);
    expect_close(y, y_ref, tolerance(), "y");
    k().swiglu_backward(d, dy, gate_up);
    reference::swiglu_backward(d_ref, dy, gate_up);
    expect_close(d, d_ref, tolerance(), "dgate_up");
  }
}

TEST_P(LayerTest, SwigluOfExtremes) {
  const Tensor gate_up(1, 4, dtype()), y(1, 2, dtype());
  const float values[] = {-200, 200, 3, 3};
  for (int64_t c = 0; c < 4; ++c) reference::put(gate_up, 0, c, values[c]);
  k().swiglu(y, gate_up);
  EXPECT_NEAR(y.at(0, 0), 0, 1e-30);
  EXPECT_EQ(y.at(0, 1), 600);
}

TEST_P(LayerTest, Embedding) {
  Rng rng(4, "embedding");
  for (const Shape& s : kShapes) {
    const auto table = random_floats(rng, 20 * s.cols);
    const auto tokens = random_tokens(rng, s.rows, 20);
    const Tensor x(s.rows, s.cols, DType::kF32, 1), x_ref(x);
    k().embedding(x, table.data(), tokens.data());
    reference::embedding(x_ref, table.data(), tokens.data());
    EXPECT_EQ(x.bytes(), x_ref.bytes());
    auto d = random_floats(rng, 20 * s.cols), d_ref = d;
    k().embedding_backward(d.data(), 20, x, tokens.data());
    reference::embedding_backward(d_ref.data(), 20, x, tokens.data());
    EXPECT_EQ(d, d_ref);
  }
}

TEST_P(LayerTest, Dropout) {
  Rng rng(5, "dropout");
  for (const Shape& s : kShapes) {
    const Tensor x = Tensor::random(rng, s.rows, s.cols, dtype(), 1, 2);
    const Tensor y = Tensor::random(rng, s.rows, s.cols, DType::kF32), y_ref(y), dx(s.rows, s.cols, dtype()),
                 dx_ref(dx);
    k().dropout_add(y, x, 0.3f, 77);
    reference::dropout_add(y_ref, x, 0.3f, 77);
    expect_close(y, y_ref, 1e-6, "y");
    k().dropout_backward(dx, x, 0.3f, 77);
    reference::dropout_backward(dx_ref, x, 0.3f, 77);
    expect_close(dx, dx_ref, tolerance(), "dx");
  }
  const Tensor ones(100, 100, dtype()), kept(100, 100, dtype());
  for (int64_t i = 0; i < 10000; ++i) reference::put(ones, i / 100, i % 100, 1);
  k().dropout_backward(kept, ones, 0.25f, 5);
  int count = 0;
  for (int64_t i = 0; i < 10000; ++i) count += kept.at(i / 100, i % 100) != 0;
  EXPECT_NEAR(count, 7500, 200);
}

TEST_P(LayerTest, FlatVectors) {
  Rng rng(6, "flat");
  for (const int64_t n : {0, 1, 31, 1000, 40000}) {
    auto w = random_floats(rng, n), g = random_floats(rng, n), m = random_floats(rng, n, 0.1),
         v = random_floats(rng, n);
    for (float& x : v) x = x * x;
    auto w_ref = w, m_ref = m, v_ref = v;
    const AdamWStep step = {1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.271f, 0.142f, 0.7f};
    k().adamw(w.data(), g.data(), m.data(), v.data(), n, step);
    reference::adamw(w_ref.data(), g.data(), m_ref.data(), v_ref.data(), n, step);
    expect_close(w, w_ref, 1e-5, "w");
    expect_close(m, m_ref, 1e-5, "m");
    expect_close(v, v_ref, 1e-5, "v");
    EXPECT_NEAR(k().sum_of_squares(g.data(), n), reference::sum_of_squares(g.data(), n), 1e-6 * static_cast<double>(n));
    k().axpby(w.data(), g.data(), n, 0.5f, -2.0f);
    reference::axpby(w_ref.data(), g.data(), n, 0.5f, -2.0f);
    expect_close(w, w_ref, 2e-5, "axpby");
    Floats nan(n, NAN);
    k().axpby(nan.data(), g.data(), n, 1, 0);
    EXPECT_EQ(nan, g);
  }
}

TEST_P(LayerTest, RoundingAtRandomIsRightOnAverage) {
  constexpr int64_t kCount = 40001;
  const float value = 1 + 0.3f * 0x1.0p-7f;  // three tenths of the way to the next bfloat16
  Floats x(kCount, value);
  x[7] = INFINITY, x[8] = -INFINITY, x[9] = NAN, x[10] = 0, x[11] = -value;
  Tensor y(1, kCount, DType::kBF16), y_ref(y);
  k().round_at_random(y.mat().bf16(), x.data(), kCount, 5, (1ull << 33) + 3);
  reference::round_at_random(y_ref.mat().bf16(), x.data(), kCount, 5, (1ull << 33) + 3);
  EXPECT_EQ(y.bytes(), y_ref.bytes());
  int64_t up = 0;
  for (int64_t i = 12; i < kCount; ++i) {
    ASSERT_TRUE(y.at(0, i) == 1 || y.at(0, i) == 1 + 0x1.0p-7f) << i;
    up += y.at(0, i) > 1 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(up) / kCount, 0.3, 0.01);
  EXPECT_EQ(y.at(0, 7), INFINITY);
  EXPECT_EQ(y.at(0, 8), -INFINITY);
  EXPECT_TRUE(std::isnan(y.at(0, 9)));
  EXPECT_EQ(y.at(0, 10), 0);
  EXPECT_LE(y.at(0, 11), -1);
  const Tensor part(1, 100, DType::kBF16);
  k().round_at_random(part.mat().bf16(), x.data() + 1000, 100, 5, (1ull << 33) + 1003);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(part.at(0, i), y.at(0, 1000 + i));
}

TEST_P(LayerTest, ConvertRoundsAsTheReference) {
  Rng rng(7, "convert");
  for (const Shape& s : kShapes) {
    const Tensor x = Tensor::random(rng, s.rows, s.cols, DType::kF32, 1, 1), y(s.rows, s.cols, dtype(), 2), y_ref(y);
    if (s.rows > 2) {
      reference::put(x, 0, 0, NAN);
      reference::put(x, 0, 1, INFINITY);
      reference::put(x, 1, 0, -3e38);
      reference::put(x, 1, 1, 1 + 0x1.0p-8);  // a tie
    }
    k().convert(y, x);
    reference::convert(y_ref, x);
    EXPECT_EQ(y.bytes(), y_ref.bytes());
    const Tensor back(s.rows, s.cols, DType::kF32), back_ref(back);
    k().convert(back, y);
    reference::convert(back_ref, y);
    EXPECT_EQ(back.bytes(), back_ref.bytes());
  }
}

TEST_P(LayerTest, RowsAndThreadsDoNotChangeBits) {
  Rng rng(8, "invariance");
  const int64_t rows = 900, cols = 70;
  const Tensor x = Tensor::random(rng, rows, cols, DType::kF32), dy = Tensor::random(rng, rows, cols, dtype());
  const Tensor dx0 = Tensor::random(rng, rows, cols, DType::kF32);
  const auto weight = random_floats(rng, cols);
  const auto tokens = random_tokens(rng, rows, 11);
  std::vector<Bytes> bytes;
  std::vector<Floats> sums;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Tensor y(rows, cols, dtype()), dx(dx0);
    Floats rstd(rows), dweight(cols, 0.5f), dtable(11 * cols, 0.25f);
    k().rms_norm(y, x, weight.data(), 1e-5f, rstd.data());
    k().rms_norm_backward(dx, dweight.data(), dy, x, weight.data(), rstd.data());
    k().embedding_backward(dtable.data(), 11, dx, tokens.data());
    dweight.insert(dweight.end(), dtable.begin(), dtable.end());
    dweight.push_back(static_cast<float>(k().sum_of_squares(x.f32(), rows * cols)));
    sums.push_back(dweight);
    bytes.push_back(y.bytes());
    bytes.back().insert(bytes.back().end(), dx.bytes().begin(), dx.bytes().end());
    const Tensor alone(1, cols, dtype());
    for (const int64_t t : {int64_t{0}, int64_t{433}, rows - 1}) {
      k().rms_norm(alone, x.mat().row_range(t, t + 1), weight.data(), 1e-5f, rstd.data());
      for (int64_t c = 0; c < cols; ++c) ASSERT_EQ(alone.at(0, c), y.at(t, c));
    }
  }
  EXPECT_TRUE(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
  EXPECT_TRUE(sums[0] == sums[1] && sums[0] == sums[2]);
}

// The reference's gradients against central differences in float64.
TEST(LayerReference, RmsNormAndSwigluGradients) {
  Rng rng(9, "gradients");
  const int64_t rows = 2, cols = 6;
  const Tensor x = Tensor::random(rng, rows, cols, DType::kF32), dy = Tensor::random(rng, rows, cols, DType::kF32);
  const auto weight = random_floats(rng, cols);
  const auto norm_loss = [&](int64_t at, double x_by, int64_t weight_at, double w_by) {
    double sum = 0;
    for (int64_t t = 0; t < rows; ++t) {
      double squares = 1e-5 * cols;
      const auto value = [&](int64_t c) { return x.at(t, c) + (t * cols + c == at ? x_by : 0); };
      for (int64_t c = 0; c < cols; ++c) squares += value(c) * value(c);
      for (int64_t c = 0; c < cols; ++c) {
        sum += dy.at(t, c) * value(c) / std::sqrt(squares / cols) * (weight[c] + (c == weight_at ? w_by : 0));
      }
    }
    return sum;
  };
  const Tensor y(rows, cols, DType::kF32), dx(rows, cols, DType::kF32);
  Floats rstd(rows), dweight(cols);
  reference::rms_norm(y, x, weight.data(), 1e-5f, rstd.data());
  reference::rms_norm_backward(dx, dweight.data(), dy, x, weight.data(), rstd.data());
  for (int64_t i = 0; i < rows * cols; ++i) {
    EXPECT_NEAR(dx.at(i / cols, i % cols), (norm_loss(i, 1e-4, -1, 0) - norm_loss(i, -1e-4, -1, 0)) / 2e-4, 2e-6);
  }
  for (int64_t i = 0; i < cols; ++i) {
    EXPECT_NEAR(dweight[i], (norm_loss(-1, 0, i, 1e-4) - norm_loss(-1, 0, i, -1e-4)) / 2e-4, 2e-6);
  }

  const Tensor d(rows, cols, DType::kF32);  // x as gate and up of cols / 2 each
  const int64_t half = cols / 2;
  reference::swiglu_backward(d, dy.mat().col_range(0, half), x);
  const auto swiglu_loss = [&](int64_t at, double by) {
    double sum = 0;
    for (int64_t t = 0; t < rows; ++t) {
      const auto value = [&](int64_t c) { return x.at(t, c) + (t * cols + c == at ? by : 0); };
      for (int64_t c = 0; c < half; ++c) sum += dy.at(t, c) * value(c) / (1 + std::exp(-value(c))) * value(half + c);
    }
    return sum;
  };
  for (int64_t i = 0; i < rows * cols; ++i) {
    EXPECT_NEAR(d.at(i / cols, i % cols), (swiglu_loss(i, 1e-4) - swiglu_loss(i, -1e-4)) / 2e-4, 2e-6);
  }
}

TEST(CpuKernels, AreChosenByTheEnvironment) {
  const char* before = std::getenv("LOQUAT_ISA");
  const std::string saved = before ? before : "";
  setenv("LOQUAT_ISA", "reference", 1);
  EXPECT_STREQ((*best_kernels())->name, "reference");
  setenv("LOQUAT_ISA", "avx3", 1);
  const auto wrong = best_kernels();
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().find("avx3"), std::string::npos);
  unsetenv("LOQUAT_ISA");
  EXPECT_STREQ((*best_kernels())->name, all_kernels().back()->name);
  if (before) setenv("LOQUAT_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace loquat
