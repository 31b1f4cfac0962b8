// One turn of a conversation, with all that OpenAI's messages and models' chat templates have.
#pragma once

#include <string>
#include <vector>

namespace loquat {

struct ToolCall {
  std::string id = {};         // "": none
  std::string name = {};       // the function's
  std::string arguments = {};  // JSON text, an object's
  bool operator==(const ToolCall&) const = default;
};

struct Message {
  std::string role = {};  // "system", "user", "assistant", "tool"
  std::string content = {};
  std::string reasoning = {};  // an assistant's thoughts before its reply (reasoning_content); "": none
  std::vector<ToolCall> tool_calls = {};
  std::string tool_call_id = {};  // of a tool's message: whose result it is
  std::string name = {};
  bool null_content = false;  // an assistant's that has calls alone; some templates tell null from ""
  bool operator==(const Message&) const = default;
};

using Messages = std::vector<Message>;

// How a model writes its calls of tools.
enum class ToolFamily {
  kHermes,   // <tool_call>\n{"name": "NAME", "arguments": {...}}\n</tool_call>, and again (Hermes, Qwen, Loquat's own)
  kLlama3,   // {"name": "NAME", "parameters": {...}}, perhaps after <|python_tag|>; further ones after "; "
  kMistral,  // [TOOL_CALLS][{"name": "NAME", "arguments": {...}}, ...], each perhaps with an "id"
  kMistralArgs,  // [TOOL_CALLS]NAME[ARGS]{...}, perhaps [CALL_ID]ID before [ARGS], and again (Mistral since v11)
  kQwenCoder,    // <tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>, and
                 // again
};

}  // namespace loquat
