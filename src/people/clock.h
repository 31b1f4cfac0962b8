// Whole seconds since 1970, passed in so that no test has to wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace loquat::people {

using Clock = std::function<int64_t()>;

inline int64_t system_clock_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr int64_t kDay = 86400;

}  // namespace loquat::people
