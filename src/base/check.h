// CHECK(condition, "format", args...): aborts on a programmer's error and says where. Never for what people or files bring.
#pragma once

#include <fmt/core.h>

#include <string>

namespace loquat::internal {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);
inline std::string check_message() { return {}; }
template <typename... Args>
std::string check_message(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace loquat::internal

#define CHECK(condition, ...)                                                            \
  do {                                                                                   \
    if (!(condition)) [[unlikely]]                                                       \
      ::loquat::internal::check_failed(__FILE__, __LINE__, #condition,                   \
                                       ::loquat::internal::check_message(__VA_ARGS__));  \
  } while (false)
