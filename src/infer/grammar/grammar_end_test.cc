// The promise of a matcher: whatever allowed tokens are chosen, the text ends in the tokens left, as valid JSON that
// fits its schema (checked by a small validator of this file's own). And masks against every token tried alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "infer/grammar/grammar.h"
#include "infer/grammar/test_helpers.h"

namespace loquat {
namespace {

using Json = nlohmann::json;

int64_t code_points(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
}

bool has_type(const Json& value, const std::string& type) {
  return (type == "null" && value.is_null()) || (type == "boolean" && value.is_boolean()) ||
         (type == "integer" && value.is_number_integer()) || (type == "number" && value.is_number()) ||
         (type == "string" && value.is_string()) || (type == "array" && value.is_array()) ||
         (type == "object" && value.is_object());
}

bool valid(const Json& schema, const Json& value, const Json& root);

bool valid_parts(const Json& schema, const Json& value, const Json& root) {
  const auto fits = [&](const Json& s) { return valid(s, value, root); };
  if (schema.contains("$ref")) {
    const auto ref = schema["$ref"].get<std::string>();
    if (!valid(root.at(Json::json_pointer(ref.substr(1))), value, root)) return false;
  }
  if (schema.contains("allOf") && !std::all_of(schema["allOf"].begin(), schema["allOf"].end(), fits)) return false;
  if (schema.contains("anyOf") && !std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(), fits)) return false;
  if (schema.contains("oneOf") && !std::any_of(schema["oneOf"].begin(), schema["oneOf"].end(), fits)) return false;
  if (schema.contains("enum") && std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return false;
  return !schema.contains("const") || schema["const"] == value;
}

bool valid_object(const Json& schema, const Json& value, const Json& root) {
  const Json none = Json::object();
  const Json& properties = schema.contains("properties") ? schema["properties"] : none;
  for (const auto& [name, member] : value.items()) {
    if (properties.contains(name)) {
      if (!valid(properties[name], member, root)) return false;
    } else if (!valid(schema.value("additionalProperties", Json(true)), member, root)) {
      return false;
    }
  }
  const auto present = [&](const Json& name) { return value.contains(name.get<std::string>()); };
  const Json required = schema.value("required", Json::array());
  return std::all_of(required.begin(), required.end(), present);
}

bool valid_array(const Json& schema, const Json& value, const Json& root) {
  const Json prefix = schema.value("prefixItems", Json::array());
  for (size_t i = 0; i < value.size(); ++i) {
    if (!valid(i < prefix.size() ? prefix[i] : schema.value("items", Json(true)), value[i], root)) return false;
  }
  return value.size() >= schema.value("minItems", size_t{0}) &&
         value.size() <= schema.value("maxItems", size_t{1} << 40);
}

bool valid(const Json& schema, const Json& value, const Json& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (!valid_parts(schema, value, root)) return false;
  if (schema.contains("type")) {
    const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
    if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return has_type(value, t); })) return false;
  }
  if (value.is_object()) return valid_object(schema, value, root);
  if (value.is_array()) return valid_array(schema, value, root);
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    const int64_t length = code_points(text);
    if (length < schema.value("minLength", 0) || length > schema.value("maxLength", int64_t{1} << 40)) return false;
    return !schema.contains("pattern") || std::regex_search(text, std::regex(schema["pattern"].get<std::string>()));
  }
  if (value.is_number()) {
    const double x = value.get<double>();
    return !(x < schema.value("minimum", -1e300)) && !(x > schema.value("maximum", 1e300)) &&
           x > schema.value("exclusiveMinimum", -1e300) && x < schema.value("exclusiveMaximum", 1e300);
  }
  return true;
}

