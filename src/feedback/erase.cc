#include "feedback/erase.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;

Status erase_labels(Session& session, const std::string& person, Erased& erased) {
  // In one order, as everyone who takes several projects must.
  TRY(const Rows projects, session.run("SELECT DISTINCT project FROM feedback_tasks WHERE person = $1 UNION SELECT "
                                       "project FROM feedback_items WHERE adjudicator = $1 ORDER BY project",
                                       {person}));
  for (const Row& row : projects.rows) TRY_STATUS(lock_project(session, row.text(0)));
  TRY_STATUS(
      session.run("UPDATE feedback_items SET holders = holders - 1 WHERE id IN (SELECT item FROM feedback_tasks "
                  "WHERE person = $1 AND state IN ('open', 'done'))",
                  {person}));
  TRY_STATUS(
      session.run("DELETE FROM feedback_label_history WHERE label IN (SELECT id FROM feedback_labels WHERE person "
                  "= $1)",
                  {person}));
  TRY_STATUS(session.run("UPDATE feedback_label_history SET person = '', why = '\"\"' WHERE person = $1", {person}));
  TRY(const Rows labels, session.run("DELETE FROM feedback_labels WHERE person = $1", {person}));
  TRY_STATUS(session.run("DELETE FROM feedback_tasks WHERE person = $1", {person}));
  TRY(const Rows adjudicated,
      session.run("UPDATE feedback_items SET adjudicated = NULL, adjudicator = NULL WHERE adjudicator = $1", {person}));
  erased.labels = labels.changed + adjudicated.changed;
  return {};
}

}  // namespace

Status forget_prompts(Session& session, const std::string& person, const std::string& conversation) {
  TRY(const Rows projects, session.run("SELECT DISTINCT project FROM feedback_items WHERE from_person = $1 AND ($2 = "
                                       "'' OR from_conversation = $2) ORDER BY project",
                                       {person, conversation}));
  for (const Row& row : projects.rows) TRY_STATUS(lock_project(session, row.text(0)));
#define THESE "(SELECT id FROM feedback_items WHERE from_person = $1 AND ($2 = '' OR from_conversation = $2))"
  TRY_STATUS(
      session.run("DELETE FROM feedback_label_history WHERE label IN (SELECT id FROM feedback_labels WHERE item "
                  "IN " THESE ")",
                  {person, conversation}));
  TRY_STATUS(session.run("DELETE FROM feedback_labels WHERE item IN " THESE, {person, conversation}));
  TRY_STATUS(session.run("DELETE FROM feedback_tasks WHERE item IN " THESE, {person, conversation}));
#undef THESE
  TRY_STATUS(session.run("DELETE FROM feedback_items WHERE from_person = $1 AND ($2 = '' OR from_conversation = $2)",
                         {person, conversation}));
  return {};
}

Result<Erased> erase_person(database::Database& database, const std::string& person) {
  Erased erased;
  TRY_STATUS(database.transaction([&](Session& session) -> Status {
    TRY(const Rows datasets, session.run("SELECT hash, name FROM feedback_datasets WHERE hash IN (SELECT dataset FROM "
                                         "feedback_dataset_sources WHERE person = $1) ORDER BY created, hash",
                                         {person}));
    for (const Row& row : datasets.rows) erased.datasets.push_back({row.text(0), row.text(1)});
    TRY(const Rows models,
        session.run("SELECT DISTINCT model FROM feedback_dataset_models WHERE dataset IN (SELECT dataset FROM "
                    "feedback_dataset_sources WHERE person = $1) ORDER BY model",
                    {person}));
    for (const Row& row : models.rows) erased.models.push_back(row.text(0));
    TRY_STATUS(erase_labels(session, person, erased));
    TRY_STATUS(forget_prompts(session, person, ""));
    TRY(const Rows messages, session.run("DELETE FROM feedback_messages WHERE person = $1", {person}));
    TRY(const Rows comparisons, session.run("DELETE FROM feedback_comparisons WHERE person = $1", {person}));
    TRY_STATUS(session.run("DELETE FROM feedback_blind WHERE person = $1", {person}));
    erased.feedback = messages.changed + comparisons.changed;
    return {};
  }));
  return erased;
}

}  // namespace loquat::feedback
