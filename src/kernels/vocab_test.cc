// The vocabulary head: against the reference, equal in bits to linear and log_sum_exp, batch and thread invariance.
#include "kernels/test_support.h"

namespace loquat {
namespace {

using VocabTest = KernelsTest;
INSTANTIATE_TEST_SUITE_P(Tables, VocabTest, every_table(), table_name);

struct Head {
  Head(const Kernels& kernels, DType dtype, uint64_t seed, int64_t rows, int64_t vocab, int64_t width,
       float softcap = 0)
      : rng(seed, "head"),
        weights(random_floats(rng, vocab * width, 1.0 / std::sqrt(width))),
        w(kernels, weights, vocab, width, dtype, softcap),
        x(Tensor::random(rng, rows, width, dtype, 2, 4)),
        targets(random_tokens(rng, rows, vocab)),
        logprob(rows),
        lse(rows),
        entropy(rows),
        dlogprob(random_floats(rng, rows)),
        dentropy(random_floats(rng, rows)),
        dx(rows, width, dtype, 2),
        dw(random_floats(rng, vocab * width)) {}
  void forward(const Kernels& k, float inv_temperature) {
    k.lm_head(x, w, targets.data(), inv_temperature, logprob.data(), lse.data(), entropy.data());
  }
  void backward(const Kernels& k, float inv_temperature, bool with_entropy) {
    k.lm_head_backward(dx, dw.data(), x, w, targets.data(), inv_temperature, lse.data(), dlogprob.data(),
                       with_entropy ? entropy.data() : nullptr, with_entropy ? dentropy.data() : nullptr);
  }
  Rng rng;
  Floats weights;
  Packed w;
  Tensor x;
  std::vector<int32_t> targets;
  Floats logprob, lse, entropy, dlogprob, dentropy;
  Tensor dx;
  Floats dw;
};

struct Shape {
  int64_t rows, vocab, width;
};
const Shape kShapes[] = {{0, 10, 8}, {1, 1, 4}, {3, 50, 20}, {67, 1300, 12}, {70, 2049, 33}, {20, 1024, 16}};

TEST_P(VocabTest, MatchesReference) {
  for (const Shape& s : kShapes) {
    for (const float inv_temperature : {1.0f, 1.7f}) {
      SCOPED_TRACE(fmt::format("rows {} vocabulary {} width {}", s.rows, s.vocab, s.width));
      Head head(k(), dtype(), 1, s.rows, s.vocab, s.width),
          ref(reference::kTable, dtype(), 1, s.rows, s.vocab, s.width);
      head.forward(k(), inv_temperature);
      ref.forward(reference::kTable, inv_temperature);
      expect_close(head.lse, ref.lse, 2e-5, "lse");
      expect_close(head.logprob, ref.logprob, 2e-5, "logprob");
      expect_close(head.entropy, ref.entropy, 5e-5, "entropy");
      for (const bool with_entropy : {false, true}) {
        head.backward(k(), inv_temperature, with_entropy);
        ref.backward(reference::kTable, inv_temperature, with_entropy);
        expect_close(head.dx, ref.dx, dtype() == DType::kF32 ? 1e-4 : 2e-2, "dx");
        expect_close(head.dw, ref.dw, dtype() == DType::kF32 ? 1e-4 : 1e-2, "dw");
      }
    }
  }
}

TEST_P(VocabTest, LossEqualsForwardAndBackwardInBits) {
  std::vector<Shape> shapes(std::begin(kShapes), std::end(kShapes));
  shapes.push_back({70, 6000, 8});   // a few rows' logits are kept
  shapes.push_back({20, 17000, 8});  // too many to keep
  for (const Shape& s : shapes) {
    SCOPED_TRACE(fmt::format("rows {} vocabulary {} width {}", s.rows, s.vocab, s.width));
    Head head(k(), dtype(), 4, s.rows, s.vocab, s.width), whole(k(), dtype(), 4, s.rows, s.vocab, s.width);
    head.forward(k(), 1);
    head.backward(k(), 1, false);
    k().lm_head_loss(whole.dx, whole.dw.data(), whole.x, whole.w, whole.targets.data(), whole.dlogprob.data(),
                     whole.logprob.data(), whole.lse.data());
    EXPECT_EQ(whole.lse, head.lse);
    EXPECT_EQ(whole.logprob, head.logprob);
    EXPECT_EQ(whole.dw, head.dw);
    EXPECT_EQ(whole.dx.bytes(), head.dx.bytes());
  }
}

// A sampler that takes logits by `linear` gets the very log-probabilities that training computes.
TEST_P(VocabTest, EqualsLinearAndLogSumExpInBits) {
  for (const Shape& s : kShapes) {
    Head head(k(), dtype(), 2, s.rows, s.vocab, s.width);
    for (const float inv_temperature : {1.0f, 1.3f}) {
      head.forward(k(), inv_temperature);
      Floats lse_only(s.rows), logprob_only(s.rows);
      k().lm_head(head.x, head.w, head.targets.data(), inv_temperature, logprob_only.data(), lse_only.data(), nullptr);
      for (int64_t t = 0; t < s.rows; ++t) {
        const Tensor logits(1, s.vocab, DType::kF32);
        k().linear(logits, head.x.mat().row_range(t, t + 1), head.w, false);
        float lse = 0;
        k().log_sum_exp(logits, &inv_temperature, &lse);
        const float logprob = logits.at(0, head.targets[t]) * inv_temperature - lse;
        ASSERT_EQ(head.lse[t], lse) << t;
        ASSERT_EQ(head.logprob[t], logprob) << t;
        ASSERT_EQ(lse_only[t], lse) << t;
        ASSERT_EQ(logprob_only[t], logprob) << t;
      }
    }
  }
}

TEST_P(VocabTest, SoftCaps) {
  if (!k().windows_and_caps) GTEST_SKIP();
  for (const Shape& s : {Shape{3, 50, 20}, {67, 1300, 12}, {20, 17000, 8}}) {
    SCOPED_TRACE(fmt::format("rows {} vocabulary {} width {}", s.rows, s.vocab, s.width));
    const float cap = 1.5f, inv_temperature = 1.7f;
    Head head(k(), dtype(), 1, s.rows, s.vocab, s.width, cap),
        ref(reference::kTable, dtype(), 1, s.rows, s.vocab, s.width, cap);
    head.forward(k(), inv_temperature);
    ref.forward(reference::kTable, inv_temperature);
    expect_close(head.lse, ref.lse, 2e-5, "lse");
    expect_close(head.logprob, ref.logprob, 2e-5, "logprob");
    expect_close(head.entropy, ref.entropy, 5e-5, "entropy");
    head.backward(k(), inv_temperature, true);
    ref.backward(reference::kTable, inv_temperature, true);
    expect_close(head.dx, ref.dx, dtype() == DType::kF32 ? 1e-4 : 2e-2, "dx");
    expect_close(head.dw, ref.dw, dtype() == DType::kF32 ? 1e-4 : 1e-2, "dw");
    // The sampler's logits, capped where they lie, and the loss in one go.
    const Tensor logits(1, s.vocab, DType::kF32);
    k().linear(logits, head.x.mat().row_range(2, 3), head.w, false);
    k().soft_cap(logits, cap);
    float lse = 0;
    k().log_sum_exp(logits, &inv_temperature, &lse);
    EXPECT_EQ(head.lse[2], lse);
    EXPECT_EQ(head.logprob[2], logits.at(0, head.targets[2]) * inv_temperature - lse);
    Head apart(k(), dtype(), 4, s.rows, s.vocab, s.width, cap), whole(k(), dtype(), 4, s.rows, s.vocab, s.width, cap);
    apart.forward(k(), 1);
    apart.backward(k(), 1, false);
    k().lm_head_loss(whole.dx, whole.dw.data(), whole.x, whole.w, whole.targets.data(), whole.dlogprob.data(),
                     whole.logprob.data(), whole.lse.data());
    EXPECT_EQ(whole.logprob, apart.logprob);
    EXPECT_EQ(whole.dw, apart.dw);
    EXPECT_EQ(whole.dx.bytes(), apart.dx.bytes());
  }
}

TEST_P(VocabTest, RowsAndThreadsDoNotChangeBits) {
  const int64_t rows = 150, vocab = 1100, width = 40;
  Head all(k(), dtype(), 3, rows, vocab, width);
  set_thread_count(1);
  all.forward(k(), 1.1f);
  all.backward(k(), 1.1f, true);
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    Head again(k(), dtype(), 3, rows, vocab, width);
    again.forward(k(), 1.1f);
    again.backward(k(), 1.1f, true);
    EXPECT_EQ(all.lse, again.lse);
    EXPECT_EQ(all.logprob, again.logprob);
    EXPECT_EQ(all.entropy, again.entropy);
    EXPECT_EQ(all.dx.bytes(), again.dx.bytes());
    EXPECT_EQ(all.dw, again.dw);
  }
  for (const int64_t t : {0, 70, 149}) {
    float logprob, lse, entropy;
    const Mat row = all.x.mat().row_range(t, t + 1);
    k().lm_head(row, all.w, &all.targets[t], 1.1f, &logprob, &lse, &entropy);
    EXPECT_EQ(logprob, all.logprob[t]);
    EXPECT_EQ(lse, all.lse[t]);
    EXPECT_EQ(entropy, all.entropy[t]);
    const Tensor dx(1, width, dtype());
    k().lm_head_backward(dx, nullptr, row, all.w, &all.targets[t], 1.1f, &lse, &all.dlogprob[t], &entropy,
                         &all.dentropy[t]);
    for (int64_t c = 0; c < width; ++c) EXPECT_EQ(dx.at(0, c), all.dx.at(t, c));
  }
}

TEST_P(VocabTest, LogSumExpOfExtremes) {
  Tensor logits(2, 1500, DType::kF32, 3);
  logits.fill(-1e4f);
  logits.f32()[1400] = 300;
  logits.f32()[3] = 299;
  logits.f32()[logits.mat().stride + 7] = -2e4f;
  const float inv_temperature[] = {1, 2};
  float lse[2];
  k().log_sum_exp(logits, inv_temperature, lse);
  EXPECT_NEAR(lse[0], 300 + std::log1p(std::exp(-1.0)), 1e-4);
  EXPECT_NEAR(lse[1], -2e4 + std::log(1499.0), 2e-3);
  for (const float scale : {1.0f, 0.5f}) {
    const Tensor one(1, 1030, DType::kF32);
    for (int64_t v = 0; v < 1029; ++v) one.f32()[v] = -INFINITY;
    one.f32()[1029] = 2;
    k().log_sum_exp(one, &scale, lse);
    EXPECT_EQ(lse[0], 2 * scale);
  }
}

// The reference's backward against central differences of its forward.
void expect_reference_gradients(float softcap) {
  const int64_t rows = 3, vocab = 7, width = 5;
  Head head(reference::kTable, DType::kF32, 4, rows, vocab, width, softcap);
  const float inv_temperature = 0.8f;
  const auto loss = [&](int64_t row, int64_t col, double dx_by, int64_t weight, double dw_by) {
    double sum = 0;
    for (int64_t t = 0; t < rows; ++t) {
      std::vector<double> z(vocab);
      double total = 0, mean = 0;
      for (int64_t v = 0; v < vocab; ++v) {
        for (int64_t c = 0; c < width; ++c) {
          z[v] += (head.x.at(t, c) + (t == row && c == col ? dx_by : 0)) *
                  (head.weights[v * width + c] + (v * width + c == weight ? dw_by : 0));
        }
        if (softcap > 0) z[v] = softcap * std::tanh(z[v] / softcap);
        z[v] *= inv_temperature;
        total += std::exp(z[v]);
      }
      for (int64_t v = 0; v < vocab; ++v) mean += std::exp(z[v]) / total * z[v];
      sum += head.dlogprob[t] * (z[head.targets[t]] - std::log(total)) + head.dentropy[t] * (std::log(total) - mean);
    }
    return sum;
  };
  head.dw.assign(head.dw.size(), 0);
  head.forward(reference::kTable, inv_temperature);
  head.backward(reference::kTable, inv_temperature, true);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < width; ++c) {
      EXPECT_NEAR(head.dx.at(t, c), (loss(t, c, 1e-4, -1, 0) - loss(t, c, -1e-4, -1, 0)) / 2e-4, 2e-6);
    }
  }
  for (int64_t i = 0; i < vocab * width; ++i) {
    EXPECT_NEAR(head.dw[i], (loss(-1, 0, 0, i, 1e-4) - loss(-1, 0, 0, i, -1e-4)) / 2e-4, 2e-6);
  }
}

TEST(VocabReference, Gradients) {
  for (const float softcap : {0.0f, 1.2f}) expect_reference_gradients(softcap);
}

}  // namespace
}  // namespace loquat
