// Calls of tools in a text that comes in awkward pieces.
#include "serve/api/tool_calls.h"

#include <gtest/gtest.h>

namespace loquat::serve::api {
namespace {

// "text|f(args)|..." of a text that comes in pieces of `size` bytes.
std::string parsed(ToolFamily family, std::string_view text, size_t size) {
  const auto reader = ToolCallReader::make(family);
  std::string out;
  for (size_t at = 0; at < text.size() || at == 0; at += size) {
    const bool last = at + size >= text.size();
    for (const ToolPiece& piece : reader->push(text.substr(at, size), last)) {
      if (piece.kind == ToolPiece::Kind::kCall)
        out += "|" + piece.text + "#" + std::to_string(piece.call) + ":";
      else
        out += piece.text;
    }
  }
  return out;
}

void expect_parsed(std::string_view text, const std::string& expected, ToolFamily family = ToolFamily::kHermes) {
  for (const size_t size : {1, 2, 3, 5, 7, 11, 1000})
    EXPECT_EQ(parsed(family, text, size), expected) << "pieces of " << size;
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
  const auto reader = ToolCallReader::make(ToolFamily::kHermes);
  EXPECT_TRUE(reader->push("<tool_call>\n{\"name\": \"f\"", false).empty());
  auto pieces = reader->push(", \"arguments\": {\"to", false);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].text, "f");
  EXPECT_EQ(pieces[1].text, "{\"to");
  pieces = reader->push("wn\": \"\xC3\xA9\"", false);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "wn\": \"\xC3\xA9\"");
  pieces = reader->push("}}\n</tool_", false);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "}");
  EXPECT_TRUE(reader->push("call>", true).empty());  // a call cut short by a token limit ends like this too
  EXPECT_TRUE(reader->any_call());
}

TEST(ToolCalls, Llama3) {
  const auto expect = [](std::string_view text, const std::string& expected) {
    expect_parsed(text, expected, ToolFamily::kLlama3);
  };
  expect("", "");
  expect("Just {text}.\n", "Just {text}.\n");
  expect(R"({"name": "f", "parameters": {"a": [1, {"b": "}"}]}})", R"(|f#0:{"a": [1, {"b": "}"}]})");
  expect(R"(  <|python_tag|>{"name": "f", "parameters": {}})", "|f#0:{}");
  expect(R"({"type": "function", "name": "f", "arguments": {}})", "|f#0:{}");
  expect(R"({"name": "f", "parameters": {}}; {"name": "g", "parameters": {"x": 1}} )", R"(|f#0:{}|g#1:{"x": 1})");
  expect(R"(Let me see. <|python_tag|>{"name": "f", "parameters": {}})", "Let me see.|f#0:{}");
  // What is no call is text.
  expect(R"({"name": "Bob", "age": 3})", R"({"name": "Bob", "age": 3})");
  expect(R"({"na)", R"({"na)");
  expect("<|python", "<|python");
  expect("<|python_tag|>print(1)", "<|python_tag|>print(1)");
  expect(R"({"name": "f", "parameters": {}}; and {more})", "|f#0:{}; and {more}");
  expect(R"(I said: {"name": "f", "parameters": {}})", R"(I said: {"name": "f", "parameters": {}})");
}

TEST(ToolCalls, Mistral) {
  const auto expect = [](std::string_view text, const std::string& expected) {
    expect_parsed(text, expected, ToolFamily::kMistral);
  };
  expect("[1, 2] [TOOL", "[1, 2] [TOOL");
  expect(R"([TOOL_CALLS][{"name": "f", "arguments": {"a": "]}"}}])", R"(|f#0:{"a": "]}"})");
  expect(R"([TOOL_CALLS] [{"name": "f", "arguments": {}, "id": "a}]bcdefg"}, {"name": "g", "arguments": {"x": 1}}])",
         R"(|f#0:{}|g#1:{"x": 1})");
  expect("Yes. [TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]\n", "Yes.|f#0:{}");
  expect(R"([TOOL_CALLS]{"name": "f", "arguments": {}})", "|f#0:{}");
  // What is no call is text.
  expect("[TOOL_CALLS][]", "[TOOL_CALLS][]");
  expect("[TOOL_CALLS] no", "[TOOL_CALLS] no");
  expect("[TOOL_CALLS]", "[TOOL_CALLS]");
}

TEST(ToolCalls, IdsAreWhatTheFamilysTemplatesTake) {
  EXPECT_TRUE(new_call_id(ToolFamily::kHermes).starts_with("call_"));
  const std::string id = new_call_id(ToolFamily::kMistral);
  EXPECT_EQ(id.size(), 9u);
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), std::string::npos);
}

}  // namespace
}  // namespace loquat::serve::api
