// What admins do with people: list, change, erase, invite.
#include <fmt/core.h>

#include "app/people_routes.h"
#include "app/session_door.h"
#include "people/words.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using Refusal = people::Accounts::Refusal;

constexpr size_t kLongestNote = 200;
constexpr int64_t kAuditPage = 100;

json account_json(const people::Account& account) {
  return {{"id", account.person.id},          {"name", account.person.name},
          {"email", account.person.email},    {"roles", people::role_names(account.person.roles)},
          {"created", account.created},       {"seen", account.seen},
          {"disabled", account.disabled != 0}};
}

json invitation_json(const people::Invitation& invitation) {
  return {{"id", invitation.id},           {"email", invitation.email},
          {"note", invitation.note},       {"roles", people::role_names(invitation.roles)},
          {"made_by", invitation.made_by}, {"created", invitation.created},
          {"expires", invitation.expires}, {"used", invitation.used != 0},
          {"used_by", invitation.used_by}};
}

Result<unsigned> roles_in(const json& body) {
  std::vector<std::string> names;
  const json roles = body.value("roles", json());
  if (!roles.is_array()) return Err("roles: expected a list of names.");
  for (const json& role : roles) {
    if (!role.is_string()) return Err("roles: expected a list of names.");
    names.push_back(role.get<std::string>());
  }
  return people::roles_of(names);
}

serve::ApiError refusal_of(Refusal refusal) {
  if (refusal == Refusal::kLastAdmin)
    return conflict("last_admin", "This is the last admin who can sign in: make another one first.");
  return not_there("There is no such person.");
}

class AdminRoutes {
 public:
  explicit AdminRoutes(PeopleDesk& desk) : desk_(desk) {}

  Answer people(Call&) {
    const auto accounts = desk_.accounts.list();
    if (!accounts.ok()) return unavailable(accounts.error());
    json list = json::array();
    for (const people::Account& account : *accounts) list.push_back(account_json(account));
    return json{{"people", list}};
  }

  Answer change(Call& call) {
    people::Accounts::Change change;
    json detail = json::object();
    if (call.body.contains("roles")) {
      const auto roles = roles_in(call.body);
      if (!roles.ok()) return bad_value("roles", roles.error());
      change.roles = *roles;
      detail["roles"] = people::role_names(*roles);
    }
    if (call.body.contains("disabled")) {
      if (!call.body["disabled"].is_boolean()) return bad_value("disabled", "disabled: expected true or false.");
      change.disabled = call.body["disabled"].get<bool>();
      detail["disabled"] = *change.disabled;
    }
    if (call.body.contains("name")) {
      const auto name = text_in(call.body, "name");
      if (const auto* error = std::get_if<serve::ApiError>(&name)) return *error;
      change.name = std::get<std::string>(name);
      if (const Status fine = people::check_name(*change.name); !fine.ok()) return bad_value("name", fine.error());
      detail["name"] = true;
    }
    const auto changed = desk_.accounts.change(call.at("id"), change);
    if (!changed.ok()) return unavailable(changed.error());
    if (changed->refusal != Refusal::kNone) return refusal_of(changed->refusal);
    if (!detail.empty()) desk_.audit.add(call.person.id, "person_changed", call.at("id"), detail);
    return account_json(changed->value);
  }

  // Disabled first: nothing new comes while what there is goes, and an erasing that broke off can be done again.
  Answer erase(Call& call) {
    const std::string& id = call.at("id");
    const auto disabled = desk_.accounts.change(id, {.disabled = true});
    if (!disabled.ok()) return unavailable(disabled.error());
    if (disabled->refusal != Refusal::kNone) return refusal_of(disabled->refusal);
    const auto erased = desk_.erasers.run(id);
    if (!erased.ok()) return unavailable(erased.error());
    const auto gone = desk_.accounts.erase(id);
    if (!gone.ok()) return unavailable(gone.error());
    if (*gone != Refusal::kNone) return refusal_of(*gone);
    desk_.audit.add(call.person.id, "person_erased", id,
                    {{"conversations", erased->conversations}, {"labels", erased->labels}});
    json datasets = json::array();
    for (const auto& [hash, name] : erased->datasets) datasets.push_back({{"hash", hash}, {"name", name}});
    return json{{"conversations", erased->conversations},
                {"labels", erased->labels},
                {"datasets", datasets},
                {"models", erased->models}};
  }

