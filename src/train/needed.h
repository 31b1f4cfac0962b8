// What a stage cannot do without: an error names the key and how it is given.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

inline Status need_model(const std::string& stage, const std::string& key, const std::string& folder) {
  if (!folder.empty()) return {};
  return Err("{}: {}: expected a model's folder (--set {}=DIR)", stage, key, key);
}

inline Status need_data(const std::string& stage, const std::string& key, const std::vector<std::string>& paths) {
  if (!paths.empty()) return {};
  return Err("{}: {}: expected data (--set '{}=[\"FILE\"]')", stage, key, key);
}

}  // namespace loquat
