// Lines for people, on stderr. A status line (the progress line) may stand below them on a terminal: log lines are
// written above it and it is drawn again. Any thread may log; a line is one write.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace loquat {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kSilent };

void set_log_level(LogLevel level);  // lines below it are not written; kInfo at the start
LogLevel log_level();
void log_line(LogLevel level, std::string_view text);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() <= LogLevel::kDebug) log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() <= LogLevel::kInfo) log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() <= LogLevel::kWarning) log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() <= LogLevel::kError) log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

// The line below all others, cut to the terminal's width; empty: none. Nothing happens where stderr is no terminal.
void set_status_line(std::string_view text);
bool log_to_terminal();

// Where lines go: stderr at the start. For tests and for programs that own the terminal (chat).
void set_log_output(int fd, bool terminal);

}  // namespace loquat
