#include "data/text_check.h"

#include <algorithm>

#include "store/files.h"

namespace loquat {

Status check_start(std::string_view bytes) {
  const bool marked = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
  // Without its mark: every second byte of Latin letters is 0.
  const std::string_view head = bytes.substr(0, 64);
  const auto zeros = static_cast<size_t>(std::count(head.begin(), head.end(), '\0'));
  if (marked || (head.size() >= 4 && zeros >= head.size() / 3)) {
    return Err("this is UTF-16 or UTF-32, expected UTF-8: convert it (iconv -f UTF-16 -t UTF-8)");
  }
  return {};
}

Status check_text(std::string_view text) {
  size_t bad = 0;
  if (is_utf8(text, &bad) && (bad = text.find('\0')) == text.npos) return {};
  TRY_STATUS(check_start(text));
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
  const size_t start = bad == 0 ? text.npos : text.rfind('\n', bad - 1);
  const std::string where = text.find('\n') != text.npos ? fmt::format("line {}: ", line + 1) : "";
  if (text[bad] == '\0')
    return Err("{}found a NUL byte at column {}, expected text", where, start == text.npos ? bad + 1 : bad - start);
  // A letter with an accent among plain letters is what old 8-bit files look like.
  const auto byte = static_cast<unsigned char>(text[bad]);
  const bool alone = bad + 1 >= text.size() || static_cast<unsigned char>(text[bad + 1]) < 0x80;
  const bool latin = alone && bad > 0 && static_cast<unsigned char>(text[bad - 1]) < 0x80 && byte != 0xFF;
  return Err("{}not UTF-8: found byte 0x{:02X} at column {}, expected UTF-8 text{}", where, byte,
             start == text.npos ? bad + 1 : bad - start,
             latin ? "; it may be Latin-1 or Windows-1252: convert it (iconv -f WINDOWS-1252 -t UTF-8)" : "");
}

std::string utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes));
}

}  // namespace loquat
