// No answer goes out unless the audit log has it: a list with one entry for each person whose chats it shows, a whole
// conversation with one each time. Reviewers see pseudonyms: who it was is no part of judging an answer.
#include "app/review_routes.h"

#include <charconv>
#include <map>

#include "app/people_routes.h"
#include "chats/message_json.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using serve::ApiError;

constexpr int64_t kPage = 50, kLargestPage = 200, kReadingsPage = 50;
constexpr size_t kLongestQuery = 500;

std::string asked(const Call& call, const char* name) {
  const auto found = call.request.query.find(name);
  return found == call.request.query.end() ? std::string() : found->second;
}

class ReviewRoutes {
 public:
  explicit ReviewRoutes(ReviewDesk desk) : desk_(std::move(desk)) {}

  Answer list(Call& call) {
    Reviews::Wanted wanted{reviewer(call), asked(call, "query"), asked(call, "feedback"), asked(call, "before"), kPage};
    if (wanted.query.size() > kLongestQuery) return bad_value("query", "'query' is too long.");
    if (!is_review_filter(wanted.feedback))
      return bad_value("feedback", "'feedback' must be \"any\", \"down\" or \"flags\".");
    if (const std::string limit = asked(call, "limit"); !limit.empty()) {
      const auto [end, failed] = std::from_chars(limit.data(), limit.data() + limit.size(), wanted.limit);
      if (failed != std::errc() || end != limit.data() + limit.size() || wanted.limit < 1)
        return bad_value("limit", "'limit' must be a number from 1.");
      wanted.limit = std::min(wanted.limit, kLargestPage);
    }
    const auto page = desk_.reviews->list(wanted);
    if (!page.ok()) return unavailable(page.error());
    std::map<std::string, int64_t> shown;  // of each person
    for (const ReviewedChat& chat : page->chats) ++shown[chat.person];
    std::vector<people::AuditNote> notes;
    for (const auto& [person, count] : shown)
      notes.push_back({call.person.id,
                       "list_conversations",
                       "",
                       {{"conversations", count}, {"search", !wanted.query.empty()}},
                       person});
    if (const Status written = desk_.people.audit.record(notes); !written.ok()) return unavailable(written.error());
    json conversations = json::array();
    for (const ReviewedChat& chat : page->chats) {
      auto who = desk_.people.pseudonyms.of(chat.person);
      if (!who.ok()) return unavailable(who.error());
      json one = {{"id", chat.conversation.id},
                  {"who", *std::move(who)},
                  {"title", chat.conversation.title},
                  {"model", chat.conversation.model},
                  {"created", chat.conversation.created},
                  {"updated", chat.conversation.updated},
                  {"up", chat.up},
                  {"down", chat.down},
                  {"flagged", chat.flagged}};
      if (!wanted.query.empty()) one["snippet"] = chat.snippet;
      conversations.push_back(std::move(one));
    }
    return json{{"conversations", std::move(conversations)}, {"more", page->more}};
  }

