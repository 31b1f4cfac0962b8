// A guard before JSON from files, the network or people is parsed: the parser itself does not recurse, but printing,
// copying and comparing what it made does, and a line of a million brackets must not take the stack.
#pragma once

#include <string_view>

namespace loquat {

inline constexpr int kMaxJsonDepth = 64;

// Whether objects and arrays stand within one another more than `limit` deep. Text that is not JSON gets some answer.
inline bool json_nests_deeper(std::string_view text, int limit = kMaxJsonDepth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace loquat
