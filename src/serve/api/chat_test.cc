// Chat completions on the wire, field by field: whole and streamed, tools, log-probabilities, slow readers, clients
// that leave, what is reserved and given back.
#include "serve/api/chat.h"

#include <thread>

#include "serve/api/generation.h"
#include "serve/api/testing.h"

namespace loquat::serve::api {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

Json ask(Json more = Json::object()) {
  Json body = {{"model", "talker"}};
  body["messages"] = Json::array({{{"role", "user"}, {"content", "Hi"}}});
  body.update(more);
  return body;
}

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
                                    {"type": "function", "function": {"name": "g"}}])");

class ChatTest : public ApiTest {
 protected:
  std::shared_ptr<FakeReply> chat(Json more = Json::object()) { return post("/v1/chat/completions", ask(more)); }
  FakeModel& model() { return *backend->talker; }
  // The events of a stream but the last, which must be [DONE]; all of one id, time and model.
  static std::vector<Json> chunks(const FakeReply& reply) {
    std::vector<Json> out;
    std::vector<Event> events = events_of(reply.body);
    EXPECT_FALSE(events.empty());
    if (events.empty()) return out;
    EXPECT_EQ(events.back().data, "[DONE]");
    events.pop_back();
    for (const Event& event : events) {
      EXPECT_EQ(event.name, "");
      out.push_back(event.json());
      EXPECT_EQ(out.back()["object"], "chat.completion.chunk");
      for (const char* name : {"id", "created", "model"}) EXPECT_EQ(out.back()[name], out.front()[name]);
    }
    return out;
  }
  static std::vector<std::string> deltas(const FakeReply& reply, int choice = 0) {
    std::vector<std::string> out;
    for (const Json& chunk : chunks(reply)) {
      for (const Json& one : chunk["choices"]) {
        if (one["index"] == choice) out.push_back(one["delta"].dump() + " " + one["finish_reason"].dump());
      }
    }
    return out;
  }
};

// Where a float's bounds or the form of a reply leave nothing to draw from, no request may bring the engine down.
TEST_F(ChatTest, NumbersNearNothing) {
  chat({{"top_p", 0}, {"temperature", 1e-30}});
  chat({{"top_p", 1e-300}, {"temperature", 1e-300}});
  for (const auto& call : model().calls) {
    EXPECT_GT(call.call.sampling.top_p, 0);
    EXPECT_EQ(call.call.sampling.temperature, 0);
  }
  EXPECT_EQ(model().calls.size(), 2u);
}

TEST_F(ChatTest, NullIsAbsentWhateverTheField) {
  EXPECT_EQ(chat({{"functions", nullptr}, {"audio", nullptr}, {"nothing", nullptr}})->status, 200);
  EXPECT_EQ(chat({{"nothing", 1}})->status, 400);
}

TEST_F(ChatTest, TooFewTokensForTheForm) {
  const Json format = Json::parse(R"({"type": "json_schema", "json_schema": {"name": "s", "schema":
      {"type": "object", "properties": {"name": {"type": "boolean"}}, "required": ["name"]}}})");
  for (const char* field : {"max_tokens", "max_completion_tokens"}) {
    const auto reply = chat({{"response_format", format}, {field, 5}});
    EXPECT_EQ(reply->status, 400);
    EXPECT_EQ(json(reply)["error"]["param"], field);
  }
  EXPECT_EQ(model().calls.size(), 0u);
  EXPECT_EQ(chat({{"response_format", format}, {"max_tokens", 40}})->status, 200);
}

TEST_F(ChatTest, Whole) {
  const auto reply = chat();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->header("Content-Type"), "application/json");
  EXPECT_THAT(reply->header("x-request-id"), MatchesRegex("req_[a-zA-Z0-9]{32}"));
  EXPECT_THAT(reply->header("openai-processing-ms"), MatchesRegex("[0-9]+"));
  EXPECT_EQ(reply->header("x-ratelimit-limit-requests"), "60");
  Json body = json(reply);
  EXPECT_THAT(body["id"].get<std::string>(), MatchesRegex("chatcmpl-.*"));
  EXPECT_GT(body["created"].get<int64_t>(), 1700000000);
  body.erase("id");
  body.erase("created");
  EXPECT_EQ(body, Json::parse(R"({"object": "chat.completion", "model": "talker", "choices": [{"index": 0,
    "message": {"role": "assistant", "content": "Hello.", "refusal": null}, "logprobs": null, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11,
      "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 0}}})"));
}

