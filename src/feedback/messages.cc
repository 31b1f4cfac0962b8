#include "feedback/messages.h"

#include "base/stats.h"
#include "feedback/erase.h"

namespace loquat::feedback {
namespace {

using database::Row;
using database::Rows;
using database::Session;
using nlohmann::json;

json described(const AnswerSeen& answer) {
  return {{"conversation", answer.conversation},
          {"message", answer.message},
          {"text", answer.text},
          {"model", answer.model},
          {"model_hash", answer.model_hash},
          {"sampling", answer.sampling}};
}

AnswerSeen answer_of(const json& value) {
  AnswerSeen out;
  out.conversation = value.value("conversation", "");
  out.message = value.value("message", "");
  out.text = value.value("text", "");
  out.model = value.value("model", "");
  out.model_hash = value.value("model_hash", "");
  out.sampling = value.value("sampling", json::object());
  return out;
}

std::string text_at(const json& feedback, const char* key) {
  const auto it = feedback.find(key);
  return it != feedback.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Status insert_comparison(Session& session, const std::string& person, Consent consent, const std::string& kind,
                         const std::vector<AnswerSeen>& answers, const std::string& choice, int64_t best, int64_t now) {
  json list = json::array();
  for (const AnswerSeen& answer : answers) list.push_back(described(answer));
  TRY_STATUS(
      session.run("INSERT INTO feedback_comparisons (id, person, conversation, kind, turns, answers, choice, best, "
                  "created, may_review, may_train) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                  {new_id("comparison-"), person, answers[0].conversation, kind, stored(answers[0].turns), stored(list),
                   choice, best, now, int64_t{consent.may_review}, int64_t{consent.may_train}}));
  return {};
}

}  // namespace

MessageFeedback::MessageFeedback(std::shared_ptr<database::Database> database, Clock clock)
    : database_(std::move(database)), clock_(std::move(clock)) {}

Outcome<json> MessageFeedback::put(const std::string& person, Consent consent, const AnswerSeen& answer,
                                   const json& feedback) {
  if (auto wrong = wrong_message_feedback(feedback)) return *wrong;
  const json flags = feedback.value("flags", json());
  const json kept = {{"thumb", feedback.value("thumb", json())},
                     {"flags", flags.is_array() ? flags : json::array()},
                     {"comment", text_at(feedback, "comment")},
                     {"better", text_at(feedback, "better")}};
  if (kept["thumb"].is_null() && kept["flags"].empty() && kept["comment"] == "" && kept["better"] == "") {
    const auto gone =
        database_->run("DELETE FROM feedback_messages WHERE person = $1 AND message = $2", {person, answer.message});
    if (!gone.ok()) return Error{gone.error()};
    return kept;
  }
  const auto put = database_->run(
      "INSERT INTO feedback_messages (id, person, conversation, message, feedback, turns, answer, created, may_review, "
      "may_train) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (person, message) DO UPDATE SET "
      "feedback "
      "= excluded.feedback, turns = excluded.turns, answer = excluded.answer, created = excluded.created, may_review = "
      "excluded.may_review, may_train = excluded.may_train",
      {new_id("feedback-"), person, answer.conversation, answer.message, stored(kept), stored(answer.turns),
       stored(described(answer)), clock_(), int64_t{consent.may_review}, int64_t{consent.may_train}});
  if (!put.ok()) return Error{put.error()};
  return kept;
}

Result<std::map<std::string, json>> MessageFeedback::of_conversation(const std::string& person,
                                                                     const std::string& conversation) const {
  TRY(const Rows found, database_->run("SELECT message, feedback FROM feedback_messages WHERE person = $1 AND "
                                       "conversation = $2",
                                       {person, conversation}));
  std::map<std::string, json> out;
  for (const Row& row : found.rows) out[row.text(0)] = from_stored(row.text(1));
  return out;
}

Outcome<Done> MessageFeedback::compare(const std::string& person, Consent consent,
                                       const std::vector<AnswerSeen>& answers, const std::string& choice) {
  if (choice != "chosen" && choice != "tie" && choice != "both_bad")
    return wrong_field("choice", "choice: expected \"chosen\", \"tie\" or \"both_bad\"");
  if (answers.size() < 2) return wrong_field("others", "others: a comparison needs two answers");
  for (const AnswerSeen& answer : answers) {
    if (answer.turns != answers[0].turns) return wrong_field("others", "others: not answers to the same message");
  }
  const Status status = database_->transaction([&](Session& session) {
    return insert_comparison(session, person, consent, "regeneration", answers, choice, choice == "chosen" ? 0 : -1,
                             clock_());
  });
  if (!status.ok()) return Error{status.error()};
  return Done{};
}

Outcome<std::string> MessageFeedback::begin_blind(const std::string& person, const AnswerSeen& left,
                                                  const AnswerSeen& right) {
  const std::string id = new_id("blind-");
  const auto made =
      database_->run("INSERT INTO feedback_blind (id, person, sides, created) VALUES ($1, $2, $3, $4)",
                     {id, person, stored({{"left", described(left)}, {"right", described(right)}}), clock_()});
  if (!made.ok()) return Error{made.error()};
  return id;
}

Outcome<MessageFeedback::Blind> MessageFeedback::blind(const std::string& person, const std::string& id) const {
  auto found = database_->run("SELECT sides, choice FROM feedback_blind WHERE id = $1 AND person = $2", {id, person});
  if (!found.ok()) return Error{found.error()};
  if (found->rows.empty()) return not_there("There is no such comparison.");
  const json sides = from_stored(found->rows[0].text(0));
  return Blind{answer_of(sides.at("left")), answer_of(sides.at("right")), !found->rows[0].null(1)};
}

Outcome<Done> MessageFeedback::vote(const std::string& person, Consent consent, const std::string& id,
                                    const AnswerSeen& left, const AnswerSeen& right, const std::string& choice) {
  if (choice != "left" && choice != "right" && choice != "tie" && choice != "both_bad")
    return wrong_field("choice", "choice: expected \"left\", \"right\", \"tie\" or \"both_bad\"");
  Refusal refuse;
  const Status status = database_->transaction([&](Session& session) -> Status {
    TRY(const Rows voted,
        session.run("UPDATE feedback_blind SET choice = $3 WHERE id = $1 AND person = $2 AND choice IS NULL",
                    {id, person, choice}));
    if (voted.changed != 1) return refuse(conflict("voted", "You have voted on this comparison already."));
    return insert_comparison(session, person, consent, "blind", {left, right}, choice,
                             choice == "left"    ? 0
                             : choice == "right" ? 1
                                                 : -1,
                             clock_());
  });
  if (refuse.get()) return *refuse.get();
  if (!status.ok()) return Error{status.error()};
  return Done{};
}

Result<json> MessageFeedback::blind_scores() const {
  struct Score {
    int64_t wins = 0, losses = 0, ties = 0;
  };
  TRY(const Rows votes, database_->run("SELECT answers, best FROM feedback_comparisons WHERE kind = 'blind'"));
  std::map<std::string, Score> scores;
  for (const Row& row : votes.rows) {
    const json answers = from_stored(row.text(0));
    const auto left = answers.at(0).value("model", ""), right = answers.at(1).value("model", "");
    if (left == right) continue;
    const int64_t best = row.integer(1);
    scores[left].wins += best == 0, scores[left].losses += best == 1, scores[left].ties += best < 0;
    scores[right].wins += best == 1, scores[right].losses += best == 0, scores[right].ties += best < 0;
  }
  json models = json::array();
  for (const auto& [id, score] : scores) {
    const Interval share = wilson(score.wins, score.wins + score.losses);
    const bool known = share.n > 0;
    models.push_back({{"id", id},
                      {"wins", score.wins},
                      {"losses", score.losses},
                      {"ties", score.ties},
                      {"share", known ? json(share.value) : json()},
                      {"low", known ? json(share.low) : json()},
                      {"high", known ? json(share.high) : json()}});
  }
  return json{{"models", std::move(models)}};
}

Status MessageFeedback::withdraw(const std::string& person, bool review, bool training) {
  return database_->transaction([&](Session& session) -> Status {
    if (review || training) TRY_STATUS(forget_prompts(session, person, ""));  // they needed both
    if (review) {
      TRY_STATUS(session.run("UPDATE feedback_messages SET may_review = 0 WHERE person = $1", {person}));
      TRY_STATUS(session.run("UPDATE feedback_comparisons SET may_review = 0 WHERE person = $1", {person}));
    }
    if (training) {
      TRY_STATUS(session.run("UPDATE feedback_messages SET may_train = 0 WHERE person = $1", {person}));
      TRY_STATUS(session.run("UPDATE feedback_comparisons SET may_train = 0 WHERE person = $1", {person}));
    }
    return {};
  });
}

Status MessageFeedback::forget_conversation(const std::string& person, const std::string& conversation) {
  return database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(
        session.run("DELETE FROM feedback_messages WHERE person = $1 AND conversation = $2", {person, conversation}));
    TRY_STATUS(session.run("DELETE FROM feedback_comparisons WHERE person = $1 AND conversation = $2",
                           {person, conversation}));
    return forget_prompts(session, person, conversation);
  });
}

}  // namespace loquat::feedback
