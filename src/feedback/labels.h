// What people have made, for those who read it: lists, corrections with their history, disagreements, adjudication.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/projects.h"

namespace loquat::feedback {

class Labels {
 public:
  Labels(std::shared_ptr<database::Database> database, Clock clock);

  // A list of {"id", "project", "item", "kind", "person", "label", "seconds", "created", "changed", "gold": bool,
  // "gold_score", "verdict", "adjudicated": bool}; `person` and `item` may be "". `gold_score` is the share of a gold
  // question's pairs, or null; "edited" how much was changed of the suggestion that it began with, or null.
  Outcome<nlohmann::json> list(const std::string& project, const std::string& person, const std::string& item) const;
  Outcome<nlohmann::json> get(const std::string& id) const;  // and "messages", "answers", "history": [{"label", ...}]
  // A person who is no reviewer corrects their own labels alone, and not those that were reviewed as rejected.
  Outcome<nlohmann::json> correct(const std::string& id, const std::string& person, bool reviewer,
                                  const nlohmann::json& label, const std::string& why);

  // Items on which at least two people have labels that part, the worst first, at most `most`.
  Outcome<nlohmann::json> disagreements(const std::string& project, int64_t most) const;
  Outcome<Done> adjudicate(const std::string& item, const std::string& person, const nlohmann::json& label);

 private:
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

// Within a transaction: the label as it shall be, and in its history as it was.
Status correct_label(database::Session& session, const std::string& id, const std::string& person,
                     const nlohmann::json& label, const std::string& why, int64_t now);

}  // namespace loquat::feedback
