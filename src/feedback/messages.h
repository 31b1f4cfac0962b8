// What people say of answers in their own conversations: of one message, of two after a regeneration, of two models
// without their names. Each is kept with a copy of what it is about, and with what its person allowed at that time.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feedback/label.h"
#include "feedback/schema.h"

namespace loquat::feedback {

struct Consent {
  bool may_review = false;
  bool may_train = false;
};

// An answer in a conversation.
struct AnswerSeen {
  std::string conversation, message;
  nlohmann::json turns;  // before it: [{"role", "content"}]
  std::string text, model, model_hash;
  nlohmann::json sampling = nlohmann::json::object();
};

class MessageFeedback {
 public:
  MessageFeedback(std::shared_ptr<database::Database> database, Clock clock);

  // The feedback as kept: {"thumb", "flags", "comment", "better"}; what says nothing takes it back.
  Outcome<nlohmann::json> put(const std::string& person, Consent consent, const AnswerSeen& answer,
                              const nlohmann::json& feedback);
  // By message, of one conversation; for the conversation's page.
  Result<std::map<std::string, nlohmann::json>> of_conversation(const std::string& person,
                                                                const std::string& conversation) const;

  // choice: "chosen" (the first of `answers`), "tie", "both_bad". The answers have the same turns before them.
  Outcome<Done> compare(const std::string& person, Consent consent, const std::vector<AnswerSeen>& answers,
                        const std::string& choice);

  // A blind comparison that begins: left and right as they are shown. Its id.
  Outcome<std::string> begin_blind(const std::string& person, const AnswerSeen& left, const AnswerSeen& right);
  struct Blind {
    AnswerSeen left, right;  // without texts: where they are, and whose
    bool voted = false;
  };
  Outcome<Blind> blind(const std::string& person, const std::string& id) const;
  // choice: "left", "right", "tie", "both_bad"; `left` and `right` as they were then. Conflict "voted".
  Outcome<Done> vote(const std::string& person, Consent consent, const std::string& id, const AnswerSeen& left,
                     const AnswerSeen& right, const std::string& choice);
  // As GET /blind/scores has it: share = wins / (wins + losses) with Wilson's interval; both_bad counts as a tie.
  Result<nlohmann::json> blind_scores() const;

  // The person no longer allows this: what they have said is no longer read or trained on, and prompts that were taken
  // out of their chats go.
  Status withdraw(const std::string& person, bool review, bool training);
  // A conversation that its person deletes takes what was said in it along.
  Status forget_conversation(const std::string& person, const std::string& conversation);

 private:
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
};

}  // namespace loquat::feedback
