// Adapters over a frozen base: gradients against the float64 reference, what merging gives, batch invariance, and that
// the base stays as it is.
#include "model/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "model/base_of_for_test.h"
#include "model/kv_cache.h"
#include "model/model.h"
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
  return c;
}

ModelConfig middle_config() {
  ModelConfig c = small_config();
  c.vocab_size = 301;
  c.hidden_size = 64;
  c.head_dim = 16;
  c.intermediate_size = 160;
  c.max_positions = 128;
  return c;
}

LoraConfig lora_config(int64_t rank, std::vector<std::string> targets = {"all-linear"}, bool dora = false) {
  LoraConfig lora;
  lora.rank = rank;
  lora.alpha = 6;
  lora.targets = *lora_targets(targets);
  lora.dora = dora;
  return lora;
}

void randomize(Model& model, uint64_t seed, double deviation) {
  Rng rng(seed, "lora test");
  model.for_each_param([&](const Param& p) {
    const double mean = p.shape.size() == 1 ? 1 : 0;
    for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(mean + deviation * rng.normal());
  });
  model.refresh();
}

Batch random_batch(const ModelConfig& c, uint64_t seed, std::vector<int64_t> lengths) {
  Rng rng(seed, "batch");
  Batch batch;
  for (int64_t n : lengths) {
    std::vector<int32_t> tokens(n);
    for (auto& t : tokens) t = static_cast<int32_t>(rng.below(c.vocab_size));
    batch.add(tokens);
  }
  return batch;
}

// Σ a logprob, or a score, over some rows.
struct LinearLoss {
  std::vector<int64_t> rows;
  std::vector<int32_t> targets;
  std::vector<float> a;
};

LinearLoss random_loss(const Batch& batch, const ModelConfig& c) {
  Rng rng(7, "loss");
  LinearLoss loss;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    if (row % 3 == 1) continue;
    loss.rows.push_back(row);
    loss.targets.push_back(static_cast<int32_t>(rng.below(c.vocab_size)));
    loss.a.push_back(static_cast<float>(rng.normal()));
  }
  return loss;
}

double loss_of(Model& model, Mat hidden, const LinearLoss& loss) {
  const auto values = model.config().head == HeadKind::kScore
                          ? model.scores(hidden, loss.rows)
                          : model.log_probs(hidden, loss.rows, loss.targets).logprob;
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += double{loss.a[i]} * values[i];
  return sum;
}

double run_with_gradients(Model& model, const Batch& batch, const LinearLoss& loss, ForwardOptions options = {}) {
  options.keep_for_backward = true;
  const Mat hidden = model.forward(batch, options);
  const double value = loss_of(model, hidden, loss);
  if (model.config().head == HeadKind::kScore) {
    model.backward(batch, model.scores_backward(hidden, loss.rows, loss.a));
  } else {
    model.backward(batch, model.likelihood_backward(hidden, loss.rows, loss.targets, loss.a).dhidden);
  }
  return value;
}

// The adapter's parameters over complex numbers, by their names; and the whole model's weights that they make.
struct ComplexAdapter {
  std::map<std::string, std::vector<Complex>> params;
  std::map<std::string, std::vector<double>> norms;  // of magnitudes: constants
  LoraConfig lora;

  explicit ComplexAdapter(const Model& model) : lora(model.lora()) {
    model.for_each_param([&](const Param& p) { params[p.name].assign(p.value, p.value + p.size); });
  }
  // W (of the base) to the adapted one.
  std::vector<Complex> weight(const Param& p, bool first) {
    std::vector<Complex> w(p.value, p.value + p.size);
    const auto a = params.find(peft_name(p.name, "lora_A.weight"));
    if (a == params.end()) return w;
    const auto& b = params.at(peft_name(p.name, "lora_B.weight"));
    const int64_t n = p.shape[0], k = p.shape[1], r = lora.rank;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        for (int64_t s = 0; s < r; ++s) w[i * k + j] += double{lora.scaling()} * b[i * r + s] * a->second[s * k + j];
      }
    }
    const auto magnitude = params.find(peft_name(p.name, "lora_magnitude_vector"));
    if (magnitude == params.end()) return w;
    auto& norm = norms[p.name];
    norm.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      double square = 0;
      for (int64_t j = 0; j < k; ++j) square += w[i * k + j].real() * w[i * k + j].real();
      if (first) norm[i] = std::sqrt(square);
      for (int64_t j = 0; j < k; ++j) w[i * k + j] *= magnitude->second[i] / norm[i];
    }
    return w;
  }
};

