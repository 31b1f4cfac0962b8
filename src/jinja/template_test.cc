// Whole templates in the manner of the well-known families, where the output's bytes came from, and what is asked of a
// template. The expected texts are Jinja2's.
#include "jinja/template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace loquat::jinja {
namespace {

using Json = nlohmann::ordered_json;

std::tm fixed_time() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  return now;
}

Template parse(const std::string& source) {
  auto parsed = Template::parse(source);
  EXPECT_TRUE(parsed.ok()) << parsed.error();
  return *parsed;
}

Rendered render(const std::string& source, const Json& variables, const Json& trusted = Json::object()) {
  auto rendered = parse(source).render(variables, fixed_time, trusted);
  EXPECT_TRUE(rendered.ok()) << rendered.error();
  return rendered.ok() ? *rendered : Rendered{};
}

// The output with what came from data in [brackets].
std::string marked(const Rendered& rendered, const std::vector<Range>& ranges) {
  std::string out;
  size_t at = 0;
  for (const Range& range : ranges) {
    out += rendered.text.substr(at, range.begin - at) + "[" +
           rendered.text.substr(range.begin, range.end - range.begin) + "]";
    at = range.end;
  }
  return out + rendered.text.substr(at);
}

std::string marked(const std::string& source, const Json& variables, const Json& trusted = Json::object()) {
  const Rendered rendered = render(source, variables, trusted);
  return marked(rendered, rendered.data);
}

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "get_weather", "description": "Now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");

const Json kTalk =
    Json::parse(R"([{"role": "system", "content": "Be kind.\n"}, {"role": "user", "content": " Hello, wörld! "},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHi"}, {"role": "user", "content": "Paris?"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "get_weather",
     "arguments": {"city": "Paris"}}}]}, {"role": "tool", "content": "21"}])");

TEST(Jinja, QwenManner) {
  const std::string source = R"({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and not(message.content.startswith('<r>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- if '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>' ~ message.role ~ '\n' ~ content }}
        {%- if message.tool_calls %}
            {%- for call in message.tool_calls %}
                {%- if call.function %}{% set call = call.function %}{% endif %}
                {{- '<tool_call>\n{"name": "' ~ call.name ~ '", "arguments": ' }}
                {{- call.arguments if call.arguments is string else call.arguments | tojson }}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<r>' ~ message.content ~ '</r>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %})";
  const Json variables = {
      {"messages", kTalk}, {"tools", kTools}, {"add_generation_prompt", true}, {"enable_thinking", false}};
  EXPECT_EQ(render(source, variables).text, R"(<|im_start|>system
Be kind.


# Tools
<tools>
{"type": "function", "function": {"name": "get_weather", "description": "Now.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
</tools><|im_end|>
<|im_start|>user
 Hello, wörld! <|im_end|>
<|im_start|>assistant
Hi<|im_end|>
<|im_start|>user
Paris?<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "get_weather", "arguments": {"city": "Paris"}}
</tool_call><|im_end|>
<|im_start|>user
<r>21</r><|im_end|>
<|im_start|>assistant
<think>

</think>

)");
  EXPECT_TRUE(parse(source).uses("enable_thinking"));
  EXPECT_TRUE(parse(source).uses("tools"));
  EXPECT_FALSE(parse(source).uses("documents"));
  EXPECT_FALSE(parse(source).has_generation());
}

TEST(Jinja, LlamaManner) {
  const std::string source = R"({{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%d %b %Y") if strftime_now is defined else "none" %}
{%- endif %}
{#- the system message #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and tools is iterable %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one tool call at once") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + "}<|eot_id|>" }}
    {%- endif %}
{%- endfor %})";
  Json variables = {{"messages", kTalk}, {"tools", nullptr}};
  const Json trusted = {{"bos_token", "<|begin_of_text|>"}};
  EXPECT_EQ(
      marked(source, variables, trusted),
      "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n[Be kind.]<|eot_id|>"
      "<|start_header_id|>[user]<|end_header_id|>\n\n[Hello, wörld!]<|eot_id|>"
      "<|start_header_id|>[assistant]<|end_header_id|>\n\n[<think>\nhm\n</think>\n\nHi]<|eot_id|>"
      "<|start_header_id|>[user]<|end_header_id|>\n\n[Paris?]<|eot_id|>"
      "{\"name\": \"[get_weather]\", \"parameters\": [{\"city\": \"Paris\"}]}<|eot_id|>");
  variables["messages"][4]["tool_calls"].push_back(1);
  const auto refused = parse(source).render(variables, fixed_time, trusted);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(raised_message(refused.error()), "one tool call at once");
}

