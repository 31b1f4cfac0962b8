// Tools that a request offers to a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/api/json.h"

namespace loquat::serve::api {

struct Tool {
  std::string name;
  Json definition;         // {"type": "function", "function": {...}}: what the model reads
  std::string parameters;  // the JSON schema's text, or ""
};

struct ToolSet {
  enum class Choice { kNone, kAuto, kRequired };
  std::vector<Tool> tools;
  Choice choice = Choice::kAuto;
  std::string named;  // tool_choice names this one: exactly one call of it
  bool parallel = true;
  bool active() const { return !tools.empty() && choice != Choice::kNone; }
};

// chat.completions' tools are {"type": "function", "function": {...}}; responses' have name and parameters beside type.
enum class ToolShape { kNested, kFlat };
// tools, tool_choice, parallel_tool_calls.
ToolSet read_tools(const Fields& body, ToolShape shape);
bool is_tool_name(std::string_view name);
// The definitions as a JSON array; "" where the set is not active.
std::string definitions_of(const ToolSet& tools);

}  // namespace loquat::serve::api
