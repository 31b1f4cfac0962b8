// Schedules, AdamW, Muon, clipping, the average of weights.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/threads.h"
#include "model/course_snapshots_for_test.h"
#include "train/ema.h"
#include "train/newton_schulz.h"
#include "train/schedule.h"
#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

ModelConfig tiny_config() {
  ModelConfig c;
  c.vocab_size = 20;
  c.hidden_size = 16;
  c.num_layers = 1;
  c.num_heads = 2;
  c.num_kv_heads = 1;
  c.head_dim = 8;
  c.intermediate_size = 24;
  c.max_positions = 16;
  return c;
}

std::unique_ptr<Model> tiny_model() {
  auto model = std::make_unique<Model>(tiny_config(), *toy::must(best_kernels()), DType::kF32, true);
  model->init(Rng(3, "tiny"));
  model->refresh();
  return model;
}

void set_gradients(Model& model, uint64_t seed, double size) {
  Rng rng(seed, "gradients");
  for (float& g : model.grads()) g = static_cast<float>(rng.normal() * size);
}

TEST(Schedule, CosineEndsAtAFraction) {
  const Schedule s{"cosine", 1.0, 100, 0, 0, 0.1};
  EXPECT_DOUBLE_EQ(s.at(0), 1.0);
  EXPECT_NEAR(s.at(50), 0.55, 1e-9);
  EXPECT_NEAR(s.at(100), 0.1, 1e-9);
  EXPECT_NEAR(s.at(99), 0.1, 1e-3);
}

TEST(Schedule, ConstantWarmsUpFromATenthInTenSteps) {
  const Schedule s{"constant", 2.0, 1000, 10, 0.1, 0};
  EXPECT_DOUBLE_EQ(s.at(0), 0.2);
  EXPECT_NEAR(s.at(5), 2.0 * 0.55, 1e-9);
  EXPECT_DOUBLE_EQ(s.at(10), 2.0);
  EXPECT_DOUBLE_EQ(s.at(999), 2.0);
}

TEST(Schedule, LinearFallsToZeroAndPlainWarmUpNeverRests) {
  const Schedule s{"linear", 1.0, 110, 10, 0, 0};
  EXPECT_GT(s.at(0), 0);
  EXPECT_LT(s.at(0), 0.2);
  EXPECT_DOUBLE_EQ(s.at(10), 1.0);
  EXPECT_NEAR(s.at(60), 0.5, 1e-9);
  EXPECT_NEAR(s.at(110), 0.0, 1e-9);
}

TEST(Optimizer, AdamWFollowsTheFormula) {
  auto model = tiny_model();
  OptimizerOptions options;
  options.clip = 0;
  options.eps = 1e-5;
  options.weight_decay = 0.1;
  Optimizer optimizer(*model, options);
  std::vector<double> w(model->values().begin(), model->values().end()), m(w.size()), v(w.size());
  std::vector<bool> decays(w.size());
  model->for_each_param([&](const Param& p) {
    for (int64_t i = 0; i < p.size; ++i)
      decays[static_cast<size_t>(p.value - model->values().data() + i)] = p.is_matrix;
  });
  EXPECT_NE(std::count(decays.begin(), decays.end(), true), 0);
  EXPECT_NE(std::count(decays.begin(), decays.end(), false), 0);
  for (int step = 1; step <= 3; ++step) {
    set_gradients(*model, static_cast<uint64_t>(step), 0.3);
    const std::vector<double> g(model->grads().begin(), model->grads().end());
    const double lr = 0.01 * step;
    optimizer.step(lr);
    for (size_t i = 0; i < w.size(); ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double mh = m[i] / (1 - std::pow(0.9, step)), vh = v[i] / (1 - std::pow(0.95, step));
      w[i] -= lr * (mh / (std::sqrt(vh) + 1e-5) + (decays[i] ? 0.1 : 0.0) * w[i]);
    }
  }
  for (size_t i = 0; i < w.size(); ++i) ASSERT_NEAR(model->values()[i], w[i], 2e-5) << i;
  for (const float g : model->grads()) ASSERT_EQ(g, 0);
}

