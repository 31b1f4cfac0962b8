// POST /v1/chat/completions.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "serve/api/exchange.h"
#include "serve/api/json.h"
#include "serve/api/tool_calls.h"
#include "serve/api/tools.h"
#include "tokenizer/chat_template.h"

namespace loquat::serve::api {

// The fields that a request may have; those that say nothing to these models are accepted and ignored.
std::span<const std::string_view> chat_fields();

void chat_completions(std::shared_ptr<Exchange> exchange);

// What a request asks of the model's chat template.
struct ChatInput {
  Messages messages;
  ToolSet tools;
  ChatOptions options;
  std::string param;  // the field of the messages, for errors
};

// Sets the prompt, how the reply begins, and what it may be where there are tools. A 400 where the model knows no
// turns, where its template refuses the messages, or where they leave it no room for a reply.
void set_prompt(GenerateCall& call, const ServedModel& model, const ChatInput& input);

// A choice's reply in pieces: thoughts, text, calls of tools.
class ReplyReader {
 public:
  ReplyReader(const ServedModel& model, const ToolSet& tools);
  std::vector<ToolPiece> push(const GenerateEvent& event);
  bool any_call() const { return calls_ && calls_->any_call(); }

 private:
  std::unique_ptr<ToolCallReader> calls_;  // where there are tools
};
ToolFamily tool_family(const ServedModel& model);

// Sets how long the reply may become: `max_tokens` (-1: any length), or what the context has room for. A 400 where a
// grammar's shortest text does not fit; `param` names the field that gave `max_tokens`.
void set_length(GenerateCall& call, ServedModel& model, int64_t max_tokens, const std::string& param);

std::string finish_name(Finish finish);

}  // namespace loquat::serve::api
