// For tests: a small model of random weights, and requests of many kinds to it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "infer/generate.h"

namespace loquat {

inline ModelConfig test_config() {
  ModelConfig c;
  c.vocab_size = 150;
  c.hidden_size = 48;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 16;
  c.intermediate_size = 96;
  c.max_positions = 96;
  return c;
}

inline void randomize(Model& model, double deviation = 0.15) {
  Rng rng(5, "weights");
  model.for_each_param([&](const Param& p) {
    const double mean = p.shape.size() == 1 ? 1 : 0;
    for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(mean + deviation * rng.normal());
  });
  model.refresh();
}

// Prompts of many lengths; some equal to their neighbour, some that only begin alike.
inline std::vector<GenerationRequest> make_requests(const ModelConfig& c, size_t n) {
  Rng rng(9, "requests");
  std::vector<int32_t> shared(40);
  for (auto& t : shared) t = static_cast<int32_t>(rng.below(c.vocab_size));
  std::vector<GenerationRequest> requests(n);
  for (size_t i = 0; i < n; ++i) {
    GenerationRequest& r = requests[i];
    if (i % 5 == 1 || i % 5 == 2) {
      r.prompt = requests[i - 1].prompt;
    } else if (i % 5 == 3) {
      r.prompt = shared;
      r.prompt.push_back(static_cast<int32_t>(rng.below(c.vocab_size)));
    } else {
      r.prompt.resize(1 + rng.below(50));
      for (auto& t : r.prompt) t = static_cast<int32_t>(rng.below(c.vocab_size));
    }
    r.sampling.temperature = std::array{1.0f, 0.7f, 0.0f, 1.3f}[i % 4];
    r.sampling.top_k = i % 7 == 3 ? 20 : 0;
    r.sampling.top_p = i % 7 == 5 ? 0.8f : 1.0f;
    r.sampling.max_tokens = 1 + static_cast<int64_t>(rng.below(30));
    r.sampling.stop_tokens = {3, 70};
    r.seed = 1000 + i;
  }
  return requests;
}

inline void expect_same(const std::vector<Generation>& a, const std::vector<Generation>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens) << i;
    EXPECT_EQ(a[i].logprobs, b[i].logprobs) << i;
    EXPECT_EQ(a[i].ended, b[i].ended) << i;
  }
}

}  // namespace loquat
