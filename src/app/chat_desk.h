// What the routes of conversations and models stand on, in the order in which it must end.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "app/chat_models.h"
#include "app/replies.h"
#include "app/streams.h"
#include "base/background.h"
#include "chats/chats.h"

namespace loquat::app {

struct ChatDesk {
  // Makes the tables where there are none.
  static Result<std::shared_ptr<ChatDesk>> open(std::shared_ptr<database::Database> database,
                                                std::shared_ptr<serve::api::Api> api,
                                                std::shared_ptr<serve::Backend> backend, bool join_caches,
                                                const SecretSource& secret = {}, const StreamLimits& stream_limits = {},
                                                const ReplyLimits& reply_limits = {});
  // Replies end within `grace`, or are stopped; then the streams end.
  void stop(std::chrono::milliseconds grace);
  // Everything of a person goes; the number of conversations.
  Result<int64_t> erase_person(const std::string& person);

  std::shared_ptr<chats::Chats> chats;
  std::shared_ptr<Remotes> remotes;
  std::unique_ptr<ChatModels> models;
  std::unique_ptr<Streams> streams;
  std::unique_ptr<Replies> replies;
  std::unique_ptr<Background> background;  // exports and imports
  // What others keep of conversations; may be null. A conversation that its person has removed goes there too; what was
  // said of its messages, by message.
  std::function<Status(const std::string& person, const std::string& conversation)> removed;
  std::function<Result<std::map<std::string, nlohmann::json>>(const std::string& person,
                                                              const std::string& conversation)>
      feedback;
};

// A reply to `parent`'s words is begun: its message is in the store and goes to the tab as it is written. `settings`
// has the system prompt, the model ("": the default one) and the sampling. Also for other parts that have models
// answer.
struct ReplyWish {
  std::string person, tab;
  bool named = true;  // Replies::Wish
  chats::Conversation settings;
  std::vector<chats::Message> branch;  // to the user's message, with the files' texts
  chats::Message reply;                // in the store
  std::unique_ptr<Replies::Place> place;
};
void begin_reply(ChatDesk& desk, ReplyWish wish);
// A reply's message before it is in the store.
chats::Message new_reply(ChatDesk& desk, const std::string& parent, const std::string& model,
                         const nlohmann::json& sampling);
// The request that a model gets of it.
nlohmann::json chat_request(const chats::Conversation& settings, const std::vector<chats::Message>& branch,
                            const chats::Message& reply);

}  // namespace loquat::app
