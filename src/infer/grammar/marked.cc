// Arguments as Qwen3-Coder writes them (SchemaCompiler::add_marked).
#include <algorithm>
#include <array>

#include "infer/grammar/schema.h"

namespace loquat::grammar {
namespace {

constexpr std::string_view kOpen = "<parameter=", kValueEnd = "\n</parameter>";
constexpr int kDeepestChoice = 8;

bool is_text(const Value& value) {
  return value.kind == Value::kString;
}

}  // namespace

Result<RuleId> SchemaCompiler::add_marked(const Value& schema) {
  Elements elements{{.schema = &schema}};
  TRY(const Merged merged, merge(elements, work_));
  if (!(merged.types & kObjectType)) return at(schema, "no object fits it");
  if (merged.choice != nullptr) return at(*merged.choice, "this model's calls have one list of \"properties\"");
  if (!merged.enums.empty()) return at(*merged.enums[0], "this model's calls have \"properties\"");
  TRY(const Members members, members_of(merged));
  const RuleId rule = graph_.reserve_rule();
  const size_t n = members.names.size();
  NodeId rest = Graph::kEndNode;
  if (n == 0 && members.additional) rest = any_parameters(rest);
  for (size_t i = n; i-- > 0 && !graph_.over();) {
    TRY(const NodeId value, marked_value(members.schemas[i], members.values[i], rest));
    const NodeId here = graph_.literal(std::string(kOpen) + members.names[i] + ">\n", value);
    rest = members.required[i] ? here : either(here, rest);
  }
  graph_.define_rule(rule, rest);
  TRY_STATUS(build_queued(schema));
  return rule;
}

// A value and the mark behind it.
Result<NodeId> SchemaCompiler::marked_value(const std::vector<const Value*>& schemas, RuleId rule, NodeId next) {
  const NodeId line_end = graph_.byte('\n', next);
  Elements elements;
  for (const Value* schema : schemas) elements.push_back({.schema = schema});
  TRY(const bool text, may_be_text(elements));
  if (!text) return graph_.call(rule, graph_.literal(kValueEnd, line_end), true);
  TRY(const Merged merged, merge(elements, work_));
  if (merged.choice == nullptr && merged.enums.size() == 1) {
    const auto values = constants_at(*merged.enums[0]);
    if (std::all_of(values.begin(), values.end(), is_text)) {
      std::vector<std::string> texts;
      for (const Value& value : values) texts.push_back(value.text);
      return one_of(graph_, Trie(std::move(texts)), graph_.literal(kValueEnd, line_end));
    }
  }
  return free_text(graph_, kValueEnd, line_end, false)[0];
}

// Parameters of any name, with any text.
NodeId SchemaCompiler::any_parameters(NodeId next) {
  const NodeId again = graph_.reserve(), name = graph_.reserve();
  const NodeId value = graph_.byte('\n', free_text(graph_, kValueEnd, graph_.byte('\n', again), false)[0]);
  const std::array<Edge, 6> first = {
      {{'-', '-', name}, {'.', '.', name}, {'0', '9', name}, {'A', 'Z', name}, {'_', '_', name}, {'a', 'z', name}}};
  std::vector<Edge> further(first.begin(), first.end());
  further.insert(further.begin() + 3, {'>', '>', value});
  graph_.define_bytes(name, further);
  graph_.define_split(again, std::array<NodeId, 2>{next, graph_.literal(kOpen, graph_.bytes(first))});
  return again;
}

// Whether some value that fits is a text: such a value is written as it is. One that may be text or something else is
// free text too.
Result<bool> SchemaCompiler::may_be_text(Elements elements, int depth) {
  TRY(const Merged merged, merge(elements, work_));
  if (!(merged.types & kStringType)) return false;
  if (depth == kDeepestChoice) return true;
  if (merged.choice != nullptr) {
    Element& from = elements[merged.choice_element];
    (merged.choice_is_any_of ? from.any_of_done : from.one_of_done) = true;
    for (const Value& way : merged.choice->items) {
      Elements with = elements;
      with.push_back({.schema = &way, .parent = static_cast<int32_t>(merged.choice_element)});
      TRY(const bool text, may_be_text(std::move(with), depth + 1));
      if (text) return true;
    }
    return false;
  }
  return std::all_of(merged.enums.begin(), merged.enums.end(), [](const Value* place) {
    const auto values = constants_at(*place);
    return std::any_of(values.begin(), values.end(), is_text);
  });
}

}  // namespace loquat::grammar
