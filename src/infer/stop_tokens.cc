#include "infer/stop_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "store/files.h"

namespace loquat {

Result<std::vector<int32_t>> folder_stop_tokens(const std::string& folder) {
  const std::string file = folder + "/generation_config.json";
  if (!file_exists(file)) return std::vector<int32_t>();
  TRY(const std::string text, read_file(file));
  if (json_nests_deeper(text)) return Err("{}: nested too deep, expected at most {}", file, kMaxJsonDepth);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return Err("{}: this is no JSON object", file);
  const auto found = json.find("eos_token_id");
  if (found == json.end() || found->is_null()) return std::vector<int32_t>();
  const auto list = found->is_array() ? *found : nlohmann::json::array({*found});
  std::vector<int32_t> tokens;
  for (const auto& item : list) {
    if (!item.is_number_integer() || item < 0 || item > INT32_MAX)
      return Err("{}: eos_token_id: found {}, expected a token's id or a list of them", file, found->dump());
    tokens.push_back(item.get<int32_t>());
  }
  return tokens;
}

void add_stop_tokens(std::vector<int32_t>& stops, std::span<const int32_t> more) {
  for (const int32_t token : more) {
    if (token >= 0 && std::find(stops.begin(), stops.end(), token) == stops.end()) stops.push_back(token);
  }
}

}  // namespace loquat
