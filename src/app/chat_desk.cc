#include "app/chat_desk.h"

#include "chats/transfer.h"

namespace loquat::app {
namespace {

using nlohmann::json;

constexpr size_t kTransfersWaiting = 16;

}  // namespace

Result<std::shared_ptr<ChatDesk>> ChatDesk::open(std::shared_ptr<database::Database> database,
                                                 std::shared_ptr<serve::api::Api> api,
                                                 std::shared_ptr<serve::Backend> backend, bool join_caches,
                                                 const SecretSource& secret, const StreamLimits& stream_limits,
                                                 const ReplyLimits& reply_limits) {
  auto desk = std::make_shared<ChatDesk>();
  TRY(desk->chats, chats::Chats::open(database));
  TRY(desk->remotes, Remotes::open(database, secret));
  desk->models = std::make_unique<ChatModels>(std::move(api), std::move(backend), desk->remotes, join_caches);
  desk->streams = std::make_unique<Streams>(stream_limits);
  desk->replies = std::make_unique<Replies>(desk->chats, *desk->streams, reply_limits);
  desk->background = std::make_unique<Background>(1, kTransfersWaiting);
  return desk;
}

void ChatDesk::stop(std::chrono::milliseconds grace) {
  replies->stop(grace);
  streams->stop();
}

Result<int64_t> ChatDesk::erase_person(const std::string& person) {
  replies->stop_person(person);
  streams->forget_person(person);
  return chats->erase_person(person);
}

chats::Message new_reply(ChatDesk& desk, const std::string& parent, const std::string& model, const json& sampling) {
  chats::Message reply;
  reply.id = chats::new_id();
  reply.parent = parent;
  reply.role = "assistant";
  reply.model = model.empty() ? desk.models->default_model() : model;
  reply.sampling = sampling;
  reply.state = "writing";
  return reply;
}

json chat_request(const chats::Conversation& settings, const std::vector<chats::Message>& branch,
                  const chats::Message& reply) {
  json messages = json::array();
  if (!settings.system.empty()) messages.push_back({{"role", "system"}, {"content", settings.system}});
  for (const chats::Message& message : branch) {
    // Thoughts and calls of tools are not said again; an answer that failed stays, because turns alternate.
    messages.push_back(
        {{"role", message.role}, {"content", message.role == "user" ? chats::with_files(message) : message.content}});
  }
  json request = {{"model", reply.model}, {"messages", std::move(messages)}};
  for (const auto& [name, value] : reply.sampling.items()) {
    if (name == "enable_thinking") {
      request["chat_template_kwargs"] = {{name, value}};
    } else {
      request[name] = value;
    }
  }
  return request;
}

void begin_reply(ChatDesk& desk, ReplyWish wish) {
  json request = chat_request(wish.settings, wish.branch, wish.reply);
  ChatModels& models = *desk.models;
  models.hash_of(wish.reply.model);  // asked for early, to be known at the end
  Replies::Wish out;
  out.person = wish.person;
  out.conversation = wish.settings.id;
  out.tab = wish.tab;
  out.named = wish.named;
  out.model_hash = [&models, model = wish.reply.model] { return models.hash_of(model); };
  out.talk = [&models, request = std::move(request), person = wish.person](TalkSink sink) {
    return models.start(request, person, std::move(sink));
  };
  out.message = std::move(wish.reply);
  out.place = std::move(wish.place);
  desk.replies->start(std::move(out));
}

}  // namespace loquat::app