// Two outputs of three inputs, fitted for a thousand steps by PyTorch's AdamW; here within a larger matrix, in which
// nothing else has gradients.
TEST(Optimizer, AdamWReproducesTheCoursesSnapshot) {
  const std::string path = course_snapshot("test_adamw");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no snapshot at hand";
  const std::vector<float> expected = read_npz(path);
  ASSERT_EQ(expected.size(), 6u);
  auto model = tiny_model();
  OptimizerOptions options;
  options.clip = 0;
  options.beta2 = 0.999;
  options.weight_decay = 0.01;
  Optimizer optimizer(*model, options);
  float* w = nullptr;
  float* g = nullptr;
  model->for_each_param([&](const Param& p) {
    if (p.name.ends_with("o_proj.weight")) w = p.value, g = p.grad;
  });
  ASSERT_TRUE(w && g);
  TorchRandom random(42);
  const double bound = 1 / std::sqrt(3.0);
  for (int i = 0; i < 6; ++i) w[i] = static_cast<float>(2 * bound * random.uniform() - bound);
  for (int step = 0; step < 1000; ++step) {
    float x[3];
    for (float& v : x) v = random.uniform();
    const float y[2] = {x[0] + x[1], -x[2]};
    for (int row = 0; row < 2; ++row) {
      const float* of = w + 3 * row;
      const float error = of[0] * x[0] + of[1] * x[1] + of[2] * x[2] - y[row];
      for (int i = 0; i < 3; ++i) g[3 * row + i] = 2 * error * x[i];
    }
    optimizer.step(1e-3);
  }
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(w[i], expected[i], 1e-5) << i;
}

TEST(Optimizer, ClipsByTheGlobalNorm) {
  // With a huge eps AdamW's first step is lr * g / eps: proportional to the clipped gradient.
  auto clipped = tiny_model(), plain = tiny_model();
  OptimizerOptions options;
  options.eps = 1.0;
  options.clip = 0.01;
  Optimizer a(*clipped, options);
  options.clip = 0;
  Optimizer b(*plain, options);
  const std::vector<float> before(clipped->values().begin(), clipped->values().end());
  set_gradients(*clipped, 1, 1e-3);
  set_gradients(*plain, 1, 1e-3);
  const double norm = a.step(1.0);
  EXPECT_DOUBLE_EQ(norm, b.step(1.0));
  ASSERT_GT(norm, 0.01);
  double moved_clipped = 0, moved_plain = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    moved_clipped += std::pow(clipped->values()[i] - before[i], 2);
    moved_plain += std::pow(plain->values()[i] - before[i], 2);
  }
  EXPECT_NEAR(std::sqrt(moved_clipped / moved_plain), 0.01 / norm, 0.02 * 0.01 / norm);
}

TEST(Optimizer, AGradientThatIsNotFiniteMovesNothing) {
  auto model = tiny_model();
  Optimizer optimizer(*model, {});
  const std::vector<float> before(model->values().begin(), model->values().end());
  set_gradients(*model, 1, 1);
  model->grads()[5] = std::nanf("");
  EXPECT_TRUE(std::isnan(optimizer.step(0.1)));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), model->values().begin()));
}

TEST(Muon, NewtonSchulzBringsSingularValuesNearOne) {
  const Kernels& kernels = *toy::must(best_kernels());
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{6, 17}, {17, 6}, {8, 8}}) {
    Rng rng(static_cast<uint64_t>(rows), "muon");
    Arena scratch(kernels);
    float* x = scratch.take_floats(rows * cols);
    for (int64_t i = 0; i < rows * cols; ++i) x[i] = static_cast<float>(rng.normal());
    newton_schulz(kernels, x, rows, cols, DType::kF32, scratch);
    // The Gram matrix of an orthogonal factor is the identity; Muon's coefficients leave singular values in 0.6
    // ... 1.3.
    const int64_t n = std::min(rows, cols);
    std::vector<double> gram(static_cast<size_t>(n * n));
    double trace = 0, off = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < std::max(rows, cols); ++k) {
          sum += rows <= cols ? static_cast<double>(x[i * cols + k]) * x[j * cols + k]
                              : static_cast<double>(x[k * cols + i]) * x[k * cols + j];
        }
        (i == j ? trace : off) += i == j ? sum : std::abs(sum);
      }
    }
    EXPECT_GT(trace / static_cast<double>(n), 0.45) << rows;
    EXPECT_LT(trace / static_cast<double>(n), 1.7) << rows;
    EXPECT_LT(off / static_cast<double>(n * n), 0.25) << rows;
  }
}

