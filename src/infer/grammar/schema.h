// JSON schemas into a graph.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "infer/grammar/chars.h"
#include "infer/grammar/graph.h"
#include "infer/grammar/merge.h"
#include "infer/grammar/value.h"

namespace loquat::grammar {

// Compiles schemas into one graph. Each set of schemas that a value satisfies together becomes one rule, so that what
// refers back to itself ends. Rules wait in a queue and are built in turn: nothing recurses with the schema's depth.
class SchemaCompiler {
 public:
  explicit SchemaCompiler(Graph& graph);

  // The rule of a schema's values of these types. `schema` outlives the compiler and has its parents set.
  Result<RuleId> add(const Value& schema, uint8_t types = kAllTypes);
  // The same of an object's values whose members are written as Qwen3-Coder writes arguments: each
  // <parameter=KEY>\nVALUE\n</parameter>\n, in the schema's order, text without quotes (of what the schema says of a
  // text only "enum" is kept to), all else as JSON.
  Result<RuleId> add_marked(const Value& schema);

 private:
  struct Job {
    RuleId rule = 0;
    Elements elements;
    uint8_t types = kAllTypes;
  };
  struct Members {
    std::vector<std::string> names;
    std::vector<bool> required;
    std::vector<std::vector<const Value*>> schemas;  // of each, all that hold
    std::vector<RuleId> values;
    std::optional<RuleId> additional;
  };

  RuleId rule_of(Elements elements, uint8_t types = kAllTypes);
  RuleId rule_of(const std::vector<const Value*>& schemas);
  Status build_queued(const Value& schema);
  Result<NodeId> build(Job& job);
  Result<NodeId> constants(const Merged& merged);
  NodeId constant(const Value& value, NodeId next);
  Result<NodeId> number(const Merged& merged);
  Result<NodeId> string(const Merged& merged);
  Result<RuleId> patterned(const Value& place, std::string_view pattern, const Merged& merged);
  NodeId array(const Merged& merged);
  Result<NodeId> object(const Merged& merged);
  Result<NodeId> keyed_by_pattern(const Value& patterns);
  Result<Members> members_of(const Merged& merged);
  NodeId member(NodeId after_value, RuleId value);
  Result<NodeId> marked_value(const std::vector<const Value*>& schemas, RuleId rule, NodeId next);
  NodeId any_parameters(NodeId next);
  Result<bool> may_be_text(Elements elements, int depth = 0);
  NodeId any_text(NodeId next);  // a string's inside, and its closing quote
  NodeId space(NodeId next) { return graph_.call(space_, next); }
  NodeId either(NodeId a, NodeId b);

  Graph& graph_;
  Chars chars_;
  RuleId space_ = 0, char_ = 0, string_ = 0, number_ = 0, integer_ = 0;
  std::map<std::string, RuleId> rules_;     // by their schemas
  std::map<std::string, RuleId> patterns_;  // by pattern and lengths
  std::deque<Job> queue_;
  int64_t work_, pattern_work_;
};

}  // namespace loquat::grammar