  Answer invitations(Call&) {
    const auto invitations = desk_.invitations.list();
    if (!invitations.ok()) return unavailable(invitations.error());
    json list = json::array();
    for (const people::Invitation& invitation : *invitations) list.push_back(invitation_json(invitation));
    return json{{"invitations", list}};
  }

  Answer invite(Call& call) {
    people::Invitation wanted;
    wanted.made_by = call.person.id;
    const auto roles = roles_in(call.body);
    if (!roles.ok()) return bad_value("roles", roles.error());
    wanted.roles = *roles;
    for (const char* name : {"email", "note"}) {
      if (!call.body.contains(name)) continue;
      const auto text = text_in(call.body, name);
      if (const auto* error = std::get_if<serve::ApiError>(&text)) return *error;
      (std::string_view(name) == "email" ? wanted.email : wanted.note) = std::get<std::string>(text);
    }
    if (!wanted.email.empty()) {
      const auto email = people::normal_email(wanted.email);
      if (!email.ok()) return bad_value("email", email.error());
      wanted.email = *email;
    }
    if (people::characters(wanted.note) > kLongestNote) return bad_value("note", "A note has at most 200 characters.");
    const json days = call.body.value("days", json(people::Invitations::kDefaultDays));
    if (!days.is_number_integer() || days < 1 || days > people::Invitations::kMostDays)
      return bad_value("days", fmt::format("days: expected 1 to {}.", people::Invitations::kMostDays));
    const auto made = desk_.invitations.make(wanted, days.get<int64_t>());
    if (!made.ok()) return unavailable(made.error());
    desk_.audit.add(call.person.id, "invited", made->invitation.id, {{"roles", people::role_names(wanted.roles)}});
    json out = invitation_json(made->invitation);
    out["link"] = site_of(call.request) + "/join/" + made->token;
    return out;
  }

  Answer remove_invitation(Call& call) {
    const auto removed = desk_.invitations.remove(call.at("id"));
    if (!removed.ok()) return unavailable(removed.error());
    if (!*removed) return not_there("There is no such invitation.");
    desk_.audit.add(call.person.id, "invitation_removed", call.at("id"));
    return no_content();
  }

 private:
  PeopleDesk& desk_;
};

}  // namespace

void add_people_admin_routes(Router& router, PeopleDesk& desk) {
  const auto own = std::make_shared<AdminRoutes>(desk);
  const auto add = [&](const char* method, const char* path, Answer (AdminRoutes::*handle)(Call&)) {
    router.add(
        {method, path, Rule::roles(people::kAdmin), [own, handle](Call& call) { return ((*own).*handle)(call); }});
  };
  add("GET", "/api/app/people", &AdminRoutes::people);
  add("PATCH", "/api/app/people/{id}", &AdminRoutes::change);
  add("POST", "/api/app/people/{id}/erase", &AdminRoutes::erase);
  add("GET", "/api/app/invitations", &AdminRoutes::invitations);
  add("POST", "/api/app/invitations", &AdminRoutes::invite);
  add("DELETE", "/api/app/invitations/{id}", &AdminRoutes::remove_invitation);
}

void add_audit_routes(Router& router, PeopleDesk& desk) {
  router.add({"GET", "/api/app/audit", Rule::roles(people::kAdmin), [&desk](Call& call) -> Answer {
                const auto of = [&](const char* name) {
                  const auto found = call.request.query.find(name);
                  return found == call.request.query.end() ? std::string() : found->second;
                };
                auto entries = desk.audit.list({of("before"), of("action"), of("person"), kAuditPage + 1, of("about")});
                if (!entries.ok()) return unavailable(entries.error());
                const bool more = entries->size() > kAuditPage;
                if (more) entries->pop_back();
                json list = json::array();
                for (people::AuditEntry& entry : *entries) {
                  list.push_back({{"id", entry.id},
                                  {"time", entry.time},
                                  {"person", entry.person},
                                  {"name", entry.name},
                                  {"action", entry.action},
                                  {"object", entry.object},
                                  {"about", entry.about},
                                  {"detail", std::move(entry.detail)}});
                }
                return json{{"entries", list}, {"more", more}};
              }});
}

}  // namespace loquat::app
