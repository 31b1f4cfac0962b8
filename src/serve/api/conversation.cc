#include "serve/api/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace loquat::serve::api {
namespace {

std::string read_role(const Fields& message, const std::vector<std::string_view>& roles) {
  const std::string role = message.required_text("role");
  if (std::find(roles.begin(), roles.end(), role) == roles.end()) {
    const std::string path = message.path("role");
    wrong(path, fmt::format("'{}' is '{}'; it must be one of {}.", path, role, fmt::join(roles, ", ")),
          "invalid_value");
  }
  return role == "developer" ? "system" : role;
}

std::string required_content(const Fields& message, const char* name, const std::vector<std::string_view>& part_types) {
  const Json* content = message.given(name);
  const std::string path = message.path(name);
  if (!content) wrong(path, fmt::format("'{}' is missing.", path), "missing_required_parameter");
  return read_content(*content, path, part_types);
}

std::string read_arguments(const Fields& call) {
  const std::string text = call.required_text("arguments");
  if (text.empty()) return "{}";
  if (!is_json_object(text)) {
    const std::string path = call.path("arguments");
    wrong(path, fmt::format("'{}' must be a JSON object, as text.", path), "invalid_value");
  }
  return text;
}

// An assistant's message of chat.completions.
void read_assistant(const Fields& message, Conversation& conversation, std::set<std::string>& call_ids) {
  message.refuse("function_call", "use tool_calls");
  message.refuse("audio", "these models write text");
  const Json* calls = message.list("tool_calls");
  std::string text;
  const auto refusal = message.text("refusal");
  if (!message.given("content") && refusal) {
    text = *refusal;
  } else if (message.given("content") || !calls || calls->empty()) {
    text = required_content(message, "content", {"text", "refusal"});
  }
  if (auto thoughts = message.text("reasoning_content")) conversation.think(*thoughts);
  Message& turn = conversation.turn("assistant", std::move(text));
  turn.null_content = !message.given("content") && !refusal;
  turn.name = message.text("name").value_or("");
  if (!calls) return;
  for (size_t i = 0; i < calls->size(); ++i) {
    const Fields call((*calls)[i], fmt::format("{}[{}]", message.path("tool_calls"), i));
    const std::string id = call.required_text("id");
    call_ids.insert(id);
    if (call.required_text("type") != "function") {
      wrong(call.path("type"), fmt::format("'{}' must be \"function\".", call.path("type")), "invalid_value");
    }
    const auto function = call.object("function");
    if (!function) {
      wrong(call.path("function"), fmt::format("'{}' is missing.", call.path("function")),
            "missing_required_parameter");
    }
    conversation.call({id, function->required_text("name"), read_arguments(*function)});
  }
}

// One item of responses' `input`.
void read_item(const Fields& item, Conversation& conversation) {
  const std::string type = item.text("type").value_or("message");
  if (type == "message") {
    const std::string role = read_role(item, {"system", "developer", "user", "assistant"});
    conversation.turn(role, required_content(item, "content", {"input_text", "output_text", "refusal", "text"}));
  } else if (type == "function_call") {
    conversation.call({item.text("call_id").value_or(""), item.required_text("name"), read_arguments(item)});
  } else if (type == "function_call_output") {
    const std::string id = item.required_text("call_id");
    conversation.result(id, required_content(item, "output", {"input_text", "output_text", "text"}));
  } else if (type == "reasoning") {
    item.list("summary");
    if (item.given("content")) conversation.think(required_content(item, "content", {"reasoning_text"}));
  } else {
    const std::string path = item.path("type");
    wrong(
        path,
        fmt::format("'{}' is '{}'; it must be message, reasoning, function_call or function_call_output.", path, type),
        "invalid_value");
  }
}

}  // namespace

Message& Conversation::turn(std::string role, std::string text) {
  Message message{std::move(role), std::move(text)};
  if (message.role == "assistant") message.reasoning = std::exchange(thoughts_, {});
  return messages_.emplace_back(std::move(message));
}