Complex reference_loss(const ReferenceModel<Complex>& reference, HeadKind head, const Batch& batch,
                       const LinearLoss& loss) {
  const auto hidden = reference.forward(batch);
  Complex sum = 0;
  for (size_t i = 0; i < loss.rows.size(); ++i) {
    const auto& row = hidden[loss.rows[i]];
    sum += double{loss.a[i]} *
           (head == HeadKind::kScore ? reference.score(row) : reference.log_softmax(row, 1)[loss.targets[i]]);
  }
  return sum;
}

void expect_gradients_of_the_reference(ModelConfig c, const LoraConfig& lora, bool recompute) {
  const Batch batch = random_batch(c, 5, {6, 1, 4});
  const LinearLoss loss = random_loss(batch, c);
  for (const Kernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    if (lora.dora && !kernels->host_reads) continue;
    Model plain(c, *kernels, DType::kF32, false);
    randomize(plain, 11, 0.4);
    Model model(base_of(plain), lora, c.head, true);
    randomize(model, 12, 0.5);
    ComplexAdapter adapter(model);
    ReferenceModel<Complex> reference(plain);
    const auto set_weights = [&](bool first) {
      plain.for_each_param([&](const Param& p) {
        if (p.is_matrix && p.name != "score.weight") reference.param(p.name) = adapter.weight(p, first);
      });
      if (c.head == HeadKind::kScore)
        reference.param("score.weight") = adapter.params.at(std::string(kPeftPrefix) + "score.weight");
    };
    set_weights(true);
    const double expected = reference_loss(reference, c.head, batch, loss).real();
    EXPECT_NEAR(run_with_gradients(model, batch, loss, {.recompute = recompute}), expected, 1e-4 * std::abs(expected));
    model.for_each_param([&](const Param& p) {
      constexpr double kStep = 1e-30;
      std::vector<double> exact(p.size);
      double largest = 0;
      for (int64_t i = 0; i < p.size; ++i) {
        Complex& value = adapter.params.at(p.name)[i];
        value += Complex(0, kStep);
        set_weights(false);
        exact[i] = reference_loss(reference, c.head, batch, loss).imag() / kStep;
        value = value.real();
        largest = std::max(largest, std::abs(exact[i]));
      }
      ASSERT_GT(largest, 1e-3) << p.name << ": the test does not reach this parameter";
      for (int64_t i = 0; i < p.size; ++i)
        ASSERT_NEAR(p.grad[i], exact[i], 4e-4 * largest) << p.name << "[" << i << "]";
    });
  }
}

TEST(LoraGradients, AllModules) {
  expect_gradients_of_the_reference(small_config(), lora_config(3), false);
}

TEST(LoraGradients, SomeModulesRecomputed) {
  LoraConfig lora = lora_config(2, {"v_proj", "q_proj", "up_proj"});
  lora.rslora = true;
  ModelConfig c = small_config();
  c.tie_embeddings = false;
  expect_gradients_of_the_reference(c, lora, true);
}

TEST(LoraGradients, ScoreHead) {
  ModelConfig c = small_config();
  c.head = HeadKind::kScore;
  expect_gradients_of_the_reference(c, lora_config(2, {"o_proj", "k_proj"}), false);
}

TEST(LoraGradients, Magnitudes) {
  expect_gradients_of_the_reference(small_config(), lora_config(2, {"all-linear"}, true), false);
  expect_gradients_of_the_reference(small_config(), lora_config(2, {"k_proj", "down_proj"}, true), true);
}

