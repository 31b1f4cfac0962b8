// Schemas that are refused: the message names the keyword's place and the reason; what is made to take much is refused
// by counts of steps, not by clocks.
#include <gtest/gtest.h>

#include <string>

#include "infer/grammar/distance.h"
#include "infer/grammar/grammar.h"
#include "infer/grammar/pattern.h"

namespace loquat {
namespace {

std::string error_of(const std::string& schema) {
  const auto made = Grammar::json_schema(schema);
  return made.ok() ? "none" : made.error();
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(SchemaErrorTest, NamesTheKeywordAndItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"{\"a\":", "not valid JSON"},
      {"7", "expected a schema"},
      {R"({"type": "int"})", "/type: expected"},
      {R"({"type": ["string", 3]})", "/type/1: expected"},
      {R"({"properties": {"a/b": {"not": {}}}})", "/properties/a~1b/not: the keyword \"not\" is not supported"},
      {R"({"properties": []})", "/properties: expected an object"},
      {R"({"required": "a"})", "/required: expected a list of names"},
      {R"({"items": [1]})", "/items: "},
      {R"({"items": {"minLength": -1}})", "/items/minLength: expected a whole number"},
      {R"({"maxLength": 1.5})", "/maxLength: expected a whole number"},
      {R"({"minItems": 9223372036854775808})", "/minItems: expected a whole number"},
      {R"({"maximum": 9223372036854775808})", "/maximum: expected a number of up to 18 digits"},
      {R"({"minimum": 1e300})", "/minimum: "},
      {R"({"minimum": "1"})", "/minimum: expected a number"},
      {R"({"type": "number", "minimum": 1234567890.1234567})", "/minimum: a bound of \"number\""},
      {R"({"multipleOf": 0.5})", "/multipleOf: only 1"},
      {R"({"uniqueItems": true})", "/uniqueItems: "},
      {R"({"format": "duration"})", "/format: the format \"duration\" is not supported"},
      {R"({"format": "date", "pattern": "a"})", "together"},
      {R"({"enum": 1})", "/enum: expected a list"},
      {R"({"enum": ["a"], "minLength": 1})", "/enum: "},
      {R"({"anyOf": []})", "/anyOf: expected a list of schemas"},
      {R"({"anyOf": [{"x": 1}]})", "/anyOf/0/x: the keyword \"x\""},
      {R"({"$ref": "http://x.y/z"})", "/$ref: expected \"#\""},
      {R"({"$ref": "#/$defs/a"})", "/$ref: nothing is at"},
      {R"({"$ref": "#"})", "/$ref: \"$ref\" leads back to itself"},
      {R"({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"})",
       "leads back to itself"},
      {R"({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"})", "leads back to itself"},
      {R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "no finite value"},
      {R"({"minItems": 2, "maxItems": 1})", "no finite value"},
      {"false", "no finite value"},
      {R"({"patternProperties": {"a": {}}})", "/patternProperties: only one pattern"},
      {R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})", "/allOf/1/pattern: "},
      {R"({"a": 1, "a": 2})", "stands twice"}};
  for (const auto& [schema, message] : cases) {
    EXPECT_NE(error_of(schema).find(message), std::string::npos) << schema << "\n" << error_of(schema);
  }
}

TEST(SchemaErrorTest, Patterns) {
  for (const std::string pattern : {"(", ")", "[a", "a**", "*a", "a{2,1}", "a{", "\\\\b", "\\\\1", "\\\\p{L}", "(?=a)",
                                    "(?<!a)", "[b-a]", "a^b", "(a$)b", "\\\\u12", "\\\\ud800", "\\\\"}) {
    EXPECT_NE(error_of(R"({"pattern": ")" + pattern + "\"}").find("/pattern: "), std::string::npos) << pattern;
  }
}

TEST(SchemaErrorTest, WhatIsMadeToTakeMuch) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {repeated(R"({"items":)", 10'000) + "{}" + repeated("}", 10'000), "nested more than 200 deep"},
      {R"({"enum":[)" + repeated("1,", 99'999) + "1]}", "/enum/19997: more than 20000 values"},
      {R"({"enum":[)" + repeated("1,", 2'999) + "1]}", "/enum: more than"},
      {R"({"pattern": "(a{1,1000}){1,1000}"})", "/pattern: it takes too much"},
      {R"({"pattern": "[\\s\\S]{0,100000}"})", "/pattern: it takes too much"},
      {R"({"pattern": "(a|b)*a(a|b){20}"})", "/pattern: it takes too much"},
      {R"({"pattern": "^a*$", "maxLength": 100000})", "/pattern: it takes too much"},
      {"{\"pattern\": \"" + repeated("(", 5'000) + "\"}", "/pattern: more than 50 groups"},
      {R"({"minLength": 1000000})", "/minLength: "},
      {R"({"minItems": 100000, "items": {"minItems": 100000, "items": {"type": "integer"}}})", "no value of under"},
      {"{\"title\": \"" + std::string(300'000, 'x') + "\"}", "300013 bytes"}};
  for (const auto& [schema, message] : cases) {
    EXPECT_NE(error_of(schema).find(message), std::string::npos) << schema.substr(0, 80) << "\n" << error_of(schema);
  }
  // Choices joined with choices: 8 to the power of 12 of them.
  std::string choice = R"({"anyOf":[)" + repeated("{\"minLength\":1},", 7) + "{}]}";
  EXPECT_NE(error_of(R"({"allOf":[)" + repeated(choice + ",", 11) + choice + "]}").find("too"), std::string::npos);
  // A chain of references takes no stack.
  std::string chain = R"({"$ref":"#/$defs/0","$defs":{)";
  for (int i = 0; i < 5'000; ++i) chain += fmt::format(R"("{}":{{"items":{{"$ref":"#/$defs/{}"}}}},)", i, i + 1);
  EXPECT_EQ(error_of(chain + R"("5000":{}}})").substr(0, 4), "none");
}

TEST(SchemaErrorTest, PatternsTakeTheirStepsFromOneStore) {
  int64_t work = 2'000'000;
  const auto slow = grammar::compile_pattern("(x+x+)+y", 0, grammar::kUnbounded, work);
  ASSERT_TRUE(slow.ok()) << slow.error();
  EXPECT_LT(slow->states.size(), 10u);
  EXPECT_GT(work, 1'999'000);
  const auto huge = grammar::compile_pattern("(a|b)*a(a|b){20}", 0, grammar::kUnbounded, work);
  EXPECT_FALSE(huge.ok());
  int64_t none = 10;
  EXPECT_FALSE(grammar::compile_pattern("^[a-z]{10}$", 0, grammar::kUnbounded, none).ok());
}

}  // namespace
}  // namespace loquat
