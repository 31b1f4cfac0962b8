#include "feedback/projects.h"

#include <algorithm>
#include <map>

#include "data/row_values.h"
#include "feedback/prompts.h"
#include "store/files.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

Project project_of(const Row& row) {
  Project out;
  out.id = row.text(0);
  out.name = row.text(1);
  out.kind = row.text(2);
  const json settings = from_stored(row.text(3));
  out.overlap = row.integer(4);
  out.closed = row.integer(5) != 0;
  out.created = row.integer(6);
  out.guidelines = settings.value("guidelines", "");
  out.warning = settings.value("warning", "");
  out.models = settings.value("models", std::vector<std::string>{});
  out.criteria = settings.value("criteria", std::vector<std::string>{});
  out.sampling = settings.value("sampling", json::object());
  out.k = settings.value("k", int64_t{4});
  out.minutes = settings.value("minutes", int64_t{60});
  out.gold_share = settings.value("gold_share", 0.0);
  out.prefill = settings.value("prefill", false);
  return out;
}

std::string settings_of(const Project& project) {
  return stored({{"guidelines", project.guidelines},
                 {"warning", project.warning},
                 {"models", project.models},
                 {"criteria", project.criteria},
                 {"sampling", project.sampling},
                 {"k", project.k},
                 {"minutes", project.minutes},
                 {"gold_share", project.gold_share},
                 {"prefill", project.prefill}});
}

using Wrong = std::optional<Refused>;

Wrong found(const std::string& field, const json& value, std::string_view expected) {
  return wrong_field(field, fmt::format("{}: found {}, expected {}", field, shown(value), expected));
}

Wrong take_text(const json& body, const char* key, size_t longest, std::string& out) {
  const auto it = body.find(key);
  if (it == body.end()) return {};
  if (!it->is_string()) return found(key, *it, "text");
  if (it->get_ref<const std::string&>().size() > longest)
    return wrong_field(key, fmt::format("{}: more than {} bytes", key, longest));
  out = it->get<std::string>();
  return {};
}

Wrong take_integer(const json& body, const char* key, int64_t low, int64_t high, int64_t& out) {
  const auto it = body.find(key);
  if (it == body.end()) return {};
  if (!it->is_number_integer() || *it < low || *it > high)
    return found(key, *it, fmt::format("a whole number from {} to {}", low, high));
  out = it->get<int64_t>();
  return {};
}

Wrong take_names(const json& body, const char* key, std::vector<std::string>& out) {
  const auto it = body.find(key);
  if (it == body.end()) return {};
  std::vector<std::string> names;
  if (!it->is_array() || it->size() > 50) return found(key, *it, "a list of at most 50 texts");
  for (const json& name : *it) {
    if (!name.is_string() || name == "" || name.get_ref<const std::string&>().size() > 200)
      return found(key, name, "a short text");
    if (std::find(names.begin(), names.end(), name) != names.end()) return found(key, name, "each name once");
    names.push_back(name.get<std::string>());
  }
  out = std::move(names);
  return {};
}

Wrong take_flag(const json& body, const char* key, bool& out) {
  const auto it = body.find(key);
  if (it == body.end()) return {};
  if (!it->is_boolean()) return found(key, *it, "true or false");
  out = it->get<bool>();
  return {};
}

