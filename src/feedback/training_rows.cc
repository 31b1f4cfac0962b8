#include "feedback/training_rows.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/rng.h"
#include "data/jsonl.h"
#include "data/message_json.h"
#include "feedback/label.h"
#include "feedback/schema.h"

namespace loquat::feedback {
namespace {

using database::Database;
using database::Row;
using database::Rows;
using nlohmann::json;
using nlohmann::ordered_json;

Messages messages_of(const json& list) {
  Messages out;
  if (!list.is_array()) return out;
  for (const json& message : list) out.push_back({message.value("role", ""), message.value("content", "")});
  return out;
}

bool can_be_answered(const Messages& prompt) {
  return !prompt.empty() && prompt.back().role == "user";
}

Messages answered(Messages prompt, const std::string& reply) {
  prompt.push_back({"assistant", reply});
  return prompt;
}

// Equal ranks stay ties; 0 is best.
std::vector<RankedResponse> responses_of(const json& answers, const json& label) {
  const json& ranks = label.at("ranks");
  const json scores = label.value("scores", json()), flags = label.value("flags", json());
  std::set<int64_t> steps;
  for (const auto& [id, rank] : ranks.items()) steps.insert(rank.get<int64_t>());
  std::vector<RankedResponse> out;
  for (const json& answer : answers) {
    const auto id = answer.at("id").get<std::string>();
    RankedResponse response;
    response.text = answer.at("content").get<std::string>();
    const int64_t rank = ranks.at(id).get<int64_t>();
    response.rank = static_cast<int32_t>(std::distance(steps.begin(), steps.find(rank)));
    if (scores.is_object()) response.likert = scores.value(id, json::object()).value("overall", 0);
    if (flags.is_object()) response.flags = flags.value(id, std::vector<std::string>{});
    out.push_back(std::move(response));
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  return out;
}

// What a label of the studio gives; of attacks and reviews nothing.
void add_label(const std::string& kind, const json& messages, const json& answers, const json& label,
               Contribution& out) {
  if (kind == kDemonstration) {
    out.demonstrations.push_back({out.source, answered(messages_of(messages), label.at("content").get<std::string>())});
  } else if (kind == kDialogue) {
    out.demonstrations.push_back({out.source, messages_of(label.at("messages"))});
  } else if (kind == kRanking && !is_flagged(label)) {
    out.rankings.push_back({out.source, messages_of(messages), responses_of(answers, label)});
  }
}

bool empty(const Contribution& contribution) {
  return contribution.demonstrations.empty() && contribution.rankings.empty() && contribution.unpaired.empty();
}

Status add_project(Database& database, const std::string& project, bool edited_only, std::vector<Contribution>& out) {
  TRY(const Rows known, database.run("SELECT kind FROM feedback_projects WHERE id = $1", {project}));
  if (known.rows.empty()) return Err("{}: there is no such project", project);
  const std::string kind = known.rows[0].text(0);
  TRY(const Rows labels,
      database.run(
          "SELECT l.id, l.person, i.messages, i.answers, l.label, i.id, i.from_person, i.from_conversation FROM "
          "feedback_labels l JOIN feedback_items i ON "
          "i.id = l.item WHERE l.project = $1 AND i.gold IS NULL AND i.adjudicated IS NULL AND l.verdict NOT IN "
          "('reject', 'fix') AND ($2 = 0 OR l.edited IS NULL OR l.edited > 0)",
          {project, int64_t{edited_only}}));
  TRY(const Rows adjudicated, database.run("SELECT id, adjudicator, messages, answers, adjudicated, id, from_person, "
                                           "from_conversation FROM feedback_items "
                                           "WHERE project = $1 AND gold IS NULL AND adjudicated IS NOT NULL",
                                           {project}));
  for (const Rows* rows : {&labels, &adjudicated}) {
    for (const Row& row : rows->rows) {
      Contribution one{"label", row.text(0), row.text(1), "", {}, {}, {}, row.text(5), row.text(6), row.text(7)};
      add_label(kind, from_stored(row.text(2)), from_stored(row.text(3)), from_stored(row.text(4)), one);
      if (!empty(one)) out.push_back(std::move(one));
    }
  }
  return {};
}

Status add_messages(Database& database, std::vector<Contribution>& out) {
  TRY(const Rows found, database.run("SELECT id, person, conversation, feedback, turns, answer FROM feedback_messages "
                                     "WHERE may_train = 1"));
  for (const Row& row : found.rows) {
    Contribution one{"message", row.text(0), row.text(1), row.text(2), {}, {}, {}, {}, {}, {}};
    const json feedback = from_stored(row.text(3));
    const Messages prompt = messages_of(from_stored(row.text(4)));
    if (!can_be_answered(prompt)) continue;
    const std::string text = from_stored(row.text(5)).value("text", ""), better = feedback.value("better", "");
    const json thumb = feedback.value("thumb", json());
    if (!better.empty()) one.demonstrations.push_back({one.source, answered(prompt, better)});
    if (!better.empty() && better != text)
      one.rankings.push_back({one.source,
                              prompt,
                              {{better, 0, 0, {}}, {text, 1, 0, feedback.value("flags", std::vector<std::string>{})}}});
    if (thumb.is_string()) one.unpaired.push_back({one.source, prompt, text, thumb == "up"});
    if (!empty(one)) out.push_back(std::move(one));
  }
  return {};
}

Status add_comparisons(Database& database, std::vector<Contribution>& out) {
  TRY(const Rows found, database.run("SELECT id, person, conversation, turns, answers, best, choice FROM "
                                     "feedback_comparisons WHERE may_train = 1"));
  for (const Row& row : found.rows) {
    Contribution one{"comparison", row.text(0), row.text(1), row.text(2), {}, {}, {}, {}, {}, {}};
    const Messages prompt = messages_of(from_stored(row.text(3)));
    if (!can_be_answered(prompt)) continue;
    const json answers = from_stored(row.text(4));
    std::vector<RankedResponse> responses;
    for (size_t i = 0; i < answers.size(); ++i) {
      const std::string text = answers[i].value("text", "");
      const bool best = static_cast<int64_t>(i) == row.integer(5);
      responses.push_back({text, row.integer(5) < 0 || best ? 0 : 1, 0, {}});
      if (row.text(6) == "both_bad") one.unpaired.push_back({one.source, prompt, text, false});
    }
    std::stable_sort(responses.begin(), responses.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
    if (row.integer(5) >= 0) one.rankings.push_back({one.source, prompt, std::move(responses)});
    if (!empty(one)) out.push_back(std::move(one));
  }
  return {};
}

// Of each person at most this many, chosen by a hash of their ids: nobody's wish, and the same every time.
void cap(std::vector<Contribution>& all, int64_t most) {
  std::stable_sort(all.begin(), all.end(), [](const Contribution& a, const Contribution& b) {
    return std::pair(hash64(a.source), a.source) < std::pair(hash64(b.source), b.source);
  });
  std::map<std::string, int64_t> taken;
  std::erase_if(all, [&](const Contribution& one) { return ++taken[one.person] > most; });
}

ordered_json list_of(const Messages& messages) {
  ordered_json out = ordered_json::array();
  for (const Message& message : messages) out.push_back(to_json(message));
  return out;
}

ordered_json reply_of(const std::string& text) {
  return list_of({{"assistant", text}});
}

std::string line_of(const ordered_json& row) {
  return row.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void add_pairs(const Ranking& ranking, std::vector<std::string>& out) {
  for (const RankedResponse& better : ranking.responses) {
    for (const RankedResponse& worse : ranking.responses) {
      if (better.rank >= worse.rank) continue;
      out.push_back(line_of({{"prompt", list_of(ranking.prompt)},
                             {"chosen", reply_of(better.text)},
                             {"rejected", reply_of(worse.text)}}));
    }
  }
}

void add_judged(const std::vector<UnpairedReply>& replies, std::vector<std::string>& out) {
  for (const UnpairedReply& reply : replies) {
    out.push_back(line_of(
        {{"prompt", list_of(reply.prompt)}, {"completion", reply_of(reply.reply)}, {"label", reply.desirable}}));
  }
}

void add_lines(const Contribution& one, RowShape shape, std::vector<std::string>& out) {
  switch (shape) {
    case RowShape::kMessages:
      for (const Demonstration& item : one.demonstrations) out.push_back(to_json(item));
      break;
    case RowShape::kRankings:
      for (const Ranking& item : one.rankings) out.push_back(to_json(item));
      break;
    case RowShape::kPairs:
      for (const Ranking& item : one.rankings) add_pairs(item, out);
      break;
    case RowShape::kKto:
      for (const Ranking& item : one.rankings) add_judged(unpaired_from_ranking(item), out);
      add_judged(one.unpaired, out);
      break;
    case RowShape::kPrompts:
      for (const Demonstration& item : one.demonstrations)
        out.push_back(prompt_to_json(Messages(item.messages.begin(), item.messages.end() - 1)));
      for (const Ranking& item : one.rankings) out.push_back(prompt_to_json(item.prompt));
      break;
  }
}

}  // namespace

Result<std::vector<Contribution>> contributions(Database& database, const RowsWanted& wanted) {
  std::vector<Contribution> out;
  for (const std::string& project : std::set<std::string>(wanted.projects.begin(), wanted.projects.end()))
    TRY_STATUS(add_project(database, project, wanted.edited_only, out));
  if (wanted.feedback) {
    TRY_STATUS(add_messages(database, out));
    TRY_STATUS(add_comparisons(database, out));
  }
  if (wanted.most_per_person > 0) cap(out, wanted.most_per_person);
  std::sort(out.begin(), out.end(), [](const Contribution& a, const Contribution& b) {
    return std::tie(a.kind, a.source) < std::tie(b.kind, b.source);
  });
  return out;
}

std::optional<RowShape> row_shape(const std::string& name) {
  if (name == "rankings") return RowShape::kRankings;
  if (name == "pairs") return RowShape::kPairs;
  if (name == "messages") return RowShape::kMessages;
  if (name == "kto") return RowShape::kKto;
  if (name == "prompts") return RowShape::kPrompts;
  return std::nullopt;
}

std::vector<std::string> lines(const std::vector<Contribution>& contributions, RowShape shape) {
  std::vector<std::string> out;
  for (const Contribution& one : contributions) add_lines(one, shape, out);
  if (shape == RowShape::kPrompts) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  return out;
}

}  // namespace loquat::feedback
