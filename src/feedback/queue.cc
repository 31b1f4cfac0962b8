#include "feedback/queue.h"

#include <algorithm>

#include "base/rng.h"
#include "feedback/edited.h"
#include "feedback/gold.h"
#include "feedback/labels.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

// Tasks whose time is over give their places back.
Status take_back(Session& session, const std::string& project, int64_t now) {
  TRY(const Rows over, session.run("SELECT id, item FROM feedback_tasks WHERE project = $1 AND state = 'open' AND "
                                   "expires <= $2",
                                   {project, now}));
  for (const Row& row : over.rows) {
    TRY_STATUS(
        session.run("UPDATE feedback_tasks SET state = 'expired', ended = $2 WHERE id = $1", {row.text(0), now}));
    TRY_STATUS(session.run("UPDATE feedback_items SET holders = holders - 1 WHERE id = $1", {row.text(1)}));
  }
  return {};
}

// An item that this person has not had. Those that others have begun come first, so that whole overlaps are reached
// early; a person reviews no label of their own. "": none.
Result<std::string> plain_item(Session& session, const Project& project, const std::string& person) {
  TRY(const Rows found,
      session.run(
          "SELECT i.id FROM feedback_items i WHERE i.project = $1 AND i.gold IS NULL AND i.adjudicated IS NULL "
          "AND i.holders < $2 AND ($3 = 0 OR i.answers IS NOT NULL) AND (i.reviewed IS NULL OR (i.author <> $4 "
          "AND EXISTS (SELECT 1 FROM feedback_labels l WHERE l.id = i.reviewed))) AND NOT EXISTS (SELECT 1 FROM "
          "feedback_tasks t WHERE t.item = i.id AND t.person = $4) ORDER BY i.holders DESC, i.number LIMIT 1",
          {project.id, project.overlap, int64_t{project.kind == kRanking}, person}));
  return found.rows.empty() ? std::string() : found.rows[0].text(0);
}

Result<std::string> gold_item(Session& session, const Project& project, const std::string& person) {
  TRY(const Rows found,
      session.run("SELECT i.id FROM feedback_items i WHERE i.project = $1 AND i.gold IS NOT NULL AND i.retired = 0 AND "
                  "NOT EXISTS (SELECT 1 "
                  "FROM feedback_tasks t WHERE t.item = i.id AND t.person = $2) ORDER BY i.number LIMIT 1",
                  {project.id, person}));
  return found.rows.empty() ? std::string() : found.rows[0].text(0);
}

// Whether the person's next one is a gold question: drawn, so that nobody can count which it is.
Result<bool> gold_is_due(Session& session, const Project& project, const std::string& person) {
  if (project.gold_share <= 0) return false;
  TRY(const Rows had,
      session.run("SELECT COUNT(*) FROM feedback_tasks WHERE project = $1 AND person = $2", {project.id, person}));
  Rng rng(hash64(project.id + person), "gold " + had.rows.at(0).text(0));
  return rng.chance(project.gold_share);
}

Result<std::string> choose_item(Session& session, const Project& project, const std::string& person) {
  TRY(const bool gold, gold_is_due(session, project, person));
  if (gold) {
    TRY(std::string item, gold_item(session, project, person));
    if (!item.empty()) return item;
  }
  return plain_item(session, project, person);
}

// The person's own task that was taken back and whose place nobody else took: the last resort. "": none.
Result<std::string> revived_task(Session& session, const Project& project, const std::string& person, int64_t now) {
  TRY(const Rows found,
      session.run(
          "SELECT t.id, t.item FROM feedback_tasks t JOIN feedback_items i ON i.id = t.item WHERE t.project = $1 "
          "AND t.person = $2 AND t.state = 'expired' AND i.adjudicated IS NULL AND i.retired = 0 AND (i.gold IS NOT "
          "NULL OR i.holders < $3) ORDER BY i.number LIMIT 1",
          {project.id, person, project.overlap}));
  if (found.rows.empty()) return std::string();
  std::string task = found.rows[0].text(0);
  TRY_STATUS(session.run("UPDATE feedback_tasks SET state = 'open', expires = $2, ended = NULL WHERE id = $1",
                         {task, now + project.minutes * 60}));
  TRY_STATUS(session.run("UPDATE feedback_items SET holders = holders + 1 WHERE id = $1", {found.rows[0].text(1)}));
  return task;
}

