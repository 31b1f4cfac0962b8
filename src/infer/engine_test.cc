// The engine: whatever else it does at the time, a request's tokens are its own.
#include "infer/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "infer/test_model.h"

namespace loquat {
namespace {

struct EngineTest : testing::Test {
  EngineTest() : model(config, *all_kernels().back(), DType::kBF16, false) { randomize(model); }
  std::vector<Generation> run(Engine& engine, const std::vector<GenerationRequest>& requests) {
    std::vector<Generation> results(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      engine.submit(requests[i], {.on_end = [&, i](Generation&& g) { results[i] = std::move(g); }});
    }
    while (engine.step()) {
    }
    return results;
  }
  const ModelConfig config = test_config();
  Model model;
};

TEST_F(EngineTest, RequestsThatComeAndGoChangeNoOther) {
  auto requests = make_requests(config, 12);
  for (auto& r : requests) r.sampling.max_tokens += 10;
  const auto alone = generate(model, requests);
  Engine engine(model, {.slots = 3, .prefill_rows = 7});
  std::vector<Generation> results(requests.size());
  std::vector<int> ends(requests.size(), 0);
  std::vector<int64_t> numbers;
  bool in_line = false, under_way = false;
  for (int step = 0; step < 10000; ++step) {
    if (const size_t i = numbers.size(); i < requests.size()) {
      numbers.push_back(engine.submit(requests[i], {.on_end = [&, i](Generation&& g) {
                                        results[i] = std::move(g);
                                        ++ends[i];
                                      }}));
    }
    if (numbers.size() == requests.size() && !in_line) engine.cancel(numbers.back()), in_line = true;
    if (step == 4 && !ends[0]) engine.cancel(numbers[0]), under_way = true;
    if (!engine.step() && numbers.size() == requests.size()) break;
  }
  EXPECT_TRUE(in_line && under_way);
  EXPECT_EQ(ends, std::vector<int>(requests.size(), 1));
  EXPECT_FALSE(engine.step());
  for (size_t i = 0; i < requests.size(); ++i) {
    const bool cancelled = i == 0 || i + 1 == requests.size();
    if (cancelled) {
      ASSERT_LT(results[i].tokens.size(), alone[i].tokens.size());
      EXPECT_TRUE(std::equal(results[i].tokens.begin(), results[i].tokens.end(), alone[i].tokens.begin()));
    } else {
      EXPECT_EQ(results[i].tokens, alone[i].tokens) << i;
      EXPECT_EQ(results[i].logprobs, alone[i].logprobs) << i;
      EXPECT_EQ(results[i].ended, alone[i].ended) << i;
    }
  }
  engine.cancel(numbers[3]);  // long gone
}

// Room for less than two of the longest at once: sequences are put back and computed again.
TEST_F(EngineTest, PreemptionChangesNoText) {
  auto requests = make_requests(config, 30);
  for (auto& r : requests) r.sampling.max_tokens += 40, r.sampling.stop_tokens = {3};
  const auto expected = generate(model, requests);
  Engine engine(model, {.slots = 16, .prefill_rows = 20, .cache_tokens = 160});
  expect_same(expected, run(engine, requests));
  EXPECT_GT(engine.counts().preemptions, 0);
  EXPECT_EQ(engine.counts().pages_used, 0);
  EXPECT_FALSE(engine.step());
}

TEST_F(EngineTest, RoomForOneSequenceAloneIsEnough) {
  auto requests = make_requests(config, 8);
  for (auto& r : requests) r.sampling.max_tokens = 96;
  const auto expected = generate(model, requests);
  Engine engine(model, {.slots = 4, .cache_tokens = 1});
  expect_same(expected, run(engine, requests));
}

// Prompts that repeat themselves, and greedy replies, which soon do.
TEST_F(EngineTest, GuessingChangesNoText) {
  auto requests = make_requests(config, 24);
  for (size_t i = 0; i < requests.size(); ++i) {
    auto& r = requests[i];
    if (i % 2) {
      const auto once = r.prompt;
      while (r.prompt.size() < 30) r.prompt.insert(r.prompt.end(), once.begin(), once.end());
      r.prompt.resize(30);
    }
    if (i % 3 == 0) r.sampling.temperature = 0;
    if (i % 4 == 0) r.sampling.frequency_penalty = 0.5f, r.sampling.presence_penalty = -0.3f;
    r.sampling.max_tokens = 60;
  }
  const auto expected = generate(model, requests);
  Engine engine(model, {.slots = 3, .draft_tokens = 8});
  expect_same(expected, run(engine, requests));
  EXPECT_GT(engine.counts().accepted_tokens, 10);
  EXPECT_LT(engine.counts().accepted_tokens, engine.counts().drafted_tokens);
  EXPECT_EQ(engine.counts().generated_tokens,
            std::accumulate(expected.begin(), expected.end(), int64_t{0},
                            [](int64_t n, const Generation& g) { return n + static_cast<int64_t>(g.tokens.size()); }));
}

TEST_F(EngineTest, ASecondTurnComputesOnlyWhatIsNew) {
  Engine engine(model, {.slots = 2});
  auto request = make_requests(config, 1)[0];
  request.prompt.assign(50, 7);
  std::iota(request.prompt.begin(), request.prompt.end(), 20);
  request.sampling.max_tokens = 10;
  request.sampling.stop_tokens = {};
  const auto first = run(engine, {request})[0];
  EXPECT_EQ(first.cached_tokens, 0);
  auto second = request;
  second.prompt.insert(second.prompt.end(), first.tokens.begin(), first.tokens.end());
  second.prompt.push_back(5);
  const auto cached = run(engine, {second})[0];
  EXPECT_EQ(cached.cached_tokens, 59);  // the reply's last token was never computed
  expect_same(generate(model, {{second}}), {cached});
  // Another tenant's cache is another one.
  second.cache_key = "other";
  EXPECT_EQ(run(engine, {second})[0].cached_tokens, 0);
}

TEST_F(EngineTest, APromptIsReadAloneWithoutTheLikeliest) {
  Engine engine(model, {.slots = 2});
  auto request = make_requests(config, 1)[0];
  request.sampling.max_tokens = 0;
  request.prompt_logprobs = true;
  ASSERT_EQ(request.top_logprobs, -1);
  std::vector<TokenLogprob> prompt;
  bool ended = false;
  engine.submit(request, {.on_prompt = [&](std::vector<TokenLogprob>&& p) { prompt = std::move(p); },
                          .on_end = [&](Generation&& g) { ended = g.tokens.empty(); }});
  while (engine.step()) {
  }
  EXPECT_TRUE(ended);
  ASSERT_EQ(prompt.size(), request.prompt.size());
  for (const TokenLogprob& token : prompt) EXPECT_TRUE(token.top.empty());
}

TEST_F(EngineTest, LogProbsOfPromptAndReply) {
  Engine engine(model, {.slots = 4, .prefill_rows = 9});
  auto request = make_requests(config, 1)[0];
  request.prompt.resize(40);
  for (size_t i = 0; i < request.prompt.size(); ++i) request.prompt[i] = static_cast<int32_t>(20 + 3 * i);
  request.sampling = {};
  request.sampling.temperature = 0.5f;
  request.sampling.logit_bias = {{11, 2.0f}};
  request.sampling.max_tokens = 6;
  request.top_logprobs = 3;
  request.prompt_logprobs = true;
  std::vector<TokenLogprob> prompt, reply;
  Generation result;
  run(engine, {request});  // then its prompt is in the cache, and has to be computed all the same
  engine.submit(request, {.on_token =
                              [&](int32_t token, const TokenLogprob* logprob) {
                                EXPECT_EQ(logprob->token, token);
                                reply.push_back(*logprob);
                                return true;
                              },
                          .on_prompt = [&](std::vector<TokenLogprob>&& p) { prompt = std::move(p); },
                          .on_end = [&](Generation&& g) { result = std::move(g); }});
  while (engine.step()) {
  }
  ASSERT_EQ(prompt.size(), 40u);
  EXPECT_TRUE(std::isnan(prompt[0].logprob));
  std::vector<int32_t> all = request.prompt;
  all.insert(all.end(), result.tokens.begin(), result.tokens.end());
  Batch batch;
  batch.add(all);
  std::vector<int64_t> rows(all.size() - 1);
  std::iota(rows.begin(), rows.end(), 0);
  const auto expected = model.log_probs(model.forward(batch), rows, std::span(all).subspan(1));
  std::vector<TokenLogprob> both(prompt.begin() + 1, prompt.end());
  both.insert(both.end(), reply.begin(), reply.end());
  ASSERT_EQ(both.size(), rows.size());
  for (size_t i = 0; i < both.size(); ++i) {
    EXPECT_EQ(both[i].token, all[i + 1]);
    EXPECT_NEAR(both[i].logprob, expected.logprob[i], 1e-4) << i;
    ASSERT_EQ(both[i].top.size(), 3u);
    EXPECT_GE(both[i].top[0].second, both[i].top[1].second);
    EXPECT_GE(both[i].top[0].second, both[i].logprob - 1e-6f);
  }
  // Reading a prompt alone.
  request.sampling.max_tokens = 0;
  prompt.clear();
  engine.submit(request, {.on_prompt = [&](std::vector<TokenLogprob>&& p) { prompt = std::move(p); },
                          .on_end = [&](Generation&& g) { result = std::move(g); }});
  while (engine.step()) {
  }
  EXPECT_EQ(prompt.size(), 40u);
  EXPECT_TRUE(result.tokens.empty());
}

// Replies follow their grammar and end in it however few tokens they have, the same with guesses and without.
TEST(EngineGrammarTest, RepliesEndInTheirGrammar) {
  const std::vector<std::string> texts = {R"({"name": "value", "list": [1, 2, 3]} true false null)"};
  const Tokenizer tokenizer = *Tokenizer::train(texts, {.vocab_size = 300, .special_tokens = loquat_special_tokens()});
  ModelConfig config = test_config();
  config.vocab_size = tokenizer.vocab_size();
  Model model(config, *all_kernels().back(), DType::kBF16, false);
  randomize(model);
  const auto grammar = Grammar::json_schema(
      R"({"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["one", 2, true]}}},
          "required": ["a"], "additionalProperties": false})");
  ASSERT_TRUE(grammar.ok()) << grammar.error();
  const auto tree = make_token_tree(tokenizer, config.vocab_size);
  std::vector<GenerationRequest> requests(20);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt = {20, static_cast<int32_t>(30 + i)};
    requests[i].matcher.emplace(*grammar, tree);
    requests[i].sampling.max_tokens = requests[i].matcher->tokens_to_end() + static_cast<int64_t>(4 * i);
    requests[i].sampling.stop_tokens = {tokenizer.special(kEndOfTurn)};
    requests[i].sampling.temperature = i % 3 ? 1.0f : 0.0f;
    requests[i].seed = i;
  }
  Engine guessing(model, {.slots = 3, .draft_tokens = 8});
  std::vector<Generation> guessed(requests.size());
  for (size_t i = 0; i < requests.size(); ++i)
    guessing.submit(requests[i], {.on_end = [&, i](Generation&& g) { guessed[i] = std::move(g); }});
  while (guessing.step()) {
  }
  const auto plain = generate(model, requests);
  expect_same(plain, guessed);
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_TRUE(plain[i].ended) << i;
    const auto json = nlohmann::json::parse(tokenizer.decode(plain[i].tokens, true), nullptr, false);
    ASSERT_TRUE(json.is_object() && json.contains("a")) << tokenizer.decode(plain[i].tokens);
  }
}

// A short prompt that comes while a long one is being read is not behind it.
TEST_F(EngineTest, ShortPromptsPassLongOnes) {
  Engine engine(model, {.slots = 4, .prefill_rows = 8});
  auto requests = make_requests(config, 2);
  requests[0].prompt.assign(80, 9);
  requests[1].prompt = {4, 5, 6};
  std::vector<int> ended;
  int steps = 0, short_ended = 0;
  for (int i = 0; i < 2; ++i) {
    requests[i].sampling.max_tokens = 1;
    engine.submit(requests[i], {.on_end = [&, i](Generation&&) {
                    ended.push_back(i);
                    if (i == 1) short_ended = steps;
                  }});
    for (int n = 0; i == 0 && n < 3; ++n) engine.step(), ++steps;
  }
  while (engine.step()) ++steps;
  EXPECT_THAT(ended, testing::ElementsAre(1, 0));
  EXPECT_EQ(short_ended, 3);
  EXPECT_LE(steps, 3 + 1 + 16);
}

}  // namespace
}  // namespace loquat