TEST_F(ChatTest, StreamInOrder) {
  const auto reply = chat({{"stream", true}});
  EXPECT_TRUE(reply->ended);
  EXPECT_EQ(reply->header("Content-Type"), "text/event-stream");
  EXPECT_THAT(reply->header("x-request-id"), MatchesRegex("req_.*"));
  const auto all = chunks(*reply);
  EXPECT_EQ(deltas(*reply), (std::vector<std::string>{R"({"role":"assistant","content":""} null)",
                                                      R"({"content":"Hello."} null)", R"({} "stop")"}));
  for (const Json& chunk : all) EXPECT_FALSE(chunk.contains("usage"));
}

TEST_F(ChatTest, StreamPiecesComeAsTheyAreMade) {
  model().by_hand = true;
  const auto reply = chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}});
  ASSERT_EQ(model().calls.size(), 1u);
  EXPECT_EQ(events_of(reply->body).size(), 1u);  // the role, before a token is there
  FakeModel::say(model().calls[0], "a");
  EXPECT_EQ(events_of(reply->body).size(), 2u);
  FakeModel::say(model().calls[0], "");
  EXPECT_EQ(events_of(reply->body).size(), 2u);
  FakeModel::say(model().calls[0], "b");
  FakeModel::end(model().calls[0], 0, Finish::kLength, {5, 0, 2});
  EXPECT_TRUE(reply->ended);
  const auto all = chunks(*reply);
  ASSERT_EQ(all.size(), 5u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(all[i].at("usage").is_null());
    EXPECT_TRUE(all[i]["choices"][0].contains("finish_reason"));
  }
  EXPECT_EQ(all[3]["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(all[4]["choices"], Json::array());
  EXPECT_EQ(all[4]["usage"]["total_tokens"], 7);
}

TEST_F(ChatTest, ParametersReachTheModel) {
  chat(Json::parse(
      R"({"n": 2, "stop": ["x", "y"], "seed": -5, "temperature": 0.5, "top_p": 0.25, "top_k": 7, "min_p": 0.125,
    "presence_penalty": -2, "frequency_penalty": 2, "logit_bias": {"10": -100, "11": 5}, "logprobs": true,
    "top_logprobs": 3, "max_completion_tokens": 4, "max_tokens": 9})"));
  ASSERT_EQ(model().calls.size(), 1u);
  const GenerateCall& call = model().calls[0].call;
  EXPECT_EQ(call.n, 2);
  EXPECT_EQ(call.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(call.seed, static_cast<uint64_t>(-5));
  EXPECT_EQ(call.sampling.temperature, 0.5f);
  EXPECT_EQ(call.sampling.top_p, 0.25f);
  EXPECT_EQ(call.sampling.top_k, 7);
  EXPECT_EQ(call.sampling.min_p, 0.125f);
  EXPECT_EQ(call.sampling.presence_penalty, -2.0f);
  EXPECT_EQ(call.sampling.frequency_penalty, 2.0f);
  EXPECT_EQ(call.sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{10, -100.0f}, {11, 5.0f}}));
  EXPECT_EQ(call.sampling.max_tokens, 4);
  EXPECT_EQ(call.top_logprobs, 3);
  EXPECT_FALSE(call.prompt_logprobs);
  EXPECT_EQ(call.tenant, "tenant_1");
  EXPECT_EQ(call.grammar, nullptr);
  EXPECT_EQ(call.prompt, *model().chat_template()->prompt({{"user", "Hi"}}));
}

