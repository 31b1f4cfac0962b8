// Data sets: rows for training that never change, named by the SHA-256 of what is in them. Each knows the labels and
// conversations it came from, whose they are, and which models were trained on it. Its files lie in FOLDER/HASH/:
// demonstrations.jsonl, rankings.jsonl, unpaired.jsonl and prompts.jsonl (those that have rows).
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/outcome.h"
#include "feedback/schema.h"
#include "feedback/training_rows.h"

namespace loquat::feedback {

class Datasets {
 public:
  Datasets(std::shared_ptr<database::Database> database, std::string folder, Clock clock);

  // {"hash", "name", "created", "rows", "files": [{"name", "rows"}], "from": {"labels", "conversations", "people"},
  // "models": []}. The same rows again are the data set that is there, under the name it has.
  Outcome<nlohmann::json> make(const std::string& name, const RowsWanted& wanted);
  Outcome<nlohmann::json> get(const std::string& hash) const;
  Result<nlohmann::json> list() const;  // newest first
  std::string folder(const std::string& hash) const { return folder_ + "/" + hash; }
  Status record_model(const std::string& hash, const std::string& model);

 private:
  const std::shared_ptr<database::Database> database_;
  const std::string folder_;
  const Clock clock_;
};

}  // namespace loquat::feedback