Result<std::string> new_task(Session& session, const Project& project, const std::string& person,
                             const std::string& item, int64_t now) {
  std::string task = new_id("task-");
  TRY_STATUS(
      session.run("INSERT INTO feedback_tasks (id, project, item, person, state, created, expires) VALUES ($1, "
                  "$2, $3, $4, 'open', $5, $6)",
                  {task, project.id, item, person, now, now + project.minutes * 60}));
  TRY_STATUS(session.run("UPDATE feedback_items SET holders = holders + 1 WHERE id = $1", {item}));
  return task;
}

// In an order of the task's own, without what tells who wrote them.
json shown_answers(const json& answers, const std::string& task) {
  std::vector<json> out = unnamed(answers).get<std::vector<json>>();
  Rng(hash64(task), "answers").shuffle(out);
  return out;
}

// What is judged of a label, as one text.
std::string text_of_label(const std::string& kind, const json& label, const json& answers) {
  std::string out;
  if (kind == kDemonstration) return label.at("content").get<std::string>();
  if (kind == kRanking) {
    std::vector<std::pair<int64_t, std::string>> ranked;
    for (const json& answer : answers) {
      const json rank = label.value("ranks", json::object()).value(answer.at("id").get<std::string>(), json());
      if (rank.is_number()) ranked.emplace_back(rank.get<int64_t>(), answer.at("content").get<std::string>());
    }
    std::sort(ranked.begin(), ranked.end());
    for (const auto& [rank, text] : ranked) out += fmt::format("{}{}. {}", out.empty() ? "" : "\n\n", rank, text);
    return out;
  }
  for (const json& turn : label.at("messages"))
    out += fmt::format("{}{}: {}", out.empty() ? "" : "\n\n", turn.at("role").get<std::string>(),
                       turn.value("content", ""));
  return out;
}

// A review shows the label as the one answer to its prompt.
json answers_to_show(const Row& row, const std::string& task) {
  const json answers = from_stored(row.text(4));
  if (row.null(6)) return shown_answers(answers, task);
  return {{{"id", "label"}, {"content", text_of_label(row.text(7), from_stored(row.text(6)), answers)}}};
}

Result<json> described(Session& session, const Project& project, const std::string& task) {
  TRY(const Rows found,
      session.run("SELECT t.item, t.expires, t.draft, i.messages, i.answers, i.suggestion, l.label, p.kind FROM "
                  "feedback_tasks t JOIN feedback_items i ON i.id = t.item LEFT JOIN feedback_labels l ON l.id = "
                  "i.reviewed LEFT JOIN feedback_projects p ON p.id = l.project WHERE t.id = $1",
                  {task}));
  const Row& row = found.rows.at(0);
  return json{{"id", task},
              {"project", project.id},
              {"kind", project.kind},
              {"item", row.text(0)},
              {"messages", from_stored(row.text(3))},
              {"answers", answers_to_show(row, task)},
              {"draft", from_stored(row.text(2))},
              {"expires", row.integer(1)},
              {"warning", project.warning},
              {"suggestion", row.text(5)},
              {"prefill", project.prefill && !row.text(5).empty()},
              {"reviewed", row.null(6) ? json() : json{{"kind", row.text(7)}, {"label", from_stored(row.text(6))}}}};
}

Result<std::string> open_task(Session& session, const Project& project, const std::string& person, int64_t now) {
  TRY(const Rows mine,
      session.run("SELECT id FROM feedback_tasks WHERE project = $1 AND person = $2 AND state = 'open'",
                  {project.id, person}));
  if (!mine.rows.empty()) return mine.rows[0].text(0);
  TRY(const std::string item, choose_item(session, project, person));
  if (!item.empty()) return new_task(session, project, person, item, now);
  return revived_task(session, project, person, now);
}

}  // namespace

Queue::Queue(std::shared_ptr<database::Database> database, Clock clock)
    : database_(std::move(database)), clock_(std::move(clock)) {}

Outcome<Next> Queue::next(const std::string& project_id, const std::string& person) {
  Next next;
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const bool there, lock_project(session, project_id));
    if (!there) return refuse(not_there("There is no such project."));
    TRY(const auto project, project_in(session, project_id));
    if (project->closed) return {};
    const int64_t now = clock_();
    TRY_STATUS(take_back(session, project_id, now));
    TRY(const std::string task, open_task(session, *project, person, now));
    if (!task.empty()) {
      TRY(next.task, described(session, *project, task));
    } else if (project->kind == kRanking) {
      TRY(const Rows waiting,
          session.run("SELECT 1 FROM feedback_items WHERE project = $1 AND answers IS NULL LIMIT 1", {project_id}));
      next.unanswered = !waiting.rows.empty();
    }
    return {};
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return next;
}

