// Texts that are in a schema's language and texts that are not, keyword by keyword, fed byte by byte.
#include "infer/grammar/grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "infer/grammar/test_helpers.h"

namespace loquat {
namespace {

struct Case {
  std::string schema;
  std::vector<std::string> good, bad;
};

void check(const Case& c) {
  const auto grammar = grammar_of(c.schema);
  for (const std::string& text : c.good) EXPECT_TRUE(accepts(grammar, text)) << c.schema << "  " << text;
  for (const std::string& text : c.bad) EXPECT_FALSE(accepts(grammar, text)) << c.schema << "  " << text;
}

TEST(GrammarTest, Types) {
  check({R"({"type": "null"})", {"null"}, {"", "nul", "nullx", "true", "\"\""}});
  check({R"({"type": "boolean"})", {"true", "false"}, {"null", "True", "0"}});
  check({R"({"type": ["string", "null"]})", {"\"\"", "null", "\"a\""}, {"1", "\"", "[]"}});
  check({"true", {"1", "{}", "[[]]", "null", "\"x\""}, {"", "01", "[1,]", "{,}", "{\"a\"}", "nan", " 1", "1 "}});
  check({"{}", {"1.5e-7", R"({"a": [1, {"b": null}]})"}, {"{\"a\": 1,}", "[,1]", "tru"}});
}

TEST(GrammarTest, Numbers) {
  check({R"({"type": "number"})",
         {"0", "-0", "12", "-3.5", "6.02e23", "1E-7", "1e+9", "999999999999999999", "0.12345678901234567"},
         {"00", "01", "-", "1.", ".5", "1e", "1e+", "+1", "1e100", "1000000000000000000", "0.123456789012345678"}});
  check({R"({"type": "integer"})",
         {"0", "7", "-12", "999999999999999999"},
         {"-0", "1.0", "1e2", "00", "1000000000000000000"}});
  check({R"({"type": "number", "multipleOf": 1})", {"5"}, {"5.5"}});
}

// Every integer near the bounds, against the bounds themselves.
TEST(GrammarTest, IntegerBoundsAreExact) {
  const std::vector<std::pair<int, int>> ranges = {{0, 0},     {0, 9},     {1, 10},    {7, 123},
                                                   {-5, 5},    {-120, -7}, {-9, -9},   {99, 1001},
                                                   {100, 100}, {-1000, 0}, {-10, 999}, {198, 203}};
  for (const auto& [low, high] : ranges) {
    for (const bool exclusive : {false, true}) {
      if (exclusive && high - low < 2) continue;
      const auto grammar =
          grammar_of(fmt::format(R"({{"type": "integer", "{}inimum": {}, "{}aximum": {}}})",
                                 exclusive ? "exclusiveM" : "m", low, exclusive ? "exclusiveM" : "m", high));
      for (int n = -1100; n <= 1100; ++n) {
        const bool inside = exclusive ? low < n && n < high : low <= n && n <= high;
        ASSERT_EQ(accepts(grammar, std::to_string(n)), inside) << n << " in " << low << " to " << high << exclusive;
      }
    }
  }
  check({R"({"type": "integer", "minimum": 1.5, "maximum": 3.5})", {"2", "3"}, {"1", "4"}});
  check({R"({"type": "integer", "minimum": 999999999999999998})",
         {"999999999999999998", "999999999999999999"},
         {"999999999999999997"}});
  check({R"({"type": "integer", "exclusiveMaximum": -10})", {"-11", "-999999999999999999"}, {"-10", "-9", "0", "5"}});
}

TEST(GrammarTest, NumberBoundsAreExact) {
  check({R"({"type": "number", "minimum": 0, "maximum": 1})",
         {"0", "1", "0.5", "1.0", "1.000", "0.00001", "0.99999999999999"},
         {"-0.1", "1.1", "1.0000001", "2", "1e0", "-1", "-0"}});
  check({R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})",
         {"0.1", "0.01", "0.999"},
         {"0", "0.0", "1", "1.0"}});
  check({R"({"type": "number", "minimum": -2.5, "maximum": 10.25})",
         {"-2.5", "-2.50", "-2.49", "-1", "0", "9.99", "10", "10.25", "10.2", "10.250"},
         {"-2.51", "-3", "10.26", "10.251", "11", "100"}});
  check({R"({"type": "number", "exclusiveMaximum": -1.5})",
         {"-1.6", "-1.51", "-2", "-30"},
         {"-1.5", "-1.50", "-1.4", "0", "1.6"}});
  check({R"({"type": "number", "minimum": 3e2})", {"300", "300.5", "4000"}, {"299.9", "30"}});
}

