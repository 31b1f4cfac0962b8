// What templates print, against what Jinja2 itself prints (checked once by hand against version 3.1).
#include <gtest/gtest.h>

#include "jinja/template.h"

namespace loquat::jinja {
namespace {

const nlohmann::ordered_json kVariables = nlohmann::ordered_json::parse(R"({
  "s": "Hello World", "u": "héllo wörld 東京", "n": 5, "f": 2.5, "t": true, "no": null, "l": [3, 1, 2],
  "ls": ["b", "A", "c", "a"], "d": {"b": 1, "a": 2}, "ws": "  \n pad \t\u3000", "ml": "a\nb\n\nc", "q": "it's \"q\"",
  "think": "<think>\nabc\n</think>\n\nanswer",
  "msgs": [{"role": "system", "content": "sys"}, {"role": "user", "content": "hi"},
           {"role": "assistant", "calls": [{"name": "f", "arguments": {"x": 1, "y": [1.5, null, true, "é\"\n"]}}]}]})");

std::tm fixed_time() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  return now;
}

std::string render(const std::string& source) {
  const auto parsed = Template::parse(source);
  if (!parsed.ok()) return "PARSE " + parsed.error();
  const auto rendered = parsed->render(kVariables, fixed_time);
  return rendered.ok() ? rendered->text : "ERROR " + rendered.error();
}

struct Case {
  const char* source;
  const char* text;
};

void check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(render(c.source), c.text) << c.source;
}

TEST(Jinja, PrintsAsPython) {
  check({{"{{ n }} {{ f }} {{ t }} {{ no }} {{ nothing }}|", "5 2.5 True None |"},
         {"{{ l }} {{ d }} {{ (1,) }} {{ () }} {{ [q, 'a'] }}",
          R"([3, 1, 2] {'b': 1, 'a': 2} (1,) () ['it\'s "q"', 'a'])"},
         {"{{ [\"it's\"] }} {{ ['\\t\\\\ \\x00 é'] }}", R"(["it's"] ['\t\\ \x00 é'])"},
         {"{{ 1e16 }} {{ 1e15 }} {{ 1.5e-7 }} {{ 1/3 }} {{ 100.0 }} {{ -0.0 }} {{ 1e308 * 10 }}",
          "1e+16 1000000000000000.0 1.5e-07 0.3333333333333333 100.0 -0.0 inf"},
         {"{{ [nothing, true, 1.0] }} {{ namespace(a=1) }}", "[Undefined, True, 1.0] <Namespace {'a': 1}>"}});
}

TEST(Jinja, OperatorsArePythons) {
  check({{"{{ 1 + 2 * 3 - 4 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 % 2 }}", "5.0 -4 2 -2 0.5"},
         {"{{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}", "1024 0.5 4 64"},
         {"{{ 'a' ~ 1 ~ none ~ [1] }} {{ 'a' + 'b' * 3 }} {{ [1] * 2 + [2] }} {{ (1,) + (2,) }}",
          "a1None[1] abbb [1, 1, 2] (1, 2)"},
         {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ [1, 2] < [1, 3] }} {{ 'a' == 1 }}",
          "True False True True True False"},
         {"{{ 'ell' in s }} {{ 1 in l }} {{ 'b' in d }} {{ not 1 in l }} {{ 1 in nothing }} {{ 4 not in l }}",
          "True True True False False True"},
         {"{{ 1 and 2 }} {{ 0 or 'x' }} {{ '' or none }} {{ not not 1 }} {{ 0 and nothing.x }}", "2 x None True 0"},
         {"{{ 'y' if t else 'n' }} {{ 'y' if no }}| {{ 'a' if no else 'b' if no else 'c' }}", "y | c"},
         {"{{ 'x' if not s|length > 3 else 'z' }} {{ -n|abs }} {{ n - 1|abs }}", "z 5 4"},
         {"{{ '%s is %d' % ('a', 3) }} {{ '%5.2f|%-3s|%03d|%x|%%' % (3.14159, 'a', 42, 255) }}",
          "a is 3  3.14|a  |042|ff|%"}});
}

TEST(Jinja, LooksUpAndCuts) {
  check({{"{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ u[::-1] }} {{ u[1] }} {{ u[-2:] }} {{ s[100] }}|{{ s[5:2] }}|",
          "H d ell 京東 dlröw olléh é 東京 ||"},
         {"{{ l[1:] }} {{ l[::-1] }} {{ l[9] }}| {{ l[2:0:-1] }} {{ (1, 2, 3)[1:] }} {{ l.0 }}",
          "[1, 2] [2, 1, 3] | [2, 1] (2, 3) 3"},
         {"{{ d.a }} {{ d['a'] }} {{ d.zz }}| {{ d.get('q') }} {{ d.get('q', 5) }}", "2 2 | None 5"},
         {"{{ msgs[-1].calls[0]['arguments'].y[0] }} {{ no.foo }}|", "1.5 |"},
         {"{{ nothing.foo }}", "ERROR line 1, column 11: 'nothing' is undefined, so it has no attribute 'foo'"},
         {"{{ d.zz.foo }}", "ERROR line 1, column 8: the dict has no attribute 'zz', so it has no attribute 'foo'"},
         {"{{ s.__class__ }}|{{ d['__class__'] }}|{{ l.append }}", "||"}});
}

