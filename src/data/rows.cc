#include "data/rows.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "data/csv.h"
#include "data/json_parts.h"
#include "data/text_check.h"
#include "store/bytes.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;

constexpr size_t kChunk = 256 << 10;
constexpr size_t kLargestWhole = size_t{2} << 30;  // of what is held in memory: a JSON file, a text
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kDocumentEnd = "<|endoftext|>";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == text.npos;
}

// The name without what says how it is packed, in lower case.
std::string plain_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.resize(name.size() - packed.size());
  return name;
}

// The first byte that is not blank, of a file that can be opened again; 0 where there is none to look at.
Result<char> first_byte(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) return '\0';
  TRY(const auto source, open_bytes(path));
  char buffer[4096];
  TRY(const size_t n, source->read(buffer, sizeof(buffer)));
  std::string_view head(buffer, n);
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  const size_t at = head.find_first_not_of(" \t\r\n");
  return at == head.npos ? '\0' : head[at];
}

Result<Container> container_of(const std::string& path) {
  const std::string name = plain_name(path);
  if (name.ends_with(".txt") || name.ends_with(".md")) return Container::kText;
  if (name.ends_with(".csv") || name.ends_with(".tsv")) return Container::kCsv;
  if (name.ends_with(".json")) return Container::kJson;
  TRY(const char first, first_byte(path));
  return first == '[' ? Container::kJson : Container::kJsonl;  // a list is a list, whatever its file is called
}

Result<std::string> read_whole(const std::string& path) {
  TRY(const auto source, open_bytes(path));
  std::string text;
  auto chunk = std::make_unique<char[]>(kChunk);
  while (true) {
    TRY(const size_t n, source->read(chunk.get(), kChunk));
    if (n == 0) break;
    text.append(chunk.get(), n);
    if (text.size() > kLargestWhole) {
      return Err(
          "{}: more than {} GiB, which is read at once: cut it, or bring it as .jsonl, which is read line by line",
          path, kLargestWhole >> 30);
    }
  }
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

Status check_whole(const std::string& path, std::string_view text) {
  const Status status = check_text(text);
  if (status.ok()) return {};
  const bool has_line = text.find('\n') != text.npos || status.error().starts_with("this is");
  return Err("{}: {}{}", path, has_line ? "" : "line 1: ", status.error());
}

Status call(const RowFunction& f, const std::string& path, const RowPlace& place, json& row) {
  const Status status = f(place, row);
  if (!status.ok()) return Err("{}: {}", place.in(path), status.error());
  return {};
}

Status jsonl_rows(const std::string& path, const RowFunction& f) {
  return for_each_line(path, [&](int64_t number, std::string_view line) -> Status {
    if (is_blank(line)) return {};
    const RowPlace place{number, true};
    auto row = parse_row(line);
    if (!row.ok()) return Err("{}: {}", place.in(path), row.error());
    return call(f, path, place, *row);
  });
}

Status json_rows(const std::string& path, const std::string& list, const RowFunction& f, RowFile& file) {
  TRY(const std::string text, read_whole(path));
  if (is_blank(text)) return {};
  TRY_STATUS(check_whole(path, text));
  const Status status = json_parts(
      text, list,
      [&](const JsonPart& part) -> Status {
        const RowPlace place{part.index < 0 ? part.line : part.index, part.index < 0};
        auto row = parse_row(part.text);
        if (!row.ok() && place.is_line) return Err("line {}: {}", part.line, row.error());
        if (!row.ok()) return Err("[{}]: line {}: {}", part.index, part.line, row.error());
        const Status used = f(place, *row);
        if (!used.ok()) return Err("{}: {}", place.in(""), used.error());
        return {};
      },
      file.list);
  if (status.ok()) return {};
  return Err("{}{}{}", path, status.error().starts_with('[') ? "" : ": ", status.error());
}

Status check_header(const std::vector<std::string>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    // Tables often begin with a column of row numbers that has no name.
    if (columns[i].empty() && i > 0) return Err("the header's column {} has no name", i + 1);
    if (std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(i), columns[i]) !=
        columns.begin() + static_cast<std::ptrdiff_t>(i))
      return Err("the header names \"{}\" twice: does the file have a header row?", columns[i]);
  }
  return {};
}

Status csv_record(const RowFunction& f, RowFile& file, int64_t line, std::vector<std::string>& fields) {
  for (const std::string& field : fields) TRY_STATUS(check_text(field));
  if (file.columns.empty()) {
    TRY_STATUS(check_header(fields));
    file.columns = std::move(fields);
    return {};
  }
  if (fields.size() != file.columns.size())
    return Err("found {} fields, expected {} as the header has", fields.size(), file.columns.size());
  json row = json::object();
  for (size_t i = 0; i < fields.size(); ++i)
    if (!file.columns[i].empty()) row[file.columns[i]] = std::move(fields[i]);
  return f({line, true}, row);
}