TEST_F(ChatTest, DefaultsAndStopAsAString) {
  chat({{"stop", "x"}});
  const GenerateCall& call = model().calls.at(0).call;
  EXPECT_EQ(call.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(call.sampling.temperature, 1.0f);
  EXPECT_EQ(call.top_logprobs, -1);
  EXPECT_FALSE(call.seed);
  EXPECT_EQ(call.sampling.max_tokens, 4096 - static_cast<int64_t>(call.prompt.size()));
}

TEST_F(ChatTest, TheContextCutsAReplyButNotAPrompt) {
  model().context_tokens = 8;
  const auto reply = chat({{"max_tokens", 1000}});
  EXPECT_EQ(json(reply)["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json(reply)["choices"][0]["message"]["content"], "Hel");
  model().context_tokens = 5;
  EXPECT_EQ(error(chat()), "400 context_length_exceeded messages");
  model().knows_turns = false;
  EXPECT_EQ(error(chat()), "400 unsupported_value model");
}

TEST_F(ChatTest, SeveralChoices) {
  const auto whole = json(chat({{"n", 3}}));
  ASSERT_EQ(whole["choices"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(whole["choices"][static_cast<size_t>(i)]["index"], i);
  EXPECT_EQ(whole["usage"]["prompt_tokens"], 5);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 18);
  model().by_hand = true;
  const auto reply = chat({{"n", 2}, {"stream", true}});
  auto& call = model().calls.back();
  FakeModel::say(call, "b", 1);
  FakeModel::say(call, "a", 0);
  FakeModel::end(call, 0, Finish::kStop, {5, 0, 1});
  EXPECT_FALSE(reply->ended);
  FakeModel::end(call, 1, Finish::kLength, {5, 5, 1});
  EXPECT_TRUE(reply->ended);
  EXPECT_EQ(deltas(*reply, 1), (std::vector<std::string>{R"({"role":"assistant","content":""} null)",
                                                         R"({"content":"b"} null)", R"({} "length")"}));
  EXPECT_EQ(deltas(*reply, 0).back(), R"({} "stop")");
}

TEST_F(ChatTest, Logprobs) {
  model().pieces = {"\xC3\xA9"};
  const Json body = json(chat({{"logprobs", true}, {"top_logprobs", 2}}));
  const Json& logprobs = body["choices"][0]["logprobs"];
  EXPECT_TRUE(logprobs.at("refusal").is_null());
  ASSERT_EQ(logprobs["content"].size(), 2u);
  const Json& first = logprobs["content"][0];
  EXPECT_EQ(first["token"], "\xEF\xBF\xBD");  // half a character
  EXPECT_EQ(first["bytes"], Json::array({0xC3}));
  EXPECT_EQ(first["logprob"], -0.5);
  ASSERT_EQ(first["top_logprobs"].size(), 2u);
  EXPECT_EQ(first["top_logprobs"][1]["logprob"], -1.5);
  EXPECT_TRUE(first["top_logprobs"][1].contains("bytes"));

  model().by_hand = true;
  const auto reply = chat({{"logprobs", true}, {"stream", true}});
  auto& call = model().calls.back();
  GenerateEvent half;
  half.tokens = {model().logprob(50, 0)};
  call.sink(std::move(half));
  GenerateEvent rest;
  rest.text = "x";
  rest.tokens = {model().logprob(51, 0)};
  rest.tokens[0].logprob = -INFINITY;
  call.sink(std::move(rest));
  FakeModel::end(call, 0, Finish::kStop, {5, 0, 2});
  const auto all = chunks(*reply);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1]["choices"][0]["logprobs"]["content"].size(), 2u);
  EXPECT_EQ(all[1]["choices"][0]["logprobs"]["content"][1]["logprob"], -9999);
  EXPECT_EQ(all[1]["choices"][0]["logprobs"]["content"][0]["top_logprobs"], Json::array());
}

TEST_F(ChatTest, ToolCallsWhole) {
  model().pieces = {"Wait.\n<tool_", "call>\n{\"name\": \"f\", \"argum", "ents\": {\"a\": 1}}\n</tool_call>\n",
                    "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"};
  Json body = json(chat({{"tools", kTools}}));
  Json& choice = body["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Wait.");
  Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_THAT(calls[0]["id"].get<std::string>(), MatchesRegex("call_[a-zA-Z0-9]{24}"));
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
  calls[0].erase("id");
  EXPECT_EQ(calls[0], Json::parse(R"({"type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}})"));
  EXPECT_NE(model().calls[0].call.grammar, nullptr);

  model().pieces.erase(model().pieces.begin(), model().pieces.begin() + 3);
  body = json(chat({{"tools", kTools}, {"tool_choice", "required"}}));
  EXPECT_TRUE(body["choices"][0]["message"].at("content").is_null());
  // With "none" a reply is text, whatever it says.
  body = json(chat({{"tools", kTools}, {"tool_choice", "none"}}));
  EXPECT_THAT(body["choices"][0]["message"]["content"].get<std::string>(), HasSubstr("<tool_call>"));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(model().calls.back().call.grammar, nullptr);
}

TEST_F(ChatTest, ToolCallsStreamed) {
  const std::string text =
      "Wait.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"town\": \"\xC3\x89vora\"}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";
  model().by_hand = true;
  const auto reply = chat({{"tools", kTools}, {"stream", true}});
  auto& call = model().calls.back();
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t length = static_cast<unsigned char>(text[i]) == 0xC3 ? 2 : 1;
    FakeModel::say(call, text.substr(i, length));
    i += length - 1;
  }
  FakeModel::end(call, 0, Finish::kStop, {5, 0, 90});
  std::string content;
  std::vector<Json> calls;
  for (const Json& chunk : chunks(*reply)) {
    const Json& delta = chunk["choices"][0]["delta"];
    if (delta.contains("content")) content += delta["content"].get<std::string>();
    if (!delta.contains("tool_calls")) continue;
    ASSERT_EQ(delta["tool_calls"].size(), 1u);
    const Json& one = delta["tool_calls"][0];
    if (one["index"] == calls.size()) {
      EXPECT_THAT(one["id"].get<std::string>(), MatchesRegex("call_[a-zA-Z0-9]{24}"));
      EXPECT_EQ(one["type"], "function");
      EXPECT_EQ(one["function"]["arguments"], "");
      calls.push_back(one);
    } else {
      EXPECT_EQ(one["index"], calls.size() - 1);
      EXPECT_FALSE(one.contains("id") || one.contains("type") || one["function"].contains("name"));
      calls.back()["function"]["arguments"].get_ref<std::string&>() += one["function"]["arguments"].get<std::string>();
    }
  }
  EXPECT_EQ(content, "Wait.");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["function"]["name"], "f");
  EXPECT_EQ(Json::parse(calls[0]["function"]["arguments"].get<std::string>())["town"], "\xC3\x89vora");
  EXPECT_EQ(calls[1]["function"]["arguments"], "{}");
  EXPECT_EQ(deltas(*reply).back(), R"({} "tool_calls")");
}