// Along a random direction of each tensor: (f(w + e d) - f(w - e d)) / 2e against <gradient, d>.
TEST(LoraGradients, DropoutByCentralDifferences) {
  for (const bool recompute : {false, true}) {
    const ModelConfig c = small_config();
    const Batch batch = random_batch(c, 5, {6, 1, 4});
    const LinearLoss loss = random_loss(batch, c);
    const ForwardOptions options{
        .keep_for_backward = true, .recompute = recompute, .dropout = 0.2f, .lora_dropout = 0.3f, .dropout_seed = 99};
    Model plain(c, *all_kernels().front(), DType::kF32, false);
    randomize(plain, 11, 0.4);
    Model model(base_of(plain), lora_config(3), c.head, true);
    randomize(model, 12, 0.2);
    const double with = run_with_gradients(model, batch, loss, options);
    ForwardOptions other = options;
    other.lora_dropout = 0;
    EXPECT_GT(std::abs(with - loss_of(model, model.forward(batch, other), loss)), 1e-3) << "dropout changes nothing";
    Rng rng(3, "direction");
    model.for_each_param([&](const Param& p) {
      std::vector<float> before(p.value, p.value + p.size), direction(p.size);
      double expected = 0, norm = 0;
      for (int64_t i = 0; i < p.size; ++i) {
        direction[i] = p.grad[i] * static_cast<float>(0.5 + rng.uniform());
        expected += double{p.grad[i]} * direction[i];
        norm += double{direction[i]} * direction[i];
      }
      const double step = 1e-3 / std::sqrt(norm);
      const auto at = [&](double sign) {
        for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(before[i] + sign * step * direction[i]);
        model.refresh();
        return loss_of(model, model.forward(batch, options), loss);
      };
      const double difference = (at(1) - at(-1)) / (2 * step);
      std::copy(before.begin(), before.end(), p.value);
      EXPECT_NEAR(difference, expected, 0.02 * std::abs(expected) + 1e-5) << p.name;
    });
  }
}

TEST(Lora, ANewAdapterChangesNothingAndTheBaseStaysAsItIs) {
  const ModelConfig c = middle_config();
  const Batch batch = random_batch(c, 5, {20, 3});
  const LinearLoss loss = random_loss(batch, c);
  for (const Kernels* kernels : all_kernels()) {
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      for (const bool dora : {false, true}) {
        if (dora && !kernels->host_reads) continue;
        SCOPED_TRACE(fmt::format("{} {} {}", kernels->name, compute == DType::kF32, dora));
        Model plain(c, *kernels, compute, false);
        randomize(plain, 11, 0.1);
        const auto base = base_of(plain);
        Model reference(base, {}, c.head, false);
        const double expected = loss_of(plain, plain.forward(batch), loss);
        EXPECT_EQ(loss_of(reference, reference.forward(batch), loss), expected);
        Model model(base, lora_config(4, {"all-linear"}, dora), c.head, true);
        model.init(Rng(1));
        const double tolerance = dora ? 1e-2 * std::abs(expected) : 0;  // a gain of nearly 1
        EXPECT_NEAR(loss_of(model, model.forward(batch), loss), expected, tolerance);
        randomize(model, 3, 0.1);
        run_with_gradients(model, batch, loss);
        EXPECT_GT(std::abs(loss_of(model, model.forward(batch), loss) - expected), 1e-3);
        EXPECT_EQ(loss_of(reference, reference.forward(batch), loss), expected);
      }
    }
  }
}

TEST(Lora, InitIsPeftsAndByName) {
  const ModelConfig c = middle_config();
  Model plain(c, *all_kernels().front(), DType::kF32, false);
  randomize(plain, 11, 0.1);
  Model model(base_of(plain), lora_config(8), HeadKind::kScore, true);
  model.init(Rng(1));
  model.for_each_param([&](const Param& p) {
    double square = 0, most = 0;
    for (int64_t i = 0; i < p.size; ++i) {
      square += double{p.value[i]} * p.value[i];
      most = std::max(most, std::abs(double{p.value[i]}));
    }
    if (p.name.ends_with("lora_B.weight")) {
      EXPECT_EQ(most, 0) << p.name;
    }
    if (!p.name.ends_with("lora_A.weight")) return;
    const double bound = 1 / std::sqrt(static_cast<double>(p.shape[1]));
    EXPECT_LE(most, bound) << p.name;
    EXPECT_GT(most, 0.95 * bound) << p.name;
    EXPECT_NEAR(std::sqrt(square / static_cast<double>(p.size)), bound / std::sqrt(3.0), 0.1 * bound) << p.name;
  });
}