TEST(GrammarTest, Strings) {
  const std::string any = R"({"type": "string"})";
  check({any,
         {R"("")", R"("a\"b\\c\/\b\f\n\r\t")", R"("\u0041\uD83D\ude00\uFFFF")", "\"naïve 東京 😀\""},
         {"\"a\nb\"", R"("\x")", R"("\u12")", R"("\ud83d")", R"("\ud83dx")", R"("\ude00")", R"("\ud83d\u0041")",
          "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe6\x9d\"", "\"\x01\""}});
  check({R"({"type": "string", "minLength": 2, "maxLength": 3})",
         {R"("ab")", R"("東京")", R"("😀a😀")", R"("\ud83d\ude00\n")"},
         {R"("")", R"("a")", R"("😀")", R"("abcd")", R"("\ud83d\ude00")"}});
  check({R"({"type": "string", "maxLength": 0})", {R"("")"}, {R"("a")"}});
  check({R"({"type": "string", "minLength": 40})",
         {"\"" + std::string(40, 'x') + "\"", "\"" + std::string(99, 'x') + "\""},
         {"\"" + std::string(39, 'x') + "\""}});
}

TEST(GrammarTest, Patterns) {
  check({R"({"type": "string", "pattern": "^[a-z]+\\d{2,3}$"})",
         {R"("a12")", R"("zz123")"},
         {R"("12")", R"("a1")", R"("a1234")", R"("A12")"}});
  check({R"({"type": "string", "pattern": "b"})", {R"("b")", R"("abc")", R"("b\n\"")"}, {R"("")", R"("ac")"}});
  check({R"({"type": "string", "pattern": "^a|b$"})", {R"("ax")", R"("xb")"}, {R"("xa")", R"("bx")"}});
  check(
      {R"({"type": "string", "pattern": "^(foo|ba(?:r|z)?)*$"})", {R"("")", R"("foobabaz")"}, {R"("fo")", R"("bax")"}});
  check({R"({"type": "string", "pattern": "^\"\\\\[\\x00-\\x1f]$"})",
         {R"("\"\\\n")", R"("\"\\\u001f")"},
         {"\"\"\\\n\"", R"("\"\\a")"}});
  check({R"({"type": "string", "pattern": "^[^a-y]$"})",
         {R"("z")", R"("é")", R"("😀")", R"("\\")"},
         {R"("b")", R"("")", R"("zz")"}});
  check({R"({"type": "string", "pattern": "^[é-ü東]+$"})", {R"("éü東")"}, {R"("e")", R"("京")"}});
  check({R"({"type": "string", "pattern": "^\\u{1F600}\\ud83d\\ude01?$"})", {R"("😀😁")", R"("😀")"}, {R"("😁")"}});
  check({R"({"type": "string", "pattern": "^.*$", "minLength": 2, "maxLength": 4})",
         {R"("ab")", R"("東京東京")"},
         {R"("a")", R"("abcde")"}});
  check({R"({"type": "string", "pattern": "x", "minLength": 3})", {R"("abx")", R"("xabcd")"}, {R"("ax")", R"("abc")"}});
  // What a backtracking matcher would take years over.
  check({R"({"type": "string", "pattern": "^(x+x+)+y$"})",
         {"\"" + std::string(200, 'x') + "y\""},
         {"\"" + std::string(200, 'x') + "\""}});
}

TEST(GrammarTest, Formats) {
  const auto format = [](const std::string& name, const std::vector<std::string>& good,
                         const std::vector<std::string>& bad) {
    Case c{fmt::format(R"({{"type": "string", "format": "{}"}})", name), {}, {}};
    for (const auto& text : good) c.good.push_back("\"" + text + "\"");
    for (const auto& text : bad) c.bad.push_back("\"" + text + "\"");
    check(c);
  };
  format("date", {"2024-02-29", "2023-12-31", "2000-02-29"},
         {"2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "24-01-01", "2024-00-10"});
  format("time", {"10:20:30Z", "23:59:59.123+02:00"}, {"24:00:00Z", "10:20Z", "10:20:30", "10:60:00Z"});
  format("date-time", {"2024-01-31T10:20:30Z"}, {"2024-01-31", "2024-01-31 10:20:30Z"});
  format("email", {"a.b@c.org", "x+y@mail.example.com"}, {"a@", "@b.c", "a b@c.de", "a@b", "a..b@c.de", "a@-b.de"});
  format("uuid", {"123e4567-e89b-12d3-a456-426614174000"},
         {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400"});
  format("ipv4", {"0.0.0.0", "192.168.1.255"}, {"256.1.1.1", "1.2.3", "01.2.3.4"});
  format("ipv6", {"::", "::1", "1:2:3:4:5:6:7:8", "fe80::1", "1::8", "1:2:3:4:5:6:7::"},
         {":", "1:2:3", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9"});
  format("uri", {"https://a.example/b?c=d#e", "mailto:x@y.z", "urn:isbn:1"}, {"a b", "//x", "http://a b", "1http:x"});
  format("hostname", {"localhost", "a-b.example.com"}, {"-a", "a-", "a..b", "a_b", ""});
}

TEST(GrammarTest, EnumAndConst) {
  check({R"({"enum": ["a", "ab", 1, 12, null, true, "\n\"é", [1, "x"], {"k": {}}]})",
         {R"("a")", R"("ab")", "1", "12", "null", "true", R"("\n\"é")", R"([1, "x"])", R"([1,"x"])", R"({"k":{}})",
          R"({ "k": {}})"},
         {R"("b")", "2", "121", "false", R"("abc")", "[]", R"({"k":1})", R"("\u0061")"}});
  check({R"({"const": 1.50})", {"1.50"}, {"1.5", "1"}});
  check({R"({"type": "string", "enum": ["a", 1]})", {R"("a")"}, {"1"}});
  check({R"({"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}, {"const": 3}]})", {"3"}, {"2", "1", "4"}});
  check({R"({"properties": {"const": {"const": {"const": 1}}}, "required": ["const"]})",
         {R"({"const": {"const": 1}})"},
         {R"({"const": 1})"}});
}

TEST(GrammarTest, Arrays) {
  check({R"({"type": "array", "items": {"type": "integer"}})",
         {"[]", "[1]", "[1,2]", "[1, 2, 3]", "[\n  1,\n  2\n]", "[ 1 ]"},
         {"[1,]", "[,]", "[1 ,2]", "[1  ]", "[\"a\"]", "[1", "[1]]", "[\n\n1]"}});
  check({R"({"items": {"const": 1}, "minItems": 2, "maxItems": 3})", {"[1,1]", "[1,1,1]"}, {"[]", "[1]", "[1,1,1,1]"}});
  check({R"({"items": {"const": 1}, "minItems": 1, "maxItems": 1})", {"[1]"}, {"[]", "[1,1]"}});
  check({R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}});
  check({R"({"items": false})", {"[]"}, {"[1]"}});
  check({R"({"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "minItems": 1})",
         {"[1]", "[1,2]", "[1,2,3,3]"},
         {"[]", "[2]", "[1,3]", "[1,2,2]"}});
  check({R"({"prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 2})",
         {"[1,2]"},
         {"[1]", "[1,2,3]"}});
  check({R"({"prefixItems": [{"const": 1}, {"const": 2}], "maxItems": 1})", {"[]", "[1]"}, {"[1,2]"}});
  check({R"({"prefixItems": [{"const": 1}], "minItems": 2, "maxItems": 3})",
         {"[1,true]", "[1,2,3]"},
         {"[1]", "[1,2,3,4]"}});
}

