#include "app/chat_routes.h"

#include <fmt/core.h>

#include <charconv>

#include "app/people_routes.h"
#include "base/log.h"
#include "chats/message_json.h"

namespace loquat::app {
namespace {

using chats::Chats;
using chats::Conversation;
using chats::Message;
using nlohmann::json;
using serve::ApiError;

constexpr int64_t kPage = 50, kLargestPage = 500;
constexpr size_t kLongestQuery = 500;
constexpr const char* kSentCode = "sent";

// A body's values, each absent, null or of the type that is asked for; the first that is not is the error.
class Body {
 public:
  explicit Body(const json& body) : body_(body) {}

  std::optional<std::string> text(const char* name) {
    const json* value = given(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return chats::plain_text(value->get<std::string>());
    fail(name, "text");
    return std::nullopt;
  }
  std::optional<bool> flag(const char* name) {
    const json* value = given(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    fail(name, "true or false");
    return std::nullopt;
  }
  std::optional<json> sampling(const char* name) {
    const json* value = given(name);
    if (value == nullptr) return std::nullopt;
    auto read = chats::read_sampling(*value);
    if (read.ok()) return *std::move(read);
    if (!error) error = bad_value(name, read.error());
    return std::nullopt;
  }
  std::vector<chats::File> files(const char* name) {
    std::vector<chats::File> files;
    const json* value = given(name);
    if (value == nullptr) return files;
    if (!value->is_array() || value->size() > chats::kMostFiles) {
      fail(name, fmt::format("a list of at most {} files", chats::kMostFiles));
      return files;
    }
    for (const json& file : *value) {
      Body one(file);
      if (!file.is_object()) one.fail(name, "a list of objects");
      const auto file_name = one.text("name"), text = one.text("text");
      if (!one.error && (!file_name || !text)) one.fail(name, "a list of {name, text}");
      if (one.error) {
        error = one.error;
        return files;
      }
      files.push_back({*file_name, *text, static_cast<int64_t>(text->size())});
    }
    return files;
  }

  std::optional<ApiError> error;

 private:
  const json* given(const char* name) const {
    if (!body_.is_object()) return nullptr;
    const auto found = body_.find(name);
    return found == body_.end() || found->is_null() ? nullptr : &*found;
  }
  void fail(const std::string& name, const std::string& expected) {
    if (!error) error = bad_value(name, fmt::format("'{}' must be {}.", name, expected));
  }

  const json& body_;
};

class ChatRoutes {
 public:
  ChatRoutes(std::shared_ptr<ChatDesk> desk, std::shared_ptr<Door> door)
      : desk_(std::move(desk)), door_(std::move(door)) {}

  Answer list(Call& call) {
    const auto& query = call.request.query;
    const auto value = [&](const char* name) {
      const auto found = query.find(name);
      return found == query.end() ? std::string() : found->second;
    };
    int64_t limit = kPage;
    const std::string given = value("limit");
    const auto [end, failed] = std::from_chars(given.data(), given.data() + given.size(), limit);
    if (!given.empty() && (failed != std::errc() || end != given.data() + given.size() || limit < 1))
      return bad_value("limit", "'limit' must be a number from 1.");
    const std::string words = value("query");
    if (words.size() > kLongestQuery) return bad_value("query", "'query' is too long.");
    const auto page = desk_->chats->list(call.person.id, words, value("before"), std::min(limit, kLargestPage));
    if (!page.ok()) return unavailable(page.error());
    json conversations = json::array();
    for (const chats::Found& found : page->found) {
      json one = conversation_json(found.conversation);
      for (const char* left_out : {"system", "sampling", "current"}) one.erase(left_out);
      if (!words.empty()) one["snippet"] = found.snippet;
      conversations.push_back(std::move(one));
    }
    return json{{"conversations", std::move(conversations)}, {"more", page->more}};
  }

  Answer create(Call& call) {
    Body body(call.body);
    Conversation wanted;
    wanted.title = body.text("title").value_or("");
    wanted.system = body.text("system").value_or("");
    wanted.model = body.text("model").value_or("");
    wanted.sampling = body.sampling("sampling").value_or(json::object());
    if (body.error) return *body.error;
    if (const std::string trouble = trouble_with(wanted); !trouble.empty()) return bad_value("", trouble);
    const auto made = desk_->chats->create(call.person.id, wanted);
    if (!made.ok()) return unavailable(made.error());
    if (!*made) return conflict("too_many", "You have too many conversations: delete some.");
    return conversation_json(**made);
  }

  Answer show(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    const Conversation& conversation = std::get<Conversation>(found);
    const auto messages = messages_now(call.person.id, conversation.id);
    if (!messages.ok()) return unavailable(messages.error());
    json out = conversation_json(conversation);
    json& list = out["messages"] = json::array();
    std::map<std::string, json> feedback;
    if (desk_->feedback) {
      auto read = desk_->feedback(call.person.id, conversation.id);
      if (!read.ok()) return unavailable(read.error());
      feedback = *std::move(read);
    }
    for (const Message& message : *messages) {
      list.push_back(message_json(message));
      if (const auto said = feedback.find(message.id); said != feedback.end()) list.back()["feedback"] = said->second;
    }
    return out;
  }

  Answer change(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    Body body(call.body);
    chats::ConversationChange change{body.text("title"),   body.text("system"), body.text("model"),
                                     body.text("current"), body.flag("pinned"), body.sampling("sampling")};
    if (body.error) return *body.error;
    Conversation wanted = std::get<Conversation>(found);
    wanted.title = change.title.value_or("");
    wanted.system = change.system.value_or("");
    wanted.model = change.model.value_or("");
    if (const std::string trouble = trouble_with(wanted); !trouble.empty()) return bad_value("", trouble);
    const auto done = desk_->chats->change(call.person.id, wanted.id, change);
    if (!done.ok()) return unavailable(done.error());
    if (!*done) return not_there("There is no such message in this conversation.");
    auto changed = own(call);
    if (const auto* error = std::get_if<ApiError>(&changed)) return *error;
    return conversation_json(std::get<Conversation>(changed));
  }

  Answer remove(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    desk_->replies->stop_conversation(call.person.id, call.at("id"));
    if (desk_->removed) {
      const Status told = desk_->removed(call.person.id, call.at("id"));
      if (!told.ok()) return unavailable(told.error());
    }
    const auto removed = desk_->chats->remove(call.person.id, call.at("id"));
    if (!removed.ok()) return unavailable(removed.error());
    return no_content();
  }

  Answer send(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    Conversation conversation = std::get<Conversation>(found);
    Body body(call.body);
    Message user;
    user.id = chats::new_id();
    user.role = "user";
    user.parent = body.text("parent").value_or("");
    user.content = body.text("content").value_or("");
    user.files = body.files("files");
    const std::string model = body.text("model").value_or(conversation.model);
    const bool wants_reply = body.flag("reply").value_or(true);
    const std::string tab = body.text("tab").value_or("");
    user.client_id = body.text("client_id").value_or("");
    if (body.error) return *body.error;
    if (auto answer = answer_of_before(call, user)) return *std::move(answer);
    if (user.content.empty() && user.files.empty()) return bad_value("content", "'content' is empty.");
    if (const std::string trouble = trouble_with(user); !trouble.empty()) return bad_value("content", trouble);
    std::vector<Message> branch;
    if (auto error = read_branch(call, user.parent, &branch)) return *error;
    if (wants_reply) {
      if (auto error = check_tab(call, tab)) return *error;
    }
    ReplyWish wish;
    if (wants_reply && !(wish.place = desk_->replies->place(call.person.id))) return too_many_replies();
    Message reply = new_reply(*desk_, user.id, model, conversation.sampling);
    if (const std::string trouble = trouble_with(reply); !trouble.empty()) return bad_value("model", trouble);
    if (auto error = add(call, wants_reply ? std::vector{&user, &reply} : std::vector{&user})) {
      auto answer = error->code == kSentCode ? answer_of_before(call, user) : std::nullopt;
      return answer ? *std::move(answer) : Answer(*error);
    }
    name(call, conversation, user, tab);
    json out = {{"user", message_json(user)}, {"reply", nullptr}};
    if (!wants_reply) return out;
    out["reply"] = message_json(reply);
    branch.push_back(std::move(user));
    begin(call, tab, std::move(conversation), std::move(branch), std::move(reply), std::move(wish));
    return out;
  }

  Answer again(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    Conversation conversation = std::get<Conversation>(found);
    Body body(call.body);
    const std::string parent = body.text("parent").value_or("");
    const std::string tab = body.text("tab").value_or("");
    const std::string model = body.text("model").value_or(conversation.model);
    const json sampling = body.sampling("sampling").value_or(conversation.sampling);
    Message reply = new_reply(*desk_, parent, model, sampling);
    reply.client_id = body.text("client_id").value_or("");
    if (body.error) return *body.error;
    if (auto answer = answer_of_before(call, reply)) return *std::move(answer);
    std::vector<Message> branch;
    if (parent.empty()) return bad_value("parent", "'parent' must be a user's message.");
    if (auto error = read_branch(call, parent, &branch)) return *error;
    if (branch.back().role != "user") return bad_value("parent", "'parent' must be a user's message.");
    if (auto error = check_tab(call, tab)) return *error;
    ReplyWish wish;
    if (!(wish.place = desk_->replies->place(call.person.id))) return too_many_replies();
    if (const std::string trouble = trouble_with(reply); !trouble.empty()) return bad_value("model", trouble);
    if (auto error = add(call, {&reply})) {
      auto answer = error->code == kSentCode ? answer_of_before(call, reply) : std::nullopt;
      return answer ? *std::move(answer) : Answer(*error);
    }
    json out = {{"reply", message_json(reply)}};
    begin(call, tab, std::move(conversation), std::move(branch), std::move(reply), std::move(wish));
    return out;
  }

  Answer stop(Call& call) {
    auto found = own(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    desk_->replies->stop_message(call.person.id, call.at("message"));
    return no_content();
  }

  Answer stream(Call& call) {
    const auto tab = call.request.query.find("tab");
    if (tab == call.request.query.end() || !Streams::is_tab(tab->second)) return wrong_tab();
    auto may_stay = [door = door_, request = call.request, person = call.person.id] {
      return door->still(request, person);
    };
    switch (desk_->streams->open(call.person.id, tab->second, call.reply, std::move(may_stay))) {
      case Streams::Opened::kNotTheirs:
        return not_there("There is no such tab.");
      case Streams::Opened::kTooMany:
        return ApiError{429, "Too many tabs are open.", "rate_limit_error", "", "too_many_tabs", 10};
      case Streams::Opened::kYes:
        break;
    }
    desk_->replies->send_snapshots(call.person.id, tab->second);
    return AnsweredLater{};
  }

 private:
  // Replies that are being written are ahead of the store. One that ended since the store was read is read again.
  Result<std::vector<Message>> messages_now(const std::string& person, const std::string& conversation) const {
    std::vector<Message> messages;
    bool ended = true;
    for (int i = 0; i < 2 && ended; ++i) {
      TRY(messages, desk_->chats->messages(person, conversation));
      ended = false;
      for (Message& message : messages) {
        if (message.state != "writing") continue;
        auto now = desk_->replies->under_way(person, message.id);
        ended = ended || !now;
        if (now) message = *std::move(now);
      }
    }
    return messages;
  }

  std::variant<Conversation, ApiError> own(const Call& call) {
    auto found = desk_->chats->find(call.person.id, call.at("id"));
    if (!found.ok()) return unavailable(found.error());
    if (!*found || !(*found)->kind.empty()) return not_there("There is no such conversation.");
    return **std::move(found);
  }

  static ApiError wrong_tab() { return bad_value("tab", "'tab' must be 1 to 64 letters, digits, '-' or '_'."); }
  static ApiError too_many_replies() {
    return {429,
            "Too many answers are being written for you: wait until one has ended, or stop one.",
            "rate_limit_error",
            "",
            "too_many_replies",
            2};
  }

  // What is sent once more, because its answer was lost, gets that answer: the message that is there. Nothing: it has
  // not been sent before.
  std::optional<Answer> answer_of_before(const Call& call, const Message& wanted) {
    if (wanted.client_id.empty()) return std::nullopt;
    if (!Streams::is_tab(wanted.client_id))
      return bad_value("client_id", "'client_id' must be 1 to 64 letters, digits, '-' or '_'.");
    auto sent = desk_->chats->sent(call.person.id, call.at("id"), wanted.client_id);
    if (sent.ok() && !sent->empty() && answer_in(*sent).state == "writing") {
      // It is ahead of the store; where it has just ended, the store has it now.
      if (auto now = desk_->replies->under_way(call.person.id, answer_in(*sent).id)) {
        answer_in(*sent) = *std::move(now);
      } else {
        sent = desk_->chats->sent(call.person.id, call.at("id"), wanted.client_id);
      }
    }
    if (!sent.ok()) return unavailable(sent.error());
    if (sent->empty()) return std::nullopt;
    const Message& before = sent->front();
    const bool same = before.role == wanted.role && before.parent == wanted.parent &&
                      (wanted.role == "assistant" || before.content == wanted.content);
    if (!same) return conflict("client_id_used", "Another message has been sent under this 'client_id'.");
    if (wanted.role == "assistant") return json{{"reply", message_json(before)}};
    return json{{"user", message_json(before)}, {"reply", sent->size() > 1 ? message_json(sent->back()) : json()}};
  }
  // Of a message and the first answer to it, or of an answer and what was said then.
  static Message& answer_in(std::vector<Message>& sent) {
    return sent.front().role == "assistant" ? sent.front() : sent.back();
  }

  std::optional<ApiError> check_tab(const Call& call, const std::string& tab) {
    if (!Streams::is_tab(tab)) return wrong_tab();
    if (!desk_->streams->claim(call.person.id, tab)) return not_there("There is no such tab.");
    return std::nullopt;
  }

  // The messages to `leaf` ("": none), which nobody is writing.
  std::optional<ApiError> read_branch(const Call& call, const std::string& leaf, std::vector<Message>* branch) {
    if (leaf.empty()) return std::nullopt;
    auto read = desk_->chats->branch(call.person.id, call.at("id"), leaf);
    if (!read.ok()) return unavailable(read.error());
    if (read->empty()) return not_there("There is no such message in this conversation.");
    if (read->back().state == "writing") return conflict("writing", "This answer is still being written.");
    *branch = *std::move(read);
    return std::nullopt;
  }

  std::optional<ApiError> add(const Call& call, std::vector<Message*> messages) {
    const auto added = desk_->chats->add(call.person.id, call.at("id"), std::move(messages));
    if (!added.ok()) return unavailable(added.error());
    if (*added == Chats::Added::kFull) return conflict("full", "This conversation is full: begin another.");
    if (*added == Chats::Added::kSent) return conflict(kSentCode, "This message has been sent already.");
    if (*added == Chats::Added::kMissing) return not_there("There is no such message in this conversation.");
    return std::nullopt;
  }

  // A conversation's name is its first message's first words.
  void name(const Call& call, const Conversation& conversation, const Message& user, const std::string& tab) {
    if (!conversation.title.empty()) return;
    chats::ConversationChange change;
    change.title = chats::title_of(user.content.empty() ? user.files[0].name : user.content);
    const auto done = desk_->chats->change(call.person.id, conversation.id, change);
    if (!done.ok()) return log_warning("a title could not be written: {}", done.error());
    desk_->streams->send(call.person.id, tab, "title", {{"conversation", conversation.id}, {"title", *change.title}});
  }

  void begin(const Call& call, const std::string& tab, Conversation settings, std::vector<Message> branch,
             Message reply, ReplyWish wish) {
    wish.person = call.person.id;
    wish.tab = tab;
    wish.settings = std::move(settings);
    wish.branch = std::move(branch);
    wish.reply = std::move(reply);
    begin_reply(*desk_, std::move(wish));
  }

  const std::shared_ptr<ChatDesk> desk_;
  const std::shared_ptr<Door> door_;
};

}  // namespace

void add_chat_routes(Router& router, const std::shared_ptr<ChatDesk>& desk) {
  const auto routes = std::make_shared<ChatRoutes>(desk, router.door());
  const auto add = [&](const char* method, const std::string& path, Rule rule, Answer (ChatRoutes::*handle)(Call&)) {
    router.add({method, "/api/app" + path, rule, [routes, handle](Call& call) { return (*routes.*handle)(call); }});
  };
  add("GET", "/conversations", Rule::signed_in(), &ChatRoutes::list);
  add("POST", "/conversations", Rule::signed_in(), &ChatRoutes::create);
  add("GET", "/conversations/{id}", Rule::own(), &ChatRoutes::show);
  add("PATCH", "/conversations/{id}", Rule::own(), &ChatRoutes::change);
  add("DELETE", "/conversations/{id}", Rule::own(), &ChatRoutes::remove);
  add("POST", "/conversations/{id}/messages", Rule::own(), &ChatRoutes::send);
  add("POST", "/conversations/{id}/replies", Rule::own(), &ChatRoutes::again);
  add("POST", "/conversations/{id}/messages/{message}/stop", Rule::own(), &ChatRoutes::stop);
  add("GET", "/stream", Rule::signed_in(), &ChatRoutes::stream);
}

}  // namespace loquat::app
