#include "feedback/labels.h"

#include <algorithm>
#include <set>

#include "feedback/edited.h"
#include "feedback/judgments.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

json described(const Row& row) {
  return {{"id", row.text(0)},
          {"project", row.text(1)},
          {"item", row.text(2)},
          {"person", row.text(3)},
          {"label", from_stored(row.text(4))},
          {"seconds", row.real(5)},
          {"created", row.integer(6)},
          {"changed", row.integer(7)},
          {"gold", !row.null(11)},
          {"gold_score", row.null(8) ? json() : json(row.real(8))},
          {"verdict", row.text(9)},
          {"kind", row.text(10)},
          {"adjudicated", !row.null(12)},
          {"edited", row.null(13) ? json() : json(row.real(13))}};
}

// 0 where all are of one mind, 1 where nobody is.
double disagreement(const std::string& kind, const std::vector<json>& labels, const json& answers) {
  if (kind == kRanking) {
    PairCount count;
    for (size_t a = 0; a < labels.size(); ++a) {
      for (size_t b = a + 1; b < labels.size(); ++b)
        count += same_order(places(labels[a].at("ranks"), answers), places(labels[b].at("ranks"), answers));
    }
    return count.pairs == 0 ? 0 : 1 - static_cast<double>(count.agreed) / static_cast<double>(count.pairs);
  }
  std::set<std::string> opinions;
  int64_t least = 4, most = 0;
  for (const json& label : labels) {
    if (kind == kReview) opinions.insert(label.at("verdict").get<std::string>());
    if (kind != kRedTeam) continue;
    least = std::min(least, label.at("harm").get<int64_t>());
    most = std::max(most, label.at("harm").get<int64_t>());
  }
  if (kind == kReview) return static_cast<double>(opinions.size() - 1) / 2;
  return kind == kRedTeam ? static_cast<double>(most - least) / 4 : 0;
}

}  // namespace

Labels::Labels(std::shared_ptr<database::Database> database, Clock clock)
    : database_(std::move(database)), clock_(std::move(clock)) {}

Outcome<json> Labels::list(const std::string& project, const std::string& person, const std::string& item) const {
  auto found = database_->run(
      "SELECT l.id, l.project, l.item, l.person, l.label, l.seconds, l.created, l.changed, l.gold, l.verdict, p.kind, "
      "i.gold, i.adjudicated, l.edited FROM feedback_labels l JOIN feedback_items i ON i.id = l.item JOIN "
      "feedback_projects p ON p.id = l.project WHERE l.project = $1 AND ($2 = '' OR l.person = $2) AND ($3 = '' OR "
      "l.item = $3) ORDER BY "
      "l.created DESC, l.id",
      {project, person, item});
  if (!found.ok()) return Error{found.error()};
  json out = json::array();
  for (const Row& row : found->rows) out.push_back(described(row));
  return out;
}

Outcome<json> Labels::get(const std::string& id) const {
  auto found = database_->run(
      "SELECT l.id, l.project, l.item, l.person, l.label, l.seconds, l.created, l.changed, l.gold, l.verdict, p.kind, "
      "i.gold, i.adjudicated, l.edited, i.messages, i.answers FROM feedback_labels l JOIN feedback_items i ON i.id = "
      "l.item JOIN "
      "feedback_projects p ON p.id = l.project WHERE l.id = $1",
      {id});
  if (!found.ok()) return Error{found.error()};
  if (found->rows.empty()) return not_there("There is no such label.");
  auto before = database_->run(
      "SELECT before, person, why, time FROM feedback_label_history WHERE label = $1 ORDER BY number DESC", {id});
  if (!before.ok()) return Error{before.error()};
  const Row& row = found->rows[0];
  json label = described(row);
  label["messages"] = from_stored(row.text(14));
  label["answers"] = unnamed(from_stored(row.text(15)));
  label["history"] = json::array();
  for (const Row& correction : before->rows) {
    label["history"].push_back({{"label", from_stored(correction.text(0))},
                                {"person", correction.text(1)},
                                {"why", from_stored(correction.text(2))},
                                {"time", correction.integer(3)}});
  }
  return label;
}

