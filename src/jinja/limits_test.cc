// Templates that would take all time, memory or stack end in an error that says which limit was met.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jinja/template.h"

namespace loquat::jinja {
namespace {

using testing::HasSubstr;

// Less than is allowed in earnest: these tests run under sanitizers too.
std::string error_of(const std::string& source, const Limits& limits = {.output_bytes = 1 << 16, .steps = 500000}) {
  const auto parsed = Template::parse(source, limits);
  if (!parsed.ok()) return parsed.error();
  const auto rendered = parsed->render(nlohmann::ordered_json::object(), [] { return std::tm{}; });
  return rendered.ok() ? "no error" : rendered.error();
}

std::string times(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(JinjaLimits, Loops) {
  EXPECT_THAT(error_of("{% for i in range(10**12) %}{% endfor %}"), HasSubstr("at most 100000"));
  const std::string nested = times("{% for i in range(100000) %}", 3) + times("{% endfor %}", 3);
  EXPECT_THAT(error_of(nested), HasSubstr("more than 500000 steps"));
  EXPECT_THAT(
      error_of("{% for i in range(3) %}\n{% for j in range(99999) %}{% endfor %}{% endfor %}", {.steps = 450000}),
      HasSubstr("line 2"));
}

TEST(JinjaLimits, StringsAndListsThatDouble) {
  const std::string doubled =
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}";
  EXPECT_THAT(error_of(doubled), HasSubstr("more than 65536 bytes"));
  EXPECT_THAT(error_of("{{ 'abc' * 10**10 }}"), HasSubstr("bytes"));
  EXPECT_THAT(error_of("{{ [1] * 10**10 }}"), HasSubstr("steps"));
  EXPECT_THAT(error_of("{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{{ ('a' * 10**3).replace('a', 'b' * 10**5) }}"), HasSubstr("bytes"));
  EXPECT_THAT(error_of("{{ ('a' * 10**3)|list|join('b' * 10**5) }}"), HasSubstr("bytes"));
  EXPECT_THAT(error_of("{{ 'a'.center(10**9) }}"), HasSubstr("width"));
  EXPECT_THAT(error_of("{% for i in range(10000) %}{{ 'x' * 100 }}{% endfor %}"), HasSubstr("bytes"));
}

// A list that holds itself many times over is small, but walking it is not.
TEST(JinjaLimits, ValuesWithinThemselves) {
  const std::string shared =
      "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] "
      "%}{% endfor %}";
  EXPECT_EQ(error_of(shared), "no error");
  for (const char* use : {"{{ n.x }}", "{{ n.x|tojson }}", "{{ n.x == n.y }}", "{{ n.x|string|length }}"}) {
    EXPECT_NE(error_of(shared + use), "no error") << use;
  }
  EXPECT_THAT(error_of("{% set n = namespace(x=[1]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}"),
              HasSubstr("more than 128 deep"));
  EXPECT_THAT(error_of("{% set n = namespace() %}{% set n.x = n %}"), HasSubstr("namespace"));
  EXPECT_THAT(error_of("{% set n = namespace() %}{% set n.x = [n] %}"), HasSubstr("namespace"));
}

TEST(JinjaLimits, Recursion) {
  EXPECT_THAT(error_of("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}"), HasSubstr("within one another"));
  EXPECT_THAT(error_of("{% macro f() %}{{ caller }}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}"),
              HasSubstr("within one another"));
  EXPECT_THAT(error_of("{% macro f(a=f()) %}{% endmacro %}{{ f() }}"), HasSubstr("within one another"));
}

TEST(JinjaLimits, Nesting) {
  const std::pair<const char*, const char*> brackets[] = {
      {"(", ")"},    {"[", "]"},        {"{1: ", "}"},        {"-", ""},       {"not ", ""},  {"a[", "]"}, {"a(", ")"},
      {"a|d(", ")"}, {"a is eq(", ")"}, {"1 if 1 else ", ""}, {"2 ** (", ")"}, {"1 < (", ")"}};
  for (const auto& [open, close] : brackets) {
    EXPECT_THAT(error_of("{{ " + times(open, 5000) + "1" + times(close, 5000) + " }}"), HasSubstr("deep")) << open;
  }
  EXPECT_THAT(error_of("{{ a" + times(".b", 5000) + " }}"), HasSubstr("deep"));
  EXPECT_THAT(error_of("{{ a" + times("|trim", 5000) + " }}"), HasSubstr("deep"));
  EXPECT_THAT(error_of("{{ 1" + times("+1", 5000) + " }}"), HasSubstr("deep"));
  EXPECT_THAT(error_of(times("{% if 1 %}", 5000)), HasSubstr("deep"));
  EXPECT_THAT(error_of("{% set " + times("(", 5000) + "a" + times(")", 5000) + " = 1 %}"), HasSubstr("deep"));
  EXPECT_EQ(error_of("{{ ''" + times("~''", 90) + " }}"), "no error");
  EXPECT_EQ(error_of("{% if 0 %}" + times("{% elif 0 %}", 5000) + "{% endif %}"), "no error");
}

TEST(JinjaLimits, Numbers) {
  EXPECT_THAT(error_of("{{ 9 ** 9 ** 9 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("{{ (-9223372036854775807 - 1) // -1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("{{ 99999999999999999999 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("{{ 1 // 0 }}"), HasSubstr("division by zero"));
  EXPECT_EQ(
      error_of(
          "{{ (-9223372036854775807 - 1) % -1 }}{{ 'abc'[::9223372036854775807] }}{{ [1][:-9223372036854775807:-2] }}"),
      "no error");
}

TEST(JinjaLimits, Source) {
  EXPECT_THAT(error_of(std::string(2000, 'x'), {.source_bytes = 1000}), HasSubstr("2000 bytes"));
  nlohmann::ordered_json deep = 1;
  for (int i = 0; i < 1000; ++i) deep = nlohmann::ordered_json::array({std::move(deep)});
  const auto parsed = Template::parse("{{ x }}");
  ASSERT_TRUE(parsed.ok());
  EXPECT_THAT(parsed->render({{"x", deep}}, [] { return std::tm{}; }).error(), HasSubstr("deep"));
}

}  // namespace
}  // namespace loquat::jinja