TEST_F(ChatTest, ACallThatIsCutShortSaysLength) {
  model().pieces = {"<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a"};
  model().finish = Finish::kLength;
  const Json body = json(chat({{"tools", kTools}}));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"a");
}

TEST_F(ChatTest, Formats) {
  EXPECT_EQ(chat(Json::parse(R"({"response_format": {"type": "text"}})"))->status, 200);
  EXPECT_EQ(model().calls.back().call.grammar, nullptr);
  EXPECT_EQ(chat(Json::parse(R"({"response_format": {"type": "json_object"}})"))->status, 200);
  EXPECT_NE(model().calls.back().call.grammar, nullptr);
  EXPECT_EQ(chat(Json::parse(R"({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
    "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}}})"))
                ->status,
            200);
  EXPECT_NE(model().calls.back().call.grammar, nullptr);
  const auto wrong = [&](const char* format) { return error(chat({{"response_format", Json::parse(format)}})); };
  EXPECT_EQ(wrong("5"), "400 invalid_type response_format");
  EXPECT_EQ(wrong("{}"), "400 missing_required_parameter response_format.type");
  EXPECT_EQ(wrong(R"({"type": "xml"})"), "400 invalid_value response_format.type");
  EXPECT_EQ(wrong(R"({"type": "json_schema"})"), "400 missing_required_parameter response_format.json_schema");
  EXPECT_EQ(wrong(R"({"type": "json_schema", "json_schema": {"name": "a b"}})"),
            "400 invalid_value response_format.json_schema.name");
  EXPECT_EQ(wrong(R"({"type": "json_schema", "json_schema": {"name": "n", "schema": [1]}})"),
            "400 invalid_type response_format.json_schema.schema");
  EXPECT_EQ(wrong(R"({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "nonsense"}}})"),
            "400 invalid_value response_format.json_schema.schema");
  EXPECT_EQ(error(chat({{"tools", kTools}, {"response_format", {{"type", "json_object"}}}})),
            "400 unsupported_value response_format.type");
}

TEST_F(ChatTest, ASlowReadersTextIsKeptTogether) {
  model().by_hand = true;
  const auto reply = chat({{"stream", true}});
  auto& call = model().calls.back();
  FakeModel::say(call, "a");
  reply->waiting_bytes = kSlowReader + 1;
  const int writes = reply->writes;
  for (int i = 0; i < 1000; ++i) FakeModel::say(call, "b");
  EXPECT_EQ(reply->writes, writes);
  reply->waiting_bytes = kSlowReader;
  FakeModel::say(call, "c");
  EXPECT_EQ(reply->writes, writes + 1);
  reply->waiting_bytes = kSlowReader + 1;
  FakeModel::say(call, "d");
  FakeModel::end(call, 0, Finish::kStop, {5, 0, 1003});
  EXPECT_TRUE(reply->ended);  // what is left goes out with the end, however slow the reader
  const auto all = deltas(*reply);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[2], "{\"content\":\"" + std::string(1000, 'b') + "c\"} null");
  EXPECT_EQ(all[3], R"({"content":"d"} null)");
}

