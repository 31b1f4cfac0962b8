#include "data/csv.h"

#include <algorithm>

namespace loquat {
namespace {

constexpr size_t kLongestRecord = size_t{256} << 20;
constexpr size_t kLongestHeader = size_t{1} << 20;
constexpr size_t kMostFields = 100'000;

}  // namespace

// The one that stands most often outside of quotes; a comma where none does.
void CsvReader::find_separator() {
  separator_ = ',';
  std::ptrdiff_t most = 0;
  for (const char candidate : {',', ';', '\t'}) {
    std::ptrdiff_t count = 0;
    bool quoted = false;
    for (const char c : first_) {
      if (c == '"') quoted = !quoted;
      if (c == candidate && !quoted) ++count;
    }
    if (count > most) {
      most = count;
      separator_ = candidate;
    }
  }
}

Status CsvReader::feed(std::string_view bytes) {
  if (separator_ == 0) {
    // A line's end inside quotes does not end the header.
    first_.append(bytes);
    bool quoted = false;
    const auto end = std::find_if(first_.begin(), first_.end(), [&](char c) {
      if (c == '"') quoted = !quoted;
      return c == '\n' && !quoted;
    });
    if (end == first_.end() && first_.size() < kLongestHeader) return {};
    const std::string held = std::move(first_);
    first_ = held.substr(0, std::min(held.size(), kLongestHeader));
    first_.resize(
        std::min(first_.size(), static_cast<size_t>(std::find(first_.begin(), first_.end(), '\n') - first_.begin())));
    find_separator();
    first_.clear();
    return feed(held);
  }
  for (const char c : bytes) TRY_STATUS(take(c));
  return {};
}

Status CsvReader::take(char c) {
  if (++bytes_ > kLongestRecord) {
    return Err("line {}: the row is longer than {} MiB{}", begin_, kLongestRecord >> 20,
               in_ == In::kQuoted ? fmt::format("; the quote that line {} opens is not closed", quote_line_) : "");
  }
  if (c == '\0') return Err("line {}: found a NUL byte, expected text", line_);
  if (in_ == In::kQuoted) {
    if (c == '"') {
      in_ = In::kAfterQuote;
    } else {
      if (c == '\n') ++line_;
      field_ += c;
    }
    return {};
  }
  if (carriage_return_ && c != '\n') return Err("line {}: found a carriage return within a line", line_);
  carriage_return_ = false;
  if (c == '"' && in_ == In::kStart) {
    in_ = In::kQuoted;
    quote_line_ = line_;
  } else if (c == '"' && in_ == In::kAfterQuote) {
    field_ += '"';
    in_ = In::kQuoted;
  } else if (c == separator_) {
    if (fields_.size() >= kMostFields) return Err("line {}: more than {} fields", begin_, kMostFields);
    fields_.push_back(std::move(field_));
    field_.clear();
    in_ = In::kStart;
  } else if (c == '\r') {
    carriage_return_ = true;
  } else if (c == '\n') {
    TRY_STATUS(end_record());
    begin_ = ++line_;
  } else if (in_ == In::kAfterQuote) {
    return Err("line {}: found '{}' after a closing quote, expected the separator or the line's end", line_, c);
  } else {
    field_ += c;
    in_ = In::kPlain;
  }
  return {};
}

// A blank line is no record.
Status CsvReader::end_record() {
  const bool blank = at_start();
  bytes_ = 0;
  in_ = In::kStart;
  if (blank) return {};
  fields_.push_back(std::move(field_));
  field_.clear();
  std::vector<std::string> fields = std::move(fields_);
  fields_.clear();
  return record_(begin_, fields);
}

Status CsvReader::finish() {
  if (separator_ == 0) {
    const std::string held = std::move(first_);
    first_.assign(held.begin(), std::find(held.begin(), held.end(), '\n'));
    find_separator();
    first_.clear();
    TRY_STATUS(feed(held));
  }
  if (in_ == In::kQuoted) return Err("line {}: a quote is opened and never closed", quote_line_);
  return end_record();
}

}  // namespace loquat
