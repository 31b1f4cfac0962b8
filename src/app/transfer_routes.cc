// Conversations out and in. What is large is read and written on a thread of its own.
#include <fmt/core.h>

#include "app/chat_routes.h"
#include "app/people_routes.h"
#include "chats/transfer.h"

namespace loquat::app {
namespace {

using chats::Conversation;
using chats::Message;
using nlohmann::json;

http::Response file(const std::string& name, const char* type, std::string body) {
  return {200,
          {{"Content-Type", type},
           {"Content-Disposition", "attachment; filename=\"" + name + "\""},
           {"Cache-Control", "no-store"}},
          std::move(body)};
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

http::Response export_one(ChatDesk& desk, const std::string& person, const Conversation& conversation, bool markdown) {
  if (markdown) {
    const auto branch = desk.chats->branch(person, conversation.id, conversation.current);
    if (!branch.ok()) return serve::error_response(unavailable(branch.error()));
    return file("conversation.md", "text/markdown; charset=utf-8", export_markdown(conversation, *branch));
  }
  const auto messages = desk.chats->messages(person, conversation.id, true);
  if (!messages.ok()) return serve::error_response(unavailable(messages.error()));
  const json all = {{"conversations", {export_json(conversation, *messages)}}};
  return file("conversation.json", "application/json", dump(all));
}

http::Response export_all(ChatDesk& desk, const std::string& person) {
  const auto ids = desk.chats->ids(person);
  if (!ids.ok()) return serve::error_response(unavailable(ids.error()));
  std::string out = "{\"conversations\":[";
  bool first = true;
  for (const std::string& id : *ids) {
    const auto conversation = desk.chats->find(person, id);
    if (!conversation.ok()) return serve::error_response(unavailable(conversation.error()));
    if (!*conversation) continue;  // deleted meanwhile
    const auto messages = desk.chats->messages(person, id, true);
    if (!messages.ok()) return serve::error_response(unavailable(messages.error()));
    out += (first ? "" : ",\n") + dump(export_json(**conversation, *messages));
    first = false;
  }
  return file("conversations.json", "application/json", out + "]}\n");
}

http::Response import_all(ChatDesk& desk, const std::string& person, const json& body) {
  const auto incoming = chats::read_import(body);
  if (!incoming.ok()) return serve::error_response(bad_value("conversations", incoming.error()));
  int64_t imported = 0;
  json skipped = json::array();
  const auto skip = [&](int64_t index, const std::string& why) { skipped.push_back({{"index", index}, {"why", why}}); };
  for (const chats::Incoming& one : *incoming) {
    if (!one.why.empty()) {
      skip(one.index, one.why);
      continue;
    }
    const auto made = desk.chats->import(person, one.conversation, one.messages);
    if (!made.ok()) {
      unavailable(made.error());  // its words are for the log
      skip(one.index, "it could not be written");
    } else if (!*made) {
      skip(one.index, "you have too many conversations");
    } else {
      ++imported;
    }
  }
  return json_response({{"imported", imported}, {"skipped", std::move(skipped)}});
}

Answer later(ChatDesk& desk, Call& call, std::function<http::Response()> work) {
  const auto reply = call.reply;
  const bool taken = desk.background->add([reply, work = std::move(work)] {
    if (!reply->gone()) reply->send(work());
  });
  if (!taken) return serve::server_is_busy();
  return AnsweredLater{};
}

}  // namespace

void add_transfer_routes(Router& router, const std::shared_ptr<ChatDesk>& desk) {
  ChatDesk* const d = desk.get();  // its background thread ends with it
  router.add({"GET", "/api/app/conversations/{id}/export", Rule::own(), [d](Call& call) -> Answer {
                const auto format = call.request.query.find("format");
                const std::string wanted = format == call.request.query.end() ? "json" : format->second;
                if (wanted != "json" && wanted != "markdown")
                  return bad_value("format", "'format' must be json or markdown.");
                const auto found = d->chats->find(call.person.id, call.at("id"));
                if (!found.ok()) return unavailable(found.error());
                if (!*found || !(*found)->kind.empty()) return not_there("There is no such conversation.");
                return later(*d, call, [d, person = call.person.id, conversation = **found, wanted] {
                  return export_one(*d, person, conversation, wanted == "markdown");
                });
              }});
  router.add({"GET", "/api/app/export", Rule::signed_in(), [d](Call& call) -> Answer {
                return later(*d, call, [d, person = call.person.id] { return export_all(*d, person); });
              }});
  router.add({"POST", "/api/app/import", Rule::signed_in(), [d](Call& call) -> Answer {
                const auto body = std::make_shared<const json>(std::move(call.body));
                return later(*d, call, [d, person = call.person.id, body] { return import_all(*d, person, *body); });
              }});
}

}  // namespace loquat::app
