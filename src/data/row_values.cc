#include "data/row_values.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/json_depth.h"
#include "data/message_json.h"
#include "data/text_check.h"

namespace loquat {
namespace {

using nlohmann::json;

// What an assistant's turn says of its own training: OpenAI's weight (0 or 1), others' train (true or false).
Result<bool> is_trained(const json& message, const std::string& at) {
  for (const char* key : {"weight", "train"}) {
    const auto it = message.find(key);
    if (it == message.end() || it->is_null()) continue;
    const auto label = label_of(*it);
    if (!label) return wrong(fmt::format("{}.{}", at, key), *it, "0 or 1");
    return *label;
  }
  return true;
}

std::string_view role_named(std::string_view name) {
  struct Name {
    std::string_view name, role;
  };
  static constexpr Name kNames[] = {{"human", "user"},
                                    {"user", "user"},
                                    {"prompter", "user"},
                                    {"gpt", "assistant"},
                                    {"assistant", "assistant"},
                                    {"chatgpt", "assistant"},
                                    {"bing", "assistant"},
                                    {"bard", "assistant"},
                                    {"bot", "assistant"},
                                    {"model", "assistant"},
                                    {"agent", "assistant"},
                                    {"system", "system"},
                                    {"developer", "system"},
                                    {"tool", "tool"},
                                    {"observation", "tool"},
                                    {"function_response", "tool"},
                                    {"function_call", "assistant"}};
  for (const auto& [known, role] : kNames)
    if (known == name) return role;
  return {};
}

}  // namespace

std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : utf8_prefix(text, 57) + "...";
}

Error wrong(std::string_view field, const json& found, std::string_view expected) {
  return Err("{}: found {}, expected {}", field, shown(found), expected);
}

std::string keys_of(const json& object) {
  std::string out;
  for (const auto& [key, value] : object.items()) {
    if (out.size() > 100) return out + ", ...";
    out += (out.empty() ? "" : ", ") + utf8_prefix(key, 60);
  }
  return out.empty() ? "no key" : out;
}

const char* key_among(const json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto it = object.find(key);
    if (it != object.end() && !it->is_null()) return key;
  }
  return nullptr;
}

Result<std::string> text_of(const json& value, std::string_view field) {
  if (!value.is_string()) return wrong(field, value, "text");
  return value.get<std::string>();
}

Result<json> list_of(const json& value, const std::string& field, std::string_view expected) {
  if (!value.is_string()) return value.is_array() ? Result<json>(value) : wrong(field, value, expected);
  const auto& text = value.get_ref<const std::string&>();
  if (json_nests_deeper(text)) return Err("{}: nested too deep, expected at most {} levels", field, kMaxJsonDepth);
  json parsed = json::parse(text, nullptr, false);
  return parsed.is_array() ? Result<json>(std::move(parsed)) : wrong(field, value, expected);
}

Result<Messages> messages_of(const json& value, const std::string& field, std::vector<int64_t>* untrained) {
  constexpr std::string_view kExpected = "a list of {\"role\", \"content\"}";
  TRY(const json list, list_of(value, field, kExpected));
  if (list.empty()) return wrong(field, list, kExpected);
  Messages out;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    TRY(Message message, message_of(list[i], at));
    TRY(const bool trained, is_trained(list[i], at));
    if (!trained && message.role == "assistant" && untrained != nullptr) untrained->push_back(static_cast<int64_t>(i));
    out.push_back(std::move(message));
  }
  return out;
}

Result<Messages> sharegpt_of(const json& value, const std::string& field, std::vector<int64_t>* untrained) {
  constexpr std::string_view kExpected = "a list of {\"from\", \"value\"}";
  TRY(const json list, list_of(value, field, kExpected));
  if (list.empty()) return wrong(field, list, kExpected);
  Messages out;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    const char* from = list[i].is_object() ? key_among(list[i], {"from", "role", "user"}) : nullptr;
    const char* said = list[i].is_object() ? key_among(list[i], {"value", "content", "text"}) : nullptr;
    if (from == nullptr || said == nullptr) return wrong(at, list[i], "{\"from\", \"value\"}");
    TRY(const std::string name, text_of(list[i][from], at + "." + from));
    const std::string_view role = role_named(name);
    if (role.empty()) return wrong(fmt::format("{}.{}", at, from), name, "\"system\", \"human\" or \"gpt\"");
    Message message;
    message.role = role;
    TRY(message.content, content_of(list[i][said], at + "." + said));
    if (name == "function_call") {
      const bool deep = json_nests_deeper(message.content);
      TRY(ToolCall call, function_of(deep ? json() : json::parse(message.content, nullptr, false), at + "." + said));
      message.tool_calls.push_back(std::move(call));
      message.content.clear();
      message.null_content = true;
    }
    TRY(const bool trained, is_trained(list[i], at));
    if (!trained && role == "assistant" && untrained != nullptr) untrained->push_back(static_cast<int64_t>(i));
    out.push_back(std::move(message));
  }
  return out;
}

Result<Messages> turns_of(const json& value, const std::string& field, const char* role) {
  if (value.is_string()) return Messages{{role, value.get<std::string>()}};
  if (value.is_array()) return messages_of(value, field);
  return wrong(field, value, "text, or a list of {\"role\", \"content\"}");
}

Result<std::string> id_of(const json& object) {
  const auto it = object.find("id");
  if (it == object.end() || it->is_null()) return std::string();
  if (it->is_string()) return it->get<std::string>();
  if (it->is_number_integer()) return it->dump();
  return wrong("id", *it, "text or an integer");
}

Result<double> number_of(const json& value, const std::string& field) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    char* end = nullptr;
    const double x = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && std::isfinite(x)) return x;
  }
  return wrong(field, value, "a number");
}

std::optional<bool> label_of(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number() && (value == 0 || value == 1)) return value == 1;
  if (!value.is_string()) return std::nullopt;
  std::string text = value.get<std::string>();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

}  // namespace loquat
