// A string that knows which of its bytes came from data and which were written inside {% generation %}, and what is
// needed to treat it as Python does: by code points. Bytes are UTF-8; where they are not, nothing breaks, and each
// stray byte counts as a character or as part of the one before it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/template.h"

namespace loquat::jinja {

struct Text {
  std::string bytes;
  // As in Rendered: sorted, not empty, not touching.
  std::vector<Range> data;
  std::vector<Range> generation;

  static Text own(std::string bytes) { return Text{std::move(bytes), {}, {}}; }
  static Text from_data(std::string bytes);

  bool has_data() const { return !data.empty(); }
  void append(std::string_view own) { bytes += own; }
  void append(const Text& other) { append(other, 0, other.bytes.size()); }
  // Bytes [begin, end) of another text, with what is known of them.
  void append(const Text& other, size_t begin, size_t end);
  Text slice(size_t begin, size_t end) const;
  void mark_data();  // all of it
  void mark_generation(size_t begin, size_t end);
};

inline bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}
// The byte after the character that begins at `at`.
size_t next_char(std::string_view bytes, size_t at);
size_t count_chars(std::string_view bytes);
// The byte at which character `index` begins; bytes.size() past the end.
size_t char_offset(std::string_view bytes, size_t index);
// The code point at `at`; a stray byte gives its own value.
uint32_t code_point(std::string_view bytes, size_t at);
void append_code_point(uint32_t code, std::string& out);

// As Python's str.isspace, isalpha, upper and lower of one character (simple case mapping: one character for one).
bool is_space(uint32_t code);
bool is_alpha(uint32_t code);
bool is_printable(uint32_t code);
uint32_t to_upper(uint32_t code);
uint32_t to_lower(uint32_t code);

enum class Case { kUpper, kLower, kTitle, kCapitalize };
Text change_case(const Text& text, Case to);

// Bytes [begin, end) that are left without characters of `chars` (whitespace where it is null) at the sides.
Range stripped(std::string_view bytes, const std::string* chars, bool left, bool right);

}  // namespace loquat::jinja
