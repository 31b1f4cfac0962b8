#include "serve/api/tokenize.h"

#include <fmt/core.h>

#include "serve/api/conversation.h"
#include "serve/api/sampling.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {
namespace {

std::vector<int32_t> message_tokens(const Fields& body, const ServedModel& model) {
  const Messages messages = read_messages(body);
  ChatOptions options = read_chat_options(body, read_tools(body, ToolShape::kNested));
  options.add_generation_prompt = body.flag("add_generation_prompt", true);
  const ChatTemplate* chat = model.chat_template();
  if (!chat)
    wrong("messages", fmt::format("The model '{}' knows no turns; give 'prompt'.", model.id()), "unsupported_value");
  auto rendered = chat->render(messages, options);
  if (!rendered.ok()) {
    wrong("messages", fmt::format("'messages': the model's chat template: {}", rendered.error()), "invalid_value");
  }
  return std::move(rendered->tokens);
}

}  // namespace

void tokenize(std::shared_ptr<Exchange> exchange) {
  const Json json = parse_object(exchange->body());
  const Fields body(json);
  body.only({"model", "prompt", "messages", "tools", "tool_choice", "parallel_tool_calls", "add_generation_prompt",
             "chat_template_kwargs", "enable_thinking", "reasoning_effort", "add_special_tokens", "return_token_strs"});
  const std::string id = body.required_text("model");
  const auto prompt = body.text("prompt");
  const bool with_texts = body.flag("return_token_strs", false);
  body.flag("add_generation_prompt", true);
  const bool with_special = body.flag("add_special_tokens", true);
  if (prompt && body.given("messages")) {
    wrong("prompt", "Give 'prompt' or 'messages', not both.", "invalid_value");
  }
  if (!prompt && !body.given("messages")) {
    wrong("prompt", "'prompt' or 'messages' is missing.", "missing_required_parameter");
  }
  const auto model = find_model(*exchange, id);
  exchange->set_model(model->id());
  const Tokenizer& tokenizer = model->tokenizer();
  const std::vector<int32_t> tokens = !prompt        ? message_tokens(body, *model)
                                      : with_special ? tokenizer.encode_with_special(*prompt)
                                                     : tokenizer.encode(*prompt);
  Json answer = {{"count", tokens.size()}, {"max_model_len", model->context()}};
  answer["tokens"] = tokens;
  answer["token_strs"] = nullptr;
  if (with_texts) {
    answer["token_strs"] = Json::array();
    for (const int32_t token : tokens) {
      answer["token_strs"].push_back(std::string(tokenizer.token_bytes(token)));
    }
  }
  exchange->send(200, dump(answer));
}

void detokenize(std::shared_ptr<Exchange> exchange) {
  const Json json = parse_object(exchange->body());
  const Fields body(json);
  body.only({"model", "tokens"});
  const std::string id = body.required_text("model");
  const Json* list = body.list("tokens");
  if (!list) wrong("tokens", "'tokens' is missing.", "missing_required_parameter");
  const auto model = find_model(*exchange, id);
  exchange->set_model(model->id());
  Json answer = {{"prompt", model->tokenizer().decode(read_tokens(*list, "tokens", *model))}};
  exchange->send(200, dump(answer));
}

}  // namespace loquat::serve::api
