// Ranges are kept small: appending joins what touches. Case and classes of characters are the C library's.
#include "jinja/text.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>

namespace loquat::jinja {

namespace {

// What of `from` lies in [begin, end), moved so that `begin` comes to stand at `at`.
void append_ranges(const std::vector<Range>& from, size_t begin, size_t end, size_t at, std::vector<Range>& to) {
  auto it = std::upper_bound(from.begin(), from.end(), begin, [](size_t b, const Range& r) { return b < r.end; });
  for (; it != from.end() && it->begin < end; ++it) {
    const size_t b = std::max(it->begin, begin) - begin + at;
    const size_t e = std::min(it->end, end) - begin + at;
    if (!to.empty() && to.back().end == b) {
      to.back().end = e;
    } else {
      to.push_back({b, e});
    }
  }
}

// The names of characters do not depend on the language of the machine.
locale_t unicode_locale() {
  static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return made;
}

}  // namespace

Text Text::from_data(std::string bytes) {
  Text text{std::move(bytes), {}, {}};
  text.mark_data();
  return text;
}

void Text::append(const Text& other, size_t begin, size_t end) {
  const size_t at = bytes.size();
  append_ranges(other.data, begin, end, at, data);
  append_ranges(other.generation, begin, end, at, generation);
  bytes.append(other.bytes, begin, end - begin);
}

Text Text::slice(size_t begin, size_t end) const {
  Text part;
  part.append(*this, begin, end);
  return part;
}

void Text::mark_data() {
  data.clear();
  if (!bytes.empty()) data.push_back({0, bytes.size()});
}

void Text::mark_generation(size_t begin, size_t end) {
  while (!generation.empty() && generation.back().end >= begin) {
    begin = std::min(begin, generation.back().begin);
    generation.pop_back();
  }
  if (begin < end) generation.push_back({begin, end});
}

size_t next_char(std::string_view bytes, size_t at) {
  ++at;
  while (at < bytes.size() && is_continuation(bytes[at])) ++at;
  return at;
}

size_t count_chars(std::string_view bytes) {
  size_t count = !bytes.empty() && is_continuation(bytes[0]);
  for (const char c : bytes) count += !is_continuation(c);
  return count;
}

size_t char_offset(std::string_view bytes, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < bytes.size(); --index) at = next_char(bytes, at);
  return at;
}

uint32_t code_point(std::string_view bytes, size_t at) {
  const auto lead = static_cast<unsigned char>(bytes[at]);
  const size_t length = next_char(bytes, at) - at;
  uint32_t code = lead;
  if (length == 2 && lead >= 0xC0 && lead < 0xE0) {
    code = lead & 0x1F;
  } else if (length == 3 && lead >= 0xE0 && lead < 0xF0) {
    code = lead & 0x0F;
  } else if (length == 4 && lead >= 0xF0) {
    code = lead & 0x07;
  } else {
    return lead;
  }
  for (size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<unsigned char>(bytes[at + i]) & 0x3F);
  return code;
}

void append_code_point(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18 & 0x07));
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool is_space(uint32_t code) {
  return (code >= 9 && code <= 13) || (code >= 28 && code <= 32) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

bool is_alpha(uint32_t code) {
  const uint32_t lower = code | 0x20;
  if (code < 0x80 || !unicode_locale()) return lower >= 'a' && lower <= 'z';
  return iswalpha_l(static_cast<wint_t>(code), unicode_locale()) != 0;
}

bool is_printable(uint32_t code) {
  if (code < 0x80) return code >= 0x20 && code != 0x7F;
  // Of the invisible characters the C library calls some printable, Python none.
  const bool invisible = code == 0xAD || (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
                         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || (code >= 0xE000 && code <= 0xF8FF);
  if (invisible || is_space(code)) return false;
  return !unicode_locale() || iswprint_l(static_cast<wint_t>(code), unicode_locale()) != 0;
}

uint32_t to_upper(uint32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 0x20 : code;
  return unicode_locale() ? static_cast<uint32_t>(towupper_l(static_cast<wint_t>(code), unicode_locale())) : code;
}

uint32_t to_lower(uint32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 0x20 : code;
  return unicode_locale() ? static_cast<uint32_t>(towlower_l(static_cast<wint_t>(code), unicode_locale())) : code;
}

Text change_case(const Text& text, Case to) {
  Text out;
  bool first = true;  // of a word, or of the text
  for (size_t at = 0; at < text.bytes.size();) {
    const size_t next = next_char(text.bytes, at);
    const uint32_t code = code_point(text.bytes, at);
    const bool upper = to == Case::kUpper || (to != Case::kLower && first);
    const uint32_t changed = upper ? to_upper(code) : to_lower(code);
    const bool sharp_s = upper && code == 0xDF;  // the one common letter whose capital is two
    if (changed == code && !sharp_s) {
      out.append(text, at, next);
    } else {
      Text piece;
      if (sharp_s) {
        piece.bytes = to == Case::kUpper ? "SS" : "Ss";
      } else {
        append_code_point(changed, piece.bytes);
      }
      // All of the new character is data if any byte of the old one was.
      const Text old = text.slice(at, next);
      if (old.has_data()) piece.mark_data();
      if (!old.generation.empty()) piece.mark_generation(0, piece.bytes.size());
      out.append(piece);
    }
    first = to == Case::kTitle && to_upper(code) == code && to_lower(code) == code;
    at = next;
  }
  return out;
}

Range stripped(std::string_view bytes, const std::string* chars, bool left, bool right) {
  const auto goes = [&](size_t at, size_t next) {
    if (!chars) return is_space(code_point(bytes, at));
    const std::string_view one = bytes.substr(at, next - at);
    for (size_t i = 0; i < chars->size();) {
      const size_t after = next_char(*chars, i);
      if (std::string_view(*chars).substr(i, after - i) == one) return true;
      i = after;
    }
    return false;
  };
  Range kept{0, bytes.size()};
  while (left && kept.begin < kept.end && goes(kept.begin, next_char(bytes, kept.begin))) {
    kept.begin = next_char(bytes, kept.begin);
  }
  while (right && kept.end > kept.begin) {
    size_t last = kept.end - 1;
    while (last > kept.begin && is_continuation(bytes[last])) --last;
    if (!goes(last, kept.end)) break;
    kept.end = last;
  }
  return kept;
}

}  // namespace loquat::jinja
