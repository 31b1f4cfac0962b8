// Properties of characters as Rust's and Unicode's libraries have them, which tokenizer.json's components go by.
// characters.cc and pattern.cc where CMake finds utf8proc and PCRE2, else text_absent.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat {

bool is_white_space(uint32_t code_point);  // White_Space
bool is_control(uint32_t code_point);      // general categories Cc, Cf and Co
bool is_mark(uint32_t code_point);         // general category M
bool is_nonspacing_mark(uint32_t code_point);
bool is_word_character(uint32_t code_point);  // a regular expression's \w
void append_lowercase(uint32_t code_point, std::string& out);

// An error in a program that was built without the libraries for text (text_absent.cc).
Status can_read_text();

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };
std::string unicode_normalized(std::string_view text, UnicodeForm form);  // the text must be UTF-8

// Length of the first grapheme cluster; the text must be UTF-8 and not empty.
size_t grapheme_length(std::string_view text);

}  // namespace loquat