const std::vector<std::string>& schemas() {
  static const std::vector<std::string> all = {
      R"({})",
      R"({"type": "object"})",
      R"({"type": "array", "items": {"type": "number"}, "minItems": 3})",
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18, "maximum": 120}},
          "required": ["name", "age"], "additionalProperties": false})",
      R"({"type": "object", "properties": {"a": {"enum": ["x", "xy", 3]}, "b": {"type": ["null", "boolean"]}, "c": {"type": "string",
          "maxLength": 3}}, "additionalProperties": {"type": "integer", "exclusiveMinimum": -5, "exclusiveMaximum": 5}})",
      R"({"type": "string", "pattern": "^([a-f]{2}-)+[0-9]$"})",
      R"({"type": "string", "minLength": 5, "maxLength": 9})",
      R"({"type": "object", "properties": {"v": {"type": "number", "minimum": -1.5, "exclusiveMaximum": 20.25},
          "kids": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}}, "required": ["v", "kids"]})",
      R"({"$defs": {"expr": {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"op": {"enum": ["+", "-"]},
          "l": {"$ref": "#/$defs/expr"}, "r": {"$ref": "#/$defs/expr"}}, "required": ["op", "l", "r"], "additionalProperties": false}]}},
          "$ref": "#/$defs/expr"})",
      R"({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "array", "items": {"$ref": "#"}, "minItems": 2}, {"const": null}]})",
      R"({"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4,
          "type": "array"})",
      R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
          {"type": "object", "properties": {"a": {"minimum": 7}, "b": {"type": "string", "format": "date-time"}}, "required": ["b"]}]})",
      R"({"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"], "oneOf": [
          {"properties": {"x": {"type": "array", "minItems": 2, "items": {"enum": [1, "é", [], {"k": 1}]}}}, "required": ["x"]},
          {"properties": {"y": {"type": "string", "minLength": 2}}, "required": ["y"]}]})"};
  return all;
}

TEST(GrammarEndTest, RandomRepliesEndInTimeAndFitTheirSchema) {
  for (const std::string& schema : schemas()) {
    const auto grammar = grammar_of(schema);
    const Json parsed = Json::parse(schema);
    Rng rng(1, schema);
    for (int i = 0; i < 150; ++i) {
      const int64_t spare = i < 40 ? 0 : static_cast<int64_t>(rng.below(i < 100 ? 12 : 120));
      const std::string text = random_reply(grammar, spare, rng);
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << schema << "\n" << text;
      ASSERT_TRUE(valid(parsed, value, parsed)) << schema << "\n" << text;
    }
  }
}

TEST(GrammarEndTest, ToolCallsEndInTime) {
  const std::vector<ToolSpec> tools = {
      {"look", R"({"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})"}, {"loop", ""}};
  for (const auto use : {Grammar::ToolUse::kAuto, Grammar::ToolUse::kRequired}) {
    const auto grammar = *Grammar::tool_calls(tools, use, true);
    Rng rng(3);
    for (int i = 0; i < 50; ++i) random_reply(grammar, static_cast<int64_t>(rng.below(60)), rng);
  }
}

// With no more tokens than the shortest text has, the shortest text is what comes.
TEST(GrammarEndTest, TheShortestTextIsExact) {
  const std::vector<std::pair<std::string, std::string>> shortest = {
      {R"({"type": "object", "properties": {"a": {"enum": [100, "ab", true]}}, "required": ["a"]})", R"({"a":100})"},
      {R"({"type": "array", "items": {"type": "object", "required": ["k"]}, "minItems": 2})", R"([{"k":0},{"k":0}])"},
      {R"({"type": "string", "minLength": 4})", R"("0000")"},
      {R"({"type": "integer", "minimum": 1000})", "1000"},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"n": {"anyOf": [{"$ref": "#/$defs/a"}, {"const": null}]}},
          "required": ["n"]}}})",
       R"({"n":null})"}};
  for (const auto& [schema, text] : shortest) {
    EXPECT_EQ(Matcher(grammar_of(schema), toy_tree()).tokens_to_end(), static_cast<int64_t>(text.size())) << schema;
  }
}

