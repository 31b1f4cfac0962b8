// Models that may be chosen, and admins' list of other servers' models.
#include "app/chat_routes.h"
#include "app/people_routes.h"
#include "app/remote_address.h"

namespace loquat::app {
namespace {

using nlohmann::json;

constexpr size_t kMostRemotes = 100;
constexpr size_t kLongestKey = 2000;

json remote_json(const RemoteModel& model) {
  return {{"id", model.id},
          {"url", model.url},
          {"model", model.model},
          {"allow_private", model.allow_private},
          {"has_key", !model.key.empty() || !model.trouble.empty()},
          {"trouble", model.trouble},
          {"created", model.created}};
}

std::string text_of(const json& body, const char* name) {
  const auto found = body.find(name);
  return found != body.end() && found->is_string() ? found->get<std::string>() : "";
}

Answer add_remote(ChatDesk& desk, const json& body) {
  RemoteModel model;
  model.id = text_of(body, "id");
  model.model = text_of(body, "model");
  model.key = text_of(body, "key");
  if (!is_remote_id(model.id))
    return bad_value("id", "'id' must be 1 to 100 letters, digits or characters of '.', '_', '-', ':'.");
  if (model.model.empty() || model.model.size() > chats::kMostNameBytes)
    return bad_value("model", "'model' must be the model's name at its server.");
  // A line's end would add headers of the key's own.
  const bool plain =
      std::all_of(model.key.begin(), model.key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!plain || model.key.size() > kLongestKey)
    return bad_value("key", "'key' must be printable ASCII without blanks.");
  if (body.contains("allow_private") && !body["allow_private"].is_boolean())
    return bad_value("allow_private", "'allow_private' must be true or false.");
  model.allow_private = body.value("allow_private", false);
  auto url = read_base_url(text_of(body, "url"));
  if (!url.ok()) return bad_value("url", url.error());
  model.url = *std::move(url);
  if (desk.models->is_local(model.id)) return conflict("exists", "This server has a model of its own of this id.");
  const auto all = desk.remotes->list();
  if (!all.ok()) return unavailable(all.error());
  if (all->size() >= kMostRemotes) return conflict("too_many", "There are too many models of other servers.");
  const auto added = desk.remotes->add(model);
  if (!added.ok()) return unavailable(added.error());
  if (*added == Remotes::Added::kExists) return conflict("exists", "There is a model of this id.");
  if (*added == Remotes::Added::kNoSecret)
    return conflict("no_secret",
                    "Keys are kept sealed, and this server has no secret to seal them with: give it one with "
                    "$LOQUAT_KEY_SECRET, the same on all servers of this database.");
  if (*added == Remotes::Added::kOtherSecret)
    return conflict("other_secret",
                    "The keys that are here were sealed with another secret: start the server with that one, or remove "
                    "these models first.");
  const auto made = desk.remotes->find(model.id);
  if (!made.ok()) return unavailable(made.error());
  return remote_json(made->value_or(model));
}

}  // namespace

void add_model_routes(Router& router, const std::shared_ptr<ChatDesk>& desk) {
  router.add({"GET", "/api/app/models", Rule::signed_in(), [desk](Call&) -> Answer {
                auto models = desk->models->list();
                if (!models.ok()) return unavailable(models.error());
                return *std::move(models);
              }});
  router.add({"GET", "/api/app/remotes", Rule::roles(people::kAdmin), [desk](Call&) -> Answer {
                const auto list = desk->remotes->list();
                if (!list.ok()) return unavailable(list.error());
                json remotes = json::array();
                for (const RemoteModel& model : *list) remotes.push_back(remote_json(model));
                return json{{"remotes", std::move(remotes)}};
              }});
  router.add({"POST", "/api/app/remotes", Rule::roles(people::kAdmin),
              [desk](Call& call) -> Answer { return add_remote(*desk, call.body); }});
  router.add({"DELETE", "/api/app/remotes/{id}", Rule::roles(people::kAdmin), [desk](Call& call) -> Answer {
                const auto removed = desk->remotes->remove(call.at("id"));
                if (!removed.ok()) return unavailable(removed.error());
                if (!*removed) return not_there("There is no model of another server of this id.");
                return no_content();
              }});
}

}  // namespace loquat::app
