#include "app/chat_turns.h"

#include "chats/message_json.h"

namespace loquat::app {
namespace {

using chats::Message;
using nlohmann::json;
using serve::ApiError;

class ChatTurns final : public Turns {
 public:
  explicit ChatTurns(std::shared_ptr<ChatDesk> desk) : desk_(std::move(desk)) {}

  std::variant<feedback::AnswerSeen, ApiError> find(const std::string& person, const std::string& conversation,
                                                    const std::string& message) override {
    const auto settings = desk_->chats->find(person, conversation);
    if (!settings.ok()) return broken(settings.error());
    if (!*settings) return not_there("There is no such answer.");
    const auto branch = desk_->chats->branch(person, conversation, message);
    if (!branch.ok()) return broken(branch.error());
    if (branch->empty() || branch->back().role != "assistant") return not_there("There is no such answer.");
    const Message& answer = branch->back();
    if (answer.state == "writing") return conflict("writing", "The answer is still being written.");
    if (answer.state == "failed") return conflict("failed", "There is no answer: writing it failed.");
    const std::vector<Message> before(branch->begin(), branch->end() - 1);
    feedback::AnswerSeen seen;
    seen.conversation = conversation;
    seen.message = message;
    seen.turns = chat_request(**settings, before, answer).at("messages");
    seen.text = answer.content;
    seen.model = answer.model;
    seen.model_hash = answer.model_hash;
    seen.sampling = answer.sampling;
    return seen;
  }

  std::variant<Begun, ApiError> begin_unnamed(const std::string& person, const std::string& tab,
                                              const std::string& system, const std::string& content,
                                              const std::string& model) override {
    if (!Streams::is_tab(tab)) return bad_value("tab", "'tab' must be 1 to 64 letters, digits, '-' or '_'.");
    if (!desk_->streams->claim(person, tab)) return not_there("There is no such tab.");
    ReplyWish wish;
    wish.place = desk_->replies->place(person);
    if (!wish.place)
      return ApiError{429, "Too many answers are being written for you.", "rate_limit_error", "", "too_many_replies",
                      2};
    chats::Conversation wanted;
    wanted.kind = "blind";
    wanted.system = chats::plain_text(system);
    wanted.model = model;
    Message user;
    user.role = "user";
    user.id = chats::new_id();
    user.content = chats::plain_text(content);
    for (const std::string& trouble : {chats::trouble_with(user), chats::trouble_with(wanted)}) {
      if (!trouble.empty()) return bad_value("content", trouble);
    }
    const auto made = desk_->chats->create(person, wanted);
    if (!made.ok()) return broken(made.error());
    if (!*made) return conflict("too_many", "You have too many conversations: delete some.");
    Message reply = new_reply(*desk_, user.id, model, json::object());
    const auto added = desk_->chats->add(person, (*made)->id, {&user, &reply});
    if (!added.ok()) return broken(added.error());
    Begun begun{(*made)->id, reply.id};
    wish.person = person;
    wish.tab = tab;
    wish.named = false;
    wish.settings = **made;
    wish.branch = {std::move(user)};
    wish.reply = std::move(reply);
    begin_reply(*desk_, std::move(wish));
    return begun;
  }

  Result<std::vector<std::string>> models() override {
    TRY(const json list, desk_->models->list());
    std::vector<std::string> out;
    for (const json& model : list.at("models")) out.push_back(model.at("id").get<std::string>());
    return out;
  }

 private:
  const std::shared_ptr<ChatDesk> desk_;
};

}  // namespace

std::shared_ptr<Turns> make_chat_turns(std::shared_ptr<ChatDesk> desk) {
  return std::make_shared<ChatTurns>(std::move(desk));
}

}  // namespace loquat::app
