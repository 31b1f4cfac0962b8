// Signing in by OpenID Connect: two redirects of the browser. What goes wrong brings it back to the page with a word
// for it, "/?sign_in=WORD" (docs/page-api.md); why is in the log.
#include "app/people_routes.h"
#include "app/session_door.h"
#include "base/log.h"

namespace loquat::app {
namespace {

using Refusal = people::Accounts::Refusal;

constexpr const char* kBrowser = "loquat-oidc";
constexpr int64_t kBrowserSeconds = 600;

// Never to an address that came with the request.
http::Response redirect(const std::string& location) {
  return {303, {{"Location", location}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}}, ""};
}

std::string in_query(const http::Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

class OidcRoutes {
 public:
  explicit OidcRoutes(PeopleDesk& desk) : desk_(desk) {}

  Answer start(Call& call) {
    if (!desk_.oidc) return not_there("This server has no OpenID provider.");
    const std::string site = site_of(call.request);
    if (site.empty()) return bad_value("", "The Host header is no host's name.");
    const std::string peer = people::peer_name(call.request.peer);
    if (const double wait = desk_.sign_ins.take(peer, static_cast<double>(desk_.clock())); wait > 0)
      return too_many(wait);
    http::Request request;
    request.secure = call.request.secure;
    const bool added = desk_.background->add([this, site, request, reply = call.reply] {
      if (reply->gone()) return;
      const auto started = desk_.oidc->start(site + "/api/app/oidc/return");
      if (!started.ok()) return reply->send(failed("failed", started.error()));
      http::Response response = redirect(started->location);
      response.headers.push_back(set_cookie(request, kBrowser, started->browser, kBrowserSeconds));
      reply->send(std::move(response));
    });
    if (added) return AnsweredLater{};
    return serve::server_is_busy();
  }

  Answer come_back(Call& call) {
    if (!desk_.oidc) return not_there("This server has no OpenID provider.");
    http::Request request;
    request.secure = call.request.secure;
    request.headers = call.request.headers;
    request.query = call.request.query;
    const bool added = desk_.background->add([this, request, reply = call.reply] {
      if (reply->gone()) return;
      http::Response response = returned(request);
      response.headers.push_back(set_cookie(request, kBrowser, "", 0));
      reply->send(std::move(response));
    });
    if (added) return AnsweredLater{};
    return serve::server_is_busy();
  }

 private:
  static http::Response failed(const std::string& word, const std::string& why) {
    log_warning("OpenID Connect: {}", why);
    return redirect("/?sign_in=" + word);
  }

  http::Response returned(const http::Request& request) {
    if (!in_query(request, "error").empty()) return failed("denied", "the provider refused");
    const auto identity = desk_.oidc->finish(in_query(request, "state"), in_query(request, "code"),
                                             in_query(request, "iss"), cookie(request, kBrowser));
    if (!identity.ok()) return failed("failed", identity.error());
    const auto known = desk_.accounts.by_identity(identity->issuer, identity->subject);
    if (!known.ok()) return failed("failed", known.error());
    if (*known && (*known)->disabled != 0) return failed("disabled", "the account is disabled");
    if (*known) return signed_in((*known)->person.id, request);
    const auto made = desk_.accounts.join_by_identity(*identity, desk_.oidc->roles_for(identity->email));
    if (!made.ok()) return failed("failed", made.error());
    if (made->refusal == Refusal::kEmail) return failed("email_taken", "the address has an account with a password");
    if (made->refusal != Refusal::kNone) return failed("uninvited", "nobody has invited this person");
    desk_.audit.add(made->value.id, "join", made->value.id, {{"oidc", true}});
    return signed_in(made->value.id, request);
  }

  http::Response signed_in(const std::string& person, const http::Request& request) {
    if (const std::string old = session_token(request); !old.empty()) {
      if (const Status ended = desk_.sessions->end(old); !ended.ok()) return failed("failed", ended.error());
    }
    const auto token = desk_.sessions->start(person);
    if (!token.ok()) return failed("failed", token.error());
    desk_.audit.add(person, "login", person, {{"oidc", true}});
    http::Response response = redirect("/");
    response.headers.push_back(session_cookie(request, *token));
    return response;
  }

  PeopleDesk& desk_;
};

}  // namespace

void add_oidc_routes(Router& router, PeopleDesk& desk) {
  const auto own = std::make_shared<OidcRoutes>(desk);
  router.add({"GET", "/api/app/oidc/start", Rule::anyone(), [own](Call& call) { return own->start(call); }});
  router.add({"GET", "/api/app/oidc/return", Rule::anyone(), [own](Call& call) { return own->come_back(call); }});
}

}  // namespace loquat::app
