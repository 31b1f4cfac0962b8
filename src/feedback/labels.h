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

  // {"id", "project", "item", "person", "label", "seconds", "created", "changed", "gold", "verdict", "kind", "messages",
  // "answers"}; `person` and `item` may be "". `gold` is the share of a gold question's pairs, or null.
  Outcome<nlohmann::json> list(const std::string& project, const std::string& person, const std::string& item) const;
  Outcome<nlohmann::json> get(const std::string& id) const;  // with "history": [{"before", "person", "why", "time"}]
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

}  // namespace loquat::feedback
