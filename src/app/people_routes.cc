#include "app/people_routes.h"

#include <fmt/core.h>

#include "app/session_door.h"
#include "base/log.h"
#include "people/secrets.h"
#include "people/words.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using people::Account;
using Refusal = people::Accounts::Refusal;

constexpr size_t kLongestPassword = 2048;  // bytes: more than 256 characters can have

// The routes of one's own session. A handler reads and checks on the worker; Argon2id runs on the passwords' own
// threads, which then answer.
class SessionRoutes {
 public:
  SessionRoutes(PeopleDesk& desk, bool accounts) : desk_(desk), accounts_(accounts) {}

  Answer session(Call& call) {
    const people::Person& person = call.person;
    people::Settings settings;
    if (person.signed_in()) {
      const auto read = desk_.settings.get(person.id);
      if (!read.ok()) return unavailable(read.error());
      settings = *read;
    }
    const std::string token = session_token(call.request);
    json out = {{"mode", accounts_ ? "team" : "local"},
                {"person", nullptr},
                {"settings", settings_json(settings)},
                {"csrf", accounts_ && person.signed_in() ? people::csrf_token(token) : ""},
                {"oidc", nullptr}};
    if (person.signed_in()) {
      out["person"] = {{"id", person.id},
                       {"name", person.name},
                       {"email", person.email},
                       {"roles", people::role_names(person.roles)}};
    }
    if (desk_.oidc) out["oidc"] = {{"name", desk_.oidc->name()}};
    return out;
  }

  Answer change_settings(Call& call) {
    const auto read = desk_.settings.get(call.person.id);
    if (!read.ok()) return unavailable(read.error());
    people::Settings settings = *read;
    for (const auto& [name, value] : call.body.items()) {
      bool* choice = name == "may_review"  ? &settings.may_review
                     : name == "may_train" ? &settings.may_train
                     : name == "asked"     ? &settings.asked
                                           : nullptr;
      if (choice && value.is_boolean()) {
        *choice = value.get<bool>();
      } else if (name == "language" && (value == "en" || value == "zh" || value == "")) {
        settings.language = value.get<std::string>();
      } else if (name == "theme" && (value == "light" || value == "dark" || value == "")) {
        settings.theme = value.get<std::string>();
      } else {
        return bad_value(name, fmt::format("There is no setting {} of this value.", name));
      }
    }
    if (!settings.asked && (settings.may_review || settings.may_train))
      return bad_value("asked", "Whoever allows review or training has been asked.");
    const Status written = desk_.settings.set(call.person.id, settings);
    if (!written.ok()) return unavailable(written.error());
    if (desk_.settings_changed) {
      const Status told = desk_.settings_changed(call.person.id, settings);
      if (!told.ok()) return unavailable(told.error());
    }
    if (settings.may_review != read->may_review || settings.may_train != read->may_train) {
      desk_.audit.add(call.person.id, "consent", call.person.id,
                      {{"may_review", settings.may_review}, {"may_train", settings.may_train}});
    }
    return settings_json(settings);
  }

  // Whether or not the address has an account: the same steps, the same time, the same answer.
  Answer login(Call& call) {
    const auto email_given = text_in(call.body, "email"), given = text_in(call.body, "password");
    if (const auto* error = std::get_if<serve::ApiError>(&email_given)) return *error;
    if (const auto* error = std::get_if<serve::ApiError>(&given)) return *error;
    const std::string password = std::get<std::string>(given).substr(0, kLongestPassword);
    const auto email = people::normal_email(std::get<std::string>(email_given));
    const std::string name = email.ok() ? *email : "no address", peer = people::peer_name(call.request.peer);
    if (auto refused = take_attempt(peer, name)) return *refused;
    const auto found = desk_.accounts.by_email(email.ok() ? *email : "");
    if (!found.ok()) return unavailable(found.error());
    const bool added = desk_.passwords->add(
        [this, account = *found, password, peer, name, request = head_of(call), reply = call.reply] {
          if (!reply->gone()) reply->send(checked_login(account, password, peer, name, request));
        });
    if (added) return AnsweredLater{};
    give_back(peer, name);
    return serve::server_is_busy();
  }

  Answer logout(Call& call) {
    if (const Status ended = desk_.sessions->end(session_token(call.request)); !ended.ok())
      return unavailable(ended.error());
    desk_.audit.add(call.person.id, "logout", call.person.id);
    http::Response response = no_content();
    response.headers.push_back(no_session_cookie(call.request));
    return response;
  }