Status csv_rows(const std::string& path, const RowFunction& f, RowFile& file) {
  TRY(const auto source, open_bytes(path));
  CsvReader reader([&](int64_t line, std::vector<std::string>& fields) -> Status {
    const Status status = csv_record(f, file, line, fields);
    if (!status.ok()) return Err("line {}: {}", line, status.error());
    return {};
  });
  auto chunk = std::make_unique<char[]>(kChunk);
  bool begun = false;
  while (true) {
    TRY(const size_t n, source->read(chunk.get(), kChunk));
    if (n == 0) break;
    std::string_view bytes(chunk.get(), n);
    if (!begun) {
      if (const Status status = check_start(bytes); !status.ok()) return Err("{}: {}", path, status.error());
      if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
    }
    begun = true;
    const Status fed = reader.feed(bytes);
    file.separator = reader.separator();
    if (!fed.ok()) return Err("{}: {}", path, fed.error());
  }
  const Status status = reader.finish();
  file.separator = reader.separator();
  if (!status.ok()) return Err("{}: {}", path, status.error());
  return {};
}

Status text_rows(const std::string& path, const RowFunction& f) {
  TRY(const std::string text, read_whole(path));
  TRY_STATUS(check_whole(path, text));
  int64_t line = 1;
  const auto give = [&](std::string_view document) -> Status {
    if (!is_blank(document)) {
      json row = {{"text", std::string(document)}};
      TRY_STATUS(call(f, path, {line, true}, row));
    }
    line += std::count(document.begin(), document.end(), '\n');
    return {};
  };
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {  // line by line
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view here(text.data() + at, end - at);
    if (!here.empty() && here.back() == '\r') here.remove_suffix(1);
    if (here == kDocumentEnd) {
      TRY_STATUS(give(std::string_view(text).substr(begin, at - begin)));
      begin = std::min(end + 1, text.size());
      ++line;
    }
    at = end + 1;
  }
  return give(std::string_view(text).substr(begin));
}

}  // namespace

std::string RowPlace::in(const std::string& path) const {
  if (!is_line) return fmt::format("{}[{}]", path, number);
  return fmt::format("{}{}line {}", path, path.empty() ? "" : ": ", number);
}

std::string RowPlace::id(const std::string& path) const {
  const std::string name = std::filesystem::path(path).filename();
  return is_line ? fmt::format("{}:{}", name, number) : fmt::format("{}[{}]", name, number);
}

std::string describe(const RowFile& file) {
  switch (file.container) {
    case Container::kJsonl:
      return "JSONL";
    case Container::kJson:
      return file.list.empty() ? "JSON" : fmt::format("JSON (the list \"{}\")", file.list);
    case Container::kCsv:
      return fmt::format("CSV ({}, {} columns)",
                         file.separator == '\t'  ? "tabs"
                         : file.separator == ';' ? "semicolons"
                                                 : "commas",
                         file.columns.size());
    case Container::kText:
      break;
  }
  return "text";
}

Result<json> parse_row(std::string_view text) {
  TRY_STATUS(check_text(text));
  if (json_nests_deeper(text)) return Err("nested too deep, expected at most {} levels", kMaxJsonDepth);
  try {
    json value = json::parse(text);
    if (value.is_object()) return value;
    std::string found = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (found.size() > 60) found = utf8_prefix(found, 57) + "...";
    return Err("the line: found {}, expected a JSON object", found);
  } catch (const json::exception& e) {
    const std::string_view what = e.what();
    const size_t prefix = what.find("] ");  // the library's name for the error
    return Err("not JSON: {}; expected one JSON object", prefix == what.npos ? what : what.substr(prefix + 2));
  }
}

Status for_each_row(const std::string& path, const std::string& list, const RowFunction& f, RowFile* file) {
  RowFile own;
  RowFile& about = file == nullptr ? own : *file;
  about = {};
  TRY(about.container, container_of(path));
  if (!list.empty() && about.container != Container::kJson)
    return Err("{}: a list \"{}\" was asked for, but only a JSON object has lists by name", path, list);
  switch (about.container) {
    case Container::kJsonl:
      return jsonl_rows(path, f);
    case Container::kJson:
      return json_rows(path, list, f, about);
    case Container::kCsv:
      return csv_rows(path, f, about);
    case Container::kText:
      break;
  }
  return text_rows(path, f);
}

}  // namespace loquat