TEST(Lora, MergedWeightsGiveTheSameModel) {
  const ModelConfig c = middle_config();
  const Batch batch = random_batch(c, 5, {37, 1, 60});
  const LinearLoss loss = random_loss(batch, c);
  for (const bool dora : {false, true}) {
    Model plain(c, *all_kernels().back(), DType::kF32, false);
    randomize(plain, 11, 0.1);
    Model model(base_of(plain), lora_config(4, {"all-linear"}, dora), c.head, false);
    randomize(model, 3, 0.1);
    const double expected = loss_of(model, model.forward(batch), loss);
    std::map<std::string, std::span<const float>> adapter;
    model.for_each_param([&](const Param& p) { adapter[p.name] = {p.value, static_cast<size_t>(p.size)}; });
    plain.for_each_param([&](const Param& p) {
      const auto a = adapter.find(peft_name(p.name, "lora_A.weight"));
      if (a == adapter.end()) return;
      merge_lora({p.value, static_cast<size_t>(p.size)}, a->second, adapter.at(peft_name(p.name, "lora_B.weight")),
                 dora ? adapter.at(peft_name(p.name, "lora_magnitude_vector")) : std::span<const float>(), p.shape[0],
                 p.shape[1], 4, model.lora().scaling());
    });
    plain.refresh();
    EXPECT_NEAR(loss_of(plain, plain.forward(batch), loss), expected, 2e-5 * std::abs(expected));
  }
}

std::vector<char> bytes_of_row(Mat m, int64_t row) {
  const char* p = static_cast<const char*>(m.row(row));
  return {p, p + m.cols * bytes_of(m.dtype)};
}

// Alone, in a crowd, kept for a backward, decoded against a cache; with any number of threads.
TEST(Lora, RowsDoNotDependOnTheBatch) {
  const ModelConfig c = middle_config();
  const int threads = thread_count();
  for (const Kernels* kernels : all_kernels()) {
    for (const auto& [compute, weights, dora] :
         {std::tuple{DType::kF32, WeightType::kCompute, false}, std::tuple{DType::kBF16, WeightType::kCompute, true},
          std::tuple{DType::kBF16, WeightType::kCompute, false}, std::tuple{DType::kBF16, WeightType::kInt8, false}}) {
      if ((weights != WeightType::kCompute && !kernels->quantized_weights) || (dora && !kernels->host_reads)) continue;
      SCOPED_TRACE(fmt::format("{} {} {} {}", kernels->name, compute == DType::kF32, static_cast<int>(weights), dora));
      Model plain(c, *kernels, compute, false);
      randomize(plain, 11, 0.1);
      Model model(base_of(plain, weights), lora_config(5, {"all-linear"}, dora), c.head, true);
      randomize(model, 3, 0.1);
      const std::vector<int64_t> lengths = {37, 1, 100, 12};
      const Batch crowd = random_batch(c, 5, lengths);
      std::vector<std::vector<char>> expected;
      const Mat hidden = model.forward(crowd);
      for (int64_t row = 0; row < crowd.rows(); ++row) expected.push_back(bytes_of_row(hidden, row));
      const Mat kept = model.forward(crowd, {.keep_for_backward = true});
      for (int64_t row = 0; row < crowd.rows(); ++row) ASSERT_EQ(bytes_of_row(kept, row), expected[row]) << row;

      set_thread_count(threads == 1 ? 2 : 1);
      for (int64_t b = 0; b < crowd.sequences(); ++b) {
        Batch alone;
        alone.add(std::span(crowd.tokens).subspan(crowd.starts[b], lengths[b]));
        const Mat one = model.forward(alone);
        for (int64_t t = 0; t < lengths[b]; ++t)
          ASSERT_EQ(bytes_of_row(one, t), expected[crowd.starts[b] + t]) << b << " " << t;
      }
      set_thread_count(threads);

      const int64_t page = kernels->paged_attention ? 32 : c.max_positions, each = (c.max_positions + page - 1) / page;
      KvCache cache(c, *kernels, compute, each, page);
      std::vector<int32_t> pages;
      for (int32_t p = 0; p < each; ++p) pages.push_back(p);
      for (int64_t done = 0; done < 100;) {
        const int64_t n = std::min<int64_t>(done == 0 ? 70 : 1, 100 - done), first = crowd.starts[2] + done;
        Batch step;
        step.add(std::span(crowd.tokens).subspan(first, n));
        const Mat part = model.forward_cached(step, cache, std::vector<CachedSequence>{{pages, done}});
        for (int64_t t = 0; t < n; ++t) ASSERT_EQ(bytes_of_row(part, t), expected[first + t]) << done;
        done += n;
      }
    }
  }
}

