// Removing a person: what they made here goes, and what had been made of it is said. The data sets' files and the
// models themselves stay: whoever erases decides about them.
#pragma once

#include <string>
#include <vector>

#include "feedback/schema.h"

namespace loquat::feedback {

struct Erased {
  int64_t labels = 0;    // with adjudications
  int64_t feedback = 0;  // on messages, and comparisons
  struct Dataset {
    std::string hash, name;
  };
  std::vector<Dataset> datasets;    // that hold something of this person
  std::vector<std::string> models;  // that were trained on these
};

// Items of which a label goes are handed out again.
Result<Erased> erase_person(database::Database& database, const std::string& person);

// Within a transaction: prompts that were taken out of this person's chats (of one conversation, or "": of all) go,
// with the work on them.
Status forget_prompts(database::Session& session, const std::string& person, const std::string& conversation);

}  // namespace loquat::feedback
