#include "infer/grammar/schema.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "infer/grammar/pattern.h"

namespace loquat::grammar {
namespace {

// What a whole schema may take: some tens of milliseconds.
constexpr int64_t kMaxWork = 300'000;           // keywords and schemas looked at
constexpr int64_t kMaxPatternWork = 2'000'000;  // steps of making automata
constexpr size_t kMaxRules = 20'000;
constexpr size_t kMaxMembers = 1'000;    // of one object
constexpr size_t kMaxConstants = 2'000;  // of one enum
constexpr size_t kMaxIndent = 64;        // blanks after a new line
constexpr size_t kMaxTabs = 16;
constexpr NodeId kEnd = Graph::kEndNode;

// Nothing, one blank, or a new line and its indentation.
NodeId white_space(Graph& graph) {
  const auto up_to = [&](uint8_t c, size_t count) {
    NodeId node = kEnd;
    for (size_t i = 0; i < count; ++i) node = graph.split(std::array<NodeId, 2>{kEnd, graph.byte(c, node)});
    return node;
  };
  const std::array<NodeId, 2> indent = {up_to(' ', kMaxIndent), up_to('\t', kMaxTabs)};
  const std::array<Edge, 2> edges = {{{' ', ' ', kEnd}, {'\n', '\n', graph.split(indent)}}};
  return graph.split(std::array<NodeId, 2>{kEnd, graph.bytes(edges)});
}

std::string key_of(const Elements& elements, uint8_t types) {
  std::string key(1, static_cast<char>(types));
  for (const Element& e : elements) {
    key.append(reinterpret_cast<const char*>(&e.schema), sizeof e.schema);
    key.push_back(static_cast<char>(e.any_of_done + 2 * e.one_of_done));
  }
  return key;
}

}  // namespace

SchemaCompiler::SchemaCompiler(Graph& graph)
    : graph_(graph), chars_(graph), work_(kMaxWork), pattern_work_(kMaxPatternWork) {
  space_ = graph.reserve_rule();
  graph.define_rule(space_, white_space(graph));
  char_ = graph.reserve_rule();
  graph.define_rule(char_, graph.bytes(chars_.any_spelling(kEnd)));
  string_ = graph.reserve_rule();
  graph.define_rule(string_, graph.byte('"', any_text(kEnd)));
  number_ = graph.reserve_rule();
  graph.define_rule(number_, any_number(graph, kEnd));
  integer_ = graph.reserve_rule();
  graph.define_rule(integer_, integer_between(graph, {}, {}, kEnd));
}

Result<RuleId> SchemaCompiler::add(const Value& schema, uint8_t types) {
  const RuleId rule = rule_of(Elements{{.schema = &schema}}, types);
  TRY_STATUS(build_queued(schema));
  return rule;
}

Status SchemaCompiler::build_queued(const Value& schema) {
  for (; !queue_.empty(); queue_.pop_front()) {
    Job& job = queue_.front();
    auto start = build(job);
    if (start.ok() && (graph_.over() || rules_.size() > kMaxRules || work_ < 0)) {
      const Value& place = job.elements.empty() ? schema : *job.elements[0].schema;
      start = at(place, "here the schema grows too large");
    }
    if (!start.ok()) return Error{start.error()};
    graph_.define_rule(job.rule, *start);
  }
  return {};
}

RuleId SchemaCompiler::rule_of(Elements elements, uint8_t types) {
  auto [place, added] = rules_.emplace(key_of(elements, types), 0);
  if (added) {
    place->second = graph_.reserve_rule();
    work_ -= static_cast<int64_t>(elements.size());
    if (!graph_.over() && work_ > 0) queue_.push_back({place->second, std::move(elements), types});
  }
  return place->second;
}

RuleId SchemaCompiler::rule_of(const std::vector<const Value*>& schemas) {
  Elements elements;
  for (const Value* schema : schemas) elements.push_back({.schema = schema});
  return rule_of(std::move(elements));
}

NodeId SchemaCompiler::either(NodeId a, NodeId b) {
  if (a == Graph::kDeadNode) return b;
  if (b == Graph::kDeadNode) return a;
  return graph_.split(std::array<NodeId, 2>{a, b});
}

NodeId SchemaCompiler::any_text(NodeId next) {
  const NodeId node = graph_.reserve();
  std::vector<Edge> edges = chars_.any_spelling(node);
  edges.push_back({'"', '"', next});
  return graph_.define_bytes(node, edges);
}

Result<NodeId> SchemaCompiler::build(Job& job) {
  TRY(Merged merged, merge(job.elements, work_));
  merged.types &= job.types;
  if (merged.types == 0) return Graph::kDeadNode;
  std::vector<NodeId> ways;
  if (merged.choice != nullptr) {
    Element& from = job.elements[merged.choice_element];
    (merged.choice_is_any_of ? from.any_of_done : from.one_of_done) = true;
    for (const Value& way : merged.choice->items) {
      if (graph_.over() || work_ < 0) break;
      Elements elements = job.elements;
      elements.push_back({.schema = &way, .parent = static_cast<int32_t>(merged.choice_element)});
      ways.push_back(graph_.call(rule_of(std::move(elements), merged.types), kEnd));
    }
    return graph_.split(ways);
  }
  if (!merged.enums.empty()) return constants(merged);

  const uint8_t types = merged.types;
  if (types & kNullType) ways.push_back(graph_.literal("null", kEnd));
  if (types & kBoolType) {
    ways.push_back(graph_.literal("true", kEnd));
    ways.push_back(graph_.literal("false", kEnd));
  }
  if (types & kIntegerType) {
    TRY(const NodeId way, number(merged));
    ways.push_back(way);
  }
  if (types & kStringType) {
    TRY(const NodeId way, string(merged));
    ways.push_back(way);
  }
  if (types & kArrayType) ways.push_back(array(merged));
  if (types & kObjectType) {
    TRY(const NodeId way, object(merged));
    ways.push_back(way);
  }
  return graph_.split(ways);
}

Result<NodeId> SchemaCompiler::constants(const Merged& merged) {
  const Value& place = *merged.enums[0];
  if (!merged.only_types) {
    return at(place, "\"enum\" or \"const\" beside other keywords than \"type\" is not supported");
  }
  std::vector<std::string> texts;
  std::vector<NodeId> ways;
  for (const Value& value : constants_at(place)) {
    const bool everywhere = std::all_of(merged.enums.begin() + 1, merged.enums.end(), [&](const Value* other) {
      const auto values = constants_at(*other);
      work_ -= static_cast<int64_t>(values.size());
      return work_ > 0 && std::any_of(values.begin(), values.end(), [&](const Value& v) { return same(v, value); });
    });
    if (!everywhere || !(type_of(value) & merged.types)) continue;
    switch (value.kind) {
      case Value::kString:
        texts.push_back(json_quoted(value.text));
        break;
      case Value::kNumber:
        texts.push_back(value.text);
        break;
      case Value::kArray:
      case Value::kObject:
        ways.push_back(constant(value, kEnd));
        break;
      default:
        texts.emplace_back(value.kind == Value::kNull ? "null" : value.kind == Value::kTrue ? "true" : "false");
    }
  }
  if (work_ < 0) return at(place, "the schema takes too much work");
  if (texts.size() + ways.size() > kMaxConstants) return at(place, fmt::format("more than {} values", kMaxConstants));
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  if (bytes > Graph::kMaxSize) return at(place, "the values are too long");
  if (!texts.empty()) ways.push_back(one_of(graph_, Trie(std::move(texts)), kEnd));
  return graph_.split(ways);
}

NodeId SchemaCompiler::constant(const Value& value, NodeId next) {
  switch (value.kind) {
    case Value::kNull:
      return graph_.literal("null", next);
    case Value::kFalse:
      return graph_.literal("false", next);
    case Value::kTrue:
      return graph_.literal("true", next);
    case Value::kNumber:
      return graph_.literal(value.text, next);
    case Value::kString:
      return graph_.literal(json_quoted(value.text), next);
    case Value::kArray:
    case Value::kObject:
      break;
  }
  const bool object = value.kind == Value::kObject;
  if (value.items.empty()) return graph_.literal(object ? "{}" : "[]", next);
  next = space(graph_.byte(object ? '}' : ']', next));
  for (size_t i = value.items.size(); i-- > 0;) {
    next = constant(value.items[i], next);
    if (object) next = graph_.literal(json_quoted(value.keys[i]) + ":", either(next, graph_.byte(' ', next)));
    next = space(next);
    if (i > 0) next = graph_.byte(',', next);
  }
  return graph_.byte(object ? '{' : '[', next);
}

Result<NodeId> SchemaCompiler::number(const Merged& merged) {
  const bool whole = !(merged.types & kFractionType);
  if (!merged.low && !merged.high) return graph_.call(whole ? integer_ : number_, kEnd);
  if (!whole) {
    for (const auto& [bound, place] : {std::pair(&merged.low, merged.low_place), {&merged.high, merged.high_place}}) {
      if (*bound && (*bound)->value.whole.size() + (*bound)->value.fraction.size() > kMaxBoundedDigits) {
        return at(*place, fmt::format("a bound of \"number\" has up to {} digits: past that it would not be exact",
                                      kMaxBoundedDigits));
      }
    }
    return number_between(graph_, merged.low, merged.high, kEnd);
  }
  return integer_between(graph_, merged.low, merged.high, kEnd);
}

Result<NodeId> SchemaCompiler::string(const Merged& merged) {
  if (merged.min_length > merged.max_length) return Graph::kDeadNode;
  if (merged.pattern != nullptr || merged.format != nullptr) {
    const Value& place = merged.pattern ? *merged.pattern : *merged.format;
    const std::string_view pattern = merged.pattern ? std::string_view(place.text) : format_pattern(place.text);
    if (pattern.empty() && !merged.pattern) {
      return at(place, fmt::format("the format \"{}\" is not supported", place.text.substr(0, 60)));
    }
    TRY(const RuleId rule, patterned(place, pattern, merged));
    return graph_.call(rule, kEnd);
  }
  if (merged.min_length == 0 && merged.max_length == kUnbounded) return graph_.call(string_, kEnd);
  return graph_.byte('"', graph_.repeat(char_, merged.min_length, merged.max_length, graph_.byte('"', kEnd)));
}

Result<RuleId> SchemaCompiler::patterned(const Value& place, std::string_view pattern, const Merged& merged) {
  auto [known, added] =
      patterns_.emplace(fmt::format("{} {} {}", merged.min_length, merged.max_length, pattern), RuleId{0});
  if (!added) return known->second;
  known->second = graph_.reserve_rule();
  const auto dfa = compile_pattern(pattern, merged.min_length, merged.max_length, pattern_work_);
  if (!dfa.ok()) return at(place, dfa.error());
  graph_.define_rule(known->second, graph_.byte('"', add_pattern(graph_, chars_, *dfa, kEnd)));
  return known->second;
}

NodeId SchemaCompiler::array(const Merged& merged) {
  const size_t fixed = merged.prefix_items ? merged.prefix_items->items.size() : 0;
  const uint32_t min = merged.min_items, max = merged.max_items;
  if (min > max) return Graph::kDeadNode;
  const NodeId close = graph_.byte(']', kEnd), spaced_close = space(close);
  const RuleId item = rule_of(merged.items);
  const RuleId more = graph_.reserve_rule();  // a comma and one more item
  graph_.define_rule(more, graph_.byte(',', space(graph_.call(item, kEnd, true))));
  const auto less = [](uint32_t n, size_t by) {
    return n == kUnbounded ? n : n > by ? n - static_cast<uint32_t>(by) : 0;
  };
  // What may follow `i` items.
  const size_t listed = std::min<size_t>(std::max<size_t>(fixed, 1), max);
  NodeId after = graph_.repeat(more, less(min, listed), less(max, listed), spaced_close);
  for (size_t i = listed; i-- > 0 && !graph_.over();) {
    const RuleId rule = i < fixed ? rule_of({&merged.prefix_items->items[i]}) : item;
    NodeId here = graph_.call(rule, after, true);
    if (i > 0) here = graph_.byte(',', space(here));
    after = i >= min ? either(i == 0 ? close : spaced_close, here) : here;
  }
  return graph_.byte('[', listed == 0 ? spaced_close : space(after));
}

// A key's value, after its quote: the colon, the value and what follows it.
NodeId SchemaCompiler::member(NodeId after_value, RuleId value) {
  const NodeId node = graph_.call(value, after_value, true);
  return graph_.byte(':', either(node, graph_.byte(' ', node)));
}

Result<SchemaCompiler::Members> SchemaCompiler::members_of(const Merged& merged) {
  Members out;
  std::unordered_map<std::string_view, size_t> places;
  std::vector<std::vector<const Value*>>& schemas = out.schemas;
  std::unordered_set<std::string_view> required;
  const auto declare = [&](const std::string& name) {
    if (places.emplace(name, out.names.size()).second) out.names.push_back(name);
  };
  for (const Value* object : merged.objects) {
    if (const Value* properties = object->find("properties")) {
      for (const std::string& name : properties->keys) declare(name);
    }
  }
  for (const Value* object : merged.objects) {
    const Value* names = object->find("required");
    if (names == nullptr) continue;
    for (const Value& name : names->items) {
      declare(name.text);
      required.insert(name.text);
    }
  }
  work_ -= static_cast<int64_t>(out.names.size() * merged.objects.size());
  if (out.names.size() > kMaxMembers) {
    return at(*merged.objects[0], fmt::format("an object with more than {} \"properties\"", kMaxMembers));
  }
  if (work_ < 0) return at(*merged.objects[0], "the schema takes too much work");

  schemas.resize(out.names.size());
  std::vector<const Value*> additional;
  for (const Value* object : merged.objects) {
    const Value* others = object->find("additionalProperties");
    if (others != nullptr) additional.push_back(others);
    std::vector<const Value*> mine(out.names.size(), others);
    if (const Value* properties = object->find("properties")) {
      for (size_t i = 0; i < properties->keys.size(); ++i) mine[places[properties->keys[i]]] = &properties->items[i];
    }
    for (size_t i = 0; i < mine.size(); ++i) {
      if (mine[i] != nullptr) schemas[i].push_back(mine[i]);
    }
  }
  for (size_t i = 0; i < out.names.size(); ++i) {
    out.required.push_back(required.contains(out.names[i]));
    out.values.push_back(rule_of(schemas[i]));
  }
  const auto forbids = [](const Value* v) { return v->kind == Value::kFalse; };
  if (std::none_of(additional.begin(), additional.end(), forbids)) out.additional = rule_of(additional);
  return out;
}

// Members in the schema's order: each place i in it has two nodes, where a member has been written and where, after a
// comma and a quote, the next key is to come.
Result<NodeId> SchemaCompiler::object(const Merged& merged) {
  for (const Value* object : merged.objects) {
    const Value* patterns = object->find("patternProperties");
    if (patterns == nullptr || patterns->items.empty()) continue;
    const Value* others = object->find("additionalProperties");
    const bool simple = merged.objects.size() == 1 && patterns->items.size() == 1 && others != nullptr &&
                        others->kind == Value::kFalse && !object->find("properties") && !object->find("required");
    if (!simple) {
      return at(*patterns, "only one pattern, with \"additionalProperties\": false and no other members, is supported");
    }
    return keyed_by_pattern(*patterns);
  }
  TRY(const Members members, members_of(merged));
  const size_t n = members.names.size();
  const NodeId close = graph_.byte('}', kEnd);
  std::vector<bool> may_close(n + 1, true);
  for (size_t i = n; i-- > 0;) may_close[i] = may_close[i + 1] && !members.required[i];

  // `keys`: after the quote of the next key; `written`: after a member's value.
  NodeId keys = Graph::kDeadNode, written = graph_.reserve();
  const auto go_on = [&](NodeId node, NodeId next_keys, bool closes) {
    std::vector<NodeId> ways;
    if (closes) ways.push_back(space(close));
    if (next_keys != Graph::kDeadNode) ways.push_back(graph_.byte(',', space(graph_.byte('"', next_keys))));
    return graph_.define_split(node, ways);
  };
  if (members.additional) {
    const NodeId value = member(written, *members.additional);
    keys = n == 0 ? any_text(value) : any_but(graph_, chars_, members.names, value);
  }
  go_on(written, keys, true);
  for (size_t i = n; i-- > 0 && !graph_.over();) {
    const std::string spelled = json_quoted(members.names[i]);
    const NodeId key = graph_.literal(std::string_view(spelled).substr(1), member(written, members.values[i]));
    keys = members.required[i] ? key : either(key, keys);
    if (i > 0) written = go_on(graph_.reserve(), keys, may_close[i]);
  }
  const NodeId first = keys == Graph::kDeadNode ? keys : graph_.byte('"', keys);
  return graph_.byte('{', space(may_close[0] ? either(close, first) : first));
}

Result<NodeId> SchemaCompiler::keyed_by_pattern(const Value& patterns) {
  const auto dfa = compile_pattern(patterns.keys[0], 0, kUnbounded, pattern_work_);
  if (!dfa.ok()) return at(patterns.items[0], dfa.error());
  const NodeId close = graph_.byte('}', kEnd);
  const NodeId written = graph_.reserve();
  const NodeId keys =
      graph_.byte('"', add_pattern(graph_, chars_, *dfa, member(written, rule_of({&patterns.items[0]}))));
  graph_.define_split(written, std::array<NodeId, 2>{space(close), graph_.byte(',', space(keys))});
  return graph_.byte('{', space(either(close, keys)));
}

}  // namespace loquat::grammar
