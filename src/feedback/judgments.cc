#include "feedback/judgments.h"

#include <algorithm>
#include <set>

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using nlohmann::json;
using Observers = std::map<std::string, size_t>;  // person -> column

json or_null(const std::optional<double>& value) {
  return value ? json(*value) : json();
}

json percent_of(const PairCount& count) {
  return count.pairs == 0 ? json() : json(100 * static_cast<double>(count.agreed) / static_cast<double>(count.pairs));
}

std::optional<double> mean(double sum, int64_t n) {
  return n == 0 ? std::nullopt : std::optional(sum / static_cast<double>(n));
}

std::map<std::string, double> review_scores(const Rows& reviews) {
  std::map<std::string, double> out;  // label -> score of its last review
  for (const Row& row : reviews.rows) {
    const json review = from_stored(row.text(1));
    const json verdict = review.value("verdict", json());
    const json score = review.value("score", json());
    out[row.text(0)] = score.is_number() ? score.get<double>() : verdict == "good" ? 7 : verdict == "fix" ? 4 : 1;
  }
  return out;
}

}  // namespace

Result<Judged> read_judgments(database::Database& database, const std::string& project) {
  Judged out;
  TRY(const Rows of, database.run("SELECT kind, settings FROM feedback_projects WHERE id = $1", {project}));
  if (of.rows.empty()) return out;
  out.kind = of.rows[0].text(0);
  out.criteria = from_stored(of.rows[0].text(1)).value("criteria", std::vector<std::string>{});
  TRY(const Rows reviews,
      database.run("SELECT i.reviewed, r.label FROM feedback_labels r JOIN feedback_items i ON i.id = "
                   "r.item JOIN feedback_labels l ON l.id = i.reviewed WHERE l.project = $1 ORDER BY "
                   "r.created, r.id",
                   {project}));
  const auto scores = review_scores(reviews);
  TRY(const Rows found,
      database.run(
          "SELECT i.id, i.messages, i.answers, i.gold, i.adjudicated, l.id, l.person, l.label, l.seconds, l.gold, "
          "l.created "
          "FROM feedback_items i JOIN feedback_labels l ON l.item = i.id WHERE i.project = $1 ORDER BY i.number, "
          "l.person",
          {project}));
  for (const Row& row : found.rows) {
    if (out.items.empty() || out.items.back().id != row.text(0)) {
      out.items.push_back({row.text(0),
                           from_stored(row.text(1)),
                           row.null(2) ? json::array() : from_stored(row.text(2)),
                           from_stored(row.text(3)),
                           from_stored(row.text(4)),
                           {}});
    }
    json said = from_stored(row.text(7));
    if (is_flagged(said)) continue;
    PersonsLabel label{row.text(5), row.text(6), std::move(said), row.real(8), row.integer(10), {}, {}};
    if (!row.null(9)) label.gold = row.real(9);
    if (const auto score = scores.find(label.id); score != scores.end()) label.score = score->second;
    out.items.back().labels.push_back(std::move(label));
  }
  return out;
}

