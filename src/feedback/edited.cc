#include "feedback/edited.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace loquat::feedback {
namespace {

constexpr double kLeast = 1e-3;  // of texts that differ at all

std::string_view trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

// Three code points of at most 21 bits in one number, in order of size.
std::vector<uint64_t> trigrams(std::string_view text) {
  std::vector<uint64_t> out;
  uint64_t last = 0;
  const auto add = [&](uint64_t code_point) {
    last = ((last << 21) | code_point) & ((uint64_t{1} << 63) - 1);
    out.push_back(last);
  };
  uint64_t code_point = 0;
  bool any = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) {
      code_point = ((code_point << 6) | (byte & 0x3f)) & 0x1fffff;
      continue;
    }
    if (any) add(code_point);
    any = true;
    code_point = byte < 0x80 ? byte : byte < 0xe0 ? byte & 0x1f : byte < 0xf0 ? byte & 0x0f : byte & 0x07;
  }
  if (any) add(code_point);
  add(0);  // the end counts too, as the beginning does
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

double edited_share(std::string_view suggestion, std::string_view text) {
  suggestion = trimmed(suggestion), text = trimmed(text);
  if (suggestion == text) return 0;
  const std::vector<uint64_t> a = trigrams(suggestion), b = trigrams(text);
  size_t common = 0;
  for (size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    if (a[i] == b[k])
      ++common, ++i, ++k;
    else if (a[i] < b[k])
      ++i;
    else
      ++k;
  }
  const double share = 1 - 2 * static_cast<double>(common) / static_cast<double>(a.size() + b.size());
  return std::clamp(share, kLeast, 1.0);
}

}  // namespace loquat::feedback
