// Messages as people send them, made into the turns that a chat template reads (tokenizer/message.h).
#pragma once

#include <string>

#include "serve/api/json.h"
#include "serve/api/tools.h"
#include "tokenizer/chat_template.h"

namespace loquat::serve::api {

class Conversation {
 public:
  Message& turn(std::string role, std::string text);
  void call(ToolCall call);  // goes on the assistant's last turn
  void result(const std::string& id, std::string content, const std::string& name = "");
  void think(const std::string& thoughts);  // before the assistant's next turn
  Messages take() { return std::move(messages_); }

 private:
  Messages messages_;
  std::string thoughts_;
};

// Text, or a list of parts of these types ("text", "input_text"...); other parts get a 400.
std::string read_content(const Json& content, const std::string& path, const std::vector<std::string_view>& part_types);

// chat.completions' `messages`.
Messages read_messages(const Fields& body);
// responses' `instructions` and `input`.
Messages read_input(const Fields& body);

// The tools and what else a request says to the chat template: chat_template_kwargs, enable_thinking, reasoning_effort
// (the last from `effort`'s member "effort" where that is given: responses' `reasoning`).
ChatOptions read_chat_options(const Fields& body, const ToolSet& tools, const char* effort = nullptr);

}  // namespace loquat::serve::api
