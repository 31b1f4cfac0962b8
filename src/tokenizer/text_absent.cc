// A program without PCRE2 and utf8proc (characters.h, pattern.h): no tokenizer is loaded or trained, so that none of
// the rest is ever asked.
#include "base/check.h"
#include "tokenizer/characters.h"
#include "tokenizer/pattern.h"

namespace loquat {
namespace {

[[noreturn]] void never() {
  CHECK(false, "text is looked at without PCRE2 and utf8proc");
  std::abort();
}

}  // namespace

Status can_read_text() {
  return Err(
      "this program was built without PCRE2 and utf8proc and cannot tokenize: install libpcre2-dev and libutf8proc-dev "
      "and build it again");
}

bool is_white_space(uint32_t) {
  never();
}
bool is_control(uint32_t) {
  never();
}
bool is_mark(uint32_t) {
  never();
}
bool is_nonspacing_mark(uint32_t) {
  never();
}
bool is_word_character(uint32_t) {
  never();
}
void append_lowercase(uint32_t, std::string&) {
  never();
}
std::string unicode_normalized(std::string_view, UnicodeForm) {
  never();
}
size_t grapheme_length(std::string_view) {
  never();
}

struct Pattern::Code {};
Result<Pattern> Pattern::make(const std::string&) {
  return Error{can_read_text().error()};
}
Result<Pattern> Pattern::from_json(const nlohmann::json&, const std::string&) {
  return Error{can_read_text().error()};
}
std::string Pattern::quoted(std::string_view) {
  never();
}
std::string Pattern::replaced(std::string_view, std::string_view) const {
  never();
}
bool Pattern::find(std::string_view, size_t, size_t*, size_t*) const {
  never();
}

}  // namespace loquat
