// Log-probabilities as chat.completions and as completions show them, and usage.
#pragma once

#include <string>
#include <vector>

#include "serve/api/json.h"
#include "serve/backend.h"

namespace loquat::serve::api {

size_t characters(std::string_view utf8);

// [{"token", "logprob", "bytes", "top_logprobs"}]
Json chat_logprobs(const std::vector<TokenLogprob>& tokens, const Tokenizer& tokenizer);

// {"text_offset", "token_logprobs", "tokens", "top_logprobs"}, with one entry for each token. A token that is no whole
// character is shown as "bytes:\xe2\x98". Offsets are in Unicode characters, from `offset` on, which is carried along:
// a reply's first token stands at the length of its prompt, whether the prompt is echoed or not.
class TokenColumns {
 public:
  explicit TokenColumns(size_t offset) : offset_(offset) {}
  Json columns(const std::vector<TokenLogprob>& tokens, const Tokenizer& tokenizer);

 private:
  size_t offset_;
};

Json usage_json(const Usage& usage);  // chat.completions' and completions'

}  // namespace loquat::serve::api