namespace {

struct TaskRow {
  TaskInfo info;
  json gold;
  std::string reviewed, suggestion;
  int64_t holders = 0;
  bool adjudicated = false;
};

// Within the project's lock. nullopt: no such task of this person.
Result<std::optional<TaskRow>> read_task(Session& session, const std::string& task, const std::string& person) {
  TRY(const Rows found,
      session.run(
          "SELECT t.item, t.state, t.expires, t.project, i.messages, i.answers, i.gold, i.holders, i.adjudicated, "
          "i.reviewed, i.suggestion FROM feedback_tasks t JOIN feedback_items i ON i.id = t.item WHERE t.id = $1 AND "
          "t.person = "
          "$2",
          {task, person}));
  if (found.rows.empty()) return std::optional<TaskRow>();
  const Row& row = found.rows[0];
  TaskRow out;
  out.info = {task, row.text(0), row.text(1), row.integer(2), {}, from_stored(row.text(4)), from_stored(row.text(5))};
  TRY(auto project, project_in(session, row.text(3)));
  out.info.project = *std::move(project);
  out.gold = from_stored(row.text(6));
  out.holders = row.integer(7);
  out.adjudicated = !row.null(8);
  out.reviewed = row.text(9);
  out.suggestion = row.text(10);
  return std::optional(std::move(out));
}

// The verdict stands at the label; a mended text takes the place of a demonstration's, which its history keeps.
Status apply_review(Session& session, const std::string& reviewed, const std::string& person, const json& review,
                    int64_t now) {
  TRY(const Rows found, session.run("SELECT l.label, p.kind FROM feedback_labels l JOIN feedback_projects p ON p.id = "
                                    "l.project WHERE l.id = $1",
                                    {reviewed}));
  if (found.rows.empty()) return {};  // erased meanwhile
  std::string verdict = review.at("verdict").get<std::string>();
  const json mended = review.value("content", json());
  if (verdict == "fix" && mended.is_string() && mended != "" && found.rows[0].text(1) == kDemonstration) {
    json label = from_stored(found.rows[0].text(0));
    label["content"] = mended;
    label.erase("spans");  // of the text that was
    const json said = review.value("comment", json());
    const std::string comment = said.is_string() ? said.get<std::string>() : std::string();
    TRY_STATUS(correct_label(session, reviewed, person, label, comment, now));
    verdict = "good";
  }
  TRY_STATUS(session.run("UPDATE feedback_labels SET verdict = $2 WHERE id = $1", {reviewed, verdict}));
  return {};
}

Result<std::string> insert_label(Session& session, const TaskRow& task, const std::string& person, const json& label,
                                 int64_t now) {
  const std::string id = new_id("label-");
  const json seconds = label.value("seconds", json(0));
  const auto score = task.gold.is_null() ? std::nullopt : gold_score(task.gold, task.info.answers, label);
  std::optional<double> edited;  // of what began with a suggestion
  if (task.info.project.prefill && !task.suggestion.empty())
    edited = edited_share(task.suggestion, label.at("content").get<std::string>());
  TRY_STATUS(session.run(
      "INSERT INTO feedback_labels (id, task, project, item, person, label, seconds, created, changed, "
      "gold, verdict, edited) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, '', $10)",
      {id, task.info.id, task.info.project.id, task.info.item, person, stored(label),
       seconds.is_number() ? seconds.get<double>() : 0.0, now, score ? database::Value(*score) : database::Value(),
       edited ? database::Value(*edited) : database::Value()}));
  TRY_STATUS(session.run("UPDATE feedback_tasks SET state = 'done', ended = $2, draft = NULL WHERE id = $1",
                         {task.info.id, now}));
  if (task.info.state != "open")
    TRY_STATUS(session.run("UPDATE feedback_items SET holders = holders + 1 WHERE id = $1", {task.info.item}));
  if (!task.reviewed.empty()) TRY_STATUS(apply_review(session, task.reviewed, person, label, now));
  return id;
}

// Whether what is sent comes after the task was given to others.
bool is_late(const TaskRow& task) {
  if (task.info.state == "open") return false;  // perhaps over its time, but nobody has taken its place
  return task.adjudicated || (task.gold.is_null() && task.holders >= task.info.project.overlap);
}

}  // namespace

