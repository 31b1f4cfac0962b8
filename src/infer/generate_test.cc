// Generation: the recorded log-probabilities are the training forward's, and a request's text is its own alone.
#include "infer/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "infer/sampler.h"
#include "infer/test_model.h"

namespace loquat {
namespace {

// What makes PPO's first ratio exactly 1.
TEST(Generate, LogProbsAreThoseOfTheTrainingForward) {
  const ModelConfig c = test_config();
  const auto requests = make_requests(c, 40);
  for (const Kernels* kernels : all_kernels()) {
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(fmt::format("{} {}", kernels->name, compute == DType::kF32 ? "float32" : "bfloat16"));
      Model model(c, *kernels, compute, true);
      randomize(model);
      const auto generations = generate(model, requests, {.batch = 16, .prefill_rows = 64});
      for (const bool keep : {true, false}) {
        Batch batch;  // all of them in one packed batch
        std::vector<int64_t> first_row;
        for (size_t i = 0; i < requests.size(); ++i) {
          first_row.push_back(batch.rows() + static_cast<int64_t>(requests[i].prompt.size()) - 1);
          std::vector<int32_t> tokens = requests[i].prompt;
          tokens.insert(tokens.end(), generations[i].tokens.begin(), generations[i].tokens.end());
          batch.add(tokens);
        }
        const Mat hidden = model.forward(batch, {.keep_for_backward = keep});
        size_t compared = 0;
        for (size_t i = 0; i < requests.size(); ++i) {
          std::vector<int64_t> rows;
          for (size_t t = 0; t < generations[i].tokens.size(); ++t)
            rows.push_back(first_row[i] + static_cast<int64_t>(t));
          const float temperature = requests[i].sampling.temperature;
          const auto expected =
              model.log_probs(hidden, rows, generations[i].tokens, temperature == 0 ? 1 : temperature);
          EXPECT_EQ(generations[i].logprobs, expected.logprob) << i;
          compared += rows.size();
        }
        EXPECT_GT(compared, 300u);
      }
    }
  }
}

TEST(Generate, TextDoesNotDependOnTheBatch) {
  const ModelConfig c = test_config();
  const auto requests = make_requests(c, 30);
  const int threads = thread_count();
  for (const Kernels* kernels : all_kernels()) {
    for (const DType compute : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(kernels->name);
      Model model(c, *kernels, compute, false);
      randomize(model);
      const auto expected = generate(model, requests, {.batch = 64, .prefill_rows = 4096});
      EXPECT_GT(std::count_if(expected.begin(), expected.end(), [](const auto& g) { return g.ended; }), 0);
      expect_same(generate(model, requests, {.batch = 1, .prefill_rows = 7}), expected);
      set_thread_count(threads == 1 ? 2 : 1);
      expect_same(generate(model, requests, {.batch = 5, .prefill_rows = 33}), expected);
      set_thread_count(threads);
      // Another order, so other neighbours.
      std::vector<GenerationRequest> turned(requests.rbegin(), requests.rend());
      auto back = generate(model, turned, {.batch = 8, .prefill_rows = 20});
      std::reverse(back.begin(), back.end());
      expect_same(back, expected);
    }
  }
}

class GenerateLimits : public testing::Test {
 protected:
  GenerateLimits() : model_(test_config(), *all_kernels().back(), DType::kF32, false) { randomize(model_); }

  GenerationRequest request(int64_t prompt_tokens, int64_t max_tokens, uint64_t seed = 1) {
    GenerationRequest r;
    r.prompt.assign(prompt_tokens, 11);
    r.sampling.max_tokens = max_tokens;
    r.seed = seed;
    return r;
  }

  Model model_;
};

TEST_F(GenerateLimits, MaxTokensAndContext) {
  const std::vector<GenerationRequest> requests = {request(5, 3),    request(95, 10), request(96, 10),
                                                   request(200, 10), request(90, 10), request(4, 0)};
  const auto out = generate(model_, requests);
  const std::vector<size_t> lengths = {3, 1, 0, 0, 6, 0};
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i].tokens.size(), lengths[i]) << i;
    EXPECT_EQ(out[i].logprobs.size(), lengths[i]) << i;
    EXPECT_FALSE(out[i].ended);
  }
  EXPECT_TRUE(generate(model_, {}).empty());
}

