// POST /v1/chat/completions.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "serve/api/exchange.h"
#include "serve/api/json.h"
#include "tokenizer/chat_template.h"

namespace loquat::serve::api {

// The fields that a request may have; those that say nothing to these models are accepted and ignored.
std::span<const std::string_view> chat_fields();

void chat_completions(std::shared_ptr<Exchange> exchange);

// The messages as the model's tokens. A 400 where the model knows no turns, or where they leave it no room for a reply
// (`param` names the field then).
std::vector<int32_t> chat_prompt(const ServedModel& model, const Messages& messages, const std::string& param);

// Sets how long the reply may become: `max_tokens` (-1: any length), or what the context has room for. A 400 where a
// grammar's shortest text does not fit; `param` names the field that gave `max_tokens`.
void set_length(GenerateCall& call, ServedModel& model, int64_t max_tokens, const std::string& param);

std::string finish_name(Finish finish);

}  // namespace loquat::serve::api
