// Gold questions: rankings whose right order is known, handed out among the others. A reviewer can look at them, set
// another order right, and retire them.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "feedback/label.h"
#include "feedback/schema.h"

namespace loquat::feedback {

// The share of the gold question's pairs that the label has the same way round; what it ties counts as missed. Nothing
// where the label says nothing of them. `gold`: {"ranks", "flags"}, as items keep it.
std::optional<double> gold_score(const nlohmann::json& gold, const nlohmann::json& answers,
                                 const nlohmann::json& label);

class GoldQuestions {
 public:
  explicit GoldQuestions(std::shared_ptr<database::Database> database) : database_(std::move(database)) {}

  // [{"item", "messages", "answers", "ranks", "flags", "retired", "right": mean score or null, "labels": [{"id",
  // "person", "created", "ranks", "gold_score"}]}]
  Outcome<nlohmann::json> list(const std::string& project) const;

  struct Changed {
    std::string project;
    nlohmann::json before;  // the ranks that were right until now
    int64_t rescored = 0;   // labels
  };
  // `change`: {"ranks"?: {answer id: 1...}, "flags"?: {answer id: []}, "retired"?: bool}. Labels that people have sent
  // are scored anew: a wrong key must not stay in anybody's record. A retired question is handed out no more; what it
  // has measured stays.
  Outcome<Changed> change(const std::string& item, const nlohmann::json& change);

 private:
  const std::shared_ptr<database::Database> database_;
};

}  // namespace loquat::feedback