// Rows of different adapters, and of the base alone, in one forward: the same bits as each model's own.
TEST(Lora, RowsOfManyAdaptersAreEachAsAlone) {
  const ModelConfig c = middle_config();
  for (const Kernels* kernels : all_kernels()) {
    for (const auto& [compute, weights] :
         {std::pair{DType::kF32, WeightType::kCompute}, std::pair{DType::kBF16, WeightType::kCompute},
          std::pair{DType::kBF16, WeightType::kInt8}, std::pair{DType::kBF16, WeightType::kInt4}}) {
      if (weights != WeightType::kCompute && !kernels->quantized_weights) continue;
      SCOPED_TRACE(fmt::format("{} {} {}", kernels->name, compute == DType::kF32, static_cast<int>(weights)));
      Model plain(c, *kernels, compute, false);
      randomize(plain, 11, 0.1);
      const auto base = base_of(plain, weights);
      LoraConfig rs = lora_config(2, {"q_proj", "down_proj"});
      rs.rslora = true;
      std::vector<std::unique_ptr<Model>> models;
      for (const LoraConfig& lora :
           {LoraConfig(), lora_config(5), rs, lora_config(3, {"v_proj", "o_proj", "up_proj"}, kernels->host_reads)}) {
        models.push_back(std::make_unique<Model>(base, lora, c.head, false));
        randomize(*models.back(), models.size(), 0.1);
      }
      // Not in order, some with neighbours of their own, and more rows than go through the layers at once.
      const std::vector<int64_t> lengths = {37, 1, 1, 100, 12, 1, 128, 128, 128, 128, 128, 128, 90, 3};
      const std::vector<size_t> whose = {3, 0, 1, 1, 2, 3, 0, 3, 2, 1, 0, 3, 3, 2};
      Batch crowd = random_batch(c, 5, lengths);
      for (size_t b = 0; b < whose.size(); ++b) crowd.adapters[b] = b == 1 ? nullptr : models[whose[b]].get();
      const Mat hidden = models[0]->forward(crowd);
      std::vector<std::vector<char>> got;
      for (int64_t row = 0; row < crowd.rows(); ++row) got.push_back(bytes_of_row(hidden, row));
      std::set<std::vector<char>> firsts;
      for (size_t b = 0; b < whose.size(); ++b) {
        Batch alone;
        alone.add(std::span(crowd.tokens).subspan(crowd.starts[b], lengths[b]));
        const Mat own = models[whose[b]]->forward(alone);
        for (int64_t t = 0; t < lengths[b]; ++t)
          ASSERT_EQ(bytes_of_row(own, t), got[crowd.starts[b] + t]) << b << " " << t;
      }
      for (const auto& model : models) {
        Batch one;
        one.add(std::vector<int32_t>{7}, model.get());
        firsts.insert(bytes_of_row(models[0]->forward(one), 0));
      }
      EXPECT_EQ(firsts.size(), models.size()) << "two adapters do the same";
    }
  }
}

TEST(Lora, GradientsDoNotDependOnTheThreads) {
  const ModelConfig c = middle_config();
  const Batch batch = random_batch(c, 5, {37, 1, 100});
  const LinearLoss loss = random_loss(batch, c);
  const int threads = thread_count();
  for (const bool dora : {false, true}) {
    Model plain(c, *all_kernels().back(), DType::kBF16, false);
    randomize(plain, 11, 0.1);
    Model model(base_of(plain), lora_config(5, {"all-linear"}, dora), c.head, true);
    randomize(model, 3, 0.1);
    const ForwardOptions options{.lora_dropout = 0.1f, .dropout_seed = 4};
    run_with_gradients(model, batch, loss, options);
    const std::vector<float> expected(model.grads().begin(), model.grads().end());
    model.zero_grads();
    set_thread_count(threads == 1 ? 2 : 1);
    ForwardOptions again = options;
    again.recompute = true;
    run_with_gradients(model, batch, loss, again);
    set_thread_count(threads);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model.grads().begin()));
  }
}

TEST(Lora, TargetsAreNamed) {
  EXPECT_THAT(*lora_targets({"v_proj", "q_proj", "v_proj"}), testing::ElementsAre("q_proj", "v_proj"));
  EXPECT_EQ(lora_targets({"all-linear"})->size(), 7u);
  const auto wrong = lora_targets({"q_proj", "c_attn"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().find("\"c_attn\""), std::string::npos) << wrong.error();
  EXPECT_FALSE(lora_targets({}).ok());
}

}  // namespace
}  // namespace loquat
