#include "infer/grammar/grammar.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <deque>
#include <unordered_set>

#include "infer/grammar/impl.h"
#include "infer/grammar/known.h"
#include "infer/grammar/schema.h"

namespace loquat {

using grammar::but_for;
using grammar::Chars;
using grammar::free_text;
using grammar::Graph;
using grammar::NodeId;
using grammar::RuleId;
using grammar::SchemaCompiler;
using grammar::Value;

namespace {

constexpr int64_t kLongestShortest = 1'000'000;  // bytes

// That some text is in the language, and not an endless one.
Status check_finite(const Graph& graph, NodeId start) {
  const int64_t shortest = grammar::shortest_ends(graph, grammar::ByteSet().set()).to_end[start];
  if (shortest >= grammar::kNever) return Err("the schema: no finite value fits it");
  if (shortest > kLongestShortest) return Err("the schema: no value of under {} bytes fits it", kLongestShortest);
  return {};
}

// How a family writes its calls: MARK FIRST HEAD NAME KEY ARGUMENTS CLOSE BETWEEN HEAD NAME... END.
struct Form {
  std::string_view mark, head, key, close, between, end;
};

Form form_of(ToolFamily family) {
  switch (family) {
    case ToolFamily::kLlama3:
      return {"<|python_tag|>", "{\"name\": \"", "\", \"parameters\": ", "}", "; ", ""};
    case ToolFamily::kMistral:
      return {"[TOOL_CALLS]", "{\"name\": \"", "\", \"arguments\": ", "}", ", ", "]"};
    case ToolFamily::kMistralArgs:
      return {"[TOOL_CALLS]", "", "[ARGS]", "", "[TOOL_CALLS]", ""};
    case ToolFamily::kQwenCoder:
      return {"<tool_call>", "\n<function=", ">\n", "</function>\n</tool_call>", "\n<tool_call>", ""};
    case ToolFamily::kHermes:
      break;
  }
  return {"<tool_call>", "\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", "\n<tool_call>", ""};
}

// Mistral's ids of calls: nine letters and digits.
NodeId mistral_id(Graph& graph, NodeId next) {
  for (int i = 0; i < 9; ++i) {
    next = graph.bytes(std::array<grammar::Edge, 3>{{{'0', '9', next}, {'A', 'Z', next}, {'a', 'z', next}}});
  }
  return next;
}

// What ends a call, and leads to `next`.
NodeId close_of(Graph& graph, const Form& form, ToolFamily family, NodeId next) {
  const NodeId plain = graph.literal(form.close, next);
  if (family != ToolFamily::kMistral) return plain;
  const NodeId id = mistral_id(graph, graph.literal("\"}", next));
  return graph.split(std::array<NodeId, 2>{plain, graph.literal(", \"id\": \"", id)});
}

// A tool's name, what stands between it and its arguments, and these.
NodeId named(Graph& graph, const Form& form, ToolFamily family, const std::string& name, NodeId arguments) {
  const NodeId key = graph.literal(form.key, arguments);
  if (family != ToolFamily::kMistralArgs) return graph.literal(name, key);
  const NodeId id = graph.literal("[CALL_ID]", mistral_id(graph, key));
  return graph.literal(name, graph.split(std::array<NodeId, 2>{key, id}));
}

// Where a reply begins; `call` is the first call, after any mark.
NodeId start_of(Graph& graph, const Form& form, ToolFamily family, Grammar::ToolUse use, NodeId call) {
  const bool required = use == Grammar::ToolUse::kRequired;
  if (family != ToolFamily::kLlama3) {
    const NodeId list = family != ToolFamily::kMistral
                            ? call
                            : graph.split(std::array<NodeId, 2>{graph.literal("[", call), graph.literal(" [", call)});
    return required ? graph.literal(form.mark, list) : free_text(graph, form.mark, list, true)[0];
  }
  if (required) return graph.split(std::array<NodeId, 2>{call, graph.literal(form.mark, call)});
  const std::vector<NodeId> text = free_text(graph, form.mark, call, true);
  const NodeId lead = graph.reserve();  // white space so far
  Chars chars(graph);
  const std::vector<std::pair<uint32_t, NodeId>> special = {{'\t', lead}, {'\n', lead},   {'\r', lead},
                                                            {' ', lead},  {'<', text[1]}, {'{', Graph::kDeadNode}};
  graph.define_split(lead, std::array<NodeId, 2>{Graph::kEndNode, graph.bytes(chars.utf8(but_for(special, text[0])))});
  return graph.split(std::array<NodeId, 2>{call, lead});
}

Status check_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), plain)) {
    return Err("a tool's name has 1 to 64 letters, digits, \"_\", \"-\" and \".\"");
  }
  return {};
}

}  // namespace

std::shared_ptr<const Grammar> Grammar::json_object() {
  static const std::shared_ptr<const Grammar> made = *json_schema(R"({"type": "object"})");
  return made;
}