  Answer join(Call& call) {
    std::map<std::string, std::string> given;
    for (const char* field : {"invitation", "email", "name", "password"}) {
      const auto value = text_in(call.body, field);
      if (const auto* error = std::get_if<serve::ApiError>(&value)) return *error;
      given[field] = std::get<std::string>(value);
    }
    const auto email = people::normal_email(given["email"]);
    if (!email.ok()) return bad_value("email", email.error());
    if (const Status fine = people::check_name(given["name"]); !fine.ok()) return bad_value("name", fine.error());
    if (const Status fine = people::check_password(given["password"], *email); !fine.ok())
      return bad_value("password", fine.error());
    const std::string peer = people::peer_name(call.request.peer);
    if (const double wait = desk_.peers.take(peer, now()); wait > 0) return too_many(wait);
    const auto usable = desk_.invitations.usable(given["invitation"], *email);
    if (!usable.ok()) return unavailable(usable.error());
    if (!*usable) return bad_invitation();
    const bool added =
        desk_.passwords->add([this, given, email = *email, peer, request = head_of(call), reply = call.reply] {
          if (!reply->gone()) reply->send(joined(given, email, peer, request));
        });
    if (added) return AnsweredLater{};
    desk_.peers.give_back(peer);
    return serve::server_is_busy();
  }

  Answer password(Call& call) {
    const auto old_given = text_in(call.body, "old"), new_given = text_in(call.body, "new");
    if (const auto* error = std::get_if<serve::ApiError>(&old_given)) return *error;
    if (const auto* error = std::get_if<serve::ApiError>(&new_given)) return *error;
    const std::string& wanted = std::get<std::string>(new_given);
    if (const Status fine = people::check_password(wanted, call.person.email); !fine.ok())
      return bad_value("new", fine.error());
    const auto found = desk_.accounts.by_id(call.person.id);
    if (!found.ok()) return unavailable(found.error());
    if (!*found || (*found)->password.empty())
      return conflict("no_password", "This account has no password: its sign-in is the provider's.");
    const std::string peer = people::peer_name(call.request.peer), name = call.person.email;
    if (auto refused = take_attempt(peer, name)) return *refused;
    const bool added = desk_.passwords->add([this, account = **found,
                                             old = std::get<std::string>(old_given).substr(0, kLongestPassword), wanted,
                                             peer, token = session_token(call.request), reply = call.reply] {
      if (!reply->gone()) reply->send(password_changed(account, old, wanted, peer, token));
    });
    if (added) return AnsweredLater{};
    give_back(peer, name);
    return serve::server_is_busy();
  }

 private:
  static http::Request head_of(const Call& call) {
    http::Request head;
    head.headers = call.request.headers;
    head.peer = call.request.peer;
    head.secure = call.request.secure;
    return head;
  }
  double now() const { return static_cast<double>(desk_.clock()); }

  std::optional<serve::ApiError> take_attempt(const std::string& peer, const std::string& name) {
    if (const double wait = desk_.peers.take(peer, now()); wait > 0) return too_many(wait);
    const double wait = desk_.by_account.take(name, now());
    if (wait <= 0) return std::nullopt;
    desk_.peers.give_back(peer);  // it was not made
    return too_many(wait);
  }
  void give_back(const std::string& peer, const std::string& name) {
    desk_.peers.give_back(peer);
    desk_.by_account.give_back(name);
  }

  static serve::ApiError wrong_password() {
    return {401, "The e-mail address or the password is wrong.", "invalid_request_error", "", "wrong_password"};
  }
  static serve::ApiError bad_invitation() {
    return {400, "This invitation cannot be used: it is unknown, used, over, or for another e-mail address.",
            "invalid_request_error", "invitation", "bad_invitation"};
  }

  http::Response checked_login(const std::optional<Account>& account, const std::string& password,
                               const std::string& peer, const std::string& name, const http::Request& request) {
    const bool right = desk_.passwords->verify(account ? account->password : "", password);
    // Read again: it may have been disabled, or its password changed, while this waited in line.
    const auto fresh = desk_.accounts.by_id(account ? account->person.id : "");
    if (!fresh.ok()) return serve::error_response(unavailable(fresh.error()));
    if (!right || !*fresh || (*fresh)->disabled != 0 || (*fresh)->password != account->password) {
      desk_.audit.add(account ? account->person.id : "", "login_failed", "");
      return serve::error_response(wrong_password());
    }
    give_back(peer, name);
    return signed_in(account->person.id, "login", request);
  }