TEST(GrammarTest, Objects) {
  const std::string closed =
      R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}},
      "required": ["b"], "additionalProperties": false})";
  check(
      {closed,
       {R"({"b":2})", R"({"a":1,"b":2,"c":3})", R"({"b": 2, "c": 3})", "{\n  \"a\": 1,\n  \"b\": 2\n}"},
       {"{}", R"({"a":1})", R"({"b":2,"a":1})", R"({"b":2,"b":2})", R"({"b":2,"d":1})", R"({"b":3})", R"({"b":2,})"}});
  check(
      {R"({"type": "object", "properties": {"ab": {"const": 1}, "é": {"const": 2}}, "additionalProperties": {"type": "null"}})",
       {"{}", R"({"ab":1,"a":null,"abc":null,"":null})", R"({"é":2,"è":null})", R"({"ab":1,"é":2,"\n":null})"},
       {R"({"ab":null})", R"({"ab":1,"ab":null})", R"({"x":null,"ab":null})", R"({"é":null})", R"({"\u0061b":null})",
        R"({"x":1})"}});
  check({R"({"type": "object", "required": ["z"]})", {R"({"z":[]})", R"({"z":1,"y":2})"}, {"{}", R"({"y":1})"}});
  check({R"({"properties": {"a": false, "b": true}, "required": ["b"]})",
         {R"({"b":1})", R"({"b":1,"c":1})"},
         {R"({"a":1,"b":1})", R"({"b":1,"a":1})"}});
  check({R"({"patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": false})",
         {"{}", R"({"x-a":1,"x-bc": 2})"},
         {R"({"y":1})", R"({"x-":1})", R"({"x-a":"1"})"}});
  check({R"({"type": "object", "properties": {}, "additionalProperties": false})", {"{}", "{ }"}, {R"({"a":1})"}});
}