TEST_F(ChatTest, AClientThatLeavesEndsItsGeneration) {
  for (const bool stream : {false, true}) {
    model().by_hand = true;
    log.clear();
    meter->settled.clear();
    const auto reply = chat({{"stream", stream}});
    auto& call = model().calls.back();
    FakeModel::say(call, "a");
    EXPECT_EQ(call.generating->cancels, 0);
    reply->leave();
    EXPECT_EQ(call.generating->cancels, 1);
    EXPECT_TRUE(log.empty());
    FakeModel::end(call, 0, Finish::kCancelled, {5, 0, 1});
    EXPECT_FALSE(reply->ended);
    ASSERT_EQ(log.size(), 1u);
    EXPECT_EQ(Json::parse(log[0])["status"], 499);
    EXPECT_EQ(Json::parse(log[0])["completion_tokens"], 1);
    EXPECT_EQ(meter->settled, (std::vector<std::array<int64_t, 3>>{{4096, 5, 1}}));
  }
}

TEST_F(ChatTest, AWriteThatFailsEndsTheGenerationToo) {
  model().by_hand = true;
  const auto reply = chat({{"stream", true}});
  auto& call = model().calls.back();
  call.generating->on_cancel = [&] { FakeModel::end(call, 0, Finish::kCancelled, {5, 0, 1}); };  // at once
  reply->left = true;
  FakeModel::say(call, "a");
  EXPECT_EQ(call.generating->cancels, 1);
  EXPECT_EQ(meter->settled.size(), 1u);
}

TEST_F(ChatTest, WhatIsReservedIsSettledOnce) {
  chat({{"max_tokens", 10}, {"n", 2}});
  EXPECT_EQ(meter->reserved, std::vector<int64_t>{5 + 2 * 10});
  EXPECT_EQ(meter->settled, (std::vector<std::array<int64_t, 3>>{{25, 5, 12}}));
  model().refuse_from = 0;
  const auto reply = chat({{"max_tokens", 10}});
  EXPECT_EQ(error(reply), "429 queue_full null");
  EXPECT_EQ(reply->header("Retry-After"), "2");
  EXPECT_EQ(reply->header("retry-after-ms"), "1500");
  ASSERT_EQ(meter->settled.size(), 2u);
  EXPECT_EQ(meter->settled[1], (std::array<int64_t, 3>{15, 0, 0}));
  meter->refuse = true;
  const auto refused = chat();
  EXPECT_EQ(error(refused), "429 rate_limit_exceeded null");
  EXPECT_EQ(refused->header("retry-after-ms"), "250");
  EXPECT_EQ(meter->settled.size(), 2u);
  EXPECT_EQ(chat({{"temperature", 3}})->status, 400);
  EXPECT_EQ(meter->reserved.size(), 2u);
}

TEST_F(ChatTest, FailuresUnderWay) {
  model().by_hand = true;
  const auto stream = chat({{"stream", true}});
  FakeModel::say(model().calls.back(), "a");
  FakeModel::end(model().calls.back(), 0, Finish::kDeadline, {5, 0, 1});
  EXPECT_TRUE(stream->ended);
  const auto events = events_of(stream->body);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events.back().json()["error"]["code"], "deadline_exceeded");
  EXPECT_TRUE(events.back().json()["error"]["param"].is_null());
  EXPECT_EQ(Json::parse(log.back())["status"], 504);
  const auto whole = chat();
  FakeModel::end(model().calls.back(), 0, Finish::kDeadline, {5, 0, 1});
  EXPECT_EQ(error(whole), "504 deadline_exceeded null");
  EXPECT_EQ(whole->header("x-should-retry"), "false");
  // Of several choices the others are stopped.
  const auto several = chat({{"n", 2}});
  FakeModel::end(model().calls.back(), 1, Finish::kCancelled, {5, 0, 1});
  EXPECT_EQ(error(several), "503 cancelled null");
  EXPECT_EQ(model().calls.back().generating->cancels, 1);
  FakeModel::end(model().calls.back(), 0, Finish::kCancelled, {5, 0, 7});
  EXPECT_EQ(meter->settled.back()[2], 8);
  EXPECT_EQ(meter->settled.size(), 3u);
}

