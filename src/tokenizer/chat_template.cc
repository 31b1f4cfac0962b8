#include "tokenizer/chat_template.h"

#include <utility>

#include "base/check.h"

namespace loquat {

Result<ChatTemplate> ChatTemplate::make(const Tokenizer& tokenizer) {
  ChatTemplate chat;
  for (const auto& [name, id] : {std::pair{kSystem, &chat.system_},
                                 {kUser, &chat.user_},
                                 {kAssistant, &chat.assistant_},
                                 {kEndOfTurn, &chat.end_}}) {
    *id = tokenizer.special(name);
    if (*id < 0) {
      return Err("tokenizer: found no special token {}, expected it: chat turns are written with {} {} {} {}", name,
                 kSystem, kUser, kAssistant, kEndOfTurn);
    }
  }
  chat.tokenizer_ = std::make_shared<const Tokenizer>(tokenizer);
  return chat;
}

RenderedChat ChatTemplate::render(const Messages& messages) const {
  RenderedChat out;
  for (const Message& message : messages) {
    const bool assistant = message.role == "assistant";
    CHECK(assistant || message.role == "user" || message.role == "system", "role '{}'", message.role);
    out.tokens.push_back(assistant ? assistant_ : message.role == "user" ? user_ : system_);
    out.is_target.push_back(0);
    const std::vector<int32_t> text = reply(message.content);
    out.tokens.insert(out.tokens.end(), text.begin(), text.end());
    out.is_target.insert(out.is_target.end(), text.size(), assistant ? 1 : 0);
  }
  return out;
}

std::vector<int32_t> ChatTemplate::prompt(const Messages& messages) const {
  std::vector<int32_t> tokens = render(messages).tokens;
  tokens.push_back(assistant_);
  return tokens;
}

std::vector<int32_t> ChatTemplate::reply(std::string_view text) const {
  std::vector<int32_t> tokens = tokenizer_->encode(text);
  tokens.push_back(end_);
  return tokens;
}

std::string ChatTemplate::jinja() const {
  return "{% for message in messages %}"
         "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
         "{{ raise_exception('roles are system, user and assistant') }}"
         "{% endif %}"
         "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
         "{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";
}

}  // namespace loquat