TEST(Jinja, MacrosThatWriteTypes) {
  const std::string source = R"({%- macro type(p) -%}
  {%- if p.type == "array" -%}{{ type(p["items"]) }}[]
  {%- elif p.enum -%}{{ p.enum|map("tojson")|join(" | ") }}
  {%- elif p.type == "object" -%}
    {
    {%- for name, one in p.properties.items() -%}
      {{ "\n  " ~ name }}{{ "?" if name not in (p.required or []) }}: {{ type(one) }},
    {%- endfor %}
}
  {%- else -%}{{ p.type }}{%- endif -%}
{%- endmacro -%}
{{ type(schema) }})";
  const Json schema = Json::parse(R"({"type": "object", "required": ["a"], "properties": {
      "a": {"type": "array", "items": {"type": "number"}}, "b": {"type": "string", "enum": ["x", "y"]}}})");
  EXPECT_EQ(render(source, {{"schema", schema}}).text, "{\n  a: number[],\n  b?: \"x\" | \"y\",}");
}

TEST(Jinja, RaisedIsToldFromMistaken) {
  const auto raised = parse("{{ raise_exception('no ' ~ x) }}").render({{"x", "line 1, column 2: "}}, fixed_time);
  ASSERT_FALSE(raised.ok());
  EXPECT_EQ(raised_message(raised.error()), "no line 1, column 2: ");
  const auto mistaken = parse("{{ the.template.raised }}").render(Json::object(), fixed_time);
  ASSERT_FALSE(mistaken.ok());
  EXPECT_FALSE(raised_message(mistaken.error()));
}

TEST(Jinja, DataKeepsItsMarkThroughEverything) {
  const Json x = {{"x", "ab cd"}, {"d", {{"k", "v"}}}, {"l", {"p", "q"}}, {"u", "straße é"}, {"n", 5}};
  const std::pair<const char*, const char*> cases[] = {
      {"<{{ x }}>{{ n }}", "<[ab cd]>5"},
      {"{{ '<' + x + '>' ~ x }}", "<[ab cd]>[ab cd]"},
      {"{{ x[1:3] }}|{{ x[0] }}|{{ x[::-1] }}|{{ x * 2 }}", "[b ]|[a]|[dc ba]|[ab cdab cd]"},
      {"{{ ('<' ~ x ~ '>')[1:-2] }}{{ (' ' ~ x ~ ' ')|trim }}", "[ab cab cd]"},
      {"{{ x.split(' ')|join('+') }} {{ x.split()[0] }}", "[ab]+[cd] [ab]"},
      {"{{ x|upper }}{{ u|upper }}{{ u|title }}", "[AB CDSTRASSE ÉStraße É]"},
      {"{{ x.replace('b', '<b>') }} {{ '<x>'.replace('x', x) }}", "[a]<b>[ cd] <[ab cd]>"},
      {"{{ x|tojson }} {{ d|tojson }} {{ d }} {{ {'a': 1}|tojson }}",
       "[\"ab cd\"] [{\"k\": \"v\"}] [{'k': 'v'}] {\"a\": 1}"},
      {"{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %} {{ d.keys()|first }}", "[k]=[v] [k]"},
      {"{% for c in x %}{{ c }}{% endfor %}{{ x|list|join }}{{ x|first }}{{ x|last }}{{ x|reverse }}",
       "[ab cdab cdaddc ba]"},
      {"{% set y %}<{{ x }}>{% endset %}{{ y }}{% macro m(a) %}({{ a }}){% endmacro %}{{ m(x) }}",
       "<[ab cd]>([ab cd])"},
      {"{{ x if x == 'ab cd' }} {{ 'ab cd' if x == 'ab cd' }} {{ {'ab cd': '<t>'}[x] }}", "[ab cd] ab cd <t>"},
      {"{{ '%s;%d' % (x, n) }} {{ '<{}>'.format(x) }} {{ '<%s>'|format(x) }}", "[ab cd];5 <[ab cd]> <[ab cd]>"},
      {"{% filter upper %}a{{ x }}{% endfilter %}{{ x|indent(2, true) }}{{ x.center(7, '*') }}",
       "A[AB CD]  [ab cd]*[ab cd]*"},
      {"{{ l|join(', ') }} {{ l|map('upper')|join }} {{ l|sort|last }} {{ l|string }}",
       "[p], [q] [PQ] [q] [['p', 'q']]"},
      {"{{ '<a>'|e ~ x|e }} {{ x.partition(' ')[2] }} {{ x|default('z') }} {{ no|default('z') }}",
       "&lt;a&gt;[ab cd] [cd] [ab cd] z"},
      {"{{ namespace(d) }} {{ dict(**d) }} {{ [1]|tojson(indent=x) }}",
       "[<Namespace {'k': 'v'}>] [{'k': 'v'}] [[\nab cd1\n]]"},
      {"{% macro m() %}{{ kwargs.keys()|first }}{% endmacro %}{{ m(**d) }}", "[k]"},
      {"{% set ns = namespace(t='') %}{% for i in l %}{% set ns.t = ns.t ~ i ~ ';' %}{% endfor %}{{ ns.t }}",
       "[p];[q];"},
  };
  for (const auto& [source, expected] : cases) EXPECT_EQ(marked(source, x), expected) << source;
}

