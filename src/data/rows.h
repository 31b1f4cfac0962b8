// The rows of a data file, whatever container it is: JSONL, JSON (a list, or an object that holds one), CSV with a
// header row, or a text; plain, .gz or .zst. JSONL and CSV are read as a stream; a JSON file is held in memory as text,
// one row at a time as values. Every error names the file and where in it: "file: line 3: ..." or "file[2]: ...".
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

enum class Container { kJsonl, kJson, kCsv, kText };

struct RowFile {
  Container container = Container::kJsonl;
  char separator = 0;                // of a CSV file: , ; or a tab
  std::string list;                  // of a JSON file that is an object: the key of the list that was read
  std::vector<std::string> columns;  // of a CSV file
};
std::string describe(const RowFile& file);  // "CSV (;)", "JSON (the list \"train\")"

// Where a row stands: its line from 1, or its place in a list from 0.
struct RowPlace {
  int64_t number = 0;
  bool is_line = true;
  std::string in(const std::string& path) const;  // "PATH: line 3" or "PATH[2]"
  std::string id(const std::string& path) const;  // "NAME:3" or "NAME[2]", without the folder
};

using RowFunction = std::function<Status(const RowPlace& place, nlohmann::json& row)>;

// Calls f for each row, a JSON object (CSV: every value a text; a text file: {"text"}, one row for each document,
// parted by lines "<|endoftext|>"). An error from f stops it and gets the place before it. `list`: which list of a JSON
// object; empty: the only one. Rows are UTF-8, at most kMaxJsonDepth deep.
Status for_each_row(const std::string& path, const std::string& list, const RowFunction& f, RowFile* file = nullptr);

// One JSON object, checked as a row is; without a place in its errors.
Result<nlohmann::json> parse_row(std::string_view text);

}  // namespace loquat