TEST(Muon, NarrowProductsGiveNearlyTheSameFactor) {
  const Kernels& kernels = *toy::must(best_kernels());
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{48, 112}, {112, 48}}) {
    Rng rng(static_cast<uint64_t>(rows), "muon");
    Arena scratch(kernels);
    float *wide = scratch.take_floats(rows * cols), *narrow = scratch.take_floats(rows * cols);
    for (int64_t i = 0; i < rows * cols; ++i) wide[i] = narrow[i] = static_cast<float>(rng.normal());
    newton_schulz(kernels, wide, rows, cols, DType::kF32, scratch);
    newton_schulz(kernels, narrow, rows, cols, DType::kBF16, scratch);
    double difference = 0, size = 0;
    for (int64_t i = 0; i < rows * cols; ++i) {
      difference += std::pow(wide[i] - narrow[i], 2);
      size += std::pow(wide[i], 2);
    }
    EXPECT_LT(std::sqrt(difference / size), 0.05) << rows;
  }
}

TEST(Muon, AnyNumberOfThreadsGivesTheSameBits) {
  const int threads = thread_count();
  std::vector<std::vector<float>> after;
  for (const int n : {1, 3}) {
    set_thread_count(n);
    auto model = tiny_model();
    OptimizerOptions options;
    options.kind = "muon";
    Optimizer optimizer(*model, options);
    for (uint64_t step = 0; step < 2; ++step) {
      set_gradients(*model, step, 0.1);
      optimizer.step(0.01);
    }
    after.emplace_back(model->values().begin(), model->values().end());
  }
  set_thread_count(threads);
  EXPECT_EQ(after[0], after[1]);
}

TEST(Muon, ItsRateIsATimesTheOthers) {
  auto slow = tiny_model(), fast = tiny_model();
  OptimizerOptions options;
  options.kind = "muon";
  Optimizer one(*slow, options);
  options.muon_rate = 3;
  Optimizer three(*fast, options);
  const std::vector<float> before(slow->values().begin(), slow->values().end());
  for (Model* model : {slow.get(), fast.get()}) set_gradients(*model, 1, 0.1);
  one.step(0.01);
  three.step(0.01);
  slow->for_each_param([&](const Param& p) {
    const auto i = static_cast<size_t>(p.value - slow->values().data());
    const double ratio = p.name.find("proj") != std::string::npos ? 3 : 1;
    EXPECT_NEAR(fast->values()[i] - before[i], ratio * (slow->values()[i] - before[i]), 1e-6) << p.name;
  });
}

