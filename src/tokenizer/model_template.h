// A model's own Jinja chat template: found in its folder, run over conversations, its tokens and its assistant's mask.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "jinja/template.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/rendered_text.h"

namespace loquat {

// What a folder says: tokenizer_config.json (empty objects and strings where there is none), chat_template.jinja, which
// wins.
struct TemplateSource {
  std::string chat, tool_use;             // tool_use "": the other one serves with tools too
  std::string file;                       // that they are from; "": not known
  nlohmann::ordered_json special_tokens;  // bos_token, eos_token... as a template reads them
  int32_t token(const Tokenizer& tokenizer, const char* name) const;  // the id of bos_token..., or -1
};
Result<TemplateSource> template_source(const Tokenizer& tokenizer);

class ModelTemplate {
 public:
  static Result<std::shared_ptr<const ModelTemplate>> make(const Tokenizer& tokenizer, const TemplateSource& source);

  Result<RenderedChat> render(const Messages& messages, const ChatOptions& options, bool with_targets) const;
  int32_t end_of_turn() const { return end_; }
  const std::string& before_end() const { return before_end_; }  // between a reply's text and end_of_turn()
  ToolFamily tool_family() const { return family_; }

 private:
  using Texts = Result<jinja::Rendered>;
  ModelTemplate(const Tokenizer& tokenizer, jinja::Template chat, std::optional<jinja::Template> tools)
      : tokenizer_(tokenizer), control_(tokenizer), chat_(std::move(chat)), tools_(std::move(tools)) {}
  Status find_end(const TemplateSource& source);
  const jinja::Template& template_for(const ChatOptions& options) const;

  // One conversation with its variables, rendered as far as one likes.
  class Conversation;

  Tokenizer tokenizer_;
  ControlTokens control_;
  jinja::Template chat_;
  std::optional<jinja::Template> tools_;
  nlohmann::ordered_json special_tokens_;
  bool handles_tools_ = false;
  ToolFamily family_ = ToolFamily::kHermes;
  int32_t end_ = -1;
  std::string before_end_;
};

}  // namespace loquat
