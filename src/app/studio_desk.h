// What the routes of feedback and of the studio stand on, and what they ask of other parts: who somebody is, what was
// said in a conversation, models that answer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/answer_writer.h"
#include "app/router.h"
#include "feedback/datasets.h"
#include "feedback/gold.h"
#include "feedback/labels.h"
#include "feedback/messages.h"
#include "feedback/queue.h"

namespace loquat::app {

// Conversations, as far as feedback needs them.
class Turns {
 public:
  virtual ~Turns() = default;
  // The assistant's message with the turns before it; 404 where there is no such message or it is another person's, 409
  // where it is still being written or has failed.
  virtual std::variant<feedback::AnswerSeen, serve::ApiError> find(const std::string& person,
                                                                   const std::string& conversation,
                                                                   const std::string& message) = 0;
  struct Begun {
    std::string conversation, message;
  };
  // A conversation of its own, which is not listed, in which this model answers; its name is not told on the stream.
  virtual std::variant<Begun, serve::ApiError> begin_unnamed(const std::string& person, const std::string& tab,
                                                             const std::string& system, const std::string& content,
                                                             const std::string& model) = 0;
  virtual Result<std::vector<std::string>> models() = 0;  // that can answer
};

struct StudioParts {
  std::shared_ptr<database::Database> database;
  std::string datasets_folder;
  feedback::Clock clock = feedback::system_clock;
  std::shared_ptr<Turns> turns;
  std::shared_ptr<Talk> talk;
  std::function<std::string()> default_model;
  std::function<std::string(const std::string& model)> model_hash;
  std::function<feedback::Consent(const std::string& person)> consent;
  std::function<std::string(const std::string& person)> name_of;
  std::function<void(const std::string& person, const std::string& action, const std::string& object,
                     const nlohmann::json& detail)>
      audit;
};

struct StudioDesk {
  // Makes the tables where there are none.
  static Result<std::shared_ptr<StudioDesk>> open(StudioParts parts);
  explicit StudioDesk(StudioParts given);

  const StudioParts parts;
  feedback::Projects projects;
  feedback::Queue queue;
  feedback::Labels labels;
  feedback::GoldQuestions gold;
  feedback::MessageFeedback messages;
  feedback::Datasets datasets;
  AnswerWriter writer;  // last: its threads use the others
};

// Why something was refused, as the page's API says it.
serve::ApiError refused(const feedback::Refused& refused);
serve::ApiError broken(const std::string& error);  // 503; the error goes to the log alone
// Who works on this kind of project.
unsigned roles_for(const std::string& kind);

}  // namespace loquat::app
