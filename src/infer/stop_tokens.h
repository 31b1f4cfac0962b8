// Which tokens end a reply: those of the chat template, and those that a model's folder names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

// eos_token_id of generation_config.json, a token or a list of them; empty where there is no such file, or it names
// none.
Result<std::vector<int32_t>> folder_stop_tokens(const std::string& folder);

// Adds those of `more` that are tokens (not negative) and not there yet.
void add_stop_tokens(std::vector<int32_t>& stops, std::span<const int32_t> more);

}  // namespace loquat