TEST(Jinja, MethodsOfValues) {
  check(
      {{"{{ ws.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ ws.rstrip() }}|{{ 'abc'.lstrip('ab') }}", "pad|a|  \n pad|c"},
       {"{{ s.split() }} {{ 'a,b,,c'.split(',') }} {{ s.rsplit('o', 1) }} {{ ' a b c '.split(none, 1) }}",
        "['Hello', 'World'] ['a', 'b', '', 'c'] ['Hello W', 'rld'] ['a', 'b c ']"},
       {"{{ think.split('</think>')[-1].lstrip('\\n') }} {{ think.split('</think>')[0].split('<think>')[-1].strip() }}",
        "answer abc"},
       {"{{ ml.splitlines() }} {{ s.startswith('He') }} {{ s.endswith(('x', 'ld')) }}",
        "['a', 'b', '', 'c'] True True"},
       {"{{ u.upper() }} {{ 'hELLO wORLD'.capitalize() }} {{ \"they're a1b\".title() }} {{ 'straße'.upper() }}",
        "HÉLLO WÖRLD 東京 Hello world They'Re A1B STRASSE"},
       {"{{ s.replace('l', 'L', 1) }} {{ 'ab'.replace('', '-') }} {{ u.find('w') }} {{ s.count('l') }}",
        "HeLlo World -a-b- 6 3"},
       {"{{ d.items()|list }} {{ d.keys()|list }} {{ l.index(1) }} {{ ', '.join(ls) }} {{ '{}{x}'.format(1, x=2) }}",
        "[('b', 1), ('a', 2)] ['b', 'a'] 1 b, A, c, a 12"},
       {"{{ l.append(1) }}", "ERROR line 1, column 12: 'append' of a list is not allowed: values cannot be changed"},
       {"{{ d.update({}) }}", "ERROR line 1, column 12: 'update' of a dict is not allowed: values cannot be changed"}});
}

TEST(Jinja, Filters) {
  check(
      {{"{{ l|sort }} {{ ls|sort }} {{ l|sort(reverse=true)|first }} {{ ls|unique|list }} {{ l|sum }} {{ l|max }}",
        "[1, 2, 3] ['A', 'a', 'b', 'c'] 3 ['b', 'A', 'c'] 6 3"},
       {"{{ msgs|map(attribute='role')|join(', ') }} {{ l|map('string')|list }} {{ msgs|map(attribute='x', "
        "default='-')|list }}",
        "system, user, assistant ['3', '1', '2'] ['-', '-', '-']"},
       {"{{ msgs|selectattr('role', 'equalto', 'user')|map(attribute='content')|first }} {{ l|reject('gt', 2)|list }} "
        "{{ msgs|selectattr('calls', 'defined')|list|length }} {{ msgs|rejectattr('role', 'in', ['user'])|list|length "
        "}}",
        "hi [1, 2] 1 2"},
       {"{{ nothing|default('x') }} {{ ''|d('y', true) }} {{ no|d('z') }}", "x y None"},
       {"{{ '5.7'|int }} {{ 'x'|int(7) }} {{ 2.5|round }} {{ 2.675|round(2) }} {{ '2.5'|float }} {{ 42|round }}",
        "5 7 2.0 2.67 2.5 42"},
       {"{{ ml|indent(2) }}|{{ 'foo-bar BAZ'|title }} {{ s|replace('o', '0') }} {{ s|wordcount }}",
        "a\n  b\n\n  c|Foo-Bar Baz Hell0 W0rld 2"},
       {"{{ d|dictsort }} {{ d|items|list }} {{ [1, 2, 3]|batch(2)|list }} {{ '<a>'|e }}",
        "[('a', 2), ('b', 1)] [('b', 1), ('a', 2)] [[1, 2], [3]] &lt;a&gt;"},
       {"{{ 'x'|nonsense }}", "ERROR line 1, column 8: there is no filter 'nonsense'"}});
}

TEST(Jinja, ToJsonIsPythonsDumps) {
  check({{"{{ msgs[2].calls[0]|tojson }}", R"({"name": "f", "arguments": {"x": 1, "y": [1.5, null, true, "é\"\n"]}})"},
         {"{{ d|tojson(indent=2) }}{{ []|tojson(indent=2) }}", "{\n  \"b\": 1,\n  \"a\": 2\n}[]"},
         {"{{ d|tojson(sort_keys=true, separators=(',', ':')) }}", R"({"a":2,"b":1})"},
         {"{{ 'é😀<'|tojson(ensure_ascii=true) }} {{ {1: none, true: (1,)}|tojson }}",
          R"("\u00e9\ud83d\ude00<" {"1": [1]})"},
         {"{{ nothing|tojson }}", "ERROR line 1, column 12: tojson: 'nothing' is undefined"}});
}

