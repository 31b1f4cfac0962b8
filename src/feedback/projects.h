// Projects of the studio and the items in them. An item is a prompt; of a ranking it has answers too, of a review it is
// another project's label. JSON is as docs/page-api.md has it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/label.h"
#include "feedback/schema.h"

namespace loquat::feedback {

struct Project {
  std::string id, name, kind, guidelines, warning;
  std::vector<std::string> models;
  std::vector<std::string> criteria;
  nlohmann::json sampling = nlohmann::json::object();
  int64_t k = 4;        // answers to rank: 4 to 9
  int64_t overlap = 1;  // people for each item
  int64_t minutes = 60;
  double gold_share = 0;
  bool prefill = false;  // demonstrations begin with the prompt's suggestion
  bool closed = false;
  int64_t created = 0;
};

// Of a prompt that is taken out of somebody's chat: it goes when that does.
struct PromptSource {
  std::string person, conversation;  // "": of nobody's
};

struct Imported {
  int64_t added = 0, duplicates = 0;
  struct Skipped {
    int64_t line;  // of a text from 1; of a list its place from 0
    std::string why;
  };
  std::vector<Skipped> skipped;
};

class Projects {
 public:
  Projects(std::shared_ptr<database::Database> database, Clock clock);

  Outcome<Project> create(const nlohmann::json& wanted);
  // A kind stays as it is.
  Outcome<Project> change(const std::string& id, const nlohmann::json& wanted);
  Outcome<Project> get(const std::string& id) const;
  Result<std::vector<Project>> list() const;  // newest first
  // As the page has it, with its counts. Gold questions are not counted.
  Outcome<nlohmann::json> described(const Project& project) const;

  // {"prompts": [{"messages", "answers"?, "suggestion"?, "gold"?}]}, {"text"} (JSONL in any shape that src/data reads,
  // or a prompt per line), or, of a review, {"labels_of": project}. A prompt that the project has is a duplicate.
  Outcome<Imported> add_prompts(const std::string& id, const nlohmann::json& body, const PromptSource& from = {});

 private:
  Outcome<Imported> add_reviews(const Project& project, const nlohmann::json& body);
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

// Within a transaction.
Result<std::optional<Project>> project_in(database::Session& session, const std::string& id);

}  // namespace loquat::feedback
