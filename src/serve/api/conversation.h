// Messages as people send them, made into the turns that a chat template knows: system, user, assistant. Calls of tools
// and their results become text in Hermes' form (tools.h).
#pragma once

#include <string>

#include "serve/api/json.h"
#include "serve/api/tools.h"
#include "tokenizer/chat_template.h"

namespace loquat::serve::api {

class Conversation {
 public:
  void turn(std::string role, std::string text);
  void call(const std::string& name, const std::string& arguments);  // goes on the assistant's last turn
  void result(const std::string& content);                           // neighbouring results are one turn of the user's
  Messages take(const ToolSet& tools);                               // with what the model must know of its tools

 private:
  Messages messages_;
  bool last_is_result_ = false;
};

// Text, or a list of parts of these types ("text", "input_text"...); other parts get a 400.
std::string read_content(const Json& content, const std::string& path, const std::vector<std::string_view>& part_types);

// chat.completions' `messages`.
Messages read_messages(const Fields& body, const ToolSet& tools);
// responses' `instructions` and `input`.
Messages read_input(const Fields& body, const ToolSet& tools);

}  // namespace loquat::serve::api
