#include "feedback/schema.h"

#include <chrono>

#include "base/random_id.h"

namespace loquat::feedback {
namespace {

using database::Migration;

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> kMigrations = {
      {1,
       {"CREATE TABLE feedback_projects (id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, settings TEXT "
        "NOT "
        "NULL, overlap BIGINT NOT NULL, closed BIGINT NOT NULL, created BIGINT NOT NULL, turn BIGINT NOT NULL)",
        // holders: how many have the item or have done it. adjudicated: a label that stands instead of the others.
        "CREATE TABLE feedback_items (id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES feedback_projects (id), "
        "number BIGINT NOT NULL, hash TEXT NOT NULL, messages TEXT NOT NULL, answers TEXT, gold TEXT, suggestion TEXT "
        "NOT NULL, reviewed TEXT, author TEXT, holders BIGINT NOT NULL, adjudicated TEXT, adjudicator TEXT, UNIQUE "
        "(project, hash))",
        "CREATE INDEX feedback_items_to_do ON feedback_items (project, holders)",
        // state: open, done, skipped, expired
        "CREATE TABLE feedback_tasks (id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES feedback_projects (id), "
        "item "
        "TEXT NOT NULL REFERENCES feedback_items (id), person TEXT NOT NULL, state TEXT NOT NULL, created BIGINT NOT "
        "NULL, expires BIGINT NOT NULL, ended BIGINT, reason TEXT, draft TEXT, UNIQUE (item, person))",
        "CREATE INDEX feedback_tasks_open ON feedback_tasks (project, state, expires)",
        "CREATE INDEX feedback_tasks_person ON feedback_tasks (person, project)",
        "CREATE TABLE feedback_labels (id TEXT PRIMARY KEY, task TEXT NOT NULL UNIQUE REFERENCES feedback_tasks (id), "
        "project TEXT NOT NULL, item TEXT NOT NULL REFERENCES feedback_items (id), person TEXT NOT NULL, label TEXT "
        "NOT "
        "NULL, seconds DOUBLE PRECISION NOT NULL, created BIGINT NOT NULL, changed BIGINT NOT NULL, gold DOUBLE "
        "PRECISION, verdict TEXT NOT NULL)",
        "CREATE INDEX feedback_labels_project ON feedback_labels (project, item)",
        "CREATE INDEX feedback_labels_person ON feedback_labels (person)",
        "CREATE TABLE feedback_label_history (label TEXT NOT NULL REFERENCES feedback_labels (id), number BIGINT NOT "
        "NULL, before TEXT NOT NULL, person TEXT NOT NULL, why TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY "
        "(label, "
        "number))",
        // On one message; turns, text and what made it are copies, so that they outlive the conversation's changes.
        "CREATE TABLE feedback_messages (id TEXT PRIMARY KEY, person TEXT NOT NULL, conversation TEXT NOT NULL, "
        "message "
        "TEXT NOT NULL, feedback TEXT NOT NULL, turns TEXT NOT NULL, answer TEXT NOT NULL, created BIGINT NOT NULL, "
        "may_review BIGINT NOT NULL, may_train BIGINT NOT NULL, UNIQUE (person, message))",
        "CREATE TABLE feedback_comparisons (id TEXT PRIMARY KEY, person TEXT NOT NULL, conversation TEXT NOT NULL, "
        "kind "
        "TEXT NOT NULL, turns TEXT NOT NULL, answers TEXT NOT NULL, choice TEXT NOT NULL, best BIGINT NOT NULL, "
        "created "
        "BIGINT NOT NULL, may_review BIGINT NOT NULL, may_train BIGINT NOT NULL)",
        "CREATE INDEX feedback_comparisons_person ON feedback_comparisons (person)",
        "CREATE TABLE feedback_blind (id TEXT PRIMARY KEY, person TEXT NOT NULL, sides TEXT NOT NULL, choice TEXT, "
        "created BIGINT NOT NULL)",
        "CREATE TABLE feedback_datasets (hash TEXT PRIMARY KEY, name TEXT NOT NULL, created BIGINT NOT NULL, rows "
        "BIGINT "
        "NOT NULL, request TEXT NOT NULL, files TEXT NOT NULL)",
        "CREATE TABLE feedback_dataset_sources (dataset TEXT NOT NULL REFERENCES feedback_datasets (hash), kind TEXT "
        "NOT "
        "NULL, source TEXT NOT NULL, person TEXT NOT NULL, conversation TEXT NOT NULL, PRIMARY KEY (dataset, kind, "
        "source))",
        "CREATE INDEX feedback_dataset_sources_person ON feedback_dataset_sources (person)",
        "CREATE TABLE feedback_dataset_models (dataset TEXT NOT NULL REFERENCES feedback_datasets (hash), model TEXT "
        "NOT "
        "NULL, created BIGINT NOT NULL, PRIMARY KEY (dataset, model))"}},
      {2,
       {// Of a prompt that was taken out of somebody's chat: whose, and which; else "".
        "ALTER TABLE feedback_items ADD COLUMN from_person TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE feedback_items ADD COLUMN from_conversation TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX feedback_items_from ON feedback_items (from_person)",
        // 1: a gold question that is handed out no more.
        "ALTER TABLE feedback_items ADD COLUMN retired BIGINT NOT NULL DEFAULT 0",
        // Of a label that began from a model's suggestion: how much of it was changed, 0 to 1; else null.
        "ALTER TABLE feedback_labels ADD COLUMN edited DOUBLE PRECISION",
        "CREATE INDEX feedback_messages_conversation ON feedback_messages (conversation)"}},
  };
  return kMigrations;
}

}  // namespace

int64_t system_clock() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Status migrate(database::Database& database) {
  return database.migrate("feedback", migrations());
}

std::string new_id(const std::string& prefix) {
  return prefix + random_id();
}

Result<bool> lock_project(database::Session& session, const std::string& project) {
  TRY(const database::Rows taken, session.run("UPDATE feedback_projects SET turn = turn + 1 WHERE id = $1", {project}));
  return taken.changed == 1;
}

std::string stored(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json from_stored(const std::string& text) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  return value.is_discarded() ? nlohmann::json() : value;
}

}  // namespace loquat::feedback
