// What evaluation and red team test: a function from conversations to replies, so that the engine in this process and
// any OpenAI-compatible URL are measured alike.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tokenizer/chat_template.h"

namespace loquat {

struct ChatReply {
  std::string text;
  int64_t tokens = 0;
  bool ended = false;
};

struct ChatParams {
  float temperature = 1;
  int64_t max_tokens = 64;
  uint64_t seed = 0;  // reply i is drawn from (seed, i)
};

using Chat = std::function<std::vector<ChatReply>(std::span<const Messages>, const ChatParams&)>;
// Log-probability (sum over tokens, natural) and byte count of each text: for bits per byte and multiple choice.
struct TextScore {
  double logprob = 0;
  int64_t bytes = 0;
};
using Score = std::function<std::vector<TextScore>(std::span<const std::string>)>;

}  // namespace loquat
