// The responses API on the wire: its events in their order, its items, and what it refuses because it keeps no state.
#include "serve/api/responses.h"

#include "serve/api/testing.h"

namespace loquat::serve::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

class ResponsesTest : public ApiTest {
 protected:
  std::shared_ptr<FakeReply> respond(const char* more) {
    Json body = Json::parse(R"({"model": "talker", "input": "Hi"})");
    body.update(Json::parse(more));
    return post("/v1/responses", body);
  }
  FakeModel& model() { return *backend->talker; }
  std::string prompt() { return byte_tokenizer().decode(model().calls.back().call.prompt); }
  // The events' names; each is its data's type, and they are numbered from 0.
  static std::vector<std::string> names(const std::vector<Event>& events) {
    std::vector<std::string> out;
    for (const Event& event : events) {
      EXPECT_EQ(event.json()["type"], event.name);
      EXPECT_EQ(event.json()["sequence_number"], out.size());
      out.push_back(event.name);
    }
    return out;
  }
};

constexpr const char* kTool =
    R"({"stream": true, "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]})";

TEST_F(ResponsesTest, Whole) {
  const Json body = json(respond(R"({"instructions": "Be brief.", "max_output_tokens": 50, "store": true,
                                     "metadata": {"a": "b"}, "temperature": 0.5})"));
  EXPECT_THAT(body["id"].get<std::string>(), MatchesRegex("resp_.*"));
  EXPECT_EQ(body["object"], "response");
  EXPECT_EQ(body["status"], "completed");
  EXPECT_EQ(body["model"], "talker");
  EXPECT_EQ(body["instructions"], "Be brief.");
  EXPECT_EQ(body["max_output_tokens"], 50);
  EXPECT_EQ(body["temperature"], 0.5);
  EXPECT_EQ(body["store"], false);  // nothing is kept, and it says so
  for (const char* name : {"error", "incomplete_details", "previous_response_id"}) EXPECT_TRUE(body.at(name).is_null());
  ASSERT_EQ(body["output"].size(), 1u);
  Json item = body["output"][0];
  EXPECT_THAT(item["id"].get<std::string>(), MatchesRegex("msg_.*"));
  item.erase("id");
  EXPECT_EQ(item, Json::parse(R"({"type": "message", "status": "completed", "role": "assistant",
    "content": [{"type": "output_text", "text": "Hello.", "annotations": [], "logprobs": []}]})"));
  EXPECT_EQ(body["usage"]["output_tokens"], 6);
  EXPECT_EQ(body["usage"]["input_tokens_details"]["cached_tokens"], 3);
  EXPECT_EQ(body["usage"]["total_tokens"], body["usage"]["input_tokens"].get<int>() + 6);
  EXPECT_EQ(prompt(), "<|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>");
  EXPECT_EQ(model().calls.back().call.sampling.max_tokens, 50);
}

TEST_F(ResponsesTest, StreamOfText) {
  model().by_hand = true;
  const auto reply = respond(R"({"stream": true})");
  auto& call = model().calls.back();
  EXPECT_THAT(names(events_of(reply->body)), ElementsAre("response.created", "response.in_progress"));
  FakeModel::say(call, "Hel");
  FakeModel::say(call, "lo");
  FakeModel::end(call, 0, Finish::kStop, {4, 0, 5});
  EXPECT_TRUE(reply->ended);
  const auto events = events_of(reply->body);
  EXPECT_THAT(names(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                          "response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.completed"));
  EXPECT_EQ(events[0].json()["response"]["status"], "in_progress");
  EXPECT_EQ(events[0].json()["response"]["output"], Json::array());
  const Json item = events[2].json()["item"];
  EXPECT_EQ(item["status"], "in_progress");
  EXPECT_EQ(item["content"], Json::array());
  EXPECT_EQ(events[3].json()["part"]["text"], "");
  EXPECT_EQ(events[4].json()["delta"], "Hel");
  for (size_t i = 3; i < 8; ++i) {
    EXPECT_EQ(events[i].json()["item_id"], item["id"]);
    EXPECT_EQ(events[i].json()["output_index"], 0);
    EXPECT_EQ(events[i].json()["content_index"], 0);
  }
  EXPECT_EQ(events[6].json()["text"], "Hello");
  EXPECT_EQ(events[7].json()["part"]["text"], "Hello");
  EXPECT_EQ(events[8].json()["item"]["status"], "completed");
  const Json response = events[9].json()["response"];
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["output"][0], events[8].json()["item"]);
  EXPECT_EQ(response["usage"]["output_tokens"], 5);
}

