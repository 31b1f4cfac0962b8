#include "tokenizer/model_template.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/json_depth.h"
#include "tokenizer/hermes.h"
#include "tokenizer/rendered_text.h"
#include "tokenizer/tokenizer_impl.h"

namespace loquat {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kProbe = "Loquat asks";

// Nothing where it is no JSON, or nests too deep.
Json parsed(std::string_view text) {
  return json_nests_deeper(text) ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
}

std::optional<std::string> token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string())
    return value["content"].get<std::string>();
  return std::nullopt;
}

// As transformers' messages are, with the arguments as an object.
Json json_of(const Message& message) {
  Json json = {{"role", message.role}};
  json["content"] = message.null_content && message.content.empty() ? Json(nullptr) : Json(message.content);
  if (!message.reasoning.empty()) json["reasoning_content"] = message.reasoning;
  if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
  if (!message.name.empty()) json["name"] = message.name;
  for (const ToolCall& call : message.tool_calls) {
    Json arguments = parsed(call.arguments);
    if (arguments.is_discarded()) arguments = call.arguments;
    Json item = Json::object();
    if (!call.id.empty()) item["id"] = call.id;
    item["type"] = "function";
    item["function"] = {{"name", call.name}, {"arguments", std::move(arguments)}};
    json["tool_calls"].push_back(std::move(item));
  }
  return json;
}

size_t common_prefix(std::string_view a, std::string_view b) {
  size_t n = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  // Not within a character.
  while (n > 0 && n < a.size() && (static_cast<unsigned char>(a[n]) & 0xC0) == 0x80) --n;
  return n;
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

}  // namespace

int32_t TemplateSource::token(const Tokenizer& tokenizer, const char* name) const {
  if (!special_tokens.contains(name) || !special_tokens[name].is_string()) return -1;
  return tokenizer.special(special_tokens[name].get_ref<const std::string&>());
}

Result<TemplateSource> template_source(const Tokenizer& tokenizer) {
  TemplateSource source;
  source.special_tokens = Json::object();
  const Tokenizer::Impl& impl = tokenizer.impl();
  source.file = impl.template_file;
  Json config = impl.config_json.empty() ? Json::object() : parsed(impl.config_json);
  if (!config.is_object()) config = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (!key.ends_with("_token")) continue;
    if (auto text = token_text(value)) source.special_tokens[key] = *std::move(text);
  }
  if (config.contains("additional_special_tokens") && config["additional_special_tokens"].is_array()) {
    Json list = Json::array();
    for (const Json& item : config["additional_special_tokens"]) {
      if (auto text = token_text(item)) list.push_back(*std::move(text));
    }
    source.special_tokens["additional_special_tokens"] = std::move(list);
  }
  if (!impl.chat_template.empty()) {
    source.chat = impl.chat_template;
    return source;
  }
  const Json& given = config.contains("chat_template") ? config["chat_template"] : Json(nullptr);
  if (given.is_string()) source.chat = given.get<std::string>();
  if (!given.is_array()) return source;
  for (const Json& item : given) {
    if (!item.is_object() || !item.contains("name") || !item.contains("template") || !item["template"].is_string())
      return Err("tokenizer_config.json: chat_template: expected {{\"name\", \"template\"}} in its list");
    if (item["name"] == "default") source.chat = item["template"].get<std::string>();
    if (item["name"] == "tool_use") source.tool_use = item["template"].get<std::string>();
  }
  if (source.chat.empty() && !given.empty())
    return Err("tokenizer_config.json: chat_template: found none named \"default\" in its list");
  return source;
}

// ---- One conversation

class ModelTemplate::Conversation {
 public:
  Conversation(const ModelTemplate& owner, const Messages& messages, const ChatOptions& options, Json variables)
      : owner_(owner), template_(owner.template_for(options)), variables_(std::move(variables)) {
    for (const Message& message : messages) {
      messages_.push_back(json_of(message));
      if (std::find(roles_.begin(), roles_.end(), message.role) == roles_.end()) roles_.push_back(message.role);
    }
  }

  size_t size() const { return messages_.size(); }
  const std::vector<std::string>& roles() const { return roles_; }
  const jinja::Template& its_template() const { return template_; }

  // The first `count` messages.
  Texts text(size_t count, bool opened) const {
    return rendered(Json(Json::array_t(messages_.begin(), messages_.begin() + static_cast<int64_t>(count))), opened);
  }

  // The bytes of message i, an assistant's, that a model writes: in text(i + 1, false), which must begin `full`.
  std::optional<jinja::Range> reply(size_t i, const std::string& full) const {
    const Texts whole = text(i + 1, false), prompt = text(i, true);
    if (!whole.ok() || !prompt.ok() || !full.starts_with(whole->text)) return std::nullopt;
    if (whole->text.starts_with(prompt->text)) return jinja::Range{prompt->text.size(), whole->text.size()};
    // What opens a reply is not what a reply is kept with (an open <think>, say). The reply begins at the latest where
    // another one would part from it.
    const Texts before = text(i, false), other = text_with_other_reply(i);
    if (!before.ok() || !other.ok() || !whole->text.starts_with(before->text)) return std::nullopt;
    const size_t begin = std::min(common_prefix(whole->text, prompt->text), common_prefix(whole->text, other->text));
    if (begin < before->text.size()) return std::nullopt;
    return jinja::Range{begin, whole->text.size()};
  }

 private:
  Texts text_with_other_reply(size_t i) const {
    Json::array_t list(messages_.begin(), messages_.begin() + static_cast<int64_t>(i));
    const Json& content = messages_[i]["content"];
    const std::string text = content.is_string() ? content.get<std::string>() : "";
    const size_t first = text.find_first_not_of(" \t\r\n");
    Json other = {{"role", "assistant"}};
    other["content"] = first != std::string::npos && text[first] == 'X' ? "Y" : "X";
    list.push_back(std::move(other));
    return rendered(Json(std::move(list)), false);
  }