TEST_F(GenerateLimits, StopTokenIsIncluded) {
  const auto free = generate(model_, std::vector{request(5, 20)})[0];
  GenerationRequest stopped = request(5, 20);
  stopped.sampling.stop_tokens = {free.tokens[7]};
  const auto out = generate(model_, std::vector{stopped})[0];
  const size_t expected = std::find(free.tokens.begin(), free.tokens.end(), free.tokens[7]) - free.tokens.begin() + 1;
  EXPECT_TRUE(out.ended);
  EXPECT_EQ(out.tokens, std::vector<int32_t>(free.tokens.begin(), free.tokens.begin() + expected));
}

TEST_F(GenerateLimits, CallerSeesEveryTokenAndCanStop) {
  const std::vector<GenerationRequest> requests = {request(5, 20, 1), request(5, 20, 2), request(7, 20, 3)};
  const auto all = generate(model_, requests);
  std::vector<std::vector<int32_t>> seen(3);
  GenerateOptions options;
  options.on_token = [&](size_t r, int32_t token) {
    seen[r].push_back(token);
    return r != 1 || seen[r].size() < 4;
  };
  const auto out = generate(model_, requests, options);
  EXPECT_EQ(seen[0], all[0].tokens);
  EXPECT_EQ(seen[2], all[2].tokens);
  EXPECT_EQ(out[1].tokens, std::vector<int32_t>(all[1].tokens.begin(), all[1].tokens.begin() + 4));
  EXPECT_NE(all[0].tokens, all[1].tokens) << "another seed, the same prompt";
}

TEST_F(GenerateLimits, GreedyTakesTheLikeliest) {
  GenerationRequest r = request(5, 12);
  r.sampling.temperature = 0;
  const auto out = generate(model_, std::vector{r})[0];
  Batch batch;
  std::vector<int32_t> tokens = r.prompt;
  tokens.insert(tokens.end(), out.tokens.begin(), out.tokens.end());
  batch.add(tokens);
  const Mat hidden = model_.forward(batch);
  for (size_t t = 0; t < out.tokens.size(); ++t) {
    std::vector<float> logits(model_.config().vocab_size);
    model_.logits(hidden, std::vector<int64_t>{4 + static_cast<int64_t>(t)}, logits.data());
    EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), out.tokens[t]);
  }
}

// The forwards that a group of replies to one prompt takes: the prompt once, not once for each.
TEST_F(GenerateLimits, SharedPromptsAreComputedOnce) {
  std::vector<GenerationRequest> requests(9, request(80, 2));
  for (size_t i = 0; i < requests.size(); ++i) requests[i].seed = i;
  // With 80 rows a step the first request's prompt takes one step, and the second step has room for all others only if
  // each of them asks for little: then all nine have their first token before anyone has a third step.
  std::vector<int> order;
  GenerateOptions options{.batch = 9, .prefill_rows = 80};
  options.on_token = [&](size_t r, int32_t) {
    order.push_back(static_cast<int>(r));
    return true;
  };
  generate(model_, requests, options);
  // Step 1: request 0. Step 2: request 0 again (its last) and 1 ... 8. Step 3: 1 ... 8.
  EXPECT_THAT(order, testing::ElementsAre(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8));
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p(logits.size());
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(static_cast<double>(logits[i]) / temperature);
  for (double& x : p) x /= sum;
  return p;
}

int32_t draw(const std::vector<float>& logits, const SamplingParams& params, double uniform) {
  const float inv_temperature = params.temperature == 0 ? 1 : 1 / params.temperature;
  std::vector<float> row = logits;
  float lse = 0;
  all_kernels().front()->log_sum_exp(mat(row.data(), 1, static_cast<int64_t>(row.size())), &inv_temperature, &lse);
  return sample_token(logits, lse, params, uniform);
}

// A reply that ends with its first token leaves its slot in the very step in which its prompt was computed: the next
// request in that slot was once computed twice.
TEST(Generate, FirstTokenMayEndTheReply) {
  const ModelConfig c = test_config();
  Model model(c, *all_kernels().back(), DType::kF32, false);
  randomize(model);
  std::vector<int32_t> all(static_cast<size_t>(c.vocab_size));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
  auto requests = make_requests(c, 30);
  for (size_t i = 0; i < requests.size(); i += 2) requests[i].sampling.stop_tokens = all;
  const auto crowd = generate(model, requests, {.batch = 3, .prefill_rows = 64});
  for (size_t i = 0; i < requests.size(); i += 2) EXPECT_EQ(crowd[i].tokens.size(), 1u) << i;
  expect_same(crowd, generate(model, requests, {.batch = 1, .prefill_rows = 64}));
}

