// The values of a row: texts, turns, numbers. Errors say the key, what was found and what is expected.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/chat_template.h"

namespace loquat {

std::string shown(const nlohmann::json& value);  // at most 60 bytes of it
Error wrong(std::string_view field, const nlohmann::json& found, std::string_view expected);
std::string keys_of(const nlohmann::json& object);  // their names, or "no key"
// The first of these keys that is there and not null; null where none is.
const char* key_among(const nlohmann::json& object, std::initializer_list<const char*> keys);

Result<std::string> text_of(const nlohmann::json& value, std::string_view field);
// A list, or a text that holds one as JSON (tables keep lists so).
Result<nlohmann::json> list_of(const nlohmann::json& value, const std::string& field, std::string_view expected);
// OpenAI's {"role", "content"}. `untrained`: the assistant's messages of weight 0 are added to it.
Result<Messages> messages_of(const nlohmann::json& value, const std::string& field,
                             std::vector<int64_t>* untrained = nullptr);
// ShareGPT's {"from", "value"}, or {"role", "content"} with the roles' many names.
Result<Messages> sharegpt_of(const nlohmann::json& value, const std::string& field, std::vector<int64_t>* untrained);
// A text is one turn of `role`; a list is what it says.
Result<Messages> turns_of(const nlohmann::json& value, const std::string& field, const char* role);
Result<std::string> id_of(const nlohmann::json& object);
Result<double> number_of(const nlohmann::json& value, const std::string& field);  // or a text that is one
// true, false, 0, 1, or these as texts; nullopt where it is none of them.
std::optional<bool> label_of(const nlohmann::json& value);

}  // namespace loquat
