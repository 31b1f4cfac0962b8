// Reading of replies that were judged one at a time (unpaired.h).
#include "data/unpaired.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/items.h"
#include "data/shapes.h"

namespace loquat {
namespace {

using nlohmann::json;

// null: the row has no label, so that it must be a comparison.
Result<json> label_of(const json& row) {
  const auto found = row.find("label");
  if (found == row.end()) {
    if (row.contains("completion"))
      return Err("found \"completion\" without a \"label\", expected \"label\": true or false");
    return json();
  }
  if (found->is_boolean()) return *found;
  if (*found == 0 || *found == 1) return json(*found == 1);
  // A CSV file's values are texts.
  if (*found == "true" || *found == "1") return json(true);
  if (*found == "false" || *found == "0") return json(false);
  return Err("label: found {}, expected true or false", found->dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

std::vector<UnpairedReply> unpaired_from_ranking(const Ranking& ranking) {
  std::vector<UnpairedReply> out;
  if (ranking.responses.empty()) return out;
  const auto [best, worst] =
      std::minmax_element(ranking.responses.begin(), ranking.responses.end(),
                          [](const RankedResponse& a, const RankedResponse& b) { return a.rank < b.rank; });
  if (best->rank == worst->rank) return out;
  for (const RankedResponse& r : ranking.responses) {
    if (r.rank != best->rank && r.rank != worst->rank) continue;
    out.push_back({ranking.id, ranking.prompt, r.text, r.rank == best->rank});
  }
  return out;
}

Result<std::vector<UnpairedReply>> unpaired_of_row(const json& row, const std::string& shape) {
  TRY(const json label, label_of(row));
  if (label.is_null()) {
    TRY(const std::optional<Ranking> ranking, ranking_of_row(row, shape));
    return ranking ? unpaired_from_ranking(*ranking) : std::vector<UnpairedReply>{};
  }
  TRY(Demonstration item, demonstration_of_row(row, shape));
  std::string reply = std::move(item.messages.back().content);
  item.messages.pop_back();
  if (item.messages.empty() || item.messages.back().role != "user")
    return Err("found no user's turn before the reply, expected \"prompt\" and \"completion\"");
  return std::vector<UnpairedReply>{
      {std::move(item.id), std::move(item.messages), std::move(reply), label.get<bool>()}};
}

Result<std::vector<UnpairedReply>> unpaired_from_json(std::string_view line) {
  TRY(const json row, parse_row(line));
  return unpaired_of_row(row, "");
}

Result<std::vector<UnpairedReply>> read_unpaired(const std::string& path) {
  std::vector<UnpairedReply> out;
  TRY_STATUS(read_items(path, [&](const json& row, const std::string& shape, const std::string& id) -> Status {
    TRY(std::vector<UnpairedReply> items, unpaired_of_row(row, shape));
    for (UnpairedReply& item : items) {
      if (item.id.empty()) item.id = id;
      out.push_back(std::move(item));
    }
    return {};
  }));
  if (out.empty()) return nothing_in(path, R"({"prompt", "completion", "label"} or {"prompt", "chosen", "rejected"})");
  return out;
}

}  // namespace loquat
