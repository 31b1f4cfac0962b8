// Calls of tools in a text that comes in awkward pieces, and what a model is told of its tools.
#include "serve/api/tools.h"

#include <gtest/gtest.h>

#include "serve/api/conversation.h"

namespace loquat::serve::api {
namespace {

// "text|f(args)|..." of a text that comes in pieces of `size` bytes.
std::string parsed(std::string_view text, size_t size) {
  ToolCallParser parser;
  std::string out;
  for (size_t at = 0; at < text.size() || at == 0; at += size) {
    const bool last = at + size >= text.size();
    for (const ToolPiece& piece : parser.push(text.substr(at, size), last)) {
      if (piece.kind == ToolPiece::Kind::kCall)
        out += "|" + piece.text + "#" + std::to_string(piece.call) + ":";
      else
        out += piece.text;
    }
  }
  return out;
}

void expect_parsed(std::string_view text, const std::string& expected) {
  for (const size_t size : {1, 2, 3, 5, 7, 11, 1000}) EXPECT_EQ(parsed(text, size), expected) << "pieces of " << size;
}

TEST(ToolCalls, AreFoundHoweverTheTextIsCut) {
  expect_parsed("", "");
  expect_parsed("Just text.\n", "Just text.\n");
  expect_parsed("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", "|f#0:{}");
  expect_parsed(
      "Let me look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, {\"b\": \"}]\\\"<\"}]}}\n</tool_call>\n",
      "Let me look.|f#0:{\"a\": [1, {\"b\": \"}]\\\"<\"}]}");
  expect_parsed(
      "<tool_call>{\"name\":\"f\",\"arguments\":{}}</"
      "tool_call>\n\n<tool_call>{\"name\":\"g-2\",\"arguments\":{\"x\":1}}</tool_call>",
      "|f#0:{}|g-2#1:{\"x\":1}");
  expect_parsed("a <tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call> after", "a|f#0:{} after");
  // A close within the arguments' text is text.
  expect_parsed("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"</tool_call>\"}}</tool_call>",
                "|f#0:{\"a\":\"</tool_call>\"}");
}

TEST(ToolCalls, WhatIsNoCallIsText) {
  expect_parsed("a < b <tool_cal", "a < b <tool_cal");
  expect_parsed("<tool_call>", "<tool_call>");
  expect_parsed("<tool_call>hello</tool_call>", "<tool_call>hello</tool_call>");
  expect_parsed("<tool_call>{\"name\": \"no such name!\", \"arguments\": {}}",
                "<tool_call>{\"name\": \"no such name!\", \"arguments\": {}}");
  expect_parsed("<tool_call>{\"name\": \"f\", \"arguments\": 5}", "<tool_call>{\"name\": \"f\", \"arguments\": 5}");
  expect_parsed("<tool_call><tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", "<tool_call>|f#0:{}");
}

TEST(ToolCalls, ArgumentsComeAsTheyAreWritten) {
  ToolCallParser parser;
  EXPECT_TRUE(parser.push("<tool_call>\n{\"name\": \"f\"", false).empty());
  auto pieces = parser.push(", \"arguments\": {\"to", false);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].text, "f");
  EXPECT_EQ(pieces[1].text, "{\"to");
  pieces = parser.push("wn\": \"\xC3\xA9\"", false);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "wn\": \"\xC3\xA9\"");
  pieces = parser.push("}}\n</tool_", false);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "}");
  EXPECT_TRUE(parser.push("call>", true).empty());  // a call cut short by a token limit ends like this too
  EXPECT_TRUE(parser.any_call());
}

Messages messages_of(const char* text) {
  const Json json = Json::parse(text);
  const Fields body(json);
  return read_messages(body, read_tools(body, ToolShape::kNested));
}

TEST(ToolCalls, AModelIsToldOfItsToolsAndOfWhatItDid) {
  const Messages messages = messages_of(R"({
    "tools": [{"type": "function", "function": {"name": "f", "description": "Does.", "parameters": {"type": "object"}}},
              {"type": "function", "function": {"name": "g"}}],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Do it."},
      {"role": "assistant", "content": "Yes.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
      {"role": "tool", "tool_call_id": "1", "content": "one"},
      {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "tw"}, {"type": "text", "text": "o"}]},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "3", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
      {"role": "tool", "tool_call_id": "3", "content": ""}]})");
  ASSERT_EQ(messages.size(), 6u);
  EXPECT_TRUE(messages[0].content.starts_with("Be brief.\n\n"));
  EXPECT_NE(messages[0].content.find("<tools>\n"
                                     "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"Does.\","
                                     "\"parameters\":{\"type\":\"object\"}}}\n"
                                     "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}\n</tools>"),
            std::string::npos)
      << messages[0].content;
  EXPECT_EQ(messages[2].content,
            "Yes.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"b\": 1, \"a\": 2}}\n</tool_call>\n"
            "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[3].role, "user");
  EXPECT_EQ(messages[3].content, "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>");
  EXPECT_EQ(messages[4].content, "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[5].content, "<tool_response>\n\n</tool_response>");
}

TEST(ToolCalls, ANewSystemMessageWhereThereIsNone) {
  const Messages messages = messages_of(R"({"tools": [{"type": "function", "function": {"name": "f"}}],
    "messages": [{"role": "user", "content": "Do it."}]})");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].role, "system");
  const Messages none = messages_of(R"({"tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "none", "messages": [{"role": "user", "content": "Do it."}]})");
  EXPECT_EQ(none.size(), 1u);
}

}  // namespace
}  // namespace loquat::serve::api
