// For the model's tests: small models with random weights and batches, a loss with given derivatives, and what every
// architecture must keep: the gradients of the float64 reference, and rows that do not depend on their neighbours.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <string>
#include <vector>

#include "base/threads.h"
#include "model/kv_cache.h"
#include "model/reference_model_for_test.h"

namespace loquat {

using Complex = std::complex<double>;

inline ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 19;
  c.hidden_size = 12;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 4;
  c.intermediate_size = 10;
  c.max_positions = 32;
  c.tie_embeddings = true;
  return c;
}

// Weights large enough that every part of the model matters.
inline void randomize(Model& model, uint64_t seed, double deviation = 0.4) {
  Rng rng(seed, "model test");
  model.for_each_param([&](const Param& p) {
    const bool around_one = p.name.ends_with("norm.weight") && !model.config().features.norm_adds_one;
    const double mean = around_one ? 1 : 0;
    for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(mean + deviation * rng.normal());
  });
  model.refresh();
}

inline std::vector<int32_t> random_tokens(Rng& rng, int64_t n, int64_t vocab) {
  std::vector<int32_t> out(n);
  for (auto& t : out) t = static_cast<int32_t>(rng.below(vocab));
  return out;
}

inline Batch random_batch(const ModelConfig& c, uint64_t seed, std::vector<int64_t> lengths) {
  Rng rng(seed, "batch");
  Batch batch;
  for (int64_t n : lengths) batch.add(random_tokens(rng, n, c.vocab_size));
  return batch;
}

// A loss with given derivatives: sum of a logprob + b entropy, or of a score, over some rows.
struct LinearLoss {
  std::vector<int64_t> rows;
  std::vector<int32_t> targets;
  std::vector<float> a, b;
  float temperature = 0.7f;
};

inline LinearLoss random_loss(const Batch& batch, const ModelConfig& c, uint64_t seed) {
  Rng rng(seed, "loss");
  LinearLoss loss;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    if (row % 3 == 1) continue;
    loss.rows.push_back(row);
    loss.targets.push_back(static_cast<int32_t>(rng.below(c.vocab_size)));
    loss.a.push_back(static_cast<float>(rng.normal()));
    loss.b.push_back(static_cast<float>(rng.normal()));
  }
  return loss;
}

inline double loss_of(Model& model, Mat hidden, const LinearLoss& loss) {
  double sum = 0;
  if (model.config().head == HeadKind::kScore) {
    const auto scores = model.scores(hidden, loss.rows);
    for (size_t i = 0; i < scores.size(); ++i) sum += double{loss.a[i]} * scores[i];
    return sum;
  }
  const auto out = model.log_probs(hidden, loss.rows, loss.targets, loss.temperature, true);
  for (size_t i = 0; i < loss.rows.size(); ++i)
    sum += double{loss.a[i]} * out.logprob[i] + double{loss.b[i]} * out.entropy[i];
  return sum;
}

inline double run_with_gradients(Model& model, const Batch& batch, const LinearLoss& loss,
                                 ForwardOptions options = {}) {
  options.keep_for_backward = true;
  const Mat hidden = model.forward(batch, options);
  const double value = loss_of(model, hidden, loss);
  if (model.config().head == HeadKind::kScore) {
    model.backward(batch, model.scores_backward(hidden, loss.rows, loss.a));
  } else {
    const auto out = model.log_probs(hidden, loss.rows, loss.targets, loss.temperature, true);
    model.backward(batch,
                   model.log_probs_backward(hidden, loss.rows, loss.targets, loss.temperature, out, loss.a, loss.b));
  }
  return value;
}

inline Complex reference_loss(const ReferenceModel<Complex>& reference, const ModelConfig& c, const Batch& batch,
                              const LinearLoss& loss) {
  const auto hidden = reference.forward(batch);
  Complex sum = 0;
  for (size_t i = 0; i < loss.rows.size(); ++i) {
    const auto& row = hidden[loss.rows[i]];
    if (c.head == HeadKind::kScore) {
      sum += double{loss.a[i]} * reference.score(row);
      continue;
    }
    const auto logp = reference.log_softmax(row, double{loss.temperature});
    Complex entropy = 0;
    for (const Complex& l : logp) entropy -= exp(l) * l;
    sum += double{loss.a[i]} * logp[loss.targets[i]] + double{loss.b[i]} * entropy;
  }
  return sum;
}

// d loss / d value of every parameter, by the reference.
inline std::vector<double> reference_gradients(const Model& model, const Batch& batch, const LinearLoss& loss) {
  constexpr double kStep = 1e-30;
  ReferenceModel<Complex> reference(model);
  std::vector<double> exact;
  model.for_each_param([&](const Param& p) {
    for (int64_t i = 0; i < p.size; ++i) {
      Complex& value = reference.param(p.name)[i];
      value += Complex(0, kStep);
      exact.push_back(reference_loss(reference, model.config(), batch, loss).imag() / kStep);
      value = value.real();
    }
  });
  return exact;
}