TEST(GrammarTest, Combined) {
  check({R"({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "x"})", {"null", R"("a")"}, {"1"}});
  check(
      {R"({"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}, "n": {"type": "integer"}}, "required": ["k", "n"]},
                       {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]})",
       {R"({"k": "a", "n": 3})", R"({"k": "b"})"},
       {R"({"k": "a"})", R"({"k": "c"})"}});
  check({R"({"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"],
             "allOf": [{"properties": {"b": {"const": 2}}, "required": ["b"]}, {"properties": {"a": {"type": "integer"}}}]})",
         {R"({"a":1,"b":2})"},
         {R"({"a":1})", R"({"b":2})", R"({"a":2,"b":2})"}});
  check({R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}, {"minimum": 4}]})",
         {"4", "5"},
         {"3", "6", "4.5"}});
  check(
      {R"({"anyOf": [{"minimum": 5}, {"maximum": -5}], "type": "integer", "oneOf": [{"maximum": 7}, {"minimum": 100}]})",
       {"5", "7", "-5", "100"},
       {"4", "8", "0"}});
  // additionalProperties of one part holds for the names that only another part declares.
  check(
      {R"({"allOf": [{"properties": {"a": {"type": "integer"}}, "additionalProperties": false}, {"properties": {"b": true}}]})",
       {"{}", R"({"a":1})"},
       {R"({"a":1,"b":1})", R"({"b":1})"}});
}

TEST(GrammarTest, References) {
  check(
      {R"({"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"},
             {"type": "null"}]}}, "required": ["v", "next"], "additionalProperties": false}}, "$ref": "#/$defs/node"})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
       {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}});
  check(
      {R"({"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "additionalProperties": false})",
       {"{}", R"({"kids":[{},{"kids":[{"kids":[]}]}]})"},
       {R"({"kids":[1]})"}});
  check({R"({"definitions": {"a/b~c d": {"const": 1}}, "items": {"$ref": "#/definitions/a~1b~0c%20d", "title": "x"}})",
         {"[1,1]"},
         {"[2]"}});
}

TEST(GrammarTest, WhiteSpaceIsBounded) {
  check({R"({"items": {"const": 1}})",
         {"[\n" + std::string(64, ' ') + "1\n]", "[\n\t\t1]"},
         {"[\n" + std::string(65, ' ') + "1]", "[  1]", "[\n\n1]", "[\t1]", "[\r\n1]", "[1]\n", "\n[1]"}});
}

TEST(GrammarTest, FreeJsonNestsSixtyFourDeep) {
  for (const int depth : {63, 64, 65, 66}) {
    const auto text = std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
    EXPECT_EQ(accepts("{}", text), depth <= 64) << depth;
  }
  EXPECT_FALSE(accepts(Grammar::json_object(), "[]"));
  EXPECT_TRUE(accepts(Grammar::json_object(), R"({"a": {"a": [{}, "x"]}, "b": 1})"));
}