namespace {

Observers observers_of(const Judged& judged) {
  Observers out;
  for (const JudgedItem& item : judged.items) {
    for (const PersonsLabel& label : item.labels) out.emplace(label.person, 0);
  }
  size_t column = 0;
  for (auto& [person, place] : out) place = column++;
  return out;
}

// Units are answers (`of` gets an answer's id) or, where an item has none, items.
template <typename Of>
Judgments table_of(const Judged& judged, const Observers& observers, const Of& of) {
  Judgments units;
  for (const JudgedItem& item : judged.items) {
    if (!item.gold.is_null() || item.labels.size() < 2) continue;
    const size_t count = judged.kind == kRanking ? item.answers.size() : 1;
    for (size_t i = 0; i < count; ++i) {
      std::vector<std::optional<double>> unit(observers.size());
      const std::string answer = judged.kind == kRanking ? item.answers[i].at("id").get<std::string>() : std::string();
      for (const PersonsLabel& label : item.labels) unit[observers.at(label.person)] = of(item, i, answer, label.label);
      units.push_back(std::move(unit));
    }
  }
  return units;
}

// Of two people's judgments of one thing, how many are equal.
json equal_percent(const Judgments& units) {
  PairCount count;
  for (const auto& unit : units) {
    for (size_t a = 0; a < unit.size(); ++a) {
      for (size_t b = a + 1; b < unit.size(); ++b) {
        if (!unit[a] || !unit[b]) continue;
        ++count.pairs;
        count.agreed += *unit[a] == *unit[b];
      }
    }
  }
  return percent_of(count);
}

json criterion(const std::string& name, const Judgments& units, Scale scale) {
  return {{"name", name}, {"alpha", or_null(krippendorff_alpha(units, scale))}, {"percent", equal_percent(units)}};
}

json by_criterion(const Judged& judged, const Observers& observers) {
  json out = json::array();
  if (judged.kind != kRanking) return out;
  std::vector<std::string> names = {"overall"};
  names.insert(names.end(), judged.criteria.begin(), judged.criteria.end());
  for (const std::string& name : names) {
    const auto score = [&](const JudgedItem&, size_t, const std::string& answer, const json& label) {
      const json scores = label.value("scores", json::object());
      const json of_answer = scores.is_object() ? scores.value(answer, json::object()) : json::object();
      const json criteria = of_answer.value("criteria", json());
      json given;
      if (name == "overall") given = of_answer.value(name, json());
      if (name != "overall" && criteria.is_object()) given = criteria.value(name, json());
      return given.is_number() ? std::optional(given.get<double>()) : std::nullopt;
    };
    out.push_back(criterion(name, table_of(judged, observers, score), Scale::kOrdinal));
  }
  for (const std::string_view flag : flags()) {
    bool given = false;
    const auto judgment = [&](const JudgedItem&, size_t, const std::string& answer,
                              const json& label) -> std::optional<double> {
      const json by_answer = label.value("flags", json());
      const json list = by_answer.is_object() ? by_answer.value(answer, json::array()) : json::array();
      const bool here = std::find(list.begin(), list.end(), flag) != list.end();
      given |= here;
      return here ? 1 : 0;
    };
    const Judgments units = table_of(judged, observers, judgment);
    if (given) out.push_back(criterion(std::string(flag), units, Scale::kNominal));
  }
  return out;
}

// Of each item and each person: on how many pairs of answers two people agree.
struct PairAgreement {
  std::vector<PairCount> items;
  std::map<std::string, PairCount> people;
  double tau = 0;
  int64_t taus = 0;
};

PairAgreement pair_agreement(const Judged& judged) {
  PairAgreement out;
  for (const JudgedItem& item : judged.items) {
    if (!item.gold.is_null() || item.labels.size() < 2) continue;
    PairCount of_item;
    std::vector<std::vector<double>> all;
    for (const PersonsLabel& label : item.labels) all.push_back(places(label.label.at("ranks"), item.answers));
    for (size_t a = 0; a < all.size(); ++a) {
      for (size_t b = a + 1; b < all.size(); ++b) {
        const PairCount count = same_order(all[a], all[b]);
        of_item += count;
        out.people[item.labels[a].person] += count;
        out.people[item.labels[b].person] += count;
        if (const auto tau = kendall_tau_b(all[a], all[b])) out.tau += *tau, ++out.taus;
      }
    }
    out.items.push_back(of_item);
  }
  return out;
}

std::optional<double> alpha_of(const Judged& judged, const Observers& observers) {
  if (judged.kind == kRanking) {
    const auto place = [](const JudgedItem& item, size_t i, const std::string&, const json& label) {
      return std::optional(places(label.at("ranks"), item.answers)[i]);
    };
    return krippendorff_alpha(table_of(judged, observers, place), Scale::kOrdinal);
  }
  if (judged.kind == kRedTeam) {
    const auto harm = [](const JudgedItem&, size_t, const std::string&, const json& label) {
      return std::optional(label.at("harm").get<double>());
    };
    return krippendorff_alpha(table_of(judged, observers, harm), Scale::kOrdinal);
  }
  if (judged.kind == kReview) {
    const auto verdict = [](const JudgedItem&, size_t, const std::string&, const json& label) {
      return std::optional<double>(label.at("verdict") == "good" ? 2 : label.at("verdict") == "fix" ? 1 : 0);
    };
    return krippendorff_alpha(table_of(judged, observers, verdict), Scale::kNominal);
  }
  return std::nullopt;
}

struct Person {
  int64_t labels = 0, golds = 0, scores = 0;
  double gold = 0, seconds = 0, score = 0;
};

std::map<std::string, Person> people_of(const Judged& judged) {
  std::map<std::string, Person> out;
  for (const JudgedItem& item : judged.items) {
    for (const PersonsLabel& label : item.labels) {
      Person& person = out[label.person];
      ++person.labels;
      person.seconds += label.seconds;
      if (label.gold) person.gold += *label.gold, ++person.golds;
      if (label.score) person.score += *label.score, ++person.scores;
    }
  }
  return out;
}

}  // namespace

