// Calls of tools in a text that comes in awkward pieces.
#include "serve/api/tool_calls.h"

#include <gtest/gtest.h>

namespace loquat::serve::api {
namespace {

// "text|f#0:args|..." of a text that comes in these pieces.
std::string parsed(ToolFamily family, const std::vector<std::string_view>& pieces, const std::vector<Tool>& tools) {
  const auto reader = ToolCallReader::make(family, tools);
  std::string out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (const ToolPiece& piece : reader->push(pieces[i], i + 1 == pieces.size())) {
      if (piece.kind == ToolPiece::Kind::kCall)
        out += "|" + piece.text + "#" + std::to_string(piece.call) + ":";
      else
        out += piece.text;
    }
  }
  return out;
}

void expect_parsed(std::string_view text, const std::string& expected, ToolFamily family = ToolFamily::kHermes,
                   const std::vector<Tool>& tools = {}) {
  for (const size_t size : {1, 2, 3, 5, 7, 11, 1000}) {
    std::vector<std::string_view> pieces = {text.substr(0, size)};
    for (size_t at = size; at < text.size(); at += size) pieces.push_back(text.substr(at, size));
    EXPECT_EQ(parsed(family, pieces, tools), expected) << "pieces of " << size;
  }
  for (size_t at = 0; at <= text.size(); ++at)
    EXPECT_EQ(parsed(family, {text.substr(0, at), text.substr(at)}, tools), expected) << "cut at " << at;
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

TEST(ToolCalls, MistralsNamesAndArgs) {
  for (const ToolFamily family : {ToolFamily::kMistral, ToolFamily::kMistralArgs}) {
    const auto expect = [&](std::string_view text, const std::string& expected) {
      expect_parsed(text, expected, family);
    };
    expect(R"([TOOL_CALLS]get_time[ARGS]{"a": [1, {"b": "]}[ARGS]"}]})",
           R"(|get_time#0:{"a": [1, {"b": "]}[ARGS]"}]})");
    expect(R"(Yes. [TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]g[CALL_ID]aB3dE6gH9[ARGS] {"x": 1}</s>)",
           R"(Yes.|f#0:{}|g#1:{"x": 1}</s>)");
    expect(R"([TOOL_CALLS][{"name": "f", "arguments": {}}])", "|f#0:{}");
    // What is no call is text.
    expect("[TOOL_CALLS]f[ARGS]", "[TOOL_CALLS]f[ARGS]");
    expect("[TOOL_CALLS]f[ARGS]5", "[TOOL_CALLS]f[ARGS]5");
    expect("[TOOL_CALLS]f[CALL_", "[TOOL_CALLS]f[CALL_");
    expect("[TOOL_CALLS]f[CALL_ID][ARGS]{}", "[TOOL_CALLS]f[CALL_ID][ARGS]{}");
    expect("[TOOL_CALLS]two words[ARGS]{}", "[TOOL_CALLS]two words[ARGS]{}");
    const std::string long_name(65, 'f');
    expect("[TOOL_CALLS]" + long_name + "[ARGS]{}", "[TOOL_CALLS]" + long_name + "[ARGS]{}");
    expect("[TOOL_CALLS]no[TOOL_CALLS]f[ARGS]{}", "[TOOL_CALLS]no|f#0:{}");
  }
}

