// Reading of replies that were judged one at a time (unpaired.h).
#include "data/unpaired.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "data/jsonl.h"
#include "store/files.h"

namespace loquat {
namespace {

using nlohmann::json;

// null: the line has no label, so that it must be a comparison. What is no JSON object at all is left to the readers
// of jsonl.h, which say so.
Result<json> label_of(std::string_view line) {
  if (json_nests_deeper(line)) return json();
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return json();
  const auto found = object.find("label");
  if (found == object.end()) {
    if (object.contains("completion"))
      return Err("found \"completion\" without a \"label\", expected \"label\": true or false");
    return json();
  }
  if (found->is_boolean()) return *found;
  if (*found == 0 || *found == 1) return json(*found == 1);
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

Result<std::vector<UnpairedReply>> unpaired_from_json(std::string_view line) {
  TRY(const json label, label_of(line));
  if (label.is_null()) {
    TRY(const std::optional<Ranking> ranking, ranking_from_json(line));
    return ranking ? unpaired_from_ranking(*ranking) : std::vector<UnpairedReply>{};
  }
  TRY(Demonstration item, demonstration_from_json(line));
  std::string reply = std::move(item.messages.back().content);
  item.messages.pop_back();
  if (item.messages.empty() || item.messages.back().role != "user")
    return Err("found no user's turn before the reply, expected \"prompt\" and \"completion\"");
  return std::vector<UnpairedReply>{
      {std::move(item.id), std::move(item.messages), std::move(reply), label.get<bool>()}};
}

Result<std::vector<UnpairedReply>> read_unpaired(const std::string& path) {
  std::vector<UnpairedReply> out;
  const std::string name = std::filesystem::path(path).filename().string();
  TRY_STATUS(for_each_line(path, [&](int64_t number, std::string_view line) -> Status {
    if (line.find_first_not_of(" \t\r\n") == line.npos) return {};
    auto items = unpaired_from_json(line);
    if (!items.ok()) return Err("{}: line {}: {}", path, number, items.error());
    for (UnpairedReply& item : *items) {
      if (item.id.empty()) item.id = fmt::format("{}:{}", name, number);
      out.push_back(std::move(item));
    }
    return {};
  }));
  if (out.empty())
    return Err("{}: found no usable example, expected at least one {}", path,
               R"({"prompt", "completion", "label"} or {"prompt", "chosen", "rejected"})");
  return out;
}

}  // namespace loquat
