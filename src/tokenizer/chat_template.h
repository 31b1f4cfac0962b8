// A conversation as tokens. The one template that drives training, rollouts, scoring and serving:
//   <|system|>TEXT<|end|> <|user|>TEXT<|end|> <|assistant|>TEXT<|end|> ...   (no space between)
// A turn's text is encoded on its own, so that a reply's tokens are the same whatever stands before it, and a rollout's
// sampled tokens appended to the prompt are what training sees.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/message.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct RenderedChat {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_target;  // 1: an assistant's token or the end-of-turn that closes its reply
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> make(const Tokenizer& tokenizer);  // an error where a control token is missing
  RenderedChat render(const Messages& messages) const;
  // Ends with <|assistant|>: ready to be continued.
  std::vector<int32_t> prompt(const Messages& messages) const;
  std::vector<int32_t> reply(std::string_view text) const;  // the text's tokens and <|end|>
  int32_t end_of_turn() const { return end_; }
  std::string jinja() const;  // for tokenizer_config.json: other programs render the same

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  int32_t system_ = -1, user_ = -1, assistant_ = -1, end_ = -1;
};

}  // namespace loquat
