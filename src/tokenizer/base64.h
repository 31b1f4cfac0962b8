// Base64 (RFC 4648): a tokenizer.json holds binary tables as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace loquat {

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // nullopt: not base64

}  // namespace loquat
