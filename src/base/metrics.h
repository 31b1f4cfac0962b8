// metrics.jsonl: one JSON object per line, {"stage":"sft","step":12,...}, appended as training goes. A resumed stage
// drops the lines past its checkpoint first, so that its file equals an undisturbed run's (but for times).
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace loquat {

// A named number or text. NaN and infinities are written as null.
struct Metric {
  template <std::floating_point T>
  Metric(std::string_view key, T value) : key(key), value(static_cast<double>(value)) {}
  template <std::integral T>
  Metric(std::string_view key, T value) : key(key), value(static_cast<int64_t>(value)) {}
  Metric(std::string_view key, std::string_view value) : key(key), value(value) {}
  Metric(std::string_view key, const char* value) : key(key), value(std::string_view(value)) {}
  Metric(std::string_view key, const std::string& value) : key(key), value(std::string_view(value)) {}

  std::string_view key;
  std::variant<double, int64_t, std::string_view> value;
};

class MetricsWriter {
 public:
  // last_step: the checkpoint's step, or -1 at the start of the stage. The file is cut before the first line of this
  // stage whose step is past it, and a torn last line is dropped; other stages' lines before that stay.
  static Result<MetricsWriter> open(const std::string& path, const std::string& stage, int64_t last_step);
  MetricsWriter(MetricsWriter&& other) noexcept;
  MetricsWriter& operator=(MetricsWriter&& other) noexcept;
  ~MetricsWriter();

  // One line, in one write: a line is there whole or, on an error (a full disk), not at all.
  Status write(int64_t step, std::span<const Metric> values);
  Status write(int64_t step, std::initializer_list<Metric> values) {
    return write(step, std::span<const Metric>(values.begin(), values.size()));
  }

 private:
  MetricsWriter() = default;
  int fd_ = -1;
  std::string path_;
  std::string stage_;
};

std::string json_quoted(std::string_view text);  // "..." with JSON's escapes

}  // namespace loquat
