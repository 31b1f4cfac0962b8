// Reading the members of a JSON document that a person or another program wrote; errors name the field.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/utf8.h"

namespace loquat {

inline std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, valid_utf8_prefix(std::string_view(text).substr(0, 77))) + "...";
  return text;
}

inline const nlohmann::json& member(const nlohmann::json& object, const char* key) {
  static const nlohmann::json null;
  if (!object.is_object()) return null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

inline bool is_set(const nlohmann::json& value) {
  return !(value.is_null() || value == false || value == "" || (value.is_number() && value == 0) ||
           (value.is_array() && value.empty()));
}

inline Error wrong(const std::string& field, const nlohmann::json& found, std::string_view expected) {
  return Err("{}: found {}, expected {}", field, shown(found), expected);
}

inline Result<bool> flag(const nlohmann::json& object, const char* key, const std::string& field, bool if_absent) {
  const nlohmann::json& value = member(object, key);
  if (value.is_null()) return if_absent;
  if (!value.is_boolean()) return wrong(field + "." + key, value, "true or false");
  return value.get<bool>();
}

inline Result<std::string> text_of(const nlohmann::json& object, const char* key, const std::string& field) {
  const nlohmann::json& value = member(object, key);
  if (!value.is_string()) return wrong(field + "." + key, value, "text");
  return value.get<std::string>();
}

}  // namespace loquat