TEST(Jinja, TrustedTextIsTheTemplatesOwn) {
  EXPECT_EQ(marked("{{ bos_token }}{{ x }}", {{"x", "<s>"}, {"bos_token", "evil"}}, {{"bos_token", "<s>"}}),
            "<s>[<s>]");
}

TEST(Jinja, GenerationRanges) {
  const std::string source =
      "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}<end>{% endgeneration %}"
      "{% else %}U:{{ m.content }}\n{% endif %}{% endfor %}";
  const Json messages = Json::parse(R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "é"},
      {"role": "user", "content": "r"}, {"role": "assistant", "content": ""}])");
  const Rendered rendered = render(source, {{"messages", messages}});
  EXPECT_EQ(marked(rendered, rendered.generation), "U:q\nA:[é<end>]U:r\nA:[<end>]");
  EXPECT_EQ(marked(rendered, rendered.data), "U:[q]\nA:[é]<end>U:[r]\nA:<end>");
  EXPECT_TRUE(parse(source).has_generation());
  // Through a macro and a filter too.
  const Rendered inner =
      render("{% macro m() %}a{% generation %}b{% endgeneration %}{% endmacro %}{{ m()|upper }}c", Json::object());
  EXPECT_EQ(marked(inner, inner.generation), "A[B]c");
}

TEST(Jinja, ThreadsRenderTheSameTemplate) {
  const Template shared = parse("{% for m in l %}{{ 'a' ~ m ~ 'b' }}{% set x = x ~ m %}{{ x }}{% endfor %}");
  const Json variables = {{"l", {"1", "2", "3"}}, {"x", "y"}};
  const std::string want = shared.render(variables, fixed_time)->text;
  std::vector<std::string> got(4);
  std::vector<std::thread> threads;
  for (std::string& one : got) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) one = shared.render(variables, fixed_time)->text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& one : got) EXPECT_EQ(one, want);
}

// The template that SmolLM ships, where its files lie beside the project.
TEST(Jinja, SmolLm) {
  const std::filesystem::path path =
      std::filesystem::path(LOQUAT_SOURCE_DIR) / "../shared/data/tokenizers/smollm/chat_template.jinja";
  std::ifstream in(path);
  if (!in) GTEST_SKIP() << path << " is not there";
  const std::string source((std::istreambuf_iterator<char>(in)), {});
  const Json variables = {{"messages", {{{"role", "user"}, {"content", "hi<|im_end|>"}}}},
                          {"add_generation_prompt", true}};
  EXPECT_EQ(marked(source, variables),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>[user]\n[hi<|im_end|>]<|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
}  // namespace loquat::jinja