Result<std::shared_ptr<const Grammar>> Grammar::known(const std::string& source, const std::function<Made()>& make) {
  static grammar::KnownGrammars all;
  return all.find_or_make(source, [&]() -> Made {
    TRY(const auto made, make());
    const auto named = std::make_shared<Grammar>(*made);
    named->source_ = source;
    return std::shared_ptr<const Grammar>(named);
  });
}

Result<std::shared_ptr<const Grammar>> Grammar::json_schema(std::string_view schema) {
  return known("schema\n" + std::string(schema), [&] { return make_schema(schema); });
}

Result<std::shared_ptr<const Grammar>> Grammar::tool_calls(std::span<const ToolSpec> tools, ToolUse use, bool parallel,
                                                           ToolFamily family) {
  std::string source =
      fmt::format("tools {} {} {}\n", static_cast<int>(use), parallel ? 1 : 0, static_cast<int>(family));
  for (const ToolSpec& tool : tools)
    source += fmt::format("{} {} {}\n{}\n", tool.name.size(), tool.parameters.size(), tool.name, tool.parameters);
  return known(source, [&] { return make_tool_calls(tools, use, parallel, family); });
}

Result<std::shared_ptr<const Grammar>> Grammar::after_thoughts(const std::shared_ptr<const Grammar>& grammar) {
  return known("thoughts\n" + grammar->source_, [&] { return make_after_thoughts(*grammar); });
}

Result<std::shared_ptr<const Grammar>> Grammar::make_schema(std::string_view schema) {
  TRY(Value value, grammar::parse_value(schema));
  set_parents(value);
  const auto impl = std::make_shared<Impl>();
  SchemaCompiler compiler(impl->graph);
  TRY(const RuleId rule, compiler.add(value));
  impl->start = impl->graph.start(rule);
  TRY_STATUS(check_finite(impl->graph, impl->start));
  const auto grammar = std::make_shared<Grammar>();
  grammar->impl_ = impl;
  return std::shared_ptr<const Grammar>(grammar);
}

Result<std::shared_ptr<const Grammar>> Grammar::make_tool_calls(std::span<const ToolSpec> tools, ToolUse use,
                                                                bool parallel, ToolFamily family) {
  if (tools.empty()) return Err("no tools");
  const auto impl = std::make_shared<Impl>();
  Graph& graph = impl->graph;
  SchemaCompiler compiler(graph);
  std::deque<Value> schemas;  // stay where they are
  std::unordered_set<std::string_view> names;
  const NodeId ended = graph.reserve();  // after a call
  const Form form = form_of(family);
  const NodeId close = close_of(graph, form, family, ended);
  std::vector<NodeId> calls;
  for (const ToolSpec& tool : tools) {
    TRY_STATUS(check_name(tool.name));
    if (!names.insert(tool.name).second) return Err("two tools are named \"{}\"", tool.name);
    Value& schema = schemas.emplace_back();
    schema.kind = Value::kTrue;
    if (!tool.parameters.empty()) {
      auto parsed = grammar::parse_value(tool.parameters);
      if (!parsed.ok()) return Err("tool \"{}\": {}", tool.name, parsed.error());
      schema = *std::move(parsed);
      set_parents(schema);
    }
    const auto rule =
        family == ToolFamily::kQwenCoder ? compiler.add_marked(schema) : compiler.add(schema, grammar::kObjectType);
    if (!rule.ok()) return Err("tool \"{}\": {}", tool.name, rule.error());
    if (auto finite = check_finite(graph, graph.start(*rule)); !finite.ok()) {
      return Err("tool \"{}\": {} (arguments are an object)", tool.name, finite.error());
    }
    calls.push_back(named(graph, form, family, tool.name, graph.call(*rule, close)));
  }
  const NodeId call = graph.literal(form.head, graph.split(calls));
  std::vector<NodeId> then = {form.end.empty() ? Graph::kEndNode : graph.literal(form.end, Graph::kEndNode)};
  if (parallel) then.push_back(graph.literal(form.between, call));
  graph.define_split(ended, then);
  impl->start = start_of(graph, form, family, use, call);
  if (graph.over()) return Err("the tools' schemas together take too much");
  const auto grammar = std::make_shared<Grammar>();
  grammar->impl_ = impl;
  return std::shared_ptr<const Grammar>(grammar);
}

Result<std::shared_ptr<const Grammar>> Grammar::make_after_thoughts(const Grammar& grammar) {
  const auto impl = std::make_shared<Impl>();
  Graph& graph = impl->graph;
  graph = grammar.impl().graph;
  const NodeId space = graph.reserve();
  const NodeId more =
      graph.bytes(std::array<grammar::Edge, 3>{{{'\t', '\n', space}, {'\r', '\r', space}, {' ', ' ', space}}});
  graph.define_split(space, std::array<NodeId, 2>{grammar.impl().start, more});
  impl->start = free_text(graph, "</think>", space, false)[0];
  if (graph.over()) return Err("the schema takes too much");
  const auto out = std::make_shared<Grammar>();
  out->impl_ = impl;
  return std::shared_ptr<const Grammar>(out);
}

}  // namespace loquat