  http::Response signed_in(const std::string& person, const std::string& action, const http::Request& request) {
    // The session that the browser had is over: what may have been put there by another is not taken over.
    if (const std::string old = session_token(request); !old.empty()) {
      if (const Status ended = desk_.sessions->end(old); !ended.ok())
        return serve::error_response(unavailable(ended.error()));
    }
    const auto token = desk_.sessions->start(person);
    if (!token.ok()) return serve::error_response(unavailable(token.error()));
    desk_.audit.add(person, action, person);
    http::Response response = no_content();
    response.headers.push_back(session_cookie(request, *token));
    return response;
  }

  http::Response joined(std::map<std::string, std::string> given, const std::string& email, const std::string& peer,
                        const http::Request& request) {
    const auto hash = desk_.passwords->hash(given["password"]);
    if (!hash.ok()) return serve::error_response(unavailable(hash.error()));
    const auto made = desk_.accounts.join(given["invitation"], email, given["name"], *hash);
    if (!made.ok()) return serve::error_response(unavailable(made.error()));
    if (made->refusal == Refusal::kInvitation) return serve::error_response(bad_invitation());
    if (made->refusal == Refusal::kEmail)
      return serve::error_response(conflict("email_taken", "This e-mail address has an account already: sign in."));
    desk_.peers.give_back(peer);
    return signed_in(made->value.id, "join", request);
  }

  http::Response password_changed(const Account& account, const std::string& old, const std::string& wanted,
                                  const std::string& peer, const std::string& token) {
    const std::string& id = account.person.id;
    if (!desk_.passwords->verify(account.password, old)) {
      desk_.audit.add(id, "password_failed", id);
      return serve::error_response(
          {403, "The old password is wrong.", "invalid_request_error", "old", "wrong_password"});
    }
    give_back(peer, account.person.email);
    const auto hash = desk_.passwords->hash(wanted);
    if (!hash.ok()) return serve::error_response(unavailable(hash.error()));
    Status done = desk_.accounts.set_password(id, *hash);
    if (done.ok()) done = desk_.sessions->end_all(id, token);
    if (!done.ok()) return serve::error_response(unavailable(done.error()));
    desk_.audit.add(id, "password", id);
    return no_content();
  }

  PeopleDesk& desk_;
  const bool accounts_;
};

}  // namespace

json settings_json(const people::Settings& settings) {
  return {{"language", settings.language},
          {"theme", settings.theme},
          {"may_review", settings.may_review},
          {"may_train", settings.may_train},
          {"asked", settings.asked}};
}

serve::ApiError unavailable(const std::string& error) {
  log_error("people: {}", error);
  return {503, "This cannot be done at the moment; try again shortly.", "server_error", "", "people_unavailable", 2};
}

serve::ApiError too_many(double wait) {
  return {429, "Too many attempts; wait before you try again.", "requests", "", "rate_limit_exceeded", wait};
}

std::variant<std::string, serve::ApiError> text_in(const json& body, const std::string& name) {
  const auto found = body.find(name);
  if (found == body.end() || !found->is_string()) return bad_value(name, fmt::format("{}: expected text.", name));
  return found->get<std::string>();
}

void add_people_routes(Router& router, PeopleDesk& desk, bool accounts) {
  const auto own = std::make_shared<SessionRoutes>(desk, accounts);
  const auto add = [&](const char* method, const char* path, Rule rule, Answer (SessionRoutes::*handle)(Call&)) {
    router.add({method, path, rule, [own, handle](Call& call) { return ((*own).*handle)(call); }});
  };
  add("GET", "/api/app/session", Rule::anyone(), &SessionRoutes::session);
  add("PATCH", "/api/app/settings", Rule::signed_in(), &SessionRoutes::change_settings);
  add_audit_routes(router, desk);
  if (!accounts) return;
  add("POST", "/api/app/login", Rule::anyone(), &SessionRoutes::login);
  add("POST", "/api/app/logout", Rule::signed_in(), &SessionRoutes::logout);
  add("POST", "/api/app/join", Rule::anyone(), &SessionRoutes::join);
  add("POST", "/api/app/password", Rule::signed_in(), &SessionRoutes::password);
  add_people_admin_routes(router, desk);
  add_oidc_routes(router, desk);
}

}  // namespace loquat::app
