// Requests under different adapters of one base, computed together by one engine.
#include <gtest/gtest.h>

#include "infer/engine.h"
#include "infer/test_model.h"
#include "model/base_of_for_test.h"

namespace loquat {
namespace {

LoraConfig lora_config(int64_t rank, const std::vector<std::string>& targets, bool rslora, bool dora) {
  LoraConfig lora;
  lora.rank = rank;
  lora.targets = *lora_targets(targets);
  lora.rslora = rslora;
  lora.dora = dora;
  return lora;
}

std::shared_ptr<Model> adapter_over(const std::shared_ptr<const Model>& base, const LoraConfig& lora, uint64_t seed) {
  auto model = std::make_shared<Model>(base, lora, HeadKind::kLanguage, false);
  Rng rng(seed, "adapter");
  model->for_each_param([&](const Param& p) {
    const double mean = p.shape.size() == 1 ? 1 : 0;
    for (int64_t i = 0; i < p.size; ++i) p.value[i] = static_cast<float>(mean + 0.2 * rng.normal());
  });
  model->refresh();
  return model;
}

struct AdaptersTest : testing::Test {
  std::shared_ptr<const Model> base(DType compute, WeightType weights) const {
    Model plain(config, *all_kernels().back(), compute, false);
    randomize(plain);
    return base_of(plain, weights);
  }
  std::vector<Generation> run(Engine& engine, const std::vector<GenerationRequest>& requests) {
    std::vector<Generation> results(requests.size());
    for (size_t i = 0; i < requests.size(); ++i)
      engine.submit(requests[i], {.on_end = [&, i](Generation&& g) { results[i] = std::move(g); }});
    while (engine.step()) {
    }
    return results;
  }
  const ModelConfig config = test_config();
};

// Prompts in pieces, prefixes shared, guesses, too few pages: the tokens and their probabilities are those of a model
// of the adapter's own, by the training forward too.
TEST_F(AdaptersTest, ACrowdOfAdaptersGivesEachItsOwnText) {
  for (const auto& [compute, weights] :
       {std::pair{DType::kF32, WeightType::kCompute}, std::pair{DType::kBF16, WeightType::kCompute},
        std::pair{DType::kBF16, WeightType::kInt8}}) {
    if (weights != WeightType::kCompute && !all_kernels().back()->quantized_weights) continue;
    SCOPED_TRACE(fmt::format("{} {}", compute == DType::kF32, static_cast<int>(weights)));
    const auto frozen = base(compute, weights);
    Model model(frozen, {}, HeadKind::kLanguage, false);
    const std::vector<std::shared_ptr<Model>> adapters = {
        nullptr, adapter_over(frozen, lora_config(4, {"all-linear"}, false, false), 1),
        adapter_over(frozen, lora_config(2, {"q_proj", "v_proj"}, true, false), 2),
        adapter_over(frozen, lora_config(3, {"k_proj", "o_proj", "down_proj"}, false, true), 3)};
    auto requests = make_requests(config, 40);
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i].sampling.max_tokens += 10;
      if (i % 3 == 0) requests[i].sampling.temperature = 0;
    }
    std::vector<Generation> alone;
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto& adapter = adapters[i / 5 % 4];  // so that those with equal prompts have the same one
      Model& own = adapter == nullptr ? model : *adapter;
      alone.push_back(generate(own, {{requests[i]}})[0]);
      std::vector<int32_t> all = requests[i].prompt;
      all.insert(all.end(), alone[i].tokens.begin(), alone[i].tokens.end());
      std::vector<int64_t> rows;
      for (size_t t = requests[i].prompt.size(); t < all.size(); ++t) rows.push_back(static_cast<int64_t>(t) - 1);
      Batch batch;
      batch.add(all);
      const float temperature = requests[i].sampling.temperature;
      EXPECT_EQ(own.log_probs(own.forward(batch, {.keep_for_backward = true}), rows,
                              std::span(all).subspan(requests[i].prompt.size()), temperature == 0 ? 1 : temperature)
                    .logprob,
                alone[i].logprobs);
      requests[i].adapter = adapter;
    }
    Engine engine(model, {.slots = 12, .prefill_rows = 17, .cache_tokens = 400, .draft_tokens = 8});
    expect_same(alone, run(engine, requests));
    EXPECT_GT(engine.counts().preemptions, 0);
    EXPECT_GT(engine.counts().cached_tokens, 0);
    EXPECT_GT(engine.counts().accepted_tokens, 0);
    EXPECT_EQ(engine.counts().pages_used, 0);
  }
}

TEST_F(AdaptersTest, APromptComputedUnderOneIsNotUsedUnderAnother) {
  const auto frozen = base(DType::kBF16, WeightType::kCompute);
  Model model(frozen, {}, HeadKind::kLanguage, false);
  const LoraConfig lora = lora_config(4, {"all-linear"}, false, false);
  auto first = adapter_over(frozen, lora, 1);
  Engine engine(model, {.slots = 2});
  auto request = make_requests(config, 1)[0];
  request.prompt.assign(50, 7);
  const auto cached_under = [&](const std::shared_ptr<Model>& adapter) {
    request.adapter = adapter;
    return run(engine, {request})[0].cached_tokens;
  };
  EXPECT_EQ(cached_under(first), 0);
  EXPECT_EQ(cached_under(nullptr), 0);
  EXPECT_EQ(cached_under(first), 49);
  EXPECT_EQ(cached_under(nullptr), 49);
  EXPECT_EQ(engine.counts_by_adapter().at(first).cached_tokens, 49);
  EXPECT_EQ(engine.counts_by_adapter().at({}).prompt_tokens, 100);
  // The same adapter loaded anew is another one, wherever it lies in memory.
  const std::weak_ptr<Model> gone = first;
  request.adapter.reset();
  first.reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ(cached_under(adapter_over(frozen, lora, 1)), 0);
  EXPECT_EQ(engine.counts_by_adapter().size(), 2u);
}

// An adapter is held by its requests, and by them alone where everybody else has let go of it.
TEST_F(AdaptersTest, OutlivesItsLastRequest) {
  const auto frozen = base(DType::kBF16, WeightType::kCompute);
  Model model(frozen, {}, HeadKind::kLanguage, false);
  auto adapter = adapter_over(frozen, lora_config(4, {"all-linear"}, false, false), 1);
  auto request = make_requests(config, 1)[0];
  request.sampling.max_tokens = 20;
  request.sampling.stop_tokens = {};
  const auto expected = generate(*adapter, {{request}});
  Engine engine(model, {.slots = 2});
  std::vector<Generation> result(1);
  request.adapter = adapter;
  engine.submit(std::move(request), {.on_end = [&](Generation&& g) { result[0] = std::move(g); }});
  const std::weak_ptr<Model> left = adapter;
  request.adapter.reset();
  adapter.reset();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(engine.step());
  EXPECT_FALSE(left.expired());
  while (engine.step()) {
  }
  EXPECT_TRUE(left.expired());
  expect_same(expected, result);
}

}  // namespace
}  // namespace loquat