// What is there of a project's fields.
Wrong take(const json& body, Project& project) {
  if (auto wrong = take_text(body, "name", 200, project.name)) return wrong;
  if (project.name.find_first_not_of(' ') == project.name.npos)
    return wrong_field("name", "name: a project has a name");
  if (auto wrong = take_text(body, "guidelines", 200'000, project.guidelines)) return wrong;
  if (auto wrong = take_text(body, "warning", 10'000, project.warning)) return wrong;
  if (auto wrong = take_names(body, "models", project.models)) return wrong;
  if (auto wrong = take_names(body, "criteria", project.criteria)) return wrong;
  if (std::find(project.criteria.begin(), project.criteria.end(), "overall") != project.criteria.end())
    return wrong_field("criteria", "criteria: an overall score is asked for in any case");
  if (auto wrong = take_integer(body, "k", 4, 9, project.k)) return wrong;
  if (auto wrong = take_integer(body, "overlap", 1, 1000, project.overlap)) return wrong;
  if (auto wrong = take_integer(body, "minutes", 1, 60 * 24 * 30, project.minutes)) return wrong;
  if (const auto it = body.find("gold_share"); it != body.end()) {
    if (!it->is_number() || *it < 0 || *it > 1) return found("gold_share", *it, "a share from 0 to 1");
    project.gold_share = it->get<double>();
  }
  if (const auto it = body.find("sampling"); it != body.end()) {
    if (!it->is_object()) return found("sampling", *it, "an object");
    project.sampling = *it;
  }
  if (auto wrong = take_flag(body, "closed", project.closed)) return wrong;
  if (auto wrong = take_flag(body, "prefill", project.prefill)) return wrong;
  if (project.prefill && project.kind != kDemonstration)
    return wrong_field("prefill", "prefill: only demonstrations begin with a suggestion");
  return {};
}

}  // namespace

Projects::Projects(std::shared_ptr<database::Database> database, Clock clock)
    : database_(std::move(database)), clock_(std::move(clock)) {}

Outcome<Project> Projects::create(const json& wanted) {
  Project project;
  project.id = new_id("project-");
  project.created = clock_();
  const json kind = wanted.value("kind", json());
  if (!kind.is_string() || !is_kind(kind.get_ref<const std::string&>()))
    return *found("kind", kind, "\"demonstration\", \"dialogue\", \"ranking\", \"redteam\" or \"review\"");
  project.kind = kind.get<std::string>();
  if (auto wrong = take(wanted, project)) return *wrong;
  const auto made = database_->run(
      "INSERT INTO feedback_projects (id, name, kind, settings, overlap, closed, created, turn) VALUES ($1, $2, $3, "
      "$4, "
      "$5, $6, $7, 0)",
      {project.id, project.name, project.kind, settings_of(project), project.overlap, int64_t{project.closed},
       project.created});
  if (!made.ok()) return Error{made.error()};
  return project;
}

Outcome<Project> Projects::change(const std::string& id, const json& wanted) {
  Project project;
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const bool there, lock_project(session, id));
    if (!there) return refuse(not_there("There is no such project."));
    TRY(auto now, project_in(session, id));
    project = *std::move(now);
    if (const auto kind = wanted.find("kind"); kind != wanted.end() && *kind != project.kind)
      return refuse(*found("kind", *kind, fmt::format("\"{}\": a project's kind stays", project.kind)));
    if (auto wrong = take(wanted, project)) return refuse(*wrong);
    TRY_STATUS(
        session.run("UPDATE feedback_projects SET name = $2, settings = $3, overlap = $4, closed = $5 WHERE id = $1",
                    {id, project.name, settings_of(project), project.overlap, int64_t{project.closed}}));
    return {};
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return project;
}

Result<std::optional<Project>> project_in(Session& session, const std::string& id) {
  TRY(const Rows found, session.run("SELECT id, name, kind, settings, overlap, closed, created FROM feedback_projects "
                                    "WHERE id = $1",
                                    {id}));
  if (found.rows.empty()) return std::optional<Project>();
  return std::optional(project_of(found.rows[0]));
}

Outcome<Project> Projects::get(const std::string& id) const {
  auto found = database_->run(
      "SELECT id, name, kind, settings, overlap, closed, created FROM feedback_projects WHERE id = $1", {id});
  if (!found.ok()) return Error{found.error()};
  if (found->rows.empty()) return not_there("There is no such project.");
  return project_of(found->rows[0]);
}

Result<std::vector<Project>> Projects::list() const {
  TRY(const Rows found, database_->run("SELECT id, name, kind, settings, overlap, closed, created FROM "
                                       "feedback_projects ORDER BY created DESC, id"));
  std::vector<Project> out;
  for (const Row& row : found.rows) out.push_back(project_of(row));
  return out;
}

Outcome<json> Projects::described(const Project& project) const {
  auto counted = database_->run(
      "SELECT (SELECT COUNT(*) FROM feedback_items WHERE project = $1 AND gold IS NULL), (SELECT COUNT(*) FROM "
      "feedback_tasks WHERE project = $1 AND state = 'open' AND expires > $2), (SELECT COUNT(*) FROM (SELECT l.item "
      "FROM "
      "feedback_labels l JOIN feedback_items i ON i.id = l.item WHERE l.project = $1 AND i.gold IS NULL GROUP BY "
      "l.item "
      "HAVING COUNT(*) >= $3) AS finished), (SELECT COUNT(*) FROM feedback_labels WHERE project = $1)",
      {project.id, clock_(), project.overlap});
  if (!counted.ok()) return Error{counted.error()};
  const Row& row = counted->rows.at(0);
  json counts = {
      {"prompts", row.integer(0)}, {"open", row.integer(1)}, {"done", row.integer(2)}, {"labels", row.integer(3)}};
  return json{{"id", project.id},
              {"name", project.name},
              {"kind", project.kind},
              {"guidelines", project.guidelines},
              {"models", project.models},
              {"k", project.k},
              {"sampling", project.sampling},
              {"overlap", project.overlap},
              {"minutes", project.minutes},
              {"gold_share", project.gold_share},
              {"prefill", project.prefill},
              {"warning", project.warning},
              {"criteria", project.criteria},
              {"closed", project.closed},
              {"created", project.created},
              {"counts", std::move(counts)}};
}

namespace {

// The number that the next item gets, and what is there already.
Status insert_items(Session& session, const Project& project, const std::vector<NewItem>& items, Imported& imported) {
  TRY(const Rows last,
      session.run("SELECT COALESCE(MAX(number), 0) FROM feedback_items WHERE project = $1", {project.id}));
  int64_t number = last.rows.at(0).integer(0);
  for (const NewItem& item : items) {
    const auto or_null = [](const json& value) {
      return value.is_null() ? database::Value() : database::Value(stored(value));
    };
    TRY(const Rows added,
        session.run(
            "INSERT INTO feedback_items (id, project, number, hash, messages, answers, gold, suggestion, "
            "reviewed, author, from_person, from_conversation, holders) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
            "$10, $11, $12, 0) ON CONFLICT "
            "(project, hash) DO NOTHING",
            {new_id("item-"), project.id, ++number, item.hash, stored(item.messages), or_null(item.answers),
             or_null(item.gold), item.suggestion,
             item.reviewed.empty() ? database::Value() : database::Value(item.reviewed),
             item.author.empty() ? database::Value() : database::Value(item.author), item.from.person,
             item.from.conversation}));
    ++(added.changed == 1 ? imported.added : imported.duplicates);
  }
  return {};
}

}  // namespace

Outcome<Imported> Projects::add_prompts(const std::string& id, const json& body, const PromptSource& from) {
  auto project = get(id);
  if (!project.ok()) return project.refused();
  if (project->kind == kReview) return add_reviews(*project, body);
  Imported imported;
  auto items = read_prompts(*project, body, imported);
  if (!items.ok()) return items.refused();
  for (NewItem& item : *items) item.from = from;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(lock_project(session, id));
    return insert_items(session, *project, *items, imported);
  });
  if (!status.ok()) return Error{status.error()};
  return imported;
}