TEST(Sampler, DrawsFromTheSoftmax) {
  Rng rng(3);
  for (const size_t V : {5u, 37u, 200u, 2048u}) {
    std::vector<float> logits(V);
    for (auto& l : logits) l = static_cast<float>(2 * rng.normal());
    for (const float temperature : {1.0f, 0.5f}) {
      const auto p = softmax(logits, temperature);
      // At the middle of token i's part of [0, 1), and just inside both of its ends, token i is drawn.
      double below = 0;
      for (size_t i = 0; i < V; ++i) {
        for (const double inside : {0.01, 0.5, 0.99}) {
          if (p[i] < 1e-4) continue;
          const int32_t token = draw(logits, {.temperature = temperature}, below + inside * p[i]);
          ASSERT_EQ(token, static_cast<int32_t>(i)) << V << " " << inside;
        }
        below += p[i];
      }
    }
  }
}

TEST(Sampler, TopKAndTopPLeaveTheLikeliest) {
  Rng rng(4);
  const size_t V = 500;
  std::vector<float> logits(V);
  for (auto& l : logits) l = static_cast<float>(2 * rng.normal());
  const auto p = softmax(logits, 0.9);
  std::vector<size_t> order(V);
  for (size_t i = 0; i < V; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  const auto drawn = [&](const SamplingParams& params) {
    std::vector<int> seen(V, 0);
    for (int i = 0; i < 20000; ++i) ++seen[draw(logits, params, rng.uniform())];
    return seen;
  };
  const auto expect_first = [&](const std::vector<int>& seen, size_t n) {
    double kept = 0;
    for (size_t i = 0; i < n; ++i) kept += p[order[i]];
    for (size_t i = 0; i < V; ++i) {
      if (i >= n) {
        ASSERT_EQ(seen[order[i]], 0) << i << " of " << n;
      } else {
        const double expected = 20000 * p[order[i]] / kept;
        ASSERT_NEAR(seen[order[i]], expected, 5 * std::sqrt(expected) + 5) << i;
      }
    }
  };
  const auto nucleus = [&](double share, size_t limit) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < limit; ++i) total += p[order[i]];
    size_t n = 0;
    while (sum < share * total) sum += p[order[n++]];
    return n;
  };
  expect_first(drawn({.temperature = 0.9f, .top_k = 10}), 10);
  expect_first(drawn({.temperature = 0.9f, .top_p = 0.5f}), nucleus(0.5, V));
  expect_first(drawn({.temperature = 0.9f, .top_p = 0.97f}), nucleus(0.97, V));
  expect_first(drawn({.temperature = 0.9f, .top_p = 0.6f, .top_k = 10}), nucleus(0.6, 10));
  EXPECT_EQ(draw(logits, {.temperature = 0.9f, .top_p = 1e-6f}, 0.999), static_cast<int32_t>(order[0]));
  EXPECT_EQ(draw(logits, {.temperature = 0}, 0.999), static_cast<int32_t>(order[0]));
  EXPECT_EQ(draw(logits, {.temperature = 2, .top_k = 1}, 0.999), static_cast<int32_t>(order[0]));
}

TEST(Sampler, ExtremeLogits) {
  std::vector<float> logits(100, -1e30f);
  logits[42] = 1e30f;
  for (const double u : {0.0, 0.5, std::nextafter(1.0, 0.0)}) EXPECT_EQ(draw(logits, {}, u), 42);
  logits.assign(100, 7);  // all alike: each has a hundredth
  EXPECT_EQ(draw(logits, {}, 0.0), 0);
  EXPECT_EQ(draw(logits, {}, 0.555), 55);
  EXPECT_EQ(draw(logits, {}, std::nextafter(1.0, 0.0)), 99);
  EXPECT_EQ(draw(logits, {.temperature = 0}, 0.9), 0);  // ties go to the smaller token
}

// Requests come one by one, a step apart, to an engine with few slots; two are cancelled, in line and under way.
}  // namespace
}  // namespace loquat