TEST(Muon, MovesProjectionsByItsOwnSizeAndTheRestByAdamW) {
  auto muon = tiny_model(), adam = tiny_model();
  OptimizerOptions options;
  options.clip = 0;
  Optimizer a(*adam, options);
  options.kind = "muon";
  Optimizer m(*muon, options);
  set_gradients(*muon, 1, 0.1);
  set_gradients(*adam, 1, 0.1);
  const std::vector<float> before(adam->values().begin(), adam->values().end());
  a.step(0.01);
  m.step(0.01);
  const auto moved = [&](const Model& model, int64_t begin, int64_t size) {
    double sum = 0;
    for (int64_t i = begin; i < begin + size; ++i) {
      sum += std::pow(static_cast<double>(model.values()[static_cast<size_t>(i)]) - before[static_cast<size_t>(i)], 2);
    }
    return std::sqrt(sum / static_cast<double>(size));
  };
  int projections = 0, others = 0;
  muon->for_each_param([&](const Param& p) {
    const int64_t begin = p.value - muon->values().data();
    if (p.name.find("proj") != std::string::npos) {
      ++projections;
      // 0.2 lr √max(n, k) times an orthogonal factor, whose root mean square is 1 / √max(n, k).
      EXPECT_NEAR(moved(*muon, begin, p.size), 0.2 * 0.01, 0.2 * 0.01 * 0.4) << p.name;
    } else {
      ++others;
      for (int64_t i = begin; i < begin + p.size; ++i) {
        ASSERT_EQ(muon->values()[static_cast<size_t>(i)], adam->values()[static_cast<size_t>(i)]) << p.name;
      }
    }
  });
  EXPECT_EQ(projections, 7);
  EXPECT_GT(others, 0);
}

TEST(Optimizer, ResumesInTheSameBits) {
  for (const auto& [kind, moments] :
       {std::pair{"adamw", "f32"}, {"muon", "f32"}, {"adamw", "bf16"}, {"muon", "bf16"}}) {
    auto whole = tiny_model(), first = tiny_model(), second = tiny_model();
    OptimizerOptions options;
    options.kind = kind;
    options.moments = moments;
    Optimizer a(*whole, options), b(*first, options), c(*second, options);
    CheckpointState state;
    for (uint64_t step = 0; step < 4; ++step) {
      set_gradients(*whole, step, 0.1);
      a.step(0.01);
      Optimizer& half = step < 2 ? b : c;
      Model& model = step < 2 ? *first : *second;
      if (step == 2) {
        b.save(state, "x");
        toy::must(c.load(state, "x"));
        std::copy(first->values().begin(), first->values().end(), second->values().begin());
        second->refresh();
      }
      set_gradients(model, step, 0.1);
      half.step(0.01);
    }
    EXPECT_TRUE(std::equal(whole->values().begin(), whole->values().end(), second->values().begin()))
        << kind << " " << moments;
  }
}

// A second moment that changes by less than bfloat16 can tell is kept on average: 200 steps end where float32's do.
TEST(Optimizer, NarrowMomentsFollowFloat32) {
  auto exact = tiny_model(), narrow = tiny_model();
  const std::vector<float> start = exact->host_values();
  OptimizerOptions options;
  options.beta2 = 0.999;
  Optimizer a(*exact, options);
  options.moments = "bf16";
  Optimizer b(*narrow, options);
  for (uint64_t step = 0; step < 200; ++step) {
    for (Model* model : {exact.get(), narrow.get()}) set_gradients(*model, step % 7, 0.1);
    a.step(0.01);
    b.step(0.01);
  }
  double moved = 0, apart = 0;
  for (size_t i = 0; i < start.size(); ++i) {
    moved += std::pow(static_cast<double>(exact->values()[i]) - start[i], 2);
    apart += std::pow(static_cast<double>(exact->values()[i]) - narrow->values()[i], 2);
  }
  EXPECT_GT(apart, 0);
  EXPECT_LT(std::sqrt(apart / moved), 0.03);
}

TEST(Ema, AveragesWithTheDecay) {
  auto model = tiny_model();
  const float before = model->values()[7];
  Ema ema(*model, 0.992);
  model->values()[7] = before + 1;
  ema.update(*model);
  EXPECT_NEAR(ema.average()[7], before + 0.008, 1e-6);
  ema.update(*model);
  EXPECT_NEAR(ema.average()[7], before + 1 - 0.992 * 0.992, 1e-6);
  CheckpointState state;
  ema.save(state, "ema");
  Ema other(*model, 0.992);
  toy::must(other.load(state, "ema"));
  EXPECT_EQ(other.average(), ema.average());
  other.copy_to(*model);
  EXPECT_EQ(model->values()[7], ema.average()[7]);
}

}  // namespace
}  // namespace loquat
