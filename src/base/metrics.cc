#include "base/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

namespace loquat {
namespace {

Error file_error(const std::string& path, const char* doing) {
  return Err("{}: cannot {}: {}", path, doing, std::strerror(errno));
}

Result<std::string> content(int fd, const std::string& path) {
  std::string bytes;
  char chunk[65536];
  while (true) {
    const ssize_t n = ::read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(path, "read");
    if (n == 0) return bytes;
    bytes.append(chunk, static_cast<size_t>(n));
  }
}

std::string line_start(const std::string& stage) {
  return "{\"stage\":" + json_quoted(stage) + ",\"step\":";
}

// How many bytes of the file stay: whole lines, up to the first of this stage past last_step.
size_t kept(std::string_view bytes, const std::string& start, int64_t last_step) {
  size_t at = 0;
  while (true) {
    const size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) return at;
    const std::string_view line = bytes.substr(at, end - at);
    if (line.starts_with(start)) {
      int64_t step = 0;
      std::from_chars(line.data() + start.size(), line.data() + line.size(), step);
      if (step > last_step) return at;
    }
    at = end + 1;
  }
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<MetricsWriter> MetricsWriter::open(const std::string& path, const std::string& stage, int64_t last_step) {
  MetricsWriter writer;
  writer.path_ = path;
  writer.stage_ = stage;
  writer.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (writer.fd_ < 0) return file_error(path, "open");
  TRY(const std::string bytes, content(writer.fd_, path));
  const size_t keep = kept(bytes, line_start(stage), last_step);
  if (keep < bytes.size() && ::ftruncate(writer.fd_, static_cast<off_t>(keep)) != 0) return file_error(path, "cut");
  return writer;
}

MetricsWriter::MetricsWriter(MetricsWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), stage_(std::move(other.stage_)) {}

MetricsWriter& MetricsWriter::operator=(MetricsWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(stage_, other.stage_);
  return *this;
}

MetricsWriter::~MetricsWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status MetricsWriter::write(int64_t step, std::span<const Metric> values) {
  std::string line = line_start(stage_) + std::to_string(step);
  for (const Metric& metric : values) {
    line += "," + json_quoted(metric.key) + ":";
    if (const auto* number = std::get_if<double>(&metric.value)) {
      line += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
    } else if (const auto* integer = std::get_if<int64_t>(&metric.value)) {
      line += std::to_string(*integer);
    } else {
      line += json_quoted(std::get<std::string_view>(metric.value));
    }
  }
  line += "}\n";
  const off_t before = ::lseek(fd_, 0, SEEK_END);
  ssize_t n;
  do {
    n = ::write(fd_, line.data(), line.size());
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(line.size())) return {};
  if (n >= 0) errno = ENOSPC;  // a part was written: the disk is full
  const Error error = file_error(path_, "write");
  if (before >= 0 && ::ftruncate(fd_, before) != 0) return file_error(path_, "cut");
  return error;
}

}  // namespace loquat
