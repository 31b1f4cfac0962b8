// ModelHost and EngineModel with real model folders: tiny, with random weights, written by the test.
#include "serve/model_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "infer/chat_engine.h"
#include "infer/utf8_stream.h"
#include "model/base_pool.h"
#include "serve/test_models.h"
#include "store/safetensors.h"

namespace loquat::serve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class ModelHostTest : public testing::Test {
 protected:
  static const Kernels& kernels() { return *all_kernels().back(); }
  static ModelHostOptions options() {
    ModelHostOptions o;
    o.model.compute = DType::kF32;
    o.model.parallel = 8;
    return o;
  }
  std::vector<std::string> ids() {
    std::vector<std::string> found;
    for (const ModelInfo& model : host_.models()) found.push_back(model.id);
    return found;
  }
  static std::shared_ptr<ServedModel> get(Backend& host, const std::string& id) {
    auto found = host.model(id);
    if (const auto* error = std::get_if<ApiError>(&found)) {
      ADD_FAILURE() << error->message;
      return nullptr;
    }
    return std::get<0>(found);
  }
  std::shared_ptr<ServedModel> sft() {
    if (!file_exists(folder_ / "models/sft/config.json")) write_model(folder_ / "models/sft", 1);
    return get(host_, "sft");
  }
  ApiError error_of(const std::string& id) {
    auto found = host_.model(id);
    EXPECT_EQ(found.index(), 1u);
    return found.index() == 1 ? std::get<1>(found) : ApiError{};
  }

  TestFolder folder_;
  ModelHost host_{folder_.path(), kernels(), options()};
};

TEST_F(ModelHostTest, FindsModelsAsTheyAppear) {
  EXPECT_TRUE(ids().empty());
  EXPECT_EQ(error_of("ppo").status, 404);
  EXPECT_THAT(error_of("ppo").message, HasSubstr("none yet"));
  write_model(folder_ / "models/ppo", 1);
  write_model(folder_ / "models/base", 2);
  write_model(folder_ / "models/another", 3);
  write_model(folder_ / "models/reward", 4, HeadKind::kScore);
  EXPECT_THAT(ids(), ElementsAre("base", "ppo", "another"));  // a reward model does not talk
  EXPECT_NE(get(host_, "ppo"), nullptr);
  EXPECT_EQ(error_of("reward").param, "model");
}

class AdapterHostTest : public ModelHostTest {
 protected:
  AdapterHostTest() {
    write_model(folder_ / "models/base", 1, HeadKind::kLanguage, 512);
    for (const uint64_t seed : {1, 2}) write_adapter(seed, seed);
  }
  void write_adapter(uint64_t number, uint64_t seed) {
    BasePool pool(kernels(), DType::kF32, WeightType::kCompute, true);
    LoadOptions load;
    load.compute = DType::kF32;
    load.bases = &pool;
    load.with_gradients = true;
    load.lora.rank = static_cast<int64_t>(2 + number);
    load.lora.dora = number == 2;
    load.lora.targets = number == 1 ? lora_modules() : std::vector<std::string>{"v_proj", "down_proj"};
    const auto model = load_model(folder_ / "models/base", kernels(), load);
    ASSERT_TRUE(model.ok()) << model.error();
    Rng rng(seed, "adapter");
    for (float& value : (*model)->values()) value += static_cast<float>(0.3 * rng.normal());
    const std::string folder = folder_ / fmt::format("models/adapter-{}", number);
    ASSERT_TRUE(save_model(**model, folder).ok());
    ASSERT_TRUE(test_tokenizer().save(folder).ok());
  }
  std::map<std::string, std::string> texts_alone(const GenerateCall& call) {
    std::map<std::string, std::string> texts;
    for (const std::string& id : ids()) {
      ModelHost host(folder_.path(), kernels(), options());
      texts[id] = generated(*get(host, id), call)[0].text;
    }
    return texts;
  }
};

// An adapter's folder is a model of its own, beside its base.
TEST_F(AdapterHostTest, ServesAdapters) {
  EXPECT_THAT(ids(), ElementsAre("base", "adapter-1", "adapter-2"));
  std::set<std::string> texts;
  for (const std::string& id : ids()) {
    const auto model = get(host_, id);
    ASSERT_NE(model, nullptr);
    const std::string text = generated(*model, long_call(8))[0].text;
    texts.insert(text);
    EXPECT_FALSE(text.empty());
  }
  EXPECT_EQ(texts.size(), 3u);
  const auto pages = host_.pages();
  ASSERT_EQ(pages.size(), 1u) << "one engine for all of them";
  EXPECT_GT(pages.at("base").all, 0);
  EXPECT_EQ(pages.at("base").used, 0);
  for (const auto& [id, counts] : host_.counts()) EXPECT_EQ(counts.generated_tokens, 8) << id;
}

