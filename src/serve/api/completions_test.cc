// Completions on the wire: prompts of each kind, echo and log-probabilities for evaluation, streams.
#include "serve/api/completions.h"

#include "serve/api/testing.h"
#include "store/files.h"

namespace loquat::serve::api {
namespace {

using testing::MatchesRegex;

class CompletionsTest : public ApiTest {
 protected:
  std::shared_ptr<FakeReply> complete(const char* more) {
    Json body = Json::parse(R"({"model": "talker", "prompt": "ab"})");
    body.update(Json::parse(more));
    return post("/v1/completions", body);
  }
  FakeModel& model() { return *backend->talker; }
};

TEST_F(CompletionsTest, Whole) {
  Json body = json(complete("{}"));
  EXPECT_THAT(body["id"].get<std::string>(), MatchesRegex("cmpl-.*"));
  body.erase("id");
  body.erase("created");
  EXPECT_EQ(body, Json::parse(R"({"object": "text_completion", "model": "talker",
    "choices": [{"text": "Hello.", "index": 0, "logprobs": null, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8,
      "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 0}}})"));
  EXPECT_EQ(model().calls[0].call.sampling.max_tokens, 16);
  EXPECT_EQ(model().calls[0].call.prompt, byte_tokenizer().encode("ab"));
}

TEST_F(CompletionsTest, PromptsOfEachKind) {
  const auto prompts = [&](const char* prompt) {
    model().calls.clear();
    const auto reply = complete((std::string("{\"n\": 2, \"prompt\": ") + prompt + "}").c_str());
    EXPECT_EQ(reply->status, 200) << reply->body;
    std::vector<std::vector<int32_t>> out;
    for (const auto& call : model().calls) out.push_back(call.call.prompt);
    const Json choices = json(reply)["choices"];
    EXPECT_EQ(choices.size(), 2 * out.size());
    for (size_t i = 0; i < choices.size(); ++i) EXPECT_EQ(choices[i]["index"], i);
    EXPECT_EQ(json(reply)["usage"]["completion_tokens"], 6 * choices.size());
    return out;
  };
  using Lists = std::vector<std::vector<int32_t>>;
  EXPECT_EQ(prompts(R"("<|end|>")"), Lists{byte_tokenizer().encode("<|end|>")});  // text, never a control token
  EXPECT_EQ(prompts(R"(["a", "bc"])"), (Lists{byte_tokenizer().encode("a"), byte_tokenizer().encode("bc")}));
  EXPECT_EQ(prompts("[5, 261]"), (Lists{{5, 261}}));
  EXPECT_EQ(prompts("[[5], [6, 7]]"), (Lists{{5}, {6, 7}}));
}

TEST_F(CompletionsTest, ATokenizersOwnTokensStandBeforeATextAndNotBeforeIds) {
  const TestFolder folder;
  ASSERT_TRUE(tokenizer_with("{{ eos_token }}", {"<e>", "<s>"}).save(folder.path()).ok());
  Json file = Json::parse(*read_file(folder / "tokenizer.json"));
  int32_t begin = -1;
  for (const Json& token : file["added_tokens"])
    if (token["content"] == "<s>") begin = token["id"];
  file["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>",
    "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}})");
  file["post_processor"]["special_tokens"] = {{"<s>", {{"id", "<s>"}, {"ids", {begin}}, {"tokens", {"<s>"}}}}};
  put_bytes(folder / "tokenizer.json", file.dump());
  auto tokenizer = Tokenizer::load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error();
  model().use(*tokenizer);
  complete("{}");
  EXPECT_EQ(model().calls.back().call.prompt, tokenizer->encode_with_special("ab"));
  EXPECT_EQ(model().calls.back().call.prompt.front(), begin);
  complete("{\"prompt\": [7, 8]}");
  EXPECT_EQ(model().calls.back().call.prompt, (std::vector<int32_t>{7, 8}));
  const auto counted = [&](const char* more) {
    Json body = Json::parse(R"({"model": "talker", "prompt": "ab"})");
    body.update(Json::parse(more));
    return json(post("/tokenize", body))["count"].get<int>();
  };
  EXPECT_EQ(counted("{}"), 3);
  EXPECT_EQ(counted(R"({"add_special_tokens": false})"), 2);
}

TEST_F(CompletionsTest, EchoAndLogprobsForEvaluation) {
  const Json body = json(complete(R"({"prompt": "\u00e9b", "echo": true, "logprobs": 2, "max_tokens": 0})"));
  const Json& choice = body["choices"][0];
  EXPECT_EQ(choice["text"],
            "\xC3\xA9"
            "b");
  EXPECT_EQ(choice["finish_reason"], "length");
  const Json& logprobs = choice["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json::array({"bytes:\\xc3", "bytes:\\xa9", "b"}));
  EXPECT_EQ(logprobs["text_offset"], Json::array({0, 1, 1}));  // of characters
  EXPECT_EQ(logprobs["token_logprobs"], Json::array({nullptr, -0.5, -0.5}));
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
  EXPECT_EQ(logprobs["top_logprobs"][2], Json::parse(R"({"b": -0.5, "c": -1.5})"));
  EXPECT_TRUE(model().calls[0].call.prompt_logprobs);
  EXPECT_EQ(model().calls[0].call.sampling.max_tokens, 0);
  EXPECT_EQ(body["usage"]["completion_tokens"], 0);
}

TEST_F(CompletionsTest, LogprobsOfTheReplyStandAfterThePrompt) {
  const Json with_echo = json(complete(R"({"echo": true, "logprobs": 0, "max_tokens": 2})"))["choices"][0];
  EXPECT_EQ(with_echo["text"], "abHe");
  EXPECT_EQ(with_echo["logprobs"]["text_offset"], Json::array({0, 1, 2, 3}));
  const Json alone = json(complete(R"({"logprobs": 0, "max_tokens": 2})"))["choices"][0];
  EXPECT_EQ(alone["text"], "He");
  EXPECT_EQ(alone["logprobs"]["text_offset"], Json::array({2, 3}));
  EXPECT_EQ(alone["logprobs"]["top_logprobs"][0], Json::parse(R"({"H": -0.5})"));
  EXPECT_FALSE(model().calls.back().call.prompt_logprobs);
  const Json echo = json(complete(R"({"prompt": [76, 77], "echo": true, "max_tokens": 0})"))["choices"][0];
  EXPECT_EQ(echo["text"], byte_tokenizer().decode(std::vector<int32_t>{76, 77}));
}

TEST_F(CompletionsTest, Stream) {
  model().by_hand = true;
  const auto reply = complete(
      R"({"prompt": ["a", "b"], "echo": true, "logprobs": 1, "stream": true, "stream_options": {"include_usage": true}})");
  ASSERT_EQ(model().calls.size(), 2u);
  GenerateEvent prompt;
  prompt.prompt = {model().logprob(72, 1)};
  model().calls[1].sink(std::move(prompt));
  GenerateEvent text;
  text.text = "x";
  text.tokens = {model().logprob(90, 1)};
  model().calls[1].sink(std::move(text));
  FakeModel::end(model().calls[1], 0, Finish::kStop, {1, 0, 1});
  EXPECT_FALSE(reply->ended);
  FakeModel::end(model().calls[0], 0, Finish::kLength, {1, 0, 0});
  EXPECT_TRUE(reply->ended);
  auto events = events_of(reply->body);
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events.back().data, "[DONE]");
  const auto choice = [&](size_t i) { return events[i].json()["choices"][0]; };
  EXPECT_EQ(choice(0)["text"], "b");
  EXPECT_EQ(choice(0)["index"], 1);
  EXPECT_TRUE(choice(0)["finish_reason"].is_null());
  EXPECT_EQ(choice(0)["logprobs"]["text_offset"], Json::array({0}));
  EXPECT_EQ(choice(1)["text"], "x");
  EXPECT_EQ(choice(1)["logprobs"]["text_offset"], Json::array({1}));
  EXPECT_EQ(choice(2)["finish_reason"], "stop");
  EXPECT_EQ(choice(2)["text"], "");
  EXPECT_EQ(choice(3)["text"], "a");
  EXPECT_EQ(choice(4)["finish_reason"], "length");
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(events[i].json().at("usage").is_null());
  EXPECT_EQ(events[5].json()["choices"], Json::array());
  EXPECT_EQ(events[5].json()["usage"]["prompt_tokens"], 2);
}

TEST_F(CompletionsTest, ARefusedPromptEndsTheOthers) {
  model().by_hand = true;
  model().refuse_from = 2;
  const auto reply = complete(R"({"prompt": ["a", "b", "c", "d"], "n": 2})");
  EXPECT_EQ(error(reply), "429 queue_full null");
  for (auto& call : model().calls) EXPECT_EQ(call.generating->cancels, 1);
  EXPECT_TRUE(meter->settled.empty());
  for (auto& call : model().calls) {
    for (int i = 0; i < 2; ++i) FakeModel::end(call, i, Finish::kCancelled, {1, 0, 2});
  }
  EXPECT_EQ(meter->settled, (std::vector<std::array<int64_t, 3>>{{4 + 4 * 2 * 16, 2, 8}}));
  EXPECT_EQ(log.size(), 1u);
}

TEST_F(CompletionsTest, WhatIsWrong) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"suffix": "x"})", "400 unsupported_parameter suffix"},
      {R"({"best_of": 2})", "400 unsupported_value best_of"},
      {R"({"logprobs": 6})", "400 invalid_value logprobs"},
      {R"({"logprobs": true})", "400 invalid_type logprobs"},
      {R"({"max_tokens": -1})", "400 invalid_value max_tokens"},
      {R"({"prompt": null})", "400 missing_required_parameter prompt"},
      {R"({"prompt": ""})", "400 invalid_value prompt"},
      {R"({"prompt": []})", "400 invalid_value prompt"},
      {R"({"prompt": 5})", "400 invalid_type prompt"},
      {R"({"prompt": ["a", ""]})", "400 invalid_value prompt[1]"},
      {R"({"prompt": ["a", [5]]})", "400 invalid_type prompt[1]"},
      {R"({"prompt": [null]})", "400 invalid_type prompt[0]"},
      {R"({"prompt": [5, "a"]})", "400 invalid_type prompt"},
      {R"({"prompt": [1.5]})", "400 invalid_type prompt"},
      {R"({"prompt": [-1]})", "400 invalid_value prompt"},
      {R"({"prompt": [262]})", "400 invalid_value prompt"},
      {R"({"prompt": [9223372036854775808]})", "400 invalid_value prompt"},
      {R"({"prompt": [[]]})", "400 invalid_value prompt[0]"},
      {R"({"max_tokens": 4095})", "400 context_length_exceeded max_tokens"},
      {R"({"max_tokens": 9223372036854775807})", "400 context_length_exceeded max_tokens"},
      {R"({"messages": []})", "400 unknown_parameter messages"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(error(complete(body)), expected) << body;
  EXPECT_EQ(complete(R"({"max_tokens": 4094})")->status, 200);
  Json body = {{"model", "talker"}, {"prompt", std::string(4096, 'x')}};
  EXPECT_EQ(error(post("/v1/completions", body)), "400 context_length_exceeded prompt");
  body["prompt"] = Json::array();
  for (int i = 0; i < 17; ++i) body["prompt"].push_back("x");
  body["n"] = 128;
  EXPECT_EQ(error(post("/v1/completions", body)), "400 array_above_max_length prompt");
}

}  // namespace
}  // namespace loquat::serve::api
