// Cutting a byte stream at character boundaries.
#include "infer/utf8_stream.h"

#include <cstdint>

#include "tokenizer/utf8.h"

namespace loquat {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Whether more bytes could make these (no valid character at their start) one.
bool may_become_a_character(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const size_t need = byte(0) >= 0xF0 && byte(0) <= 0xF4  ? 4
                      : byte(0) >= 0xE0 && byte(0) < 0xF0 ? 3
                      : byte(0) >= 0xC2 && byte(0) < 0xE0 ? 2
                                                          : 0;
  if (bytes.size() >= need) return false;
  if (bytes.size() >= 2) {
    const uint8_t low = byte(0) == 0xE0 ? 0xA0 : byte(0) == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = byte(0) == 0xED ? 0x9F : byte(0) == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < low || byte(1) > high) return false;
  }
  return bytes.size() < 3 || (byte(2) & 0xC0) == 0x80;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  waiting_ += bytes;
  std::string text;
  std::string_view rest = waiting_;
  while (true) {
    const size_t valid = valid_utf8_prefix(rest);
    text += rest.substr(0, valid);
    rest.remove_prefix(valid);
    if (rest.empty() || may_become_a_character(rest)) break;
    text += kReplacement;
    rest.remove_prefix(1);
  }
  waiting_ = std::string(rest);
  return text;
}

std::string Utf8Stream::finish() {
  std::string text;
  if (!waiting_.empty()) text = kReplacement;
  waiting_.clear();
  return text;
}

}  // namespace loquat