// `beyond`: the end of the name of parameters that change nothing.
inline void expect_gradients_of_the_reference(const ModelConfig& c, bool recompute, const std::string& beyond = "-") {
  const Batch batch = random_batch(c, 5, {6, 1, 4});
  const LinearLoss loss = random_loss(batch, c, 7);
  std::vector<double> exact;
  for (const Kernels* kernels : all_kernels()) {
    if (!check_kernels(c, *kernels).ok()) continue;
    SCOPED_TRACE(kernels->name);
    Model model(c, *kernels, DType::kF32, true);
    randomize(model, 11);
    const double expected = reference_loss(ReferenceModel<Complex>(model), c, batch, loss).real();
    EXPECT_NEAR(run_with_gradients(model, batch, loss, {.recompute = recompute}), expected, 1e-4 * std::abs(expected));
    if (exact.empty()) exact = reference_gradients(model, batch, loss);
    const double* next = exact.data();
    model.for_each_param([&](const Param& p) {
      double largest = 0;
      for (int64_t i = 0; i < p.size; ++i) largest = std::max(largest, std::abs(next[i]));
      if (p.name.ends_with(beyond)) {
        EXPECT_LT(largest, 1e-12) << p.name;
        largest = 1;
      }
      ASSERT_GT(largest, 1e-3) << p.name << ": the test does not reach this parameter";
      for (int64_t i = 0; i < p.size; ++i) ASSERT_NEAR(p.grad[i], next[i], 2e-4 * largest) << p.name << "[" << i << "]";
      next += p.size;
    });
  }
}

inline ModelConfig middle_config() {
  ModelConfig c = small_config();
  c.vocab_size = 301;
  c.hidden_size = 64;
  c.num_kv_heads = 2;
  c.head_dim = 16;
  c.intermediate_size = 160;
  c.max_positions = 128;
  return c;
}

inline std::vector<char> bytes_of_row(Mat m, int64_t row) {
  const char* p = static_cast<const char*>(m.row(row));
  return {p, p + m.cols * bytes_of(m.dtype)};
}

// A row's bits are the same alone, in a crowd, and decoded against a cache in any chunks; with any number of threads.
inline void expect_rows_without_neighbours(const ModelConfig& c) {
  const int threads = thread_count();
  for (const Kernels* kernels : all_kernels()) {
    if (!check_kernels(c, *kernels).ok()) continue;
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(fmt::format("{} {}", kernels->name, compute == DType::kF32 ? "float32" : "bfloat16"));
      Model model(c, *kernels, compute, false);
      randomize(model, 11, 0.1);
      const std::vector<int64_t> lengths = {37, 1, 100, 12, 3};
      const Batch crowd = random_batch(c, 5, lengths);
      std::vector<std::vector<char>> expected;
      const Mat hidden = model.forward(crowd);
      for (int64_t row = 0; row < crowd.rows(); ++row) expected.push_back(bytes_of_row(hidden, row));

      set_thread_count(threads == 1 ? 2 : 1);
      for (int64_t b = 0; b < crowd.sequences(); ++b) {
        Batch alone;
        alone.add(std::span(crowd.tokens).subspan(crowd.starts[b], lengths[b]));
        const Mat one = model.forward(alone);
        for (int64_t t = 0; t < lengths[b]; ++t)
          ASSERT_EQ(bytes_of_row(one, t), expected[crowd.starts[b] + t]) << b << " " << t;
      }
      set_thread_count(threads);

      // Pages of all sequences mixed, where the table has pages.
      const int64_t page = kernels->paged_attention ? 32 : c.max_positions, each = (c.max_positions + page - 1) / page;
      KvCache cache(c, *kernels, compute, 5 * each, page);
      std::vector<std::vector<int32_t>> pages(lengths.size());
      for (int32_t p = 0; p < 5 * each; ++p) pages[p % 5].push_back(static_cast<int32_t>(5 * each) - 1 - p);
      std::vector<int64_t> done(lengths.size(), 0);
      const std::vector<int64_t> chunks = {10, 1, 33, 5, 1};
      for (bool more = true; more;) {
        more = false;
        Batch step;
        std::vector<CachedSequence> cached;
        std::vector<int64_t> global;
        for (size_t b = 0; b < lengths.size(); ++b) {
          const int64_t n = std::min(chunks[b], lengths[b] - done[b]);
          if (n == 0) continue;
          step.add(std::span(crowd.tokens).subspan(crowd.starts[b] + done[b], n));
          cached.push_back({pages[b], done[b]});
          for (int64_t t = 0; t < n; ++t) global.push_back(crowd.starts[b] + done[b] + t);
          done[b] += n;
          more = true;
        }
        const Mat part = model.forward_cached(step, cache, cached);
        for (size_t i = 0; i < global.size(); ++i) ASSERT_EQ(bytes_of_row(part, i), expected[global[i]]) << global[i];
      }
    }
  }
}

}  // namespace loquat
