// A project's labels as tables of judgments, and what they say of it: agreement, by labeler and by criterion, and who
// passes the screening (arXiv:2203.02155, appendix B.1).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/agreement.h"
#include "feedback/projects.h"

namespace loquat::feedback {

struct PersonsLabel {
  std::string id, person;
  nlohmann::json label;
  double seconds = 0;
  int64_t created = 0;
  std::optional<double> gold;
  std::optional<double> score;  // 1 to 7, from its last review: the score given, else good 7, fix 4, reject 1
};

struct JudgedItem {
  std::string id;
  nlohmann::json messages, answers;  // answers: a list, of rankings
  nlohmann::json gold, adjudicated;  // or null
  std::vector<PersonsLabel> labels;  // by people in order of their ids; without flagged ones
};

struct Judged {
  std::string kind;
  std::vector<std::string> criteria;
  std::vector<JudgedItem> items;  // in their order
};

Result<Judged> read_judgments(database::Database& database, const std::string& project);

// As GET /projects/{id}/agreement has it, without names. Gold questions count in by_labeler's "gold" alone. Of each
// figure null where there is nothing to compute it from. Rankings: "pairs" (percentages; what either of two people ties
// is left out), ordinal α over the answers' places, the mean τ-b of two people's rankings of an item; criteria have
// ordinal α, flags nominal. Red team: ordinal α of the harm. Reviews: nominal α of the verdicts.
nlohmann::json agreement_report(const Judged& judged);

// As GET /projects/{id}/screening has it, without names. agreement: with the researchers' rankings (gold and
// adjudicated), in percent, as gold is. flags: of the sensitive flags that the gold question or the person gave, the
// share that both gave.
nlohmann::json screening_report(const Judged& judged);

inline constexpr double kScreeningShare = 0.75;        // the paper's soft cut
inline constexpr double kScreeningDemonstrations = 6;  // of 7

}  // namespace loquat::feedback