  Answer show(Call& call) {
    auto found = readable(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    const ReviewedChat& chat = std::get<ReviewedChat>(found);
    const auto messages = desk_.chats->chats->messages(chat.person, chat.conversation.id);
    if (!messages.ok()) return unavailable(messages.error());
    auto feedback = desk_.reviews->feedback(chat.conversation.id);
    if (!feedback.ok()) return unavailable(feedback.error());
    auto who = desk_.people.pseudonyms.of(chat.person);
    if (!who.ok()) return unavailable(who.error());
    if (auto error = noted(call, chat, "read_conversation")) return *error;
    json out = chats::conversation_json(chat.conversation);
    out.erase("pinned");
    out["who"] = *std::move(who);
    out["may_train"] = chat.may_train;
    json& list = out["messages"] = json::array();
    for (const chats::Message& message : *messages) {
      list.push_back(chats::message_json(message));
      if (const auto said = feedback->find(message.id); said != feedback->end()) list.back()["feedback"] = said->second;
    }
    return out;
  }

  // The turns up to a user's message become a prompt of a project, for people to answer better.
  Answer make_prompt(Call& call) {
    auto found = readable(call);
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    const ReviewedChat& chat = std::get<ReviewedChat>(found);
    const auto message = text_in(call.body, "message"), wanted = text_in(call.body, "project");
    if (const auto* error = std::get_if<ApiError>(&message)) return *error;
    if (const auto* error = std::get_if<ApiError>(&wanted)) return *error;
    if (!chat.may_train)
      return conflict("not_trainable",
                      "This person allows that their chats are read, not that models learn from them.");
    const auto branch = desk_.chats->chats->branch(chat.person, chat.conversation.id, std::get<std::string>(message));
    if (!branch.ok()) return unavailable(branch.error());
    if (branch->empty() || branch->back().role != "user")
      return bad_value("message", "'message' must be a user's message of this conversation.");
    const auto project = desk_.studio->projects.get(std::get<std::string>(wanted));
    if (!project.ok()) return refused(project.refused());
    if (project->kind == feedback::kReview)
      return bad_value("project", "A project of reviews takes other projects' labels, no prompts.");
    const json turns = chat_request(chat.conversation, *branch, {}).at("messages");
    // First: what is done with a person's words must be in their log.
    if (auto error = noted(call, chat, "use_conversation", {{"project", project->id}})) return *error;
    const auto added = desk_.studio->projects.add_prompts(project->id, {{"prompts", {{{"messages", turns}}}}},
                                                          {chat.person, chat.conversation.id});
    if (!added.ok()) return refused(added.refused());
    if (!added->skipped.empty()) return bad_value("message", added->skipped[0].why);
    return json{{"added", added->added > 0}};
  }

  // Who read the caller's own chats.
  Answer readings(Call& call) {
    people::Audit::Wanted wanted;
    wanted.before = asked(call, "before");
    wanted.limit = kReadingsPage + 1;
    wanted.about = call.person.id;
    auto entries = desk_.people.audit.list(wanted);
    if (!entries.ok()) return unavailable(entries.error());
    const bool more = entries->size() > kReadingsPage;
    if (more) entries->pop_back();
    json list = json::array();
    for (const people::AuditEntry& entry : *entries) {
      std::string title;
      if (!entry.object.empty()) {
        const auto conversation = desk_.chats->chats->find(call.person.id, entry.object);
        if (!conversation.ok()) return unavailable(conversation.error());
        if (*conversation) title = (*conversation)->title;
      }
      list.push_back({{"id", entry.id},
                      {"time", entry.time},
                      {"name", entry.name},
                      {"action", entry.action},
                      {"conversation", entry.object},
                      {"title", title},
                      {"conversations", entry.detail.value("conversations", 1)}});
    }
    return json{{"readings", std::move(list)}, {"more", more}};
  }

 private:
  std::string reviewer(const Call& call) const { return desk_.accounts ? call.person.id : std::string(); }

  std::variant<ReviewedChat, ApiError> readable(const Call& call) {
    auto found = desk_.reviews->find(reviewer(call), call.at("id"));
    if (!found.ok()) return unavailable(found.error());
    if (!*found) return not_there("There is no such conversation that you may read.");
    return **std::move(found);
  }

  std::optional<ApiError> noted(const Call& call, const ReviewedChat& chat, const std::string& action,
                                const json& detail = json::object()) {
    const Status written =
        desk_.people.audit.record({{call.person.id, action, chat.conversation.id, detail, chat.person}});
    if (written.ok()) return std::nullopt;
    return unavailable(written.error());
  }

  const ReviewDesk desk_;
};

}  // namespace

void add_review_routes(Router& router, ReviewDesk desk) {
  const auto routes = std::make_shared<ReviewRoutes>(std::move(desk));
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (ReviewRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [routes, handle](Call& call) { return ((*routes).*handle)(call); }});
  };
  const Rule reviewers = Rule::roles(people::kReviewer);
  add("GET", "/api/app/reviews", reviewers, &ReviewRoutes::list);
  add("GET", "/api/app/reviews/{id}", reviewers, &ReviewRoutes::show);
  add("POST", "/api/app/reviews/{id}/prompts", reviewers, &ReviewRoutes::make_prompt);
  add("GET", "/api/app/readings", Rule::signed_in(), &ReviewRoutes::readings);
}

}  // namespace loquat::app
