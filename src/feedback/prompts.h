// Prompts as a reviewer brings them, read into a project's items.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/projects.h"

namespace loquat::feedback {

struct NewItem {
  nlohmann::json messages;
  nlohmann::json answers;  // [{"id", "content", "model", ...}], or null where models shall give them
  nlohmann::json gold;     // {"ranks": {answer id: 1...}, "flags": {answer id: []}}, or null
  std::string suggestion;
  std::string reviewed, author;  // a label, and whose it is
  PromptSource from;
  std::string hash;  // of the messages: what tells duplicates
};

inline constexpr size_t kMostPrompts = 50'000;  // at once

// {"prompts": [...]} or {"text"}; what cannot be used is said in `imported`.
Outcome<std::vector<NewItem>> read_prompts(const Project& project, const nlohmann::json& body, Imported& imported);

// [{"id", "content", "model", "model_hash", "sampling"}]: ids are made here, in no order that tells of models.
nlohmann::json new_answers(const std::vector<nlohmann::json>& answers);

}  // namespace loquat::feedback
