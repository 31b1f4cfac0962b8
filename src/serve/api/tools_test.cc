// What a request says of tools and of a conversation, as a chat template reads it.
#include "serve/api/tools.h"

#include <gtest/gtest.h>

#include "serve/api/conversation.h"

namespace loquat::serve::api {
namespace {

TEST(Tools, AConversationKeepsItsParts) {
  const Json json = Json::parse(R"({
    "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "name": "Ann", "content": "Do it."},
      {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
      {"role": "tool", "tool_call_id": "1", "content": "one"},
      {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "tw"}, {"type": "text", "text": "o"}]},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "3", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
      {"role": "tool", "tool_call_id": "3", "name": "g", "content": ""}]})");
  const Messages expected = {{"system", "Be brief."},
                             {"user", "Do it.", "", {}, "", "Ann"},
                             {"assistant", "Yes.", "Hm.", {{"1", "f", "{\"b\": 1, \"a\": 2}"}, {"2", "g", "{}"}}},
                             {"tool", "one", "", {}, "1"},
                             {"tool", "two", "", {}, "2"},
                             {"assistant", "", "", {{"3", "g", "{}"}}, "", "", true},
                             {"tool", "", "", {}, "3", "g"}};
  EXPECT_EQ(read_messages(Fields(json)), expected);
}

TEST(Tools, ResponsesInputKeepsItsParts) {
  const Json json = Json::parse(R"({"input": [
    {"role": "user", "content": "Do it."},
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
    {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "1", "output": "one"}]})");
  const Messages expected = {{"user", "Do it."},
                             {"assistant", "", "Hm.", {{"1", "f", "{}"}, {"2", "g", "{}"}}, "", "", true},
                             {"tool", "one", "", {}, "1"}};
  EXPECT_EQ(read_input(Fields(json)), expected);
}

TEST(Tools, ATemplateIsToldWhatTheRequestSays) {
  const auto options = [](const char* text, ToolShape shape = ToolShape::kNested) {
    const Json json = Json::parse(text);
    const Fields body(json);
    return read_chat_options(body, read_tools(body, shape), shape == ToolShape::kFlat ? "reasoning" : nullptr);
  };
  EXPECT_EQ(options(R"({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]})").tools,
            R"([{"type":"function","function":{"name":"f","strict":true}}])");
  EXPECT_EQ(options(R"({"tools": [{"type": "function", "name": "f", "strict": true}]})", ToolShape::kFlat).tools,
            R"([{"type":"function","function":{"name":"f"}}])");
  EXPECT_EQ(options(R"({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"})").tools,
            "");
  EXPECT_EQ(options("{}").variables, "");
  EXPECT_EQ(options(R"({"enable_thinking": false, "reasoning_effort": "low",
                        "chat_template_kwargs": {"a": [1], "enable_thinking": true}})")
                .variables,
            R"({"enable_thinking":true,"reasoning_effort":"low","a":[1]})");
  EXPECT_EQ(options(R"({"reasoning": {"effort": "high"}})", ToolShape::kFlat).variables,
            R"({"reasoning_effort":"high"})");
}

}  // namespace
}  // namespace loquat::serve::api
