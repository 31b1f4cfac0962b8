// The one place that writes to stderr, so that log lines and the progress line do not tear each other.
#include "base/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

namespace loquat {
namespace {

std::atomic<LogLevel> level_now{LogLevel::kInfo};
std::mutex mutex;
int output = STDERR_FILENO;
int terminal = -1;  // -1: not looked at yet
std::string status;

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(output, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody to tell
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool is_terminal() {
  if (terminal < 0) terminal = ::isatty(output) ? 1 : 0;
  return terminal == 1;
}

// At most `columns` characters of a line, cut between characters.
std::string_view cut(std::string_view text, size_t columns) {
  size_t at = 0;
  for (size_t shown = 0; at < text.size(); ++shown) {
    if (shown == columns) break;
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
  return text.substr(0, at);
}

size_t columns() {
  winsize size = {};
  return ::ioctl(output, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
}

}  // namespace

void set_log_level(LogLevel level) {
  level_now = level;
}
LogLevel log_level() {
  return level_now;
}

void log_line(LogLevel level, std::string_view text) {
  if (level < log_level()) return;
  std::string line;
  if (level == LogLevel::kDebug) line = "debug: ";
  if (level == LogLevel::kWarning) line = "warning: ";
  if (level == LogLevel::kError) line = "error: ";
  line += text;
  line += '\n';
  std::lock_guard lock(mutex);
  if (!status.empty()) line = "\r\x1b[K" + line + status;
  write_all(line);
}

void set_status_line(std::string_view text) {
  std::lock_guard lock(mutex);
  if (!is_terminal() || log_level() > LogLevel::kInfo) return;
  if (text.empty() && status.empty()) return;
  status = cut(text, columns());
  write_all("\r\x1b[K" + status);
}

bool log_to_terminal() {
  std::lock_guard lock(mutex);
  return is_terminal();
}

void set_log_output(int fd, bool to_terminal) {
  std::lock_guard lock(mutex);
  output = fd;
  terminal = to_terminal ? 1 : 0;
  status.clear();
}

}  // namespace loquat
