// What may stand where a path of data is taken, and reading it. A data path is
//
// - a file: data.jsonl.gz
// - a folder: chats/ (all data files in it; its .txt and .md files only where there are no others)
// - a glob: chats/2024-*.csv
// - any of these with a weight, its share of what is drawn (data/mixture.h): chats/@2.5
// - a mixture: mixture.toml, whose [[mixture]] tables have path or paths, weight, shape, map, limit, split
// - such a table as JSON, {"path": "faq.csv", "map": {"prompt": "question"}}; in a recipe's or a stage's TOML it is
//   written as [[SECTION.KEY]] (data_paths)
//
// Paths are read from where the program is started.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/settings.h"
#include "data/rows.h"
#include "data/shapes.h"

namespace loquat {

struct DataSource {
  std::string name;                // for people: as it was written
  std::vector<std::string> files;  // in the order of their names
  std::optional<double> weight;
  std::string shape;  // of data/shapes.h; empty: recognised row by row
  std::string split;  // which list of a JSON object
  ColumnMap map;
  int64_t limit = 0;  // rows that are read; 0: all

  std::string path() const;      // a data path of this source alone, its files by name
  std::string settings() const;  // all but names and paths, one line; empty where nothing is set: for hashes
};

// Errors: a glob or a folder without data, a bad weight, a mixture that does not read (its file and line). A file that
// is missing is found when it is read.
Result<std::vector<DataSource>> data_sources(const std::string& path);
Result<std::vector<DataSource>> data_sources(const std::vector<std::string>& paths);

// Each source's share of what is drawn, or none where no source has a weight: then everything is taken once. Where some
// have weights, the others' is 1.
std::vector<double> mixture_weights(const std::vector<DataSource>& sources);

// settings[key] as data paths: a list of texts, or of tables.
std::vector<std::string> data_paths(Settings& settings, const std::string& key,
                                    const std::vector<std::string>& fallback);

// The source's rows, renamed by its map. `file`: the one in which the row stands.
using SourceRowFunction = std::function<Status(const std::string& file, const RowPlace&, nlohmann::json& row)>;
Status for_each_row(const DataSource& source, const SourceRowFunction& f, std::vector<RowFile>* files = nullptr);

}  // namespace loquat