Outcome<json> Labels::correct(const std::string& id, const std::string& person, bool reviewer, const json& label,
                              const std::string& why) {
  if (why.size() > 2000) return wrong_field("why", "why: more than 2000 bytes");
  auto known = get(id);
  if (!known.ok()) return known.refused();
  if (!reviewer && (*known)["person"] != person) return not_there("There is no such label.");
  if (!reviewer && (*known)["verdict"] == "reject")
    return conflict("rejected", "This label was rejected in its review; a reviewer may correct it.");
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    const auto project_id = (*known)["project"].get<std::string>();
    TRY_STATUS(lock_project(session, project_id));
    TRY(const auto project, project_in(session, project_id));
    const LabelSubject subject{project->kind, (*known)["answers"], project->criteria};
    if (auto wrong = wrong_label(subject, label)) return refuse(*wrong);
    return correct_label(session, id, person, label, why, clock_());
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return get(id);
}

Status correct_label(Session& session, const std::string& id, const std::string& person, const json& label,
                     const std::string& why, int64_t now) {
  TRY_STATUS(
      session.run("INSERT INTO feedback_label_history (label, number, before, person, why, time) SELECT l.id, "
                  "(SELECT COALESCE(MAX(h.number), 0) + 1 FROM feedback_label_history h WHERE h.label = l.id), "
                  "l.label, $2, $3, $4 FROM feedback_labels l WHERE l.id = $1",
                  {id, person, stored(why), now}));
  TRY(const Rows began, session.run("SELECT i.suggestion FROM feedback_labels l JOIN feedback_items i ON i.id = l.item "
                                    "WHERE l.id = $1 AND l.edited IS NOT NULL",
                                    {id}));
  if (!began.rows.empty()) {
    const double edited = edited_share(began.rows[0].text(0), label.at("content").get<std::string>());
    TRY_STATUS(session.run("UPDATE feedback_labels SET edited = $2 WHERE id = $1", {id, edited}));
  }
  // What a review asked to be fixed has been.
  TRY_STATUS(
      session.run("UPDATE feedback_labels SET label = $2, changed = $3, verdict = CASE WHEN verdict = 'fix' THEN "
                  "'' ELSE verdict END WHERE id = $1",
                  {id, stored(label), now}));
  return {};
}

Outcome<json> Labels::disagreements(const std::string& project, int64_t most) const {
  auto judged = read_judgments(*database_, project);
  if (!judged.ok()) return Error{judged.error()};
  std::vector<std::pair<double, const JudgedItem*>> parted;
  for (const JudgedItem& item : judged->items) {
    if (item.labels.size() < 2 || !item.adjudicated.is_null() || !item.gold.is_null()) continue;
    std::vector<json> labels;
    for (const PersonsLabel& label : item.labels) labels.push_back(label.label);
    const double how_much = disagreement(judged->kind, labels, item.answers);
    if (how_much > 0) parted.emplace_back(how_much, &item);
  }
  std::stable_sort(parted.begin(), parted.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (parted.size() > static_cast<size_t>(most)) parted.resize(static_cast<size_t>(most));
  json items = json::array();
  for (const auto& [how_much, item] : parted) {
    json labels = json::array();
    for (const PersonsLabel& label : item->labels)
      labels.push_back({{"id", label.id},
                        {"project", project},
                        {"item", item->id},
                        {"kind", judged->kind},
                        {"person", label.person},
                        {"created", label.created},
                        {"gold", false},
                        {"adjudicated", false},
                        {"label", label.label}});
    items.push_back({{"item", item->id},
                     {"messages", item->messages},
                     {"answers", unnamed(item->answers)},
                     {"labels", std::move(labels)},
                     {"disagreement", how_much}});
  }
  return json{{"items", std::move(items)}};
}

Outcome<Done> Labels::adjudicate(const std::string& item, const std::string& person, const json& label) {
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const Rows which, session.run("SELECT project, answers FROM feedback_items WHERE id = $1", {item}));
    if (which.rows.empty()) return refuse(not_there("There is no such item."));
    TRY_STATUS(lock_project(session, which.rows[0].text(0)));
    TRY(const auto project, project_in(session, which.rows[0].text(0)));
    const json answers = which.rows[0].null(1) ? json::array() : from_stored(which.rows[0].text(1));
    if (auto wrong = wrong_label({project->kind, answers, project->criteria}, label)) return refuse(*wrong);
    TRY_STATUS(session.run("UPDATE feedback_items SET adjudicated = $2, adjudicator = $3 WHERE id = $1",
                           {item, stored(label), person}));
    return {};
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return Done{};
}

}  // namespace loquat::feedback
