// Tools that a model may call, in Hermes' form: what it is told of them, how its calls are written, and how they are
// found again in what it writes.
//   <tool_call>
//   {"name": "NAME", "arguments": {...}}
//   </tool_call>
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/api/json.h"

namespace loquat::serve::api {

struct Tool {
  std::string name;
  Json definition;         // {"name", "description", "parameters"}: what the model reads
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

std::string tools_text(const ToolSet& tools);
std::string call_text(const std::string& name, const std::string& arguments);
std::string result_text(const std::string& content);

struct ToolPiece {
  enum class Kind { kText, kCall, kArguments };
  Kind kind;
  std::string text;  // of a call: its name
  int call = -1;     // which call, from 0
};

// Finds calls in a growing text, cut anywhere. What does not turn out as a call is text. Space between text and a call,
// and between calls, is dropped.
class ToolCallParser {
 public:
  // `last`: the text has ended, what was kept back comes too.
  std::vector<ToolPiece> push(std::string_view text, bool last);
  bool any_call() const { return calls_ > 0; }

 private:
  enum class State { kText, kHead, kArguments, kTail };
  void text(std::vector<ToolPiece>& out, std::string text);
  bool read_text(std::vector<ToolPiece>& out, bool last);
  bool read_head(std::vector<ToolPiece>& out, bool last);
  bool read_arguments(std::vector<ToolPiece>& out);
  bool read_tail(bool last);

  State state_ = State::kText;
  std::string held_;  // not decided yet
  int calls_ = 0;
  int depth_ = 0;  // of the arguments' JSON
  bool in_string_ = false, escaped_ = false;
};

}  // namespace loquat::serve::api
