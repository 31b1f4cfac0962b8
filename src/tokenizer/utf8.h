// UTF-8 as RFC 3629 has it (no overlong forms, no surrogates, nothing past U+10FFFF), and the byte-to-character map of
// byte-level BPE files: every byte is written as a printable character, so that any token is a JSON string.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace loquat {

// Length of the longest prefix that is valid UTF-8.
size_t valid_utf8_prefix(std::string_view bytes);

// The code point that starts at `at` and its length in bytes; the text must be valid there.
struct CodePoint {
  uint32_t value = 0;
  int length = 0;
};
CodePoint code_point_at(std::string_view text, size_t at);
void append_utf8(uint32_t code_point, std::string& out);

// GPT-2's map: printable Latin-1 stands for itself, every other byte b for U+0100 + its rank among those.
std::string bytes_to_characters(std::string_view bytes);
// nullopt where a character of the text stands for no byte.
std::optional<std::string> characters_to_bytes(std::string_view text);

}  // namespace loquat
