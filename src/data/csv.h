// CSV as RFC 4180 has it, fed in pieces: fields parted by a separator, quoted where they hold it, a quote or a line's
// end; quotes doubled inside. Lines end with LF or CRLF. The separator is found in the first line: a tab, a semicolon
// or a comma.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

class CsvReader {
 public:
  // record: the line at which it begins (from 1) and its fields. Its error ends the reading.
  using Record = std::function<Status(int64_t line, std::vector<std::string>& fields)>;
  explicit CsvReader(Record record) : record_(std::move(record)) {}
  // Errors say the line: "line 3: ...".
  Status feed(std::string_view bytes);
  Status finish();  // after the last piece
  char separator() const { return separator_; }

 private:
  enum class In { kStart, kPlain, kQuoted, kAfterQuote };
  Status take(char c);
  Status end_record();
  void find_separator();
  bool at_start() const { return fields_.empty() && field_.empty() && in_ == In::kStart; }

  Record record_;
  std::string first_;  // the first line, until the separator is known
  std::vector<std::string> fields_;
  std::string field_;
  size_t bytes_ = 0;  // of the record
  int64_t line_ = 1, begin_ = 1, quote_line_ = 0;
  In in_ = In::kStart;
  bool carriage_return_ = false;  // the last byte was one, outside of quotes
  char separator_ = 0;
};

}  // namespace loquat