TEST(Jinja, Tests) {
  check({{"{{ s is string }} {{ n is number }} {{ t is integer }} {{ d is mapping }} {{ s is sequence }} {{ n is "
          "iterable }}",
          "True True False True True False"},
         {"{{ nothing is defined }} {{ no is none }} {{ no is defined }} {{ t is true }} {{ 1 is true }} {{ f is float "
          "}}",
          "False True True True False True"},
         {"{{ 3 is odd }} {{ 9 is divisibleby 3 }} {{ 'a' is in 'abc' }} {{ 1 is not in [1] }} {{ 1 is lt 2 }} {{ 'ab' "
          "is lower }}",
          "True True True False True True"},
         {"{{ s is not none and t }} {{ range is callable }} {{ 1 is nonsense }}",
          "ERROR line 1, column 59: there is no test 'nonsense'"}});
}

TEST(Jinja, Statements) {
  check(
      {{"{% for i in l %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }};{% "
        "endfor %}",
        "1TrueFalse1;2FalseFalse32;3FalseTrue1;"},
       {"{% for i in l if i > 1 %}{{ i }}{{ loop.length }}{% else %}x{% endfor %}{% for i in [] %}{% else %}none{% "
        "endfor %}",
        "3222none"},
       {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for c in 'aé' %}[{{ c }}]{% endfor %}",
        "b=1;a=2;[a][é]"},
       {"{% for i in range(9) %}{% if i == 2 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor "
        "%}",
        "013"},
       {"{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
        "12"},
       {"{% set ns = namespace(a=1) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "7"},
       {"{% set x %} b{{ n }} {% endset %}[{{ x }}]{% set y | upper | trim %} a {% endset %}[{{ y }}]", "[ b5 ][A]"},
       {"{% macro m(a, b=a) %}{{ a }},{{ b }}{% endmacro %}{{ m(1) }} {{ m(b=2, a=3) }} {{ m() }}", "1,1 3,2 ,"},
       {"{% macro m(t) %}<{{ t }}>{{ caller(1) }}{% endmacro %}{% call(x) m('b') %}in{{ x }}{% endcall %}", "<b>in1"},
       {"{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "321"},
       {"{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, z=3) }}", "(2,){'z': 3}"},
       {"{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% filter upper %}x{{ s }}{% endfilter %}",
        "15|XHELLO WORLD"},
       {"{% set a, b = 1, 2 %}{{ b }}{% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "2xyx"},
       {"{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"},
       {"{% set x = 5 %}{% set x.a = 1 %}",
        "ERROR line 1, column 23: 'x': expected a namespace to assign an attribute of, found a int"}});
}

TEST(Jinja, Whitespace) {
  check({{"  {% if t %}\n  a\n  {% endif %}\nb\n", "  a\nb"},
         {"a\n  {%- if t -%}\n  b  \n  {%- endif %}\n\nc", "ab\nc"},
         {"  {%+ if t %}\nx\n  {%+ endif +%}\ny", "  x\n  \ny"},
         {"{# c #}\nx {# d #} \n  {# e #}\n  y {#- f -#}  z", "x  \n  yz"},
         {"x{% raw %}\n {{ a }}\n  {% endraw %}\n b", "x\n {{ a }}\n b"},
         {"\r\na\r{% if t %}\r\nb\n{% endif %}\r\n\r\n", "\na\nb\n"},
         {"  {{ n }}  {{- n }}  {{ n -}}  x", "  55  5x"},
         {"{{ '}}' }}{{ {'a': {'b': 1}}.a.b }}{ {x}", "}}1{ {x}"}});
}

TEST(Jinja, ParseErrorsNameThePlaceAndWhatWasExpected) {
  check(
      {{"{{ 1 + }}", "PARSE line 1, column 8: expected a value, found the end of the tag"},
       {"a\n {% if x %}b", "PARSE line 2, column 5: {% if %} has no end: expected {% endif %}"},
       {"é{{ (1 }}", "PARSE line 1, column 8: unexpected '}': expected ')'"},
       {"{% foo %}",
        "PARSE line 1, column 4: unknown tag 'foo': expected if, for, set, macro, call, filter, with, raw, generation, "
        "break or continue"},
       {"{{ 'abc }}", "PARSE line 1, column 4: the string has no end: expected '"},
       {"{# x", "PARSE line 1, column 1: the comment has no end: expected \"#}\""},
       {"{% break %}", "PARSE line 1, column 4: 'break' outside of a loop"},
       {"{{ a b }}", "PARSE line 1, column 6: expected \"}}\", found 'b'"}});
}

}  // namespace
}  // namespace loquat::jinja
