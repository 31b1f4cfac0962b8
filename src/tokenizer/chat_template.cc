#include "tokenizer/chat_template.h"

#include <algorithm>
#include <utility>

#include "tokenizer/hermes.h"
#include "tokenizer/model_template.h"

namespace loquat {

Result<ChatTemplate> ChatTemplate::make(const Tokenizer& tokenizer) {
  ChatTemplate chat;
  chat.tokenizer_ = std::make_shared<const Tokenizer>(tokenizer);
  TRY(TemplateSource source, template_source(tokenizer));
  if (!source.chat.empty() && source.chat != jinja()) {
    TRY(chat.model_, ModelTemplate::make(tokenizer, source));
    chat.end_ = chat.model_->end_of_turn();
    chat.stops_ = {chat.end_};
    if (const int32_t eos = source.token(tokenizer, "eos_token"); eos >= 0 && eos != chat.end_)
      chat.stops_.push_back(eos);
    return chat;
  }
  for (const auto& [name, id] : {std::pair{kSystem, &chat.system_},
                                 {kUser, &chat.user_},
                                 {kAssistant, &chat.assistant_},
                                 {kEndOfTurn, &chat.end_}}) {
    *id = tokenizer.special(name);
    if (*id < 0) {
      return Err(
          "tokenizer: found no chat template and no special token {}, expected either: Loquat's own turns are "
          "written with {} {} {} {}",
          name, kSystem, kUser, kAssistant, kEndOfTurn);
    }
  }
  chat.stops_ = {chat.end_};
  return chat;
}

Result<Messages> ChatTemplate::plain_turns(const Messages& messages, const ChatOptions& options) const {
  if (model_) return messages;
  TRY(Messages turns, as_plain_turns(messages, options.tools));
  for (Message& turn : turns) {
    if (!turn.reasoning.empty()) turn.content = with_thoughts(std::exchange(turn.reasoning, {}), turn.content);
  }
  return turns;
}

Result<RenderedChat> ChatTemplate::render_turns(const Messages& messages, const ChatOptions& options) const {
  TRY(const Messages turns, plain_turns(messages, options));
  RenderedChat out;
  for (const Message& turn : turns) {
    const bool assistant = turn.role == "assistant";
    if (!assistant && turn.role != "user" && turn.role != "system")
      return Err("roles are system, user and assistant; found '{}'", turn.role);
    out.tokens.push_back(assistant ? assistant_ : turn.role == "user" ? user_ : system_);
    out.is_target.push_back(0);
    const std::vector<int32_t> text = reply(turn.content);
    out.tokens.insert(out.tokens.end(), text.begin(), text.end());
    out.is_target.insert(out.is_target.end(), text.size(), assistant ? 1 : 0);
  }
  if (options.add_generation_prompt) {
    out.tokens.push_back(assistant_);
    out.is_target.push_back(0);
  }
  return out;
}

Result<RenderedChat> ChatTemplate::render(const Messages& messages, const ChatOptions& options) const {
  return model_ ? model_->render(messages, options, true) : render_turns(messages, options);
}

Result<RenderedChat> ChatTemplate::open_reply(const Messages& messages, const ChatOptions& options) const {
  ChatOptions opened = options;
  opened.add_generation_prompt = true;
  TRY(RenderedChat out, model_ ? model_->render(messages, opened, false) : render_turns(messages, opened));
  std::fill(out.is_target.begin(), out.is_target.end(), 0);
  return out;
}

Result<std::vector<int32_t>> ChatTemplate::prompt(const Messages& messages, const ChatOptions& options) const {
  TRY(RenderedChat opened, open_reply(messages, options));
  return std::move(opened.tokens);
}

std::vector<int32_t> ChatTemplate::reply(std::string_view text) const {
  std::vector<int32_t> tokens =
      model_ ? tokenizer_->encode(std::string(text) + model_->before_end()) : tokenizer_->encode(text);
  tokens.push_back(end_);
  return tokens;
}

ToolFamily ChatTemplate::tool_family() const {
  return model_ ? model_->tool_family() : ToolFamily::kHermes;
}

std::vector<int32_t> ChatTemplate::reply_marks(bool calls) const {
  std::vector<std::string_view> names = {"<think>", "</think>"};
  if (calls) {
    names.insert(names.end(), {"<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<|python_tag|>"});
  }
  std::vector<int32_t> marks;
  for (const std::string_view name : names) {
    if (const int32_t id = tokenizer_->special(name); id >= 0) marks.push_back(id);
  }
  return marks;
}

std::string ChatTemplate::jinja() {
  return "{% for message in messages %}"
         "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
         "{{ raise_exception('roles are system, user and assistant') }}"
         "{% endif %}"
         "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
         "{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";
}

}  // namespace loquat
