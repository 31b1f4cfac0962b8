// Tools as plain text in Hermes' form, for chat templates that know nothing of them: what a model is told of its tools,
// its calls, and their results.
//   <tool_call>
//   {"name": "NAME", "arguments": {...}}
//   </tool_call>
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/message.h"

namespace loquat {

// The conversation in system's, user's and assistant's turns alone. Neighbouring results are one turn of the user's;
// `tools` (a JSON array of {"type": "function", "function": {...}}, or "") are told in the system's turn.
Result<Messages> as_plain_turns(const Messages& messages, std::string_view tools);

// <think>\nREASONING\n</think>\n\nCONTENT
std::string with_thoughts(const std::string& reasoning, const std::string& content);

}  // namespace loquat
