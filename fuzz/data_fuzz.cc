// A data file of any container, and rows of any shape: what is read keeps the promises of data/rows.h, data/csv.h and
// data/shapes.h, whatever pieces it comes in, and what is refused is refused with a message. The first byte says how to
// read.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/csv.h"
#include "data/json_parts.h"
#include "data/rows.h"
#include "data/shapes.h"

namespace {

using namespace loquat;  // NOLINT

// Every shape that fits reads the row, or says why not; what it read is as its kind wants it.
void shapes_of(const nlohmann::json& row) {
  for (const Shape& shape : shapes()) {
    if (!fits(shape, row)) continue;
    const auto read = shape.read(row);
    if (!read.ok()) {
      CHECK(!read.error().empty());
      continue;
    }
    if (!*read) continue;
    if (shape.is(RowKind::kRanking)) CHECK((*read)->responses.size() >= 2 && (*read)->messages.back().role == "user");
    if (shape.is(RowKind::kUnpaired)) CHECK((*read)->responses.size() == 1);
    if (shape.is(RowKind::kDemonstration)) CHECK(!(*read)->messages.empty());
    for (const int64_t i : (*read)->untrained) CHECK((*read)->messages.at(static_cast<size_t>(i)).role == "assistant");
  }
  for (const RowKind kind : {RowKind::kText, RowKind::kDemonstration, RowKind::kRanking, RowKind::kPrompt})
    if (const auto shape = shape_for(row, kind); !shape.ok()) CHECK(!shape.error().empty());
  if (const auto item = demonstration_of_row(row); item.ok()) CHECK(item->messages.back().role == "assistant");
  if (const auto prompt = prompt_of_row(row); prompt.ok()) CHECK(prompt->back().role == "user");
}

struct Table {
  std::vector<std::vector<std::string>> records;
  std::vector<int64_t> lines;
  std::string error;
};

Table read_table(std::string_view text, size_t piece) {
  Table table;
  CsvReader reader([&](int64_t line, std::vector<std::string>& fields) -> Status {
    CHECK(!fields.empty() && (table.lines.empty() || line > table.lines.back()));
    table.lines.push_back(line);
    table.records.push_back(fields);
    return {};
  });
  Status status;
  for (size_t at = 0; status.ok() && at < text.size(); at += piece) status = reader.feed(text.substr(at, piece));
  if (status.ok()) status = reader.finish();
  if (!status.ok()) table.error = status.error();
  return table;
}

void csv(std::string_view text, size_t piece) {
  const Table whole = read_table(text, text.size() + 1), parts = read_table(text, piece);
  CHECK(whole.error == parts.error && whole.lines == parts.lines && whole.records == parts.records);
  if (!whole.error.empty() || whole.records.empty()) return;
  nlohmann::json row = nlohmann::json::object();
  const auto& names = whole.records.front();
  const auto& values = whole.records.back();
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i)
    if (parse_row(nlohmann::json{{names[i], values[i]}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
            .ok())
      row[names[i]] = values[i];
  if (nlohmann::json::parse(row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) == row) shapes_of(row);
}

void json(std::string_view text, const std::string& list) {
  int64_t before = -1;
  std::string taken;
  const Status status = json_parts(
      text, list,
      [&](const JsonPart& part) -> Status {
        CHECK(part.text.data() >= text.data() && part.text.data() + part.text.size() <= text.data() + text.size());
        CHECK(part.line >= 1 && (part.index < 0 || part.index == ++before));
        const auto row = parse_row(part.text);
        if (!row.ok()) return Err("{}", row.error());
        shapes_of(*row);
        return {};
      },
      taken);
  if (!status.ok()) CHECK(!status.error().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      csv(text, 1 + data[0] / 4);
      break;
    case 1:
      json(text, "");
      break;
    case 2:
      json(text, "train");
      break;
    default:
      if (const auto row = parse_row(text); row.ok()) shapes_of(*row);
  }
  return 0;
}
