#include "infer/grammar/grammar.h"

#include <algorithm>
#include <array>
#include <deque>
#include <unordered_set>

#include "infer/grammar/impl.h"
#include "infer/grammar/schema.h"

namespace loquat {

using grammar::Chars;
using grammar::Graph;
using grammar::NodeId;
using grammar::RuleId;
using grammar::SchemaCompiler;
using grammar::Value;

namespace {

constexpr std::string_view kCallStart = "<tool_call>", kCallEnd = "</tool_call>";
constexpr int64_t kLongestShortest = 1'000'000;  // bytes

// That some text is in the language, and not an endless one.
Status check_finite(const Graph& graph, NodeId start) {
  const int64_t shortest = grammar::shortest_ends(graph, grammar::ByteSet().set()).to_end[start];
  if (shortest >= grammar::kNever) return Err("the schema: no finite value fits it");
  if (shortest > kLongestShortest) return Err("the schema: no value of under {} bytes fits it", kLongestShortest);
  return {};
}

// Any text that does not contain kCallStart, and may end anywhere; `calls` follows where kCallStart has come.
NodeId free_text(Graph& graph, NodeId calls) {
  Chars chars(graph);
  std::array<NodeId, kCallStart.size() + 1> after;  // after so many of its bytes
  for (size_t i = 0; i < kCallStart.size(); ++i) after[i] = graph.reserve();
  after[kCallStart.size()] = calls;
  for (size_t i = 0; i < kCallStart.size(); ++i) {
    // "<" stands first in kCallStart and nowhere else: a text that leaves it can only be at its start again.
    std::vector<grammar::Span> spans;
    uint32_t next = 0;
    std::vector<std::pair<uint32_t, NodeId>> special = {{static_cast<uint8_t>(kCallStart[i]), after[i + 1]}};
    if (i > 0) special.emplace_back('<', after[1]);
    std::sort(special.begin(), special.end());
    for (const auto& [c, target] : special) {
      if (c > next) spans.push_back({next, c - 1, after[0]});
      spans.push_back({c, c, target});
      next = c + 1;
    }
    spans.push_back({next, grammar::kMaxCodePoint, after[0]});
    graph.define_split(after[i], std::array<NodeId, 2>{Graph::kEndNode, graph.bytes(chars.utf8(spans))});
  }
  return after[0];
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

Result<std::shared_ptr<const Grammar>> Grammar::json_schema(std::string_view schema) {
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

Result<std::shared_ptr<const Grammar>> Grammar::tool_calls(std::span<const ToolSpec> tools, ToolUse use,
                                                           bool parallel) {
  if (tools.empty()) return Err("no tools");
  const auto impl = std::make_shared<Impl>();
  Graph& graph = impl->graph;
  SchemaCompiler compiler(graph);
  std::deque<Value> schemas;  // stay where they are
  std::unordered_set<std::string_view> names;
  const NodeId ended = graph.reserve();  // after a call
  const NodeId close = graph.literal(fmt::format("}}\n{}", kCallEnd), ended);
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
    const auto rule = compiler.add(schema, grammar::kObjectType);
    if (!rule.ok()) return Err("tool \"{}\": {}", tool.name, rule.error());
    if (auto finite = check_finite(graph, graph.start(*rule)); !finite.ok()) {
      return Err("tool \"{}\": {} (arguments are an object)", tool.name, finite.error());
    }
    calls.push_back(graph.literal(fmt::format("{}\", \"arguments\": ", tool.name), graph.call(*rule, close)));
  }
  const NodeId body = graph.literal("\n{\"name\": \"", graph.split(calls));
  const NodeId first = graph.literal(kCallStart, body);
  std::vector<NodeId> then = {Graph::kEndNode};
  if (parallel) then.push_back(graph.byte('\n', first));
  graph.define_split(ended, then);
  impl->start = use == ToolUse::kRequired ? first : free_text(graph, body);
  if (graph.over()) return Err("the tools' schemas together take too much");
  const auto grammar = std::make_shared<Grammar>();
  grammar->impl_ = impl;
  return std::shared_ptr<const Grammar>(grammar);
}

}  // namespace loquat
