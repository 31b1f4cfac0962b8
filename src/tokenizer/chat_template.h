// A conversation as tokens. The one template that drives training, rollouts, scoring and serving.
//
// Loquat's own models write   <|system|>TEXT<|end|> <|user|>TEXT<|end|> <|assistant|>TEXT<|end|> ...   (no space
// between), and a turn's text is encoded on its own, so that a reply's tokens are the same whatever stands before it,
// and a rollout's sampled tokens appended to the prompt are what training sees. Other models bring a Jinja template
// (tokenizer_config.json or chat_template.jinja), which is run as it is: the whole rendered text is encoded, as
// transformers' apply_chat_template does. Either way nothing that people wrote becomes a control token.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/message.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

struct ChatOptions {
  std::string tools = {};              // a JSON array of {"type": "function", "function": {...}}; "": none
  std::string variables = {};          // a JSON object of further variables for the template; "": none
  bool add_generation_prompt = false;  // of render(): what opens a reply comes last
};

struct RenderedChat {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_target;  // 1: an assistant's token or the end-of-turn that closes its reply
  // Replies that are no targets, since the template writes their conversation otherwise once it has gone on (Qwen3's
  // leaves out old thoughts): what the model would have to continue is not what stands here.
  int64_t untrained = 0;
  bool thinking = false;  // it ends within <think>: a reply begins with thoughts
};

class ModelTemplate;

class ChatTemplate {
 public:
  // An error where the tokenizer brings no template and a control token of Loquat's own is missing, or where the
  // template it brings is none.
  static Result<ChatTemplate> make(const Tokenizer& tokenizer);

  // Errors are the template's: roles that must alternate, a role that it does not know.
  Result<RenderedChat> render(const Messages& messages, const ChatOptions& options = {}) const;
  // Ready to be continued: ends with what opens a reply. No targets.
  Result<RenderedChat> open_reply(const Messages& messages, const ChatOptions& options = {}) const;
  Result<std::vector<int32_t>> prompt(const Messages& messages, const ChatOptions& options = {}) const;

  // The text's tokens and those that end a turn. After prompt() they are what render() gives of the whole, save where a
  // foreign template changes a text (or a token reaches over the seam).
  std::vector<int32_t> reply(std::string_view text) const;
  int32_t end_of_turn() const { return end_; }
  // All that may end a reply: the end of a turn and the eos_token of tokenizer_config.json.
  const std::vector<int32_t>& stop_tokens() const { return stops_; }

  // Loquat's own: the tokens of a conversation are those of its turns, one after the other.
  bool by_turns() const { return !model_; }
  // In roles that Loquat's own template knows: calls, results, tools and thoughts as text. As it is where not
  // by_turns().
  Result<Messages> plain_turns(const Messages& messages, const ChatOptions& options = {}) const;

  ToolFamily tool_family() const;
  // Control tokens that stand for something in a reply: its thoughts and (with `calls`) its calls of tools.
  std::vector<int32_t> reply_marks(bool calls) const;

  static std::string jinja();  // Loquat's own, for tokenizer_config.json: other programs render the same

 private:
  ChatTemplate() = default;
  Result<RenderedChat> render_turns(const Messages& messages, const ChatOptions& options) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ModelTemplate> model_;  // null: Loquat's own
  int32_t system_ = -1, user_ = -1, assistant_ = -1, end_ = -1;
  std::vector<int32_t> stops_;
};

}  // namespace loquat
