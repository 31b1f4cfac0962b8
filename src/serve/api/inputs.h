// Texts or token ids that a request gives one or many of: `prompt` of completions, `input` of embeddings.
#pragma once

#include <string>
#include <vector>

#include "serve/api/json.h"
#include "serve/backend.h"

namespace loquat::serve::api {

struct Input {
  std::vector<int32_t> tokens;  // not empty
  std::string text;
};

// A string, a list of strings, a list of token ids, or a list of such lists: at most `most` of them.
std::vector<Input> read_inputs(const Fields& body, const std::string& name, const ServedModel& model, size_t most);

}  // namespace loquat::serve::api
