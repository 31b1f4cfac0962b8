#include "tokenizer/hermes.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_depth.h"

namespace loquat {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string call_text(const ToolCall& call) {
  return fmt::format("<tool_call>\n{{\"name\": {}, \"arguments\": {}}}\n</tool_call>", dump(call.name),
                     call.arguments.empty() ? "{}" : call.arguments);
}

// A function's name, description and parameters; whatever else a request says of it is not for the model.
Result<std::string> tools_text(std::string_view tools) {
  const Json list = json_nests_deeper(tools) ? Json(Json::value_t::discarded) : Json::parse(tools, nullptr, false);
  if (!list.is_array()) return Err("tools: expected a JSON array");
  std::string text = "You can call functions. Each line between the tags describes one:\n<tools>\n";
  for (const Json& tool : list) {
    if (!tool.is_object() || !tool.contains("function") || !tool["function"].is_object())
      return Err("tools: expected {{\"type\": \"function\", \"function\": {{...}}}}");
    Json function = Json::object();
    for (const char* key : {"name", "description", "parameters"}) {
      if (tool["function"].contains(key) && !tool["function"][key].is_null()) function[key] = tool["function"][key];
    }
    text += dump(Json{{"type", "function"}, {"function", std::move(function)}}) + "\n";
  }
  text +=
      "</tools>\nTo call a function, write its name and its arguments as JSON:\n"
      "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>\n"
      "What it gives back comes between <tool_response> and </tool_response>.";
  return text;
}

}  // namespace

std::string with_thoughts(const std::string& reasoning, const std::string& content) {
  return fmt::format("<think>\n{}\n</think>\n\n{}", reasoning, content);
}

Result<Messages> as_plain_turns(const Messages& messages, std::string_view tools) {
  Messages out;
  bool last_is_result = false;
  for (const Message& message : messages) {
    const bool is_result = message.role == "tool";
    if (is_result) {
      std::string text = fmt::format("<tool_response>\n{}\n</tool_response>", message.content);
      if (last_is_result) {
        out.back().content += "\n" + text;
      } else {
        out.push_back({"user", std::move(text)});
      }
    } else {
      Message turn{message.role, message.content, message.reasoning};
      for (const ToolCall& call : message.tool_calls) {
        if (!turn.content.empty()) turn.content += '\n';
        turn.content += call_text(call);
      }
      out.push_back(std::move(turn));
    }
    last_is_result = is_result;
  }
  if (tools.empty()) return out;
  TRY(std::string told, tools_text(tools));
  if (!out.empty() && out.front().role == "system") {
    std::string& text = out.front().content;
    text += (text.empty() ? "" : "\n\n") + told;
  } else {
    out.insert(out.begin(), {"system", std::move(told)});
  }
  return out;
}

}  // namespace loquat
