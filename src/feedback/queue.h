// The queue: hands items to people as tasks and takes labels back. An item goes to as many people as its project's
// overlap says, never twice to one; a task that nobody finished in time is taken back. All under the project's lock
// (schema.h), so that this holds with any number of servers on one database. A label is committed before it is
// acknowledged.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "feedback/projects.h"

namespace loquat::feedback {

// What `next` found: a task, or nothing for this person; `unanswered`: items are left that wait for models' answers.
struct Next {
  std::optional<nlohmann::json> task;
  bool unanswered = false;
};

struct Submitted {
  std::string label;
  bool next = false;  // there is more for this person
};

// One person's task, for what is done beside it.
struct TaskInfo {
  std::string id, item, state;
  int64_t expires = 0;
  Project project;
  nlohmann::json messages, answers;
};

struct Unanswered {
  std::string item;
  nlohmann::json messages;
};

class Queue {
 public:
  Queue(std::shared_ptr<database::Database> database, Clock clock);

  // The task that the person has open in this project, else a new one.
  Outcome<Next> next(const std::string& project, const std::string& person);
  // Conflicts: "submitted" (before), "closed" (the project), "late" (the task was taken back and others have the item);
  // what was sent then is the task's draft.
  Outcome<Submitted> submit(const std::string& task, const std::string& person, const nlohmann::json& label);
  Outcome<Done> keep_draft(const std::string& task, const std::string& person, const nlohmann::json& draft);
  Outcome<Done> skip(const std::string& task, const std::string& person, const std::string& reason);
  Outcome<TaskInfo> task(const std::string& id, const std::string& person) const;

  // Items of a ranking whose answers no model has written yet, the first ones first.
  Result<std::vector<Unanswered>> unanswered(const std::string& project, int64_t most) const;
  int64_t answered_and_free(const std::string& project) const;
  // Of two that answer one item the first counts.
  Status set_answers(const std::string& item, const nlohmann::json& answers);

 private:
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

}  // namespace loquat::feedback