TEST_F(ChatTest, AModelThatForgetsACallStillSettles) {
  model().by_hand = true;
  const auto reply = chat();
  model().calls.clear();
  EXPECT_EQ(meter->settled.size(), 1u);
  EXPECT_EQ(Json::parse(log.at(0))["status"], 500);
}

TEST_F(ChatTest, EventsComeOnTheModelsThread) {
  for (const bool leaves : {false, true}) {
    model().by_hand = true;
    meter->settled.clear();
    const auto reply = chat({{"stream", true}});
    auto& call = model().calls.back();
    std::thread speaker([&] {
      int64_t said = 0;
      while (said < 2000 && call.generating->cancels == 0) {
        FakeModel::say(call, "x");
        ++said;
      }
      FakeModel::end(call, 0, said < 2000 ? Finish::kCancelled : Finish::kStop, {5, 0, said});
    });
    for (int i = 0; i < 200; ++i) reply->waiting_bytes = i % 2 ? 0 : kSlowReader + 1;
    if (leaves) reply->leave();
    speaker.join();
    EXPECT_EQ(meter->settled.size(), 1u);
    if (leaves) continue;
    std::string text;
    for (const Json& chunk : chunks(*reply)) text += chunk["choices"][0]["delta"].value("content", "");
    EXPECT_EQ(text, std::string(2000, 'x'));
  }
}

