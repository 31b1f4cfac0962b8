// One turn as OpenAI's messages write it, with calls of tools, their results and thoughts.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "tokenizer/message.h"

namespace loquat {

// {"role", "content"}; an assistant's "tool_calls" and "reasoning_content" (or "reasoning"), a tool's "tool_call_id"
// and "name". Roles are system (or developer), user, assistant and tool (or function). Content may be a list of parts,
// of which the texts are read, and null beside calls. `at`: for errors.
Result<Message> message_of(const nlohmann::json& value, const std::string& at);
// The same keys; what is empty is left out.
nlohmann::ordered_json to_json(const Message& message);

// {"name", "arguments"}, the arguments as an object or as its text.
Result<ToolCall> function_of(const nlohmann::json& value, const std::string& at);
Result<std::string> content_of(const nlohmann::json& value, const std::string& field);

}  // namespace loquat