TEST(ToolCalls, QwenCoder) {
  const Tool tool{"f", {}, R"({"type": "object", "$defs": {"Size": {"enum": [1, 2]}}, "properties": {
      "text": {"type": "string"}, "count": {"type": "integer"}, "on": {"type": "boolean"},
      "list": {"type": "array"}, "object": {"type": "object"}, "any": {},
      "perhaps": {"anyOf": [{"type": "number"}, {"type": "null"}]}, "either": {"type": ["string", "integer"]},
      "size": {"$ref": "#/$defs/Size"}, "loop": {"$ref": "#/properties/loop"}, "bad": {"$ref": "#/~"},
      "word": {"enum": ["1", "2"]}}})"};
  const auto expect = [&](std::string_view text, const std::string& expected) {
    expect_parsed(text, expected, ToolFamily::kQwenCoder, {tool});
  };
  const auto value = [&](const std::string& key, const std::string& written, const std::string& json) {
    expect(
        "<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + written + "\n</parameter>\n</function>\n</tool_call>",
        "|f#0:{\"" + key + "\": " + json + "}");
  };
  value("text", "Oslo", R"("Oslo")");
  value("text", "5", R"("5")");
  value("text", "null", R"("null")");
  value("text", "", R"("")");
  value("text", " a\n\n\"b\"\\\t<b></b>\n", R"(" a\n\n\"b\"\\\u0009<b></b>\n")");
  value("text", "\xC3\xA9 \xE6\x9D\xB1\n</para", "\"\xC3\xA9 \xE6\x9D\xB1\\n</para\"");
  value("count", "5", "5");
  value("count", " 5 ", "5");
  value("count", "12345678901234567890123", "12345678901234567890123");
  value("count", "five", R"("five")");
  value("on", "true", "true");
  value("on", "False", "false");
  value("list", R"([1, "a</parameter"])", R"([1, "a</parameter"])");
  value("list", "[1, ", R"("[1, ")");
  value("list", std::string(200, '['), '"' + std::string(200, '[') + '"');
  value("object", R"({"a": {}})", R"({"a": {}})");
  value("object", "[]", R"("[]")");
  value("any", "5", R"("5")");
  value("unknown", "true", R"("true")");
  value("perhaps", "None", "null");
  value("perhaps", "1.5", "1.5");
  value("either", "7", "7");
  value("either", "seven", R"("seven")");
  value("size", "2", "2");
  value("loop", "2", R"("2")");
  value("bad", "2", R"("2")");
  value("word", "2", R"("2")");

  expect(
      "Let me see.\n<tool_call>\n<function=f>\n<parameter=count>\n1\n</parameter>\n<parameter=text>\nx\n</parameter>\n"
      "</function>\n</tool_call>\n<tool_call>\n<function=g-2>\n</function>\n</tool_call> after",
      R"(Let me see.|f#0:{"count": 1, "text": "x"}|g-2#1:{} after)");
  expect("<tool_call><function=f><parameter=text>x</parameter><parameter=count>1</parameter></function></tool_call>",
         R"(|f#0:{"text": "x", "count": 1})");
  // Without even a line.
  expect("<tool_call><function=f><parameter=text>\n</parameter></function></tool_call>", R"(|f#0:{"text": ""})");
  // What a token limit has cut off.
  expect("<tool_call>\n<function=f>\n<parameter=text>\nOsl", R"(|f#0:{"text": "Osl)");
  expect("<tool_call>\n<function=f>\n<parameter=count>\n12", R"(|f#0:{"count": )");
  // What is no call is text.
  expect("a < b <tool_cal", "a < b <tool_cal");
  expect("<tool_call>", "<tool_call>");
  expect("<tool_call>\n<function=f>", "<tool_call>\n<function=f>");
  expect("<tool_call>\n<function=f>\nhello", "<tool_call>\n<function=f>\nhello");
  expect("<tool_call>\n<function=no name>\n</function>", "<tool_call>\n<function=no name>\n</function>");
  expect(R"(<tool_call>{"name": "f", "arguments": {}}</tool_call>)",
         R"(<tool_call>{"name": "f", "arguments": {}}</tool_call>)");
}

TEST(ToolCalls, QwenCodersTextComesAsItIsWritten) {
  const std::vector<Tool> tools = {{"f", {}, R"({"properties": {"text": {"type": "string"}}})"}};
  const auto reader = ToolCallReader::make(ToolFamily::kQwenCoder, tools);
  EXPECT_TRUE(reader->push("<tool_call>\n<function=f>\n<param", false).empty());
  auto pieces = reader->push("eter=text>\nOs", false);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].text, "f");
  EXPECT_EQ(pieces[1].text, R"({"text": "Os)");
  pieces = reader->push("lo\n", false);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "lo");
}

TEST(ToolCalls, IdsAreWhatTheFamilysTemplatesTake) {
  EXPECT_TRUE(new_call_id(ToolFamily::kHermes).starts_with("call_"));
  EXPECT_EQ(new_call_id(ToolFamily::kMistralArgs).size(), 9u);
  const std::string id = new_call_id(ToolFamily::kMistral);
  EXPECT_EQ(id.size(), 9u);
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), std::string::npos);
}

}  // namespace
}  // namespace loquat::serve::api