TEST(GrammarTest, ToolCalls) {
  const std::vector<ToolSpec> tools = {
      {"get_time", ""}, {"get", R"({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                                         "additionalProperties": false})"}};
  const std::string one = "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
  const std::string two = "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>";
  using Use = Grammar::ToolUse;
  const auto required = *Grammar::tool_calls(tools, Use::kRequired, true);
  const auto single = *Grammar::tool_calls(tools, Use::kRequired, false);
  const auto any = *Grammar::tool_calls(tools, Use::kAuto, true);
  EXPECT_TRUE(accepts(required, one));
  EXPECT_TRUE(accepts(required, one + "\n" + two));
  EXPECT_FALSE(accepts(required, ""));
  EXPECT_FALSE(accepts(required, "x" + one));
  EXPECT_FALSE(accepts(required, one + two));
  EXPECT_FALSE(accepts(required, "<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(accepts(required, "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_TRUE(accepts(single, two));
  EXPECT_FALSE(accepts(single, two + "\n" + two));
  EXPECT_TRUE(accepts(any, ""));
  EXPECT_TRUE(accepts(any, "Let me see: 3 < 4, <<tool_cal l> <b> 東京 😀\n"));
  EXPECT_TRUE(accepts(any, "Sure. <" + one + "\n" + two));
  EXPECT_TRUE(accepts(any, one));
  EXPECT_FALSE(accepts(any, one + "\nand"));
  EXPECT_FALSE(accepts(any, "a <tool_call> b"));
  EXPECT_FALSE(accepts(any, "\xff"));
  EXPECT_FALSE(accepts(any, "\xe6\x9d"));
  EXPECT_EQ(Matcher(any, toy_tree()).tokens_to_end(), 0);
  EXPECT_EQ(Matcher(required, toy_tree()).tokens_to_end(), static_cast<int64_t>(two.size()));
}

TEST(GrammarTest, ToolCallsOfOtherFamilies) {
  const std::vector<ToolSpec> tools = {
      {"get", R"({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})"},
      {"get_time", ""}};
  using Use = Grammar::ToolUse;
  const auto made = [&](Use use, bool parallel, ToolFamily family) {
    return *Grammar::tool_calls(tools, use, parallel, family);
  };
  const std::string get = R"({"name": "get", "parameters": {"city": "Oslo"}})";
  const auto llama = made(Use::kRequired, true, ToolFamily::kLlama3);
  EXPECT_TRUE(accepts(llama, get));
  EXPECT_TRUE(accepts(llama, "<|python_tag|>" + get));
  EXPECT_TRUE(accepts(llama, get + "; " + get));
  EXPECT_FALSE(accepts(made(Use::kRequired, false, ToolFamily::kLlama3), get + "; " + get));
  EXPECT_FALSE(accepts(llama, "Hi"));
  EXPECT_FALSE(accepts(llama, R"({"name": "get", "parameters": {}})"));
  const auto llama_any = made(Use::kAuto, true, ToolFamily::kLlama3);
  EXPECT_TRUE(accepts(llama_any, get));
  EXPECT_TRUE(accepts(llama_any, " \n Hi {there} <|python"));
  EXPECT_TRUE(accepts(llama_any, "Let me see.<|python_tag|>" + get));
  EXPECT_TRUE(accepts(llama_any, "<|python_tag|>" + get));
  EXPECT_FALSE(accepts(llama_any, "{\"a\": 1}"));
  EXPECT_FALSE(accepts(llama_any, " <|python_tag|>no"));

  const std::string call = R"({"name": "get", "arguments": {"city": "Oslo"}})";
  const std::string with_id = R"({"name": "get_time", "arguments": {}, "id": "aB3dE6gH9"})";
  const auto mistral = made(Use::kRequired, true, ToolFamily::kMistral);
  EXPECT_TRUE(accepts(mistral, "[TOOL_CALLS][" + call + "]"));
  EXPECT_TRUE(accepts(mistral, "[TOOL_CALLS] [" + call + ", " + with_id + "]"));
  EXPECT_FALSE(accepts(mistral, "[TOOL_CALLS][" + call));
  EXPECT_FALSE(accepts(mistral, "[TOOL_CALLS][]"));
  EXPECT_FALSE(accepts(made(Use::kRequired, false, ToolFamily::kMistral), "[TOOL_CALLS][" + call + ", " + call + "]"));
  const auto mistral_any = made(Use::kAuto, true, ToolFamily::kMistral);
  EXPECT_TRUE(accepts(mistral_any, "[1, 2] [TOOL_CALL"));
  EXPECT_TRUE(accepts(mistral_any, "Yes.[TOOL_CALLS][" + with_id + "]"));
  EXPECT_FALSE(accepts(mistral_any, "Yes.[TOOL_CALLS] no"));
  Rng rng(3);
  for (const auto& grammar : {llama, llama_any, mistral, mistral_any}) {
    for (int i = 0; i < 20; ++i) random_reply(grammar, 20, rng);
  }
}

TEST(GrammarTest, ToolCallsOfMistralWithArgs) {
  const std::vector<ToolSpec> tools = {
      {"get", R"({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})"},
      {"get_time", ""}};
  using Use = Grammar::ToolUse;
  const auto made = [&](Use use, bool parallel) {
    return *Grammar::tool_calls(tools, use, parallel, ToolFamily::kMistralArgs);
  };
  const std::string one = R"([TOOL_CALLS]get[ARGS]{"city": "Oslo"})", two = "[TOOL_CALLS]get_time[ARGS]{}";
  EXPECT_TRUE(accepts(made(Use::kRequired, true), one + two));
  EXPECT_TRUE(accepts(made(Use::kRequired, true), "[TOOL_CALLS]get_time[CALL_ID]aB3dE6gH9[ARGS]{}"));
  EXPECT_FALSE(accepts(made(Use::kRequired, true), "[TOOL_CALLS]get_time[CALL_ID]aB3[ARGS]{}"));
  EXPECT_FALSE(accepts(made(Use::kRequired, false), one + two));
  EXPECT_FALSE(accepts(made(Use::kRequired, true), "[TOOL_CALLS]get[ARGS]{}"));
  EXPECT_FALSE(accepts(made(Use::kRequired, true), "Yes." + one));
  EXPECT_TRUE(accepts(made(Use::kAuto, true), "Yes." + one));
  EXPECT_FALSE(accepts(made(Use::kAuto, true), one + "and"));
}

TEST(GrammarTest, ToolCallsOfQwenCoder) {
  const std::vector<ToolSpec> tools = {
      {"get", R"({"type": "object", "$defs": {"Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}]}}, "properties": {
         "city": {"type": "string", "maxLength": 2}, "days": {"type": "integer", "minimum": 1},
         "unit": {"enum": ["c", "f"]}, "perhaps": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
         "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "five": {"const": 5},
         "list": {"type": "array", "items": {"enum": ["a"]}}},
         "required": ["city"], "additionalProperties": false})"},
      {"get_time", ""},
      {"none", R"({"type": "object", "properties": {}, "additionalProperties": false})"}};
  using Use = Grammar::ToolUse;
  const auto made = [&](Use use, bool parallel) {
    return *Grammar::tool_calls(tools, use, parallel, ToolFamily::kQwenCoder);
  };
  const auto call = [](const std::string& name, std::vector<std::pair<std::string, std::string>> parameters) {
    std::string text = "<tool_call>\n<function=" + name + ">\n";
    for (const auto& [key, value] : parameters) text += "<parameter=" + key + ">\n" + value + "\n</parameter>\n";
    return text + "</function>\n</tool_call>";
  };
  const auto required = made(Use::kRequired, true);
  const auto check = [&](std::vector<std::pair<std::string, std::string>> parameters, bool fits) {
    parameters.insert(parameters.begin(), {"city", "Oslo,\n\"Norway\" </parameter"});
    EXPECT_EQ(accepts(required, call("get", parameters)), fits) << parameters.back().first;
  };
  check({}, true);
  check({{"days", "3"}, {"unit", "f"}, {"perhaps", "null"}, {"either", "x"}, {"five", "5"}, {"list", "[\"a\"]"}}, true);
  check({{"days", "0"}}, false);
  check({{"days", "three"}}, false);
  check({{"unit", "k"}}, false);
  check({{"perhaps", "x"}}, false);
  check({{"five", "6"}}, false);
  check({{"list", "[\"b\"]"}}, false);
  check({{"other", "x"}}, false);
  EXPECT_FALSE(accepts(required, call("get", {})));
  EXPECT_TRUE(accepts(required, call("get_time", {})));
  EXPECT_TRUE(accepts(required, call("get_time", {{"zone-1", "CET"}, {"b", ""}})));
  EXPECT_FALSE(accepts(required, call("get_time", {{"", "CET"}})));
  EXPECT_TRUE(accepts(required, call("none", {})));
  EXPECT_FALSE(accepts(required, call("none", {{"a", "x"}})));
  EXPECT_TRUE(accepts(required, call("none", {}) + "\n" + call("none", {})));
  EXPECT_FALSE(accepts(made(Use::kRequired, false), call("none", {}) + "\n" + call("none", {})));
  EXPECT_TRUE(accepts(made(Use::kAuto, true), "Yes. " + call("none", {})));
  EXPECT_TRUE(accepts(made(Use::kAuto, true), "a <function=f>"));
  Rng rng(3);
  for (int i = 0; i < 40; ++i) random_reply(required, 40, rng);
  const std::vector<ToolSpec> choice = {{"a", R"({"anyOf": [{"type": "object"}]})"}};
  const auto refused = Grammar::tool_calls(choice, Use::kAuto, true, ToolFamily::kQwenCoder);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("tool \"a\": /anyOf"), std::string::npos) << refused.error();
  const std::vector<ToolSpec> loop = {
      {"a", R"({"$defs": {"L": {"anyOf": [{"$ref": "#/$defs/L"}]}}, "properties": {"x": {"$ref": "#/$defs/L"}}})"}};
  const auto looped = Grammar::tool_calls(loop, Use::kAuto, true, ToolFamily::kQwenCoder);
  ASSERT_FALSE(looped.ok());
  EXPECT_NE(looped.error().find("leads back to itself"), std::string::npos) << looped.error();
}

TEST(GrammarTest, AfterThoughts) {
  const auto grammar = *Grammar::after_thoughts(grammar_of(R"({"const": 5})"));
  EXPECT_TRUE(accepts(grammar, "</think>5"));
  EXPECT_TRUE(accepts(grammar, "Let me see: </thin 5 \n</think>\n\n5"));
  EXPECT_FALSE(accepts(grammar, "5"));
  EXPECT_FALSE(accepts(grammar, "a</think>"));
  EXPECT_FALSE(accepts(grammar, "a</think>b"));
}

TEST(GrammarTest, ShownControlTokensAreText) {
  const auto tokenizer =
      Tokenizer::train(std::vector<std::string>{"x"}, {.vocab_size = 257, .special_tokens = {"[TOOL_CALLS]"}});
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<ToolSpec> tools = {{"f", ""}};
  const auto grammar = *Grammar::tool_calls(tools, Grammar::ToolUse::kRequired, true, ToolFamily::kMistral);
  const int32_t mark = tokenizer->special("[TOOL_CALLS]");
  EXPECT_TRUE(Matcher(grammar, make_token_tree(*tokenizer, 257, std::vector<int32_t>{mark})).accept(mark));
  EXPECT_FALSE(Matcher(grammar, make_token_tree(*tokenizer, 257)).accept(mark));
}

TEST(GrammarTest, ToolErrors) {
  const auto error = [](std::vector<ToolSpec> tools) {
    auto made = Grammar::tool_calls(tools, Grammar::ToolUse::kAuto, true);
    return made.ok() ? std::string("none") : made.error();
  };
  EXPECT_NE(error({}).find("no tools"), std::string::npos);
  EXPECT_NE(error({{"a b", ""}}).find("name"), std::string::npos);
  EXPECT_NE(error({{"a", ""}, {"a", ""}}).find("two tools"), std::string::npos);
  EXPECT_NE(error({{"a", R"({"type": "string"})"}}).find("tool \"a\""), std::string::npos);
  EXPECT_NE(error({{"a", R"({"type": "object", "not": {}})"}}).find("tool \"a\": /not"), std::string::npos);
  EXPECT_EQ(error({{"a", "{}"}, {"b", R"({"properties": {}})"}}), "none");
}

}  // namespace
}  // namespace loquat
