// The Transformer's passes: values and gradients against the float64 reference, recomputation, dropout, batch
// invariance.
#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/model_for_test.h"

namespace loquat {
namespace {

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

TEST(Model, RowsDoNotDependOnTheBatch) {
  expect_rows_without_neighbours(middle_config());
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