TEST_F(ResponsesTest, StreamOfCalls) {
  model().by_hand = true;
  const auto reply = respond(kTool);
  auto& call = model().calls.back();
  FakeModel::say(call, "Wait.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":");
  FakeModel::say(call, " 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
  FakeModel::end(call, 0, Finish::kStop, {4, 0, 5});
  const auto events = events_of(reply->body);
  EXPECT_THAT(names(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                          "response.content_part.done", "response.output_item.done", "response.output_item.added",
                          "response.function_call_arguments.delta", "response.function_call_arguments.delta",
                          "response.function_call_arguments.done", "response.output_item.done",
                          "response.output_item.added", "response.function_call_arguments.delta",
                          "response.function_call_arguments.done", "response.output_item.done", "response.completed"));
  const Json output = events.back().json()["response"]["output"];
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["content"][0]["text"], "Wait.");
  EXPECT_EQ(output[1]["type"], "function_call");
  EXPECT_EQ(output[1]["name"], "f");
  EXPECT_EQ(output[1]["arguments"], "{\"a\": 1}");
  EXPECT_THAT(output[1]["call_id"].get<std::string>(), MatchesRegex("call_.*"));
  EXPECT_EQ(events[11].json()["arguments"], "{\"a\": 1}");
  EXPECT_EQ(events[11].json()["name"], "f");
  EXPECT_EQ(events[11].json()["output_index"], 1);
  EXPECT_EQ(events[8].json()["item"]["arguments"], "");
  EXPECT_EQ(output[2]["arguments"], "{}");
}

TEST_F(ResponsesTest, ThoughtsAreAnItem) {
  model().thoughts = "Hm.";
  const auto events = events_of(respond(R"({"stream": true})")->body);
  EXPECT_THAT(
      names(events),
      ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                  "response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.done",
                  "response.content_part.done", "response.output_item.done", "response.output_item.added",
                  "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                  "response.content_part.done", "response.output_item.done", "response.completed"));
  const Json response = events.back().json()["response"];
  EXPECT_EQ(response["output"][0]["content"], Json::parse(R"([{"type": "reasoning_text", "text": "Hm."}])"));
  EXPECT_EQ(response["usage"]["output_tokens_details"]["reasoning_tokens"], 3);
  // They come back as input.
  Json body = Json::parse(R"({"model": "talker"})");
  body["input"] = response["output"];
  EXPECT_EQ(post("/v1/responses", body)->status, 200);
  EXPECT_EQ(prompt(), "<|assistant|><think>\nHm.\n</think>\n\nHello.<|end|><|assistant|>");
}

TEST_F(ResponsesTest, AReplyThatIsCutIsIncomplete) {
  const Json body = json(respond(R"({"max_output_tokens": 2})"));
  EXPECT_EQ(body["status"], "incomplete");
  EXPECT_EQ(body["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(body["output"][0]["status"], "incomplete");
  EXPECT_EQ(body["output"][0]["content"][0]["text"], "He");
  EXPECT_THAT(respond(R"({"max_output_tokens": 2, "stream": true})")->body, HasSubstr("event: response.incomplete\n"));
  model().pieces = {};
  EXPECT_EQ(json(respond("{}"))["output"][0]["content"][0]["text"], "");
}

TEST_F(ResponsesTest, InputItems) {
  respond(R"({"input": [{"role": "developer", "content": "D"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "U"}]},
    {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
     "content": [{"type": "output_text", "text": "A", "annotations": []}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "R"}]})");
  EXPECT_EQ(prompt(),
            "<|system|>D<|end|><|user|>U<|end|><|assistant|>A\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n"
            "</tool_call><|end|><|user|><tool_response>\nR\n</tool_response><|end|><|assistant|>");
}

TEST_F(ResponsesTest, Formats) {
  respond(R"({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}})");
  EXPECT_NE(model().calls.back().call.grammar, nullptr);
  respond(R"({"text": {"format": {"type": "text"}, "verbosity": "low"}})");
  EXPECT_EQ(model().calls.back().call.grammar, nullptr);
  EXPECT_EQ(error(respond(R"({"text": {"format": {"type": "json_schema"}}})")),
            "400 missing_required_parameter text.format.name");
}

TEST_F(ResponsesTest, AFailureUnderWay) {
  model().by_hand = true;
  const auto reply = respond(R"({"stream": true})");
  FakeModel::end(model().calls.back(), 0, Finish::kDeadline, {4, 0, 0});
  const auto events = events_of(reply->body);
  EXPECT_EQ(names(events).back(), "error");
  EXPECT_EQ(events.back().json()["code"], "deadline_exceeded");
  EXPECT_TRUE(events.back().json().at("param").is_null());
}

TEST_F(ResponsesTest, WhatIsWrong) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"previous_response_id": "resp_1"})", "400 unsupported_parameter previous_response_id"},
      {R"({"conversation": "c"})", "400 unsupported_parameter conversation"},
      {R"({"background": true})", "400 unsupported_value background"},
      {R"({"truncation": "auto"})", "400 unsupported_value truncation"},
      {R"({"top_logprobs": 1})", "400 unsupported_value top_logprobs"},
      {R"({"include": ["file_search_call.results"]})", "400 unsupported_value include"},
      {R"({"input": null})", "400 missing_required_parameter input"},
      {R"({"input": []})", "400 empty_array input"},
      {R"({"input": 5})", "400 invalid_type input"},
      {R"({"input": [5]})", "400 invalid_type input[0]"},
      {R"({"input": [{"type": "item_reference", "id": "x"}]})", "400 invalid_value input[0].type"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "400 unsupported_content input[0].content[0].type"},
      {R"({"input": [{"type": "function_call", "name": "f", "arguments": "["}]})",
       "400 invalid_value input[0].arguments"},
      {R"({"tools": [{"type": "web_search"}]})", "400 unsupported_value tools[0].type"},
      {R"({"tool_choice": {"type": "function", "name": "f"}})", "400 invalid_value tool_choice"},
      {R"({"max_output_tokens": 0})", "400 invalid_value max_output_tokens"},
      {R"({"messages": []})", "400 unknown_parameter messages"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(error(respond(body)), expected) << body;
  model().context_tokens = 4;
  EXPECT_EQ(error(respond("{}")), "400 context_length_exceeded input");
}

}  // namespace
}  // namespace loquat::serve::api
