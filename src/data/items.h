// Reading all rows of a data path (source.h) as items of one kind: what the readers of whole files share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data/source.h"

namespace loquat {

// f(row, shape, id of a row without one) for all rows of a data path.
template <typename F>
Status read_items(const std::string& path, F f) {
  TRY(const std::vector<DataSource> sources, data_sources(path));
  for (const DataSource& source : sources) {
    TRY_STATUS(for_each_row(source, [&](const std::string& file, const RowPlace& place, nlohmann::json& row) {
      return f(row, source.shape, place.id(file));
    }));
  }
  return {};
}

// "PATH: found no usable example, expected at least one EXPECTED"
Error nothing_in(const std::string& path, std::string_view expected);

}  // namespace loquat