Outcome<Submitted> Queue::submit(const std::string& task_id, const std::string& person, const json& label) {
  Submitted out;
  Refusal refuse;
  std::optional<Refused> kept;  // refused, but what was sent is kept
  auto which = database_->run("SELECT project FROM feedback_tasks WHERE id = $1 AND person = $2", {task_id, person});
  if (!which.ok()) return Error{which.error()};
  if (which->rows.empty()) return not_there("There is no such task.");
  const std::string project_id = which->rows[0].text(0);
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(lock_project(session, project_id));
    TRY(const auto task, read_task(session, task_id, person));
    if (!task) return refuse(not_there("There is no such task."));
    const Project& project = task->info.project;
    const auto next_there = [&]() -> Status {
      TRY(const std::string more, plain_item(session, project, person));
      out.next = !more.empty();
      return {};
    };
    if (task->info.state == "done") {
      // A browser sends a request again by itself when its connection breaks.
      TRY(const Rows sent, session.run("SELECT id, label FROM feedback_labels WHERE task = $1", {task_id}));
      if (sent.rows.empty() || from_stored(sent.rows[0].text(1)) != label)
        return refuse(conflict("submitted", "This task has been submitted already."));
      out.label = sent.rows[0].text(0);
      return next_there();
    }
    const LabelSubject subject{project.kind, task->info.answers, project.criteria};
    if (auto wrong = wrong_label(subject, label)) return refuse(*wrong);
    if (project.closed) kept = conflict("closed", "This project is closed. What you sent is kept as a draft.");
    if (!kept && is_late(*task))
      kept = conflict("late",
                      "The time for this task is over and others have taken it. What you sent is kept as a draft.");
    if (kept) {
      TRY_STATUS(session.run("UPDATE feedback_tasks SET draft = $2 WHERE id = $1", {task_id, stored(label)}));
      return {};
    }
    TRY(out.label, insert_label(session, *task, person, label, clock_()));
    return next_there();
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  if (kept) return *kept;
  return out;
}

Outcome<Done> Queue::keep_draft(const std::string& task, const std::string& person, const json& draft) {
  const std::string text = stored(draft);
  if (text.size() > kLargestDraft)
    return wrong_field("", fmt::format("a draft of {} bytes; {} are allowed", text.size(), kLargestDraft));
  auto kept = database_->run("UPDATE feedback_tasks SET draft = $3 WHERE id = $1 AND person = $2 AND state <> 'done'",
                             {task, person, text});
  if (!kept.ok()) return Error{kept.error()};
  if (kept->changed == 1) return Done{};
  auto found = this->task(task, person);
  if (!found.ok()) return found.refused();
  return conflict("submitted", "This task has been submitted already.");
}

Outcome<Done> Queue::skip(const std::string& task_id, const std::string& person, const std::string& reason) {
  auto found = task(task_id, person);
  if (!found.ok()) return found.refused();
  if (reason.size() > 2000) return wrong_field("reason", "reason: more than 2000 bytes");
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(lock_project(session, found->project.id));
    TRY(const auto now, read_task(session, task_id, person));
    if (!now) return refuse(not_there("There is no such task."));
    if (now->info.state == "done") return refuse(conflict("submitted", "This task has been submitted already."));
    if (now->info.state == "open")
      TRY_STATUS(session.run("UPDATE feedback_items SET holders = holders - 1 WHERE id = $1", {now->info.item}));
    TRY_STATUS(session.run("UPDATE feedback_tasks SET state = 'skipped', ended = $2, reason = $3 WHERE id = $1",
                           {task_id, clock_(), stored(reason)}));
    return {};
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return Done{};
}

Outcome<TaskInfo> Queue::task(const std::string& id, const std::string& person) const {
  std::optional<TaskRow> found;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(found, read_task(session, id, person));
    return {};
  });
  if (!status.ok()) return Error{status.error()};
  if (!found) return not_there("There is no such task.");
  return std::move(found->info);
}

Result<std::vector<Unanswered>> Queue::unanswered(const std::string& project, int64_t most) const {
  TRY(const Rows found, database_->run("SELECT id, messages FROM feedback_items WHERE project = $1 AND answers IS NULL "
                                       "ORDER BY number LIMIT $2",
                                       {project, most}));
  std::vector<Unanswered> out;
  for (const Row& row : found.rows) out.push_back({row.text(0), from_stored(row.text(1))});
  return out;
}

int64_t Queue::answered_and_free(const std::string& project) const {
  const auto found = database_->run(
      "SELECT COUNT(*) FROM feedback_items WHERE project = $1 AND gold IS NULL AND answers IS NOT NULL AND holders = 0",
      {project});
  return found.ok() ? found->rows.at(0).integer(0) : 0;
}

Status Queue::set_answers(const std::string& item, const json& answers) {
  TRY_STATUS(database_->run("UPDATE feedback_items SET answers = $2 WHERE id = $1 AND answers IS NULL",
                            {item, stored(answers)}));
  return {};
}

}  // namespace loquat::feedback