// Each token alone, byte by byte on a copy, against the masks.
TEST(GrammarEndTest, MasksEqualEveryTokenTried) {
  for (const std::string& schema : schemas()) {
    const auto grammar = grammar_of(schema);
    Rng rng(2, schema);
    Matcher matcher(grammar, toy_tree());
    int64_t left = matcher.tokens_to_end() + 15;
    for (int step = 0; step < 25 && left > 0; ++step, --left) {
      const auto allowed = allowed_tokens(matcher, left);
      for (int32_t t = 0; t < toy_tokenizer().vocab_size(); ++t) {
        Matcher tried = matcher;
        bool good = !toy_tokenizer().is_special(t);
        for (const char c : good ? toy_tokenizer().token_bytes(t) : "") good = good && tried.accept(byte_token(c));
        Matcher whole = matcher;
        ASSERT_EQ(whole.accept(t), good);
        ASSERT_EQ(whole.tokens_to_end(), good ? tried.tokens_to_end() : matcher.tokens_to_end());
        ASSERT_EQ(std::binary_search(allowed.begin(), allowed.end(), t), good && tried.tokens_to_end() <= left - 1)
            << schema << " token " << toy_tokenizer().token_bytes(t);
      }
      if (allowed.empty()) break;
      ASSERT_TRUE(matcher.accept(rng.pick(allowed)));
    }
  }
}

TEST(GrammarEndTest, ATokenThatIsNotAllowedChangesNothing) {
  Matcher matcher(grammar_of(R"({"type": "integer"})"), toy_tree());
  ASSERT_TRUE(matcher.accept(byte_token('4')));
  const Matcher copy = matcher;
  for (const int32_t t : {byte_token('x'), -1, 1 << 30, toy_tokenizer().special(kEndOfTurn)})
    EXPECT_FALSE(matcher.accept(t));
  EXPECT_TRUE(matcher.can_end());
  EXPECT_TRUE(matcher.accept(byte_token('2')));
  EXPECT_EQ(allowed_tokens(copy, 9), allowed_tokens(copy, 9));
  EXPECT_TRUE(copy.can_end());
}

// A vocabulary without "0": no text that has to be completed needs it.
TEST(GrammarEndTest, BytesThatAreNoTokenAreAvoided) {
  const auto dir = std::filesystem::temp_directory_path() / fmt::format("loquat-grammar-{}", getpid());
  std::filesystem::create_directories(dir);
  ASSERT_TRUE(toy_tokenizer().save(dir).ok());
  std::ifstream in(dir / "tokenizer.json");
  Json file = Json::parse(in);
  auto& vocab = file["model"]["vocab"];
  ASSERT_TRUE(vocab.contains("0"));
  vocab.erase("0");
  file["model"]["merges"] = Json::array();
  for (auto it = vocab.begin(); it != vocab.end();) {
    const std::string token = it.key();
    const bool uses = token.find('0') != std::string::npos || code_points(token) > 1;
    it = uses ? vocab.erase(it) : std::next(it);
  }
  std::ofstream(dir / "tokenizer.json") << file.dump();
  const auto tokenizer = Tokenizer::load(dir);
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error();
  const auto tree = make_token_tree(*tokenizer, tokenizer->vocab_size());
  EXPECT_EQ(Matcher(grammar_of(R"({"type": "integer", "maximum": 0})"), tree).tokens_to_end(), 2);
  EXPECT_EQ(Matcher(grammar_of(R"({"enum": [0, 1234]})"), tree).tokens_to_end(), 4);
  EXPECT_GT(Matcher(grammar_of(R"({"const": 0})"), tree).tokens_to_end(), 1 << 30);
  EXPECT_EQ(Matcher(grammar_of(R"({"const": 0})"), toy_tree()).tokens_to_end(), 1);
}

TEST(GrammarEndTest, OneGrammarFromManyThreads) {
  const auto grammar = grammar_of(schemas()[7]);
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Rng rng(static_cast<uint64_t>(i / 2));
      for (int k = 0; k < 10; ++k) done += random_reply(grammar, 30, rng).empty() ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 40);
}

}  // namespace
}  // namespace loquat
