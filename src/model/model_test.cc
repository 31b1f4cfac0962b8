// The Transformer's passes: values and gradients against the float64 reference, recomputation, dropout, batch
// invariance.
#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "model/kv_cache.h"
#include "model/reference_model_for_test.h"

namespace loquat {
namespace {

using Complex = std::complex<double>;

ModelConfig small_config() {
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
void randomize(Model& model, uint64_t seed, double deviation = 0.4) {
  Rng rng(seed, "model test");
  model.for_each_param([&](const Param& p) {
    const double mean = p.shape.size() == 1 ? 1 : 0;
    for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(mean + deviation * rng.normal());
  });
  model.refresh();
}

std::vector<int32_t> random_tokens(Rng& rng, int64_t n, int64_t vocab) {
  std::vector<int32_t> out(n);
  for (auto& t : out) t = static_cast<int32_t>(rng.below(vocab));
  return out;
}

Batch random_batch(const ModelConfig& c, uint64_t seed, std::vector<int64_t> lengths) {
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

LinearLoss random_loss(const Batch& batch, const ModelConfig& c, uint64_t seed) {
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

double loss_of(Model& model, Mat hidden, const LinearLoss& loss) {
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

double run_with_gradients(Model& model, const Batch& batch, const LinearLoss& loss, ForwardOptions options = {}) {
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

Complex reference_loss(const ReferenceModel<Complex>& reference, const ModelConfig& c, const Batch& batch,
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

void expect_gradients_of_the_reference(const ModelConfig& c, bool recompute) {
  const Batch batch = random_batch(c, 5, {6, 1, 4});
  const LinearLoss loss = random_loss(batch, c, 7);
  for (const Kernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    Model model(c, *kernels, DType::kF32, true);
    randomize(model, 11);
    ReferenceModel<Complex> reference(model);
    const double expected = reference_loss(reference, c, batch, loss).real();
    EXPECT_NEAR(run_with_gradients(model, batch, loss, {.recompute = recompute}), expected, 1e-4 * std::abs(expected));
    model.for_each_param([&](const Param& p) {
      constexpr double kStep = 1e-30;
      std::vector<double> exact(p.size);
      double largest = 0;
      for (int64_t i = 0; i < p.size; ++i) {
        Complex& value = reference.param(p.name)[i];
        value += Complex(0, kStep);
        exact[i] = reference_loss(reference, c, batch, loss).imag() / kStep;
        value = value.real();
        largest = std::max(largest, std::abs(exact[i]));
      }
      ASSERT_GT(largest, 1e-3) << p.name << ": the test does not reach this parameter";
      for (int64_t i = 0; i < p.size; ++i)
        ASSERT_NEAR(p.grad[i], exact[i], 2e-4 * largest) << p.name << "[" << i << "]";
    });
  }
}

TEST(ModelGradients, LanguageTied) {
  expect_gradients_of_the_reference(small_config(), false);
}

TEST(ModelGradients, LanguageUntiedRecomputed) {
  ModelConfig c = small_config();
  c.tie_embeddings = false;
  c.num_heads = 3;
  c.num_kv_heads = 1;
  expect_gradients_of_the_reference(c, true);
}

TEST(ModelGradients, ScoreWithoutGroups) {
  ModelConfig c = small_config();
  c.head = HeadKind::kScore;
  c.num_kv_heads = c.num_heads;
  expect_gradients_of_the_reference(c, false);
}

// Along a random direction of each tensor: (f(w + e d) - f(w - e d)) / 2e against <gradient, d>.
TEST(ModelGradients, DropoutByCentralDifferences) {
  for (const bool recompute : {false, true}) {
    const ModelConfig c = small_config();
    const Batch batch = random_batch(c, 5, {6, 1, 4});
    const LinearLoss loss = random_loss(batch, c, 7);
    const ForwardOptions options{
        .keep_for_backward = true, .recompute = recompute, .dropout = 0.3f, .dropout_seed = 99};
    Model model(c, *all_kernels().front(), DType::kF32, true);
    randomize(model, 11);
    const double with = run_with_gradients(model, batch, loss, options);
    EXPECT_GT(std::abs(with - loss_of(model, model.forward(batch), loss)), 1e-3) << "dropout changes nothing";
    Rng rng(3, "direction");
    model.for_each_param([&](const Param& p) {
      std::vector<float> before(p.value, p.value + p.size), direction(p.size);
      double expected = 0, norm = 0;
      for (int64_t i = 0; i < p.size; ++i) {
        // Mostly along the gradient, so that the difference is large beside float32's rounding.
        direction[i] = p.grad[i] * static_cast<float>(0.5 + rng.uniform());
        expected += double{p.grad[i]} * direction[i];
        norm += double{direction[i]} * direction[i];
      }
      const double step = 2e-3 / std::sqrt(norm);
      const auto at = [&](double sign) {
        for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(before[i] + sign * step * direction[i]);
        model.refresh();
        return loss_of(model, model.forward(batch, options), loss);
      };
      const double difference = (at(1) - at(-1)) / (2 * step);
      std::copy(before.begin(), before.end(), p.value);
      EXPECT_NEAR(difference, expected, 0.02 * std::abs(expected)) << p.name;
    });
  }
}

TEST(Model, GradientsAddUp) {
  const ModelConfig c = small_config();
  const Batch batch = random_batch(c, 5, {6, 4});
  const LinearLoss loss = random_loss(batch, c, 7);
  Model model(c, *all_kernels().front(), DType::kF32, true);
  randomize(model, 11);
  run_with_gradients(model, batch, loss);
  const std::vector<float> once(model.grads().begin(), model.grads().end());
  run_with_gradients(model, batch, loss);
  for (size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(model.grads()[i], 2 * once[i], 1e-4 + 1e-4 * std::abs(once[i]));
  model.zero_grads();
  EXPECT_THAT(model.grads(), testing::Each(0.0f));
}

TEST(Model, RecomputingGivesTheSameBits) {
  const ModelConfig c = small_config();
  const Batch batch = random_batch(c, 5, {6, 1, 9});
  const LinearLoss loss = random_loss(batch, c, 7);
  for (const Kernels* kernels : all_kernels()) {
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(kernels->name);
      Model model(c, *kernels, compute, true);
      randomize(model, 11);
      const double kept = run_with_gradients(model, batch, loss, {.dropout = 0.1f, .dropout_seed = 4});
      const std::vector<float> expected(model.grads().begin(), model.grads().end());
      model.zero_grads();
      EXPECT_EQ(run_with_gradients(model, batch, loss, {.recompute = true, .dropout = 0.1f, .dropout_seed = 4}), kept);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model.grads().begin()));
    }
  }
}

TEST(Model, ScoringBetweenForwardAndBackwardChangesNothing) {
  const ModelConfig c = small_config();
  const Batch batch = random_batch(c, 5, {6, 1, 9}), other = random_batch(c, 6, {20, 30});
  const LinearLoss loss = random_loss(batch, c, 7);
  Model model(c, *all_kernels().back(), DType::kBF16, true);
  randomize(model, 11);
  run_with_gradients(model, batch, loss);
  const std::vector<float> expected(model.grads().begin(), model.grads().end());
  model.zero_grads();
  const Mat hidden = model.forward(batch, {.keep_for_backward = true});
  loss_of(model, model.forward(other), random_loss(other, c, 8));
  const auto out = model.log_probs(hidden, loss.rows, loss.targets, loss.temperature, true);
  const Mat dhidden = model.log_probs_backward(hidden, loss.rows, loss.targets, loss.temperature, out, loss.a, loss.b);
  loss_of(model, model.forward(other), random_loss(other, c, 8));
  model.backward(batch, dhidden);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model.grads().begin()));
}

ModelConfig middle_config() {
  ModelConfig c = small_config();
  c.vocab_size = 301;
  c.hidden_size = 64;
  c.num_kv_heads = 2;
  c.head_dim = 16;
  c.intermediate_size = 160;
  c.max_positions = 128;
  return c;
}

std::vector<char> bytes_of_row(Mat m, int64_t row) {
  const char* p = static_cast<const char*>(m.row(row));
  return {p, p + m.cols * bytes_of(m.dtype)};
}

// A row's bits are the same alone, in a crowd, and decoded against a cache in any chunks; with any number of threads.
TEST(Model, RowsDoNotDependOnTheBatch) {
  const ModelConfig c = middle_config();
  const int threads = thread_count();
  for (const Kernels* kernels : all_kernels()) {
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

// A long batch goes through the layers in groups where nothing is kept, as a whole where it is.
TEST(Model, KeepingChangesNoBits) {
  const ModelConfig c = middle_config();
  Model model(c, *all_kernels().back(), DType::kBF16, true);
  randomize(model, 11, 0.1);
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 40; ++i) lengths.push_back(1 + i * 37 % 128);
  const Batch batch = random_batch(c, 5, lengths);
  ASSERT_GT(batch.rows(), 2048);
  const Mat kept = model.forward(batch, {.keep_for_backward = true}), not_kept = model.forward(batch);
  for (int64_t row = 0; row < batch.rows(); ++row)
    ASSERT_EQ(bytes_of_row(kept, row), bytes_of_row(not_kept, row)) << row;
}

TEST(Model, HeadRowsDoNotDependOnTheSelection) {
  for (const HeadKind head : {HeadKind::kLanguage, HeadKind::kScore}) {
    ModelConfig c = middle_config();
    c.head = head;
    for (const Kernels* kernels : all_kernels()) {
      for (const DType compute : {DType::kF32, DType::kBF16}) {
        SCOPED_TRACE(kernels->name);
        Model model(c, *kernels, compute, false);
        randomize(model, 11, 0.1);
        const Batch batch = random_batch(c, 5, {37, 1, 100});
        std::vector<int64_t> all(batch.rows());
        for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
        const std::vector<int64_t> some = {0, 36, 37, 90};
        const Mat hidden = model.forward(batch);
        if (head == HeadKind::kScore) {
          const auto every = model.scores(hidden, all), few = model.scores(hidden, some);
          for (size_t i = 0; i < some.size(); ++i) EXPECT_EQ(few[i], every[some[i]]);
          continue;
        }
        const auto every = model.log_probs(hidden, all, batch.tokens, 0.8f, true);
        std::vector<int32_t> targets;
        for (int64_t row : some) targets.push_back(batch.tokens[row]);
        const auto few = model.log_probs(hidden, some, targets, 0.8f, true);
        std::vector<float> logits(some.size() * c.vocab_size), inv(some.size(), 1.0f / 0.8f), lse(some.size());
        model.logits(hidden, some, logits.data(), inv, lse);
        for (size_t i = 0; i < some.size(); ++i) {
          EXPECT_EQ(few.logprob[i], every.logprob[some[i]]);
          EXPECT_EQ(few.lse[i], every.lse[some[i]]);
          EXPECT_EQ(few.entropy[i], every.entropy[some[i]]);
          const float* row = logits.data() + i * c.vocab_size;
          EXPECT_EQ(lse[i], few.lse[i]);
          EXPECT_EQ(row[targets[i]] * inv[i] - lse[i], few.logprob[i]);
        }
      }
    }
  }
}

TEST(Model, Bf16IsNearFloat32) {
  const ModelConfig c = middle_config();
  const Batch batch = random_batch(c, 5, {37, 1, 100});
  const LinearLoss loss = random_loss(batch, c, 7);
  Model exact(c, *all_kernels().front(), DType::kF32, true);
  randomize(exact, 11, 0.1);
  run_with_gradients(exact, batch, loss);
  for (const Kernels* kernels : all_kernels()) {
    Model model(c, *kernels, DType::kBF16, true);
    randomize(model, 11, 0.1);
    run_with_gradients(model, batch, loss);
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < exact.grads().size(); ++i) {
      dot += double{exact.grads()[i]} * model.grads()[i];
      a += double{exact.grads()[i]} * exact.grads()[i];
      b += double{model.grads()[i]} * model.grads()[i];
    }
    EXPECT_GT(dot / std::sqrt(a * b), 0.999) << kernels->name;
    EXPECT_NEAR(std::sqrt(b / a), 1, 0.01) << kernels->name;
  }
}

TEST(Model, InitHasThePublishedDeviations) {
  ModelConfig c = middle_config();
  c.head = HeadKind::kScore;
  Model model(c, *all_kernels().front(), DType::kF32, false);
  model.init(Rng(1));
  model.for_each_param([&](const Param& p) {
    double square = 0;
    for (int64_t i = 0; i < p.size; ++i) square += double{p.value[i]} * p.value[i];
    const double deviation = std::sqrt(square / static_cast<double>(p.size));
    const bool residual = p.name.ends_with("o_proj.weight") || p.name.ends_with("down_proj.weight");
    const double expected = p.shape.size() == 1        ? 1
                            : p.name == "score.weight" ? 1 / std::sqrt(65.0)
                            : residual                 ? 0.01
                                                       : 0.02;
    EXPECT_NEAR(deviation, expected, p.name == "score.weight" ? 0.35 * expected : 0.05 * expected) << p.name;
  });
  const std::vector<float> first(model.values().begin(), model.values().end());
  model.init(Rng(1));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), model.values().begin()));
  model.init(Rng(2));
  EXPECT_FALSE(std::equal(first.begin(), first.end(), model.values().begin()));
}

TEST(Model, SteadyStateUsesTheSameMemory) {
  const ModelConfig c = middle_config();
  Model model(c, *all_kernels().back(), DType::kBF16, true);
  randomize(model, 11, 0.1);
  const Batch batch = random_batch(c, 5, {37, 1, 100});
  const LinearLoss loss = random_loss(batch, c, 7);
  const auto step = [&] {
    const Mat hidden = model.forward(batch, {.keep_for_backward = true});
    const auto out = model.log_probs(hidden, loss.rows, loss.targets);
    const Mat dhidden = model.log_probs_backward(hidden, loss.rows, loss.targets, 1, out, loss.a);
    model.backward(batch, dhidden);
    return std::vector<void*>{hidden.data, dhidden.data, model.forward(batch).data};
  };
  step();  // finds out how much it takes
  const auto second = step();
  EXPECT_EQ(step(), second);
  EXPECT_EQ(step(), second);
}

// Repeats what it has seen: "a b c a b c" is learnt by attention alone.
TEST(Model, LearnsToCopy) {
  ModelConfig c = small_config();
  c.vocab_size = 24;
  c.hidden_size = 32;
  c.head_dim = 8;
  c.intermediate_size = 64;
  Model model(c, *all_kernels().back(), DType::kBF16, true);
  model.init(Rng(1));
  const int64_t count = static_cast<int64_t>(model.values().size());
  const Buffer m = zeros(model.kernels(), count), v = zeros(model.kernels(), count);
  Rng rng(2);
  double first = 0, last = 0;
  constexpr int kSteps = 300;
  for (int step = 1; step <= kSteps; ++step) {
    Batch batch;
    std::vector<int64_t> rows;
    std::vector<int32_t> targets;
    for (int b = 0; b < 8; ++b) {
      auto tokens = random_tokens(rng, 6, c.vocab_size);
      tokens.insert(tokens.end(), tokens.begin(), tokens.begin() + 6);
      for (int64_t t = 6; t < 11; ++t) {
        rows.push_back(batch.rows() + t);
        targets.push_back(tokens[t + 1]);
      }
      batch.add(tokens);
    }
    const Mat hidden = model.forward(batch, {.keep_for_backward = true});
    const auto out = model.log_probs(hidden, rows, targets);
    double loss = 0;
    for (float l : out.logprob) loss -= l / static_cast<double>(rows.size());
    const std::vector<float> dlogprob(rows.size(), -1.0f / static_cast<float>(rows.size()));
    model.zero_grads();
    model.backward(batch, model.log_probs_backward(hidden, rows, targets, 1, out, dlogprob));
    const AdamWStep adam{5e-3f,
                         0.9f,
                         0.99f,
                         1e-8f,
                         0,
                         static_cast<float>(1 - std::pow(0.9, step)),
                         static_cast<float>(1 - std::pow(0.99, step)),
                         1};
    model.kernels().adamw(model.values().data(), model.grads().data(), m.floats(), v.floats(), count, adam);
    model.refresh();
    (step == 1 ? first : last) = loss;
  }
  EXPECT_NEAR(first, std::log(24.0), 0.2);
  EXPECT_LT(last, 1.0);
}

TEST(KvCache, CopiesTheBeginningOfAPage) {
  const ModelConfig c = middle_config();
  Model model(c, *all_kernels().back(), DType::kBF16, false);
  randomize(model, 11, 0.1);
  const Batch whole = random_batch(c, 5, {20});
  const Mat hidden = model.forward(whole);
  const auto expected = bytes_of_row(hidden, 19);
  KvCache cache(c, model.kernels(), DType::kBF16, 3, 32);
  const std::vector<int32_t> first = {2}, copied = {0};
  model.forward_cached(whole, cache, std::vector<CachedSequence>{{first, 0}});
  cache.copy(2, 0, 15);
  for (const auto& [pages, from] : {std::pair{copied, 15}, std::pair{first, 7}}) {
    Batch rest;
    rest.add(std::span(whole.tokens).subspan(from));
    const Mat last = model.forward_cached(rest, cache, std::vector<CachedSequence>{{pages, from}});
    EXPECT_EQ(bytes_of_row(last, last.rows - 1), expected);
  }
}

}  // namespace
}  // namespace loquat
