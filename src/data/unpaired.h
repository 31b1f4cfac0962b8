// Replies that were judged one at a time, as KTO learns from them: {"prompt", "completion", "label"} (TRL; or
// {"messages", "label"}), where the label is true for a reply that was wanted. A comparison or a ranking counts as its
// best replies, wanted, and its worst ones, unwanted.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace loquat {

struct UnpairedReply {
  std::string id;
  Messages prompt;  // ends with a user's turn
  std::string reply;
  bool desirable = false;
};

// One row: one reply, or those of a comparison (none where it compares nothing). `shape`: of shapes.h; empty: any.
Result<std::vector<UnpairedReply>> unpaired_of_row(const nlohmann::json& row, const std::string& shape);
Result<std::vector<UnpairedReply>> unpaired_from_json(std::string_view line);
// The best and the worst of a ranking; none where all are tied.
std::vector<UnpairedReply> unpaired_from_ranking(const Ranking& ranking);
// A data path; both kinds of rows may be mixed. Errors as in dataset.h.
Result<std::vector<UnpairedReply>> read_unpaired(const std::string& path);

}  // namespace loquat
