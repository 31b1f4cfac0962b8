// Seconds since 1970, passed in so that no test has to wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace loquat::serve {

using Clock = std::function<double()>;

inline double system_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr int64_t kDaySeconds = 86400;
inline int64_t day_of(double seconds) {
  return static_cast<int64_t>(seconds) / kDaySeconds;
}  // days since 1970, UTC
// The first day of `day`'s month, and of the next one.
inline int64_t month_start(int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return std::chrono::sys_days{date.year() / date.month() / 1}.time_since_epoch().count();
}
inline int64_t next_month(int64_t day) {
  return month_start(month_start(day) + 31);
}

}  // namespace loquat::serve