TEST_F(AdapterHostTest, PromptsAreCachedForOneAdapterAndOneLoadingOfIt) {
  GenerateCall call = test_call("Where is the bakery?", 4);
  const auto cached = [&](const std::string& id) { return generated(*get(host_, id), call)[0].usage.cached_tokens; };
  const auto all = static_cast<int64_t>(call.prompt.size()) - 1;
  for (const std::string& id : ids()) EXPECT_EQ(cached(id), 0) << id;
  for (const std::string& id : ids()) EXPECT_EQ(cached(id), all) << id;
  write_adapter(1, 99);  // other weights under the same name
  EXPECT_EQ(cached("adapter-1"), 0);
  EXPECT_EQ(cached("adapter-2"), all);
  host_.unload("adapter-1");
  EXPECT_EQ(cached("adapter-1"), 0);
}

// Models come and go, the base too, while others write: no text changes, and what was unloaded ends its replies.
TEST_F(AdapterHostTest, LoadedAndUnloadedWhileOthersWrite) {
  const GenerateCall call = long_call(300);
  const auto expected = texts_alone(call);
  std::vector<std::pair<std::string, std::unique_ptr<Collector>>> streams;
  for (int round = 0; round < 4; ++round) {
    for (const std::string& id : ids()) {
      streams.emplace_back(id, std::make_unique<Collector>());
      ASSERT_EQ(get(host_, id)->generate(call, streams.back().second->sink()).index(), 0u);
      streams.back().second->wait_for_pieces(2);
      if (round < 3) EXPECT_TRUE(host_.unload(id));
    }
  }
  for (const auto& [id, stream] : streams) {
    const auto got = stream->wait()[0];
    EXPECT_EQ(got.text, expected.at(id)) << id;
    EXPECT_EQ(got.finish, Finish::kLength);
  }
  EXPECT_EQ(host_.pages().size(), 1u);
}

TEST_F(AdapterHostTest, EmbedsThroughAnAdapter) {
  ModelHostOptions with = options();
  for (const std::string& id : ids()) with.pooling[id] = "last";
  const std::vector<std::vector<int32_t>> inputs = {{20, 30, 40}, {21}};
  ModelHost together(folder_.path(), kernels(), with);
  std::set<std::vector<float>> vectors;
  for (const std::string& id : ids()) {
    ModelHost alone(folder_.path(), kernels(), with);
    const auto got = get(together, id)->embed(inputs);
    EXPECT_EQ(got, get(alone, id)->embed(inputs)) << id;
    vectors.insert(got[0]);
  }
  EXPECT_EQ(vectors.size(), 3u);
}