  Texts rendered(Json messages, bool opened) const {
    Json variables = variables_;
    variables["messages"] = std::move(messages);
    variables["add_generation_prompt"] = opened;
    Texts out = template_.render(
        variables, [this] { return now_; }, owner_.special_tokens_);
    if (out.ok()) return out;
    if (const auto raised = jinja::raised_message(out.error())) return Err("{}", *raised);
    return Err("the chat template: {}", out.error());
  }

  const ModelTemplate& owner_;
  const jinja::Template& template_;
  Json variables_;  // all but messages and add_generation_prompt
  std::vector<Json> messages_;
  std::vector<std::string> roles_;
  const std::tm now_ = local_time();  // one for all, so that texts differ in their messages alone
};

// ---- The template

const jinja::Template& ModelTemplate::template_for(const ChatOptions& options) const {
  return tools_ && !options.tools.empty() ? *tools_ : chat_;
}

Result<std::shared_ptr<const ModelTemplate>> ModelTemplate::make(const Tokenizer& tokenizer,
                                                                 const TemplateSource& source) {
  const std::string where = source.file.empty() ? "" : source.file + ": ";
  const auto parse = [&](const std::string& text) -> Result<jinja::Template> {
    auto made = jinja::Template::parse(text);
    if (!made.ok()) return Err("{}the chat template: {}", where, made.error());
    return made;
  };
  TRY(jinja::Template chat, parse(source.chat));
  std::optional<jinja::Template> tools;
  if (!source.tool_use.empty()) {
    TRY(tools, parse(source.tool_use));
  }
  std::shared_ptr<ModelTemplate> made(new ModelTemplate(tokenizer, std::move(chat), std::move(tools)));
  made->special_tokens_ = source.special_tokens;
  made->handles_tools_ = (made->tools_ ? *made->tools_ : made->chat_).uses("tools");
  if (made->handles_tools_) {
    const std::string& text = source.tool_use.empty() ? source.chat : source.tool_use;
    const auto has = [&](std::string_view mark) { return text.find(mark) != std::string::npos; };
    if (has("<tool_call>")) {
      made->family_ = has("<function=") && has("<parameter=") ? ToolFamily::kQwenCoder : ToolFamily::kHermes;
    } else if (has("[TOOL_CALLS]")) {
      made->family_ = has("[ARGS]") ? ToolFamily::kMistralArgs : ToolFamily::kMistral;
    } else if (has("<|python_tag|>") || tokenizer.special("<|python_tag|>") >= 0) {
      made->family_ = ToolFamily::kLlama3;
    }
  }
  TRY_STATUS(made->find_end(source));
  return std::shared_ptr<const ModelTemplate>(std::move(made));
}

// By a small conversation: the first control token after the reply's text.
Status ModelTemplate::find_end(const TemplateSource& source) {
  const Messages probe{{"user", "Hi"}, {"assistant", std::string(kProbe)}};
  if (const Texts text = Conversation(*this, probe, {}, Json::object()).text(2, false); text.ok()) {
    const size_t reply = text->text.rfind(kProbe);
    jinja::Range where;
    if (reply != std::string::npos) {
      const size_t after = reply + kProbe.size();
      end_ = EncodedText(tokenizer_, control_, *text, {}).first_control(after, &where);
      if (end_ >= 0) before_end_ = text->text.substr(after, where.begin - after);
    }
  }
  if (end_ < 0) end_ = source.token(tokenizer_, "eos_token");
  if (end_ >= 0) return {};
  return Err(
      "{}the chat template: it ends a reply with no control token, and tokenizer_config.json names no eos_token that "
      "the tokenizer has",
      source.file.empty() ? "" : source.file + ": ");
}

Result<RenderedChat> ModelTemplate::render(const Messages& given, const ChatOptions& options, bool with_targets) const {
  Json variables = options.variables.empty() ? Json::object() : parsed(options.variables);
  if (!variables.is_object()) return Err("the chat template's variables: expected a JSON object");
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  Messages plain;
  if (!handles_tools_) {
    TRY(plain, as_plain_turns(given, options.tools));
  } else if (!options.tools.empty()) {
    variables["tools"] = parsed(options.tools);
    if (!variables["tools"].is_array()) return Err("tools: expected a JSON array");
  }
  const Messages& messages = handles_tools_ ? given : plain;
  const Conversation conversation(*this, messages, options, std::move(variables));
  TRY(const jinja::Rendered full, conversation.text(messages.size(), options.add_generation_prompt));
  const EncodedText encoded(tokenizer_, control_, full, conversation.roles());
  RenderedChat out;
  out.tokens = encoded.tokens();
  out.is_target.assign(out.tokens.size(), 0);
  const auto mark = [&](const jinja::Range& range) {
    if (range.begin >= range.end) return;
    const size_t last = std::min(encoded.token_at(range.end - 1) + 1, out.tokens.size());
    for (size_t i = encoded.token_at(range.begin); i < last; ++i) out.is_target[i] = 1;
  };
  const std::string_view text = full.text;
  const std::string_view tail = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  out.thinking = options.add_generation_prompt && tail.ends_with("<think>") &&
                 (full.data.empty() || full.data.back().end < tail.size());
  if (!with_targets) return out;
  if (conversation.its_template().has_generation()) {
    for (const jinja::Range& range : full.generation) mark(range);
    return out;
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    const auto range = conversation.reply(i, full.text);
    if (range) mark({range->begin, encoded.end_of_turn(range->begin, range->end)});
    out.untrained += !range;
  }
  return out;
}

}  // namespace loquat