void Conversation::call(ToolCall call) {
  if (messages_.empty() || messages_.back().role != "assistant") turn("assistant", "").null_content = true;
  messages_.back().tool_calls.push_back(std::move(call));
}

void Conversation::result(const std::string& id, std::string content, const std::string& name) {
  Message& message = turn("tool", std::move(content));
  message.tool_call_id = id;
  message.name = name;
}

void Conversation::think(const std::string& thoughts) {
  thoughts_ += thoughts;
}

std::string read_content(const Json& content, const std::string& path,
                         const std::vector<std::string_view>& part_types) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    wrong(path, fmt::format("'{}' must be a string or a list of text parts.", path), "invalid_type");
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Fields part(content[i], fmt::format("{}[{}]", path, i));
    const std::string type = part.required_text("type");
    if (std::find(part_types.begin(), part_types.end(), type) == part_types.end()) {
      wrong(part.path("type"),
            fmt::format("'{}' is '{}'; only text parts are supported here: these models read text.", part.path("type"),
                        type),
            "unsupported_content");
    }
    text += part.required_text(type == "refusal" ? "refusal" : "text");
  }
  return text;
}

Messages read_messages(const Fields& body) {
  const Json* list = body.list("messages");
  if (!list) wrong("messages", "'messages' is missing.", "missing_required_parameter");
  if (list->empty()) wrong("messages", "'messages' is empty; give at least one message.", "empty_array");
  Conversation conversation;
  std::set<std::string> call_ids;
  for (size_t i = 0; i < list->size(); ++i) {
    const Fields message((*list)[i], fmt::format("messages[{}]", i));
    const std::string role = read_role(message, {"system", "developer", "user", "assistant", "tool"});
    const std::string name = message.text("name").value_or("");
    if (role == "assistant") {
      read_assistant(message, conversation, call_ids);
      continue;
    }
    std::string content = required_content(message, "content", {"text"});
    if (role != "tool") {
      conversation.turn(role, std::move(content)).name = name;
      continue;
    }
    const std::string id = message.required_text("tool_call_id");
    if (!call_ids.count(id)) {
      const std::string path = message.path("tool_call_id");
      wrong(path, fmt::format("'{}' is '{}'; no assistant's message before it has a call of that id.", path, id),
            "invalid_value");
    }
    conversation.result(id, std::move(content), name);
  }
  return conversation.take();
}

Messages read_input(const Fields& body) {
  Conversation conversation;
  if (auto instructions = body.text("instructions")) conversation.turn("system", *std::move(instructions));
  const Json* input = body.given("input");
  if (!input) wrong("input", "'input' is missing.", "missing_required_parameter");
  if (input->is_string()) {
    conversation.turn("user", input->get<std::string>());
  } else {
    if (!input->is_array()) wrong("input", "'input' must be a string or a list of items.", "invalid_type");
    if (input->empty()) wrong("input", "'input' is empty; give at least one item.", "empty_array");
    for (size_t i = 0; i < input->size(); ++i) {
      read_item(Fields((*input)[i], fmt::format("input[{}]", i)), conversation);
    }
  }
  return conversation.take();
}

ChatOptions read_chat_options(const Fields& body, const ToolSet& tools, const char* effort) {
  Json variables = Json::object();
  if (body.given("enable_thinking")) variables["enable_thinking"] = body.flag("enable_thinking", true);
  const auto given = effort ? body.object(effort) : std::optional<Fields>(body);
  if (given) {
    if (auto level = given->text(effort ? "effort" : "reasoning_effort"))
      variables["reasoning_effort"] = *std::move(level);
  }
  if (body.object("chat_template_kwargs")) variables.update(*body.given("chat_template_kwargs"));
  ChatOptions options;
  options.tools = definitions_of(tools);
  if (!variables.empty()) options.variables = dump(variables);
  return options;
}

}  // namespace loquat::serve::api