TEST_F(ModelHostTest, ServesAModelsOwnFolder) {
  write_model(folder_ / "mine", 1);
  ModelHost host(folder_ / "mine", kernels(), options());
  ASSERT_EQ(host.models().size(), 1u);
  EXPECT_EQ(host.models()[0].id, "mine");
  EXPECT_GT(host.models()[0].created, 1'600'000'000);
}

TEST_F(ModelHostTest, LoadsOnceUnloadsAndSeesANewFile) {
  const auto first = sft();
  EXPECT_EQ(sft(), first);
  EXPECT_TRUE(host_.models()[0].loaded);
  const std::string before = generated(*first, test_call())[0].text;
  EXPECT_TRUE(host_.unload("sft"));
  EXPECT_FALSE(host_.models()[0].loaded);
  EXPECT_TRUE(host_.unload("sft"));
  EXPECT_FALSE(host_.unload("nobody"));
  EXPECT_EQ(generated(*first, test_call())[0].text, before);  // whoever holds it may go on
  EXPECT_NE(sft(), first);
  write_model(folder_ / "models/sft", 99);
  EXPECT_NE(generated(*sft(), test_call())[0].text, before);
}

TEST_F(ModelHostTest, WhatIsDamagedIsNotListedAndWhoAsksForItIsToldWhatIsWrong) {
  write_model(folder_ / "models/sft", 1);
  write_model(folder_ / "models/base", 1);
  write_model(folder_ / "models/reward", 4, HeadKind::kScore);
  put_bytes(folder_ / "models/sft/model.safetensors", "damaged");
  EXPECT_THAT(host_.faults(), ElementsAre(Pair("sft", HasSubstr(folder_ / "models/sft/model.safetensors: "))));
  EXPECT_THAT(ids(), ElementsAre("base"));
  EXPECT_TRUE(host_.must_load("sft"));
  const ApiError error = error_of("sft");
  EXPECT_EQ(error.status, 500);
  EXPECT_EQ(error.code, "model_not_loaded");
  EXPECT_EQ(error.message,
            "The model 'sft' cannot be loaded: sft/model.safetensors: 7 bytes: too short for a safetensors file");
  EXPECT_NE(get(host_, "base"), nullptr);
  write_model(folder_ / "models/sft", 1);  // mended
  EXPECT_TRUE(host_.faults().empty());
  EXPECT_NE(get(host_, "sft"), nullptr);
}

TEST_F(ModelHostTest, FaultsAreFoundWithoutLoading) {
  const auto fault = [&](const std::string& path, const std::string& bytes) {
    write_model(folder_ / "models/sft", 1);
    if (bytes.empty()) {
      std::filesystem::remove(folder_ / ("models/sft/" + path));
    } else {
      put_bytes(folder_ / ("models/sft/" + path), bytes);
    }
    ModelHost host(folder_.path(), kernels(), options());
    auto faults = host.faults();
    EXPECT_TRUE(host.models().empty()) << path;
    std::filesystem::remove_all(folder_ / "models/sft");
    return faults["sft"];
  };
  EXPECT_THAT(fault("config.json", "{}"), HasSubstr("models/sft/config.json: "));
  EXPECT_THAT(fault("config.json", ""), HasSubstr("models/sft/config.json: "));
  EXPECT_THAT(fault("tokenizer.json", "{"), HasSubstr("models/sft/tokenizer.json: "));
  EXPECT_THAT(fault("tokenizer.json", ""), HasSubstr("models/sft/tokenizer.json: "));
  EXPECT_THAT(fault("model.safetensors", ""), HasSubstr("models/sft/model.safetensors: "));
  EXPECT_THAT(fault("generation_config.json", "[]"), HasSubstr("models/sft/generation_config.json: "));
}

TEST_F(ModelHostTest, ATokenizerThatIsAnotherModelsAndAMissingShardAreFaults) {
  write_model(folder_ / "models/sft", 1);
  const std::vector<std::string> texts = {"Where is the bakery? The bakery is by the harbour, and the mill is behind."};
  const auto larger = *Tokenizer::train(texts, {.vocab_size = 290, .special_tokens = loquat_special_tokens()});
  ASSERT_GT(larger.vocab_size(), test_tokenizer().vocab_size());
  ASSERT_TRUE(larger.save(folder_ / "models/sft").ok());
  EXPECT_THAT(host_.faults()["sft"], AllOf(HasSubstr("tokenizer.json: the tokenizer has "), HasSubstr("vocab_size")));

  write_model(folder_ / "models/ppo", 1);
  const auto whole = *SafetensorsFile::open(folder_ / "models/ppo/model.safetensors");
  ASSERT_TRUE(write_safetensors_folder(folder_ / "models/ppo", whole.tensors(), {}, 20'000).ok());
  EXPECT_THAT(ids(), ElementsAre("ppo"));
  std::filesystem::remove(folder_ / "models/ppo/model-00002-of-00003.safetensors");
  EXPECT_THAT(ids(), ElementsAre("ppo"));  // it was sound when it was looked at
  EXPECT_THAT(error_of("ppo").message, HasSubstr("the shard ppo/model-00002-of-00003.safetensors is missing"));
  EXPECT_TRUE(ids().empty());
}

TEST_F(ModelHostTest, UnloadedWhileItWritesItEndsItsReply) {
  Collector collector;
  const std::string expected = generated(*sft(), test_call("Where?", 40))[0].text;
  ASSERT_EQ(sft()->generate(test_call("Where?", 40), collector.sink()).index(), 0u);
  EXPECT_TRUE(host_.unload("sft"));
  EXPECT_EQ(collector.wait()[0].text, expected);
}

TEST_F(ModelHostTest, RepliesAsTheModelDoesAndTheSeedDecides) {
  const auto first = generated(*sft(), test_call())[0];
  EXPECT_EQ(first.text, generated(*sft(), test_call())[0].text);
  EXPECT_EQ(first.usage.prompt_tokens, static_cast<int64_t>(test_call().prompt.size()));
  EXPECT_EQ(first.usage.completion_tokens, 8);
  EXPECT_EQ(first.finish, Finish::kLength);
  const auto model = *ChatModel::load(folder_ / "models/sft", kernels(), DType::kF32);
  const auto own = model->reply({{"user", "Where?"}}, {.max_tokens = 8, .seed = 3});
  ASSERT_TRUE(own.ok()) << own.error();
  EXPECT_EQ(first.text, own->text);
}

TEST_F(ModelHostTest, ChoicesAreTheSameInACrowd) {
  GenerateCall call = test_call("Where?", 20);
  call.n = 3;
  const auto alone = generated(*sft(), call);
  EXPECT_NE(alone.at(0).text, alone.at(1).text);
  std::vector<std::unique_ptr<Collector>> crowd;
  for (int i = 0; i < 12; ++i) {
    GenerateCall other = i % 3 ? test_call(std::string(static_cast<size_t>(i), 'a'), 30) : call;
    other.n = 3;
    crowd.push_back(std::make_unique<Collector>());
    ASSERT_EQ(sft()->generate(other, crowd.back()->sink()).index(), 0u);
  }
  for (int i = 0; i < 12; ++i) {
    const auto choices = crowd[i]->wait(3);
    for (int c = 0; i % 3 == 0 && c < 3; ++c) {
      EXPECT_EQ(choices.at(c).text, alone.at(c).text);
      EXPECT_EQ(choices.at(c).events_after_finish, 0);
    }
  }
}

TEST_F(ModelHostTest, EndsBeforeAStopSequence) {
  const std::string whole = generated(*sft(), test_call("Where?", 40))[0].text;
  ASSERT_GT(whole.size(), 12u);
  GenerateCall call = test_call("Where?", 40);
  call.stop = {whole.substr(5, 3), "never there"};
  const auto choice = generated(*sft(), call)[0];
  EXPECT_EQ(choice.text, whole.substr(0, whole.find(call.stop[0])));
  EXPECT_EQ(choice.finish, Finish::kStop);
  EXPECT_LT(choice.usage.completion_tokens, 40);
}

TEST_F(ModelHostTest, ThoughtsComeApartAndAreCounted) {
  GenerateCall call = test_call();
  call.thoughts = ThoughtFilter::Begin::kOpen;
  call.grammar = *Grammar::after_thoughts(*Grammar::json_schema(R"({"const": 5})"));
  call.sampling.max_tokens = sft()->tokens_needed(call.grammar) + 4;  // so that thoughts must end in time
  call.top_logprobs = 0;
  const auto got = generated(*sft(), call)[0];
  EXPECT_EQ(got.text, "5");
  EXPECT_EQ(got.finish, Finish::kStop);
  EXPECT_EQ(got.reasoning.find("</think>"), std::string::npos);
  EXPECT_GT(got.usage.reasoning_tokens, 0);
  EXPECT_LT(got.usage.reasoning_tokens, got.usage.completion_tokens);
  ASSERT_FALSE(got.tokens.empty());  // log-probabilities are those of what is said
  EXPECT_LE(static_cast<int64_t>(got.tokens.size()), got.usage.completion_tokens - got.usage.reasoning_tokens);
  EXPECT_EQ(test_tokenizer().token_bytes(got.tokens.back().token), "5");

  call.grammar = nullptr;
  call.sampling.max_tokens = 6;
  const auto cut = generated(*sft(), call)[0];
  EXPECT_EQ(cut.text, "");
  EXPECT_TRUE(cut.tokens.empty());
  EXPECT_EQ(cut.usage.reasoning_tokens, cut.usage.completion_tokens);
}

TEST_F(ModelHostTest, StopsAtTheTokensThatItsFolderNames) {
  sft();
  std::string all;
  for (int64_t i = 0; i < test_tokenizer().vocab_size(); ++i) all += (i ? ", " : "") + std::to_string(i);
  put_bytes(folder_ / "models/sft/generation_config.json", "{\"eos_token_id\": [" + all + "]}");
  host_.unload("sft");
  const auto got = generated(*sft(), test_call())[0];
  EXPECT_EQ(got.usage.completion_tokens, 1);
  EXPECT_EQ(got.finish, Finish::kStop);
}

TEST_F(ModelHostTest, LogProbsOfReplyAndPrompt) {
  GenerateCall call = test_call("Where?", 5);
  call.top_logprobs = 2;
  call.prompt_logprobs = true;
  const auto choice = generated(*sft(), call)[0];
  ASSERT_EQ(choice.prompt.size(), call.prompt.size());
  EXPECT_TRUE(std::isnan(choice.prompt[0].logprob));
  EXPECT_EQ(choice.prompt[1].token, call.prompt[1]);
  EXPECT_LE(choice.prompt[1].logprob, choice.prompt[1].top[0].second);
  ASSERT_EQ(choice.tokens.size(), 5u);
  Utf8Stream text;
  std::string joined;
  for (const TokenLogprob& one : choice.tokens) joined += text.push(test_tokenizer().token_bytes(one.token));
  EXPECT_EQ(joined + text.finish(), choice.text);
  call.sampling.max_tokens = 0;
  const auto read = generated(*sft(), call)[0];
  EXPECT_EQ(read.prompt.size(), call.prompt.size());
  EXPECT_EQ(read.usage.completion_tokens, 0);
  EXPECT_EQ(read.finish, Finish::kLength);
}

TEST_F(ModelHostTest, ASecondTurnIsCachedForItsTenantAlone) {
  GenerateCall call = test_call("Where is the bakery?", 10);
  call.tenant = "a";
  const auto model = sft();
  EXPECT_EQ(generated(*model, call)[0].usage.cached_tokens, 0);
  EXPECT_EQ(generated(*model, call)[0].usage.cached_tokens, static_cast<int64_t>(call.prompt.size()) - 1);
  call.tenant = "b";
  EXPECT_EQ(generated(*model, call)[0].usage.cached_tokens, 0);
}

TEST_F(ModelHostTest, ACancelledCallEnds) {
  write_model(folder_ / "models/long", 1, HeadKind::kLanguage, 4096);
  const auto model = get(host_, "long");
  GenerateCall call = long_call(4000);
  call.n = 2;
  Collector collector;
  auto begun = model->generate(call, collector.sink());
  ASSERT_EQ(begun.index(), 0u);
  collector.wait_for_pieces(3);
  std::get<0>(begun)->cancel();
  std::get<0>(begun)->cancel();
  const auto choices = collector.wait(2);
  for (int c = 0; c < 2; ++c) {
    EXPECT_EQ(choices.at(c).finish, Finish::kCancelled);
    EXPECT_LT(choices.at(c).usage.completion_tokens, 4000);
  }
  std::get<0>(begun)->cancel();  // long ended
}

TEST_F(ModelHostTest, AFullLineIsRefusedAndNothingOfItComes) {
  write_model(folder_ / "models/long", 1, HeadKind::kLanguage, 4096);
  ModelHostOptions few = options();
  few.model.parallel = 1;
  few.model.waiting = 2;
  ModelHost host(folder_.path(), kernels(), few);
  const auto model = get(host, "long");
  Collector first, refused;
  auto begun = model->generate(long_call(3000), first.sink());
  GenerateCall many = test_call("Who?", 4);
  many.n = 3;  // of which two would find a place
  const auto full = model->generate(many, refused.sink());
  ASSERT_EQ(full.index(), 1u);
  EXPECT_EQ(std::get<1>(full).status, 429);
  EXPECT_GT(std::get<1>(full).retry_after, 0);
  std::get<0>(begun)->cancel();
  first.wait();
  EXPECT_EQ(generated(*model, test_call("Who?", 4))[0].usage.completion_tokens, 4);
}

TEST_F(ModelHostTest, ADeadlineEndsAReply) {
  write_model(folder_ / "models/long", 1, HeadKind::kLanguage, 4096);
  ModelHostOptions late = options();
  late.model.deadline_seconds = 0.02;
  ModelHost host(folder_.path(), kernels(), late);
  EXPECT_EQ(generated(*get(host, "long"), long_call(4000))[0].finish, Finish::kDeadline);
}

TEST_F(ModelHostTest, Embeddings) {
  EXPECT_EQ(sft()->embedding_dimensions(), 0);
  ModelHostOptions with = options();
  with.pooling["sft"] = "mean";
  ModelHost host(folder_.path(), kernels(), with);
  const auto model = get(host, "sft");
  EXPECT_EQ(model->embedding_dimensions(), 32);
  const std::vector<std::vector<int32_t>> inputs = {{20, 30, 40}, {21}, {20, 30, 40}};
  const auto vectors = model->embed(inputs);
  ASSERT_EQ(vectors.size(), 3u);
  EXPECT_EQ(vectors[0], vectors[2]);
  EXPECT_NE(vectors[0], vectors[1]);
  double square = 0;
  for (const float x : vectors[0]) square += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(square, 1, 1e-5);
  // The folder can say so too.
  ASSERT_TRUE(make_folders(folder_ / "models/sft/1_Pooling").ok());
  put_bytes(folder_ / "models/sft/1_Pooling/config.json", R"({"pooling_mode_lasttoken": true})");
  ModelHost said(folder_.path(), kernels(), options());
  EXPECT_EQ(get(said, "sft")->embedding_pooling(), "last");
  EXPECT_NE(get(said, "sft")->embed(inputs)[0], vectors[0]);
}

}  // namespace
}  // namespace loquat::serve