Outcome<Imported> Projects::add_reviews(const Project& project, const json& body) {
  const json of = body.value("labels_of", json());
  if (!of.is_string()) return *found("labels_of", of, "the id of the project whose labels are reviewed");
  auto reviewed = get(of.get<std::string>());
  if (!reviewed.ok()) return reviewed.refused();
  if (reviewed->kind == kReview) return wrong_field("labels_of", "labels_of: reviews are not reviewed");
  auto labels = database_->run(
      "SELECT l.id, l.person, i.messages, i.answers, i.from_person, i.from_conversation FROM feedback_labels l JOIN "
      "feedback_items i ON i.id = l.item "
      "WHERE "
      "l.project = $1 AND i.gold IS NULL ORDER BY l.created, l.id",
      {reviewed->id});
  if (!labels.ok()) return Error{labels.error()};
  std::vector<NewItem> items;
  for (const Row& row : labels->rows) {
    NewItem item;
    item.messages = from_stored(row.text(2));
    item.answers = from_stored(row.text(3));
    item.reviewed = row.text(0);
    item.author = row.text(1);
    item.from = {row.text(4), row.text(5)};
    item.hash = sha256_hex("label " + item.reviewed);
    items.push_back(std::move(item));
  }
  Imported imported;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(lock_project(session, project.id));
    return insert_items(session, project, items, imported);
  });
  if (!status.ok()) return Error{status.error()};
  return imported;
}

}  // namespace loquat::feedback
