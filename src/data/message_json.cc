#include "data/message_json.h"

#include "base/json_depth.h"
#include "data/row_values.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// A text under the first of these keys that is there and not null; "" where none is.
Result<std::string> text_among(const json& value, std::initializer_list<const char*> keys, const std::string& at) {
  const char* key = key_among(value, keys);
  if (key == nullptr) return std::string();
  return text_of(value[key], at + "." + key);
}

Status read_calls(const json& value, const std::string& at, Message& message) {
  if (const char* key = key_among(value, {"function_call"})) {
    TRY(ToolCall call, function_of(value[key], at + "." + key));
    message.tool_calls.push_back(std::move(call));
  }
  const auto calls = value.find("tool_calls");
  if (calls == value.end() || calls->is_null()) return {};
  if (!calls->is_array()) return wrong(at + ".tool_calls", *calls, "a list of calls");
  for (size_t i = 0; i < calls->size(); ++i) {
    const std::string here = fmt::format("{}.tool_calls[{}]", at, i);
    const json& one = (*calls)[i];
    if (!one.is_object()) return wrong(here, one, "{\"id\", \"type\", \"function\"}");
    TRY(ToolCall call, function_of(one.contains("function") ? one["function"] : one, here + ".function"));
    TRY(call.id, text_among(one, {"id"}, here));
    message.tool_calls.push_back(std::move(call));
  }
  return {};
}

}  // namespace

Result<std::string> content_of(const json& value, const std::string& field) {
  if (!value.is_array()) return text_of(value, field);
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    if (!value[i].is_object() || value[i].value("type", json()) != "text")
      return wrong(at, value[i], R"({"type": "text", "text": "..."})");
    TRY(const std::string part, text_of(value[i].value("text", json()), at + ".text"));
    out += part;
  }
  return out;
}

Result<ToolCall> function_of(const json& value, const std::string& at) {
  if (!value.is_object()) return wrong(at, value, "{\"name\", \"arguments\"}");
  ToolCall call;
  TRY(call.name, text_of(value.value("name", json()), at + ".name"));
  const json arguments = value.value("arguments", json::object());
  if (arguments.is_object()) {
    call.arguments = arguments.dump();
    return call;
  }
  TRY(call.arguments, text_of(arguments, at + ".arguments"));
  if (json_nests_deeper(call.arguments) || !json::parse(call.arguments, nullptr, false).is_object())
    return wrong(at + ".arguments", arguments, "an object, or its JSON text");
  return call;
}

Result<Message> message_of(const json& value, const std::string& at) {
  if (!value.is_object()) return wrong(at, value, "{\"role\", \"content\"}");
  const json role = value.value("role", json());
  Message out;
  if (role == "developer") {
    out.role = "system";
  } else if (role == "function") {
    out.role = "tool";
  } else if (role == "system" || role == "user" || role == "assistant" || role == "tool") {
    out.role = role.get<std::string>();
  } else {
    return wrong(at + ".role", role, "\"system\", \"user\", \"assistant\" or \"tool\"");
  }
  if (out.role == "assistant") {
    TRY_STATUS(read_calls(value, at, out));
    TRY(out.reasoning, text_among(value, {"reasoning_content", "reasoning"}, at));
  }
  if (out.role == "tool") {
    TRY(out.tool_call_id, text_among(value, {"tool_call_id"}, at));
    TRY(out.name, text_among(value, {"name"}, at));
  }
  const json content = value.value("content", json());
  out.null_content = content.is_null() && !out.tool_calls.empty();
  if (out.null_content) return out;
  TRY(out.content, content_of(content, at + ".content"));
  return out;
}

ordered_json to_json(const Message& message) {
  ordered_json out = {{"role", message.role}};
  out["content"] = message.null_content ? ordered_json() : ordered_json(message.content);
  if (!message.reasoning.empty()) out["reasoning_content"] = message.reasoning;
  for (const ToolCall& call : message.tool_calls) {
    ordered_json one = ordered_json::object();
    if (!call.id.empty()) one["id"] = call.id;
    one["type"] = "function";
    one["function"] = {{"name", call.name}, {"arguments", call.arguments}};
    out["tool_calls"].push_back(std::move(one));
  }
  if (!message.tool_call_id.empty()) out["tool_call_id"] = message.tool_call_id;
  if (!message.name.empty()) out["name"] = message.name;
  return out;
}

}  // namespace loquat
