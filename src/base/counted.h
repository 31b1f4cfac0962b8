// A number with its noun, as a line for people has it: "1 row", "3 rows".
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace loquat {

// more: the plural where it is not `one` with an s.
inline std::string counted(int64_t n, std::string_view one, std::string_view more = {}) {
  return fmt::format("{} {}{}", n, n == 1 || more.empty() ? one : more, n == 1 || !more.empty() ? "" : "s");
}

}  // namespace loquat