json agreement_report(const Judged& judged) {
  const Observers observers = observers_of(judged);
  json pairs = {{"percent", nullptr}, {"low", nullptr}, {"high", nullptr}, {"pairs", 0}};
  PairAgreement agreement;
  if (judged.kind == kRanking) {
    agreement = pair_agreement(judged);
    const Interval share = share_of(agreement.items);
    if (share.n > 0)
      pairs = {
          {"percent", 100 * share.value}, {"low", 100 * share.low}, {"high", 100 * share.high}, {"pairs", share.n}};
  }
  json by_labeler = json::array();
  for (const auto& [id, person] : people_of(judged)) {
    by_labeler.push_back({{"person", id},
                          {"labels", person.labels},
                          {"percent", percent_of(agreement.people[id])},
                          {"gold", or_null(mean(100 * person.gold, person.golds))},
                          {"seconds", or_null(mean(person.seconds, person.labels))}});
  }
  return {{"pairs", std::move(pairs)},
          {"alpha", or_null(alpha_of(judged, observers))},
          {"tau", or_null(mean(agreement.tau, agreement.taus))},
          {"by_labeler", std::move(by_labeler)},
          {"by_criterion", by_criterion(judged, observers)}};
}

namespace {

// The sensitive flags that the gold question and the person both gave, and those that either gave.
void count_flags(const json& gold, const json& label, PairCount& count) {
  const json given = label.value("flags", json());
  for (const auto& [answer, right] : gold.at("flags").items()) {
    const json mine = given.is_object() ? given.value(answer, json::array()) : json::array();
    for (const std::string_view flag : sensitive_flags()) {
      const bool expected = std::find(right.begin(), right.end(), flag) != right.end();
      const bool said = std::find(mine.begin(), mine.end(), flag) != mine.end();
      count.pairs += expected || said;
      count.agreed += expected && said;
    }
  }
}

std::optional<double> share(const PairCount& count) {
  return mean(static_cast<double>(count.agreed), count.pairs);
}

}  // namespace

json screening_report(const Judged& judged) {
  std::map<std::string, PairCount> agreement, flagged;
  for (const JudgedItem& item : judged.items) {
    if (judged.kind != kRanking) break;
    for (const PersonsLabel& label : item.labels) {
      const std::vector<double> mine = places(label.label.at("ranks"), item.answers);
      for (const json* right : {&item.gold, &item.adjudicated}) {
        if (right->is_null()) continue;
        agreement[label.person] += same_order(places(right->at("ranks"), item.answers), mine);
      }
      if (!item.gold.is_null()) count_flags(item.gold, label.label, flagged[label.person]);
    }
  }
  json people = json::array();
  for (const auto& [id, person] : people_of(judged)) {
    const auto agreed = share(agreement[id]), flags_right = share(flagged[id]);
    const auto demonstrations = mean(person.score, person.scores);
    const bool passes = (!agreed || *agreed >= kScreeningShare) && (!flags_right || *flags_right >= kScreeningShare) &&
                        (!demonstrations || *demonstrations >= kScreeningDemonstrations);
    const bool measured = agreed || flags_right || demonstrations;
    people.push_back({{"person", id},
                      {"gold", or_null(mean(100 * person.gold, person.golds))},
                      {"agreement", percent_of(agreement[id])},
                      {"demonstrations", or_null(demonstrations)},
                      {"flags", percent_of(flagged[id])},
                      {"passes", measured ? json(passes) : json()}});
  }
  return {{"people", std::move(people)}};
}

}  // namespace loquat::feedback
