// SentencePiece's words: "▁" stands for the space before a word. Where no token has a "▁" after another character, text
// can be cut there without changing a token, which keeps pieces short.
#pragma once

#include <string_view>

namespace loquat {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// The text up to the first "▁" that follows another character.
inline std::string_view first_word(std::string_view text) {
  size_t at = 0;
  while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  return text.substr(0, text.find(kSpaceMark, at));
}

inline bool is_one_word(std::string_view token) {
  return first_word(token).size() == token.size();
}

}  // namespace loquat