TEST_F(ChatTest, BytesThatAreNoTextBecomeReplacements) {
  model().pieces = {"a\xFF\xC3"};
  EXPECT_EQ(json(chat())["choices"][0]["message"]["content"], "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(chunks(*chat({{"stream", true}})).size(), 3u);
}

// ---- Models that bring a template

constexpr const char* kBrought =
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system here!') }}{% endif %}"
    "[{{ m.role }}]{{ m.content or '' }}{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}"
    "{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function | tojson }}{% endfor %}<e>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% if open %}<think>\n{% endif %}{% endif %}";

bool accepts(const GenerateCall& call, const Tokenizer& tokenizer, const std::string& text) {
  Matcher matcher(call.grammar, make_token_tree(tokenizer, tokenizer.vocab_size(), call.shown));
  for (const int32_t token : tokenizer.encode(text, true)) {
    if (!matcher.accept(token)) return false;
  }
  return matcher.can_end();
}

TEST_F(ChatTest, AModelsTemplateGetsStructuredMessages) {
  model().use(tokenizer_with(kBrought, {"<e>", "[TOOL_CALLS]"}));
  chat({{"messages", Json::parse(R"([{"role": "user", "content": "Hi <e>"},
          {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
          {"role": "tool", "tool_call_id": "1", "content": "one"}])")},
        {"chat_template_kwargs", {{"open", false}}}});
  const GenerateCall& call = model().calls.at(0).call;
  EXPECT_EQ(model().tokenizer().decode(call.prompt),
            "[user]Hi <e><e>[assistant](Hm.)[TOOL_CALLS]{\"name\": \"f\", \"arguments\": {\"a\": 1}}<e>[tool]one<e>"
            "[assistant]");
  EXPECT_EQ(std::count(call.prompt.begin(), call.prompt.end(), model().tokenizer().special("<e>")), 3);
  EXPECT_EQ(call.thoughts, ThoughtFilter::Begin::kPerhaps);
  EXPECT_TRUE(call.shown.empty());
}

TEST_F(ChatTest, WhatATemplateRefusesIsTheCallersMistake) {
  model().use(tokenizer_with(kBrought, {"<e>", "[TOOL_CALLS]"}));
  const auto reply = chat({{"messages", Json::parse(R"([{"role": "system", "content": "x"}])")}});
  EXPECT_EQ(error(reply), "400 invalid_value messages");
  EXPECT_THAT(json(reply)["error"]["message"].get<std::string>(), HasSubstr("No system here!"));
  EXPECT_EQ(error(chat({{"chat_template_kwargs", 5}})), "400 invalid_type chat_template_kwargs");
  EXPECT_EQ(error(chat({{"enable_thinking", "yes"}})), "400 invalid_type enable_thinking");
}

TEST_F(ChatTest, CallsAreWrittenAndReadInTheModelsForm) {
  model().use(tokenizer_with(kBrought, {"<e>", "[TOOL_CALLS]"}));
  model().pieces = {"[TOOL_", "CALLS][{\"name\": \"f\", \"argu", "ments\": {\"a\": 1}}]"};
  const auto reply = chat({{"tools", kTools}, {"tool_choice", "required"}});
  const Json message = json(reply)["choices"][0]["message"];
  ASSERT_EQ(message["tool_calls"].size(), 1u) << reply->body;
  EXPECT_EQ(message["tool_calls"][0]["function"], Json::parse(R"({"name": "f", "arguments": "{\"a\": 1}"})"));
  EXPECT_EQ(message["tool_calls"][0]["id"].get<std::string>().size(), 9u);
  const GenerateCall& call = model().calls.at(0).call;
  EXPECT_EQ(call.shown, std::vector<int32_t>{model().tokenizer().special("[TOOL_CALLS]")});
  EXPECT_TRUE(accepts(call, model().tokenizer(), "[TOOL_CALLS][{\"name\": \"g\", \"arguments\": {}}]"));
  EXPECT_FALSE(accepts(call, model().tokenizer(), "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_TRUE(model().tokenizer().decode(call.prompt).starts_with("[{\"type\": \"function\""));
}

TEST_F(ChatTest, ValuesWithoutQuotesHaveTheirSchemasTypes) {
  const std::string brought = std::string("{% if false %}<tool_call><function=f><parameter=a>{% endif %}") + kBrought;
  model().use(tokenizer_with(brought.c_str(), {"<e>", "<tool_call>", "</tool_call>"}));
  model().pieces = {"<tool_call>\n<func", "tion=f>\n<parameter=a>\n1", "2\n</parameter>\n<parameter=b>\n1", "2\n</para",
                    "meter>\n</function>\n</tool_call>"};
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
      "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}}}])");
  const Json message = json(chat({{"tools", tools}}))["choices"][0]["message"];
  ASSERT_EQ(message["tool_calls"].size(), 1u) << message;
  EXPECT_EQ(message["tool_calls"][0]["function"]["arguments"], R"({"a": 12, "b": "12"})");
  const GenerateCall& call = model().calls.at(0).call;
  EXPECT_TRUE(accepts(call, model().tokenizer(),
                      "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>"));
  EXPECT_FALSE(accepts(call, model().tokenizer(),
                       "<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>\n</function>\n</tool_call>"));
}

TEST_F(ChatTest, AGrammarWaitsForTheThoughtsToEnd) {
  model().use(tokenizer_with(kBrought, {"<e>", "[TOOL_CALLS]"}));
  chat({{"tools", kTools}, {"tool_choice", "required"}, {"chat_template_kwargs", {{"open", true}}}});
  const GenerateCall& call = model().calls.at(0).call;
  EXPECT_EQ(call.thoughts, ThoughtFilter::Begin::kOpen);
  const std::string written = "[TOOL_CALLS][{\"name\": \"g\", \"arguments\": {}}]";
  EXPECT_TRUE(accepts(call, model().tokenizer(), "Let me see.</think>\n\n" + written));
  EXPECT_FALSE(accepts(call, model().tokenizer(), written));
}

TEST_F(ChatTest, ThoughtsAreReasoningContent) {
  model().thoughts = "Hm, well.";
  const Json whole = json(chat());
  EXPECT_EQ(whole["choices"][0]["message"]["reasoning_content"], "Hm, well.");
  EXPECT_EQ(whole["choices"][0]["message"]["content"], "Hello.");
  EXPECT_EQ(whole["usage"]["completion_tokens_details"]["reasoning_tokens"], 9);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 15);
  std::string reasoning, content;
  for (const Json& chunk : chunks(*chat({{"stream", true}}))) {
    for (const Json& choice : chunk["choices"]) {
      const Json& delta = choice["delta"];
      if (delta.contains("reasoning_content")) {
        EXPECT_EQ(content, "");
        reasoning += delta["reasoning_content"];
      }
      if (delta.contains("content")) content += delta["content"];
    }
  }
  EXPECT_EQ(reasoning, "Hm, well.");
  EXPECT_EQ(content, "Hello.");
  model().thoughts = "";
  EXPECT_FALSE(json(chat())["choices"][0]["message"].contains("reasoning_content"));
}

}  // namespace
}  // namespace loquat::serve::api
