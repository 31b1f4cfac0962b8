#include "feedback/gold.h"

#include "data/row_values.h"
#include "feedback/agreement.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

std::optional<Refused> wrong_ranks(const json& ranks, const json& answers) {
  const auto most = static_cast<int64_t>(answers.size());
  if (!ranks.is_object() || ranks.size() != answers.size())
    return wrong_field("ranks", "ranks: expected a rank for each answer");
  for (const json& answer : answers) {
    const std::string field = answer.at("id").get<std::string>();
    const json rank = ranks.value(field, json());
    if (!rank.is_number_integer() || rank < 1 || rank > most)
      return wrong_field(
          "ranks", fmt::format("ranks.{}: found {}, expected a whole number from 1 to {}", field, shown(rank), most));
  }
  return {};
}

std::optional<Refused> wrong_gold_flags(const json& flags, const json& answers) {
  if (!flags.is_object()) return wrong_field("flags", "flags: expected a list of flags for each answer");
  for (const auto& [id, list] : flags.items()) {
    bool known = false;
    for (const json& answer : answers) known |= answer.at("id") == id;
    if (!known || !list.is_array())
      return wrong_field("flags", fmt::format("flags.{}: expected a list of flags of one of the answers", id));
    for (const json& flag : list) {
      if (!flag.is_string() || !is_flag(flag.get_ref<const std::string&>()))
        return wrong_field("flags", fmt::format("flags.{}: found {}, expected a known flag", id, shown(flag)));
    }
  }
  return {};
}

Result<int64_t> rescore(Session& session, const std::string& item, const json& gold, const json& answers) {
  TRY(const Rows labels, session.run("SELECT id, label FROM feedback_labels WHERE item = $1", {item}));
  for (const Row& row : labels.rows) {
    const auto score = gold_score(gold, answers, from_stored(row.text(1)));
    TRY_STATUS(session.run("UPDATE feedback_labels SET gold = $2 WHERE id = $1",
                           {row.text(0), score ? database::Value(*score) : database::Value()}));
  }
  return static_cast<int64_t>(labels.rows.size());
}

}  // namespace

std::optional<double> gold_score(const json& gold, const json& answers, const json& label) {
  if (is_flagged(label)) return std::nullopt;
  const std::vector<double> right = places(gold.at("ranks"), answers), given = places(label.at("ranks"), answers);
  const int64_t pairs = same_order(right, right).pairs;
  if (pairs == 0) return std::nullopt;
  return static_cast<double>(same_order(right, given).agreed) / static_cast<double>(pairs);
}

Outcome<json> GoldQuestions::list(const std::string& project) const {
  auto items = database_->run(
      "SELECT id, messages, answers, gold, retired FROM feedback_items WHERE project = $1 AND gold IS NOT NULL ORDER "
      "BY "
      "number",
      {project});
  if (!items.ok()) return Error{items.error()};
  auto labels = database_->run(
      "SELECT l.item, l.id, l.person, l.created, l.label, l.gold FROM feedback_labels l JOIN feedback_items i ON i.id "
      "= "
      "l.item WHERE i.project = $1 AND i.gold IS NOT NULL ORDER BY l.created, l.id",
      {project});
  if (!labels.ok()) return Error{labels.error()};
  json out = json::array();
  for (const Row& row : items->rows) {
    const json gold = from_stored(row.text(3));
    json given = json::array();
    double sum = 0;
    int64_t scored = 0;
    for (const Row& label : labels->rows) {
      if (label.text(0) != row.text(0)) continue;
      if (!label.null(5)) sum += label.real(5), ++scored;
      given.push_back({{"id", label.text(1)},
                       {"person", label.text(2)},
                       {"created", label.integer(3)},
                       {"ranks", from_stored(label.text(4)).value("ranks", json())},
                       {"gold_score", label.null(5) ? json() : json(label.real(5))}});
    }
    out.push_back({{"item", row.text(0)},
                   {"messages", from_stored(row.text(1))},
                   {"answers", unnamed(from_stored(row.text(2)))},
                   {"ranks", gold.at("ranks")},
                   {"flags", gold.at("flags")},
                   {"retired", row.integer(4) != 0},
                   {"right", scored == 0 ? json() : json(sum / static_cast<double>(scored))},
                   {"labels", std::move(given)}});
  }
  return out;
}

Outcome<GoldQuestions::Changed> GoldQuestions::change(const std::string& item, const json& change) {
  Changed changed;
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const Rows which, session.run("SELECT project FROM feedback_items WHERE id = $1", {item}));
    if (which.rows.empty()) return refuse(not_there("There is no such gold question."));
    changed.project = which.rows[0].text(0);
    TRY_STATUS(lock_project(session, changed.project));
    TRY(const Rows found, session.run("SELECT answers, gold, retired FROM feedback_items WHERE id = $1", {item}));
    if (found.rows.empty() || found.rows[0].null(1)) return refuse(not_there("There is no such gold question."));
    const json answers = from_stored(found.rows[0].text(0));
    json gold = from_stored(found.rows[0].text(1));
    const json retired = change.value("retired", json(found.rows[0].integer(2) != 0));
    if (!retired.is_boolean()) return refuse(wrong_field("retired", "retired: expected true or false"));
    changed.before = gold.at("ranks");
    if (change.contains("ranks")) {
      if (auto wrong = wrong_ranks(change["ranks"], answers)) return refuse(*wrong);
      gold["ranks"] = change["ranks"];
    }
    if (change.contains("flags")) {
      if (auto wrong = wrong_gold_flags(change["flags"], answers)) return refuse(*wrong);
      gold["flags"] = change["flags"];
    }
    TRY_STATUS(session.run("UPDATE feedback_items SET gold = $2, retired = $3 WHERE id = $1",
                           {item, stored(gold), int64_t{retired.get<bool>()}}));
    if (gold["ranks"] != changed.before) {
      TRY(changed.rescored, rescore(session, item, gold, answers));
    }
    return {};
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return changed;
}

}  // namespace loquat::feedback
