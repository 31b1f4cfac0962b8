// Signing in by OpenID Connect, against a small provider of the test's own over a real socket.
#include <map>

#include "app/app_for_tests.h"
#include "http/server.h"
#include "http/text.h"
#include "people/tokens_for_tests.h"

namespace loquat::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// Gives a token for each code that it handed out, once, where the client proves its verifier.
class Provider {
 public:
  Provider() {
    http::ServerOptions options;
    options.port = 0;
    auto server = http::Server::start(options, [this](http::Request&& request, std::shared_ptr<http::Reply> reply) {
      const json answer = answer_to(request);
      reply->send({answer.contains("error") ? 400 : 200, {{"Content-Type", "application/json"}}, answer.dump()});
    });
    EXPECT_TRUE(server.ok()) << server.error();
    server_ = *std::move(server);
  }
  std::string issuer() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  // What the provider would do in the browser: it knows who it is, and gives a code for what it was asked.
  std::string code_for(const std::map<std::string, std::string>& asked) {
    std::lock_guard lock(mutex_);
    const std::string code = people::random_token();
    codes_[code] = asked;
    return code;
  }

  json claims = {{"sub", "1234"}, {"email", "Ada@Example.org"}, {"email_verified", true}, {"name", "Ada"}};
  std::function<std::string(json claims)> sign = [](const json& claims) { return key().sign(claims); };
  static const people::TestKey& key() {
    static const people::TestKey key("RS256", "k1");
    return key;
  }
  int64_t now = 0;
  int tokens = 0;

 private:
  json answer_to(const http::Request& request) {
    std::lock_guard lock(mutex_);
    if (request.path == "/.well-known/openid-configuration") {
      return {{"issuer", issuer()},
              {"authorization_endpoint", issuer() + "/authorize"},
              {"token_endpoint", issuer() + "/token"},
              {"jwks_uri", issuer() + "/keys"}};
    }
    if (request.path == "/keys") return {{"keys", {key().public_part()}}};
    if (request.path != "/token" || request.method != "POST") return {{"error", "not_found"}};
    std::string path;
    std::map<std::string, std::string> form;
    http::split_target("/?" + request.body, path, form);
    // "loquat:a secret", both as a form has them (RFC 6749, 2.3.1).
    if (request.header("authorization") != "Basic bG9xdWF0OmElMjBzZWNyZXQ=") return {{"error", "invalid_client"}};
    const auto found = codes_.find(form["code"]);
    if (found == codes_.end()) return {{"error", "invalid_grant"}};
    const auto asked = found->second;
    codes_.erase(found);
    if (form["grant_type"] != "authorization_code" || form["redirect_uri"] != asked.at("redirect_uri") ||
        people::pkce_challenge(form["code_verifier"]) != asked.at("code_challenge")) {
      return {{"error", "invalid_grant"}};
    }
    json all = {{"iss", issuer()}, {"aud", "loquat"}, {"exp", now + 300}, {"iat", now}, {"nonce", asked.at("nonce")}};
    all.merge_patch(claims);
    ++tokens;
    return {{"access_token", "x"}, {"token_type", "Bearer"}, {"id_token", sign(all)}};
  }

  std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> codes_;
  std::unique_ptr<http::Server> server_;
};

class OidcRoutesTest : public TeamApp {
 protected:
  void SetUp() override {
    options_.oidc = {provider_.issuer(), "loquat", "a secret", "The Town's", {}};
    provider_.now = now_;
    TeamApp::SetUp();
  }
  struct Begun {
    std::map<std::string, std::string> asked;
    std::string cookie;
  };
  Begun begin() {
    const auto started = ask("GET", "/oidc/start");
    EXPECT_EQ(started.status, 303) << started.body;
    Begun begun;
    std::string path;
    const std::string location = header_in(started, "Location");
    EXPECT_THAT(location, StartsWith(provider_.issuer() + "/authorize?"));
    http::split_target(location.substr(provider_.issuer().size()), path, begun.asked);
    begun.cookie = cookie_in(started);
    return begun;
  }
  http::Response come_back(const std::string& state, const std::string& code, const std::string& cookie,
                           const std::string& more = "") {
    http::Request request = TeamApp::request("GET", "/oidc/return?state=" + state + "&code=" + code + more);
    request.headers["cookie"] = cookie;
    request.headers["sec-fetch-site"] = "cross-site";
    return ask(std::move(request));
  }
  http::Response sign_in() {
    const Begun begun = begin();
    return come_back(begun.asked.at("state"), provider_.code_for(begun.asked), begun.cookie);
  }
  void invite(const std::string& email) {
    EXPECT_TRUE(desk().invitations.make({.email = email, .roles = people::kLabeler}, 7).ok());
  }
  static std::string session_in(const http::Response& response) {
    for (const auto& [name, value] : response.headers) {
      if (name == "Set-Cookie" && value.starts_with("loquat=")) return value.substr(7, value.find(';') - 7);
    }
    return "";
  }
  static void expect_refused(const http::Response& response, const std::string& word) {
    EXPECT_EQ(response.status, 303);
    EXPECT_EQ(header_in(response, "Location"), "/?sign_in=" + word);
    EXPECT_EQ(session_in(response), "");
  }

  Provider provider_;
};

TEST_F(OidcRoutesTest, TheFirstSignInNeedsAnInvitationAndLaterOnesDoNot) {
  EXPECT_EQ(json_of(ask("GET", "/session"))["oidc"]["name"], "The Town's");
  const Begun begun = begin();
  EXPECT_EQ(begun.asked.at("response_type"), "code");
  EXPECT_EQ(begun.asked.at("code_challenge_method"), "S256");
  EXPECT_EQ(begun.asked.at("scope"), "openid email profile");
  EXPECT_EQ(begun.asked.at("redirect_uri"), "http://loquat.example.org/api/app/oidc/return");
  expect_refused(sign_in(), "uninvited");
  invite("ada@example.org");
  const auto first = sign_in();
  EXPECT_EQ(header_in(first, "Location"), "/");
  const json person = json_of(ask("GET", "/session", session_in(first)))["person"];
  EXPECT_EQ(person["email"], "ada@example.org");
  EXPECT_EQ(person["name"], "Ada");
  EXPECT_EQ(person["roles"], json({"labeler"}));
  provider_.claims["email"] = "ada@elsewhere.org";  // who somebody is hangs on issuer and subject alone
  const auto second = sign_in();
  EXPECT_EQ(json_of(ask("GET", "/session", session_in(second)))["person"]["id"], person["id"]);
  TeamApp::person(people::kAdmin);
  ASSERT_TRUE(desk().accounts.change(person["id"], {.disabled = true}).ok());
  expect_refused(sign_in(), "disabled");
}

TEST_F(OidcRoutesTest, AnAllowedDomainNeedsNoInvitation) {
  options_.oidc.domains = {"Example.org"};
  start();
  EXPECT_EQ(json_of(ask("GET", "/session", session_in(sign_in())))["person"]["roles"], json({"user"}));
  provider_.claims["sub"] = "2";
  for (const char* email : {"eve@sub.example.org", "eve@example.org.evil.net", "eve@evil.net", "eve@notexample.org"}) {
    provider_.claims["email"] = email;
    expect_refused(sign_in(), "uninvited");
  }
  provider_.claims["email"] = "cy@example.org";
  for (const json& verified : {json(false), json("true"), json(1), json()}) {
    provider_.claims["email_verified"] = verified;
    expect_refused(sign_in(), "uninvited");
  }
}

TEST_F(OidcRoutesTest, AnAccountWithAPasswordIsNotTakenOver) {
  const people::Person victim = person(people::kAdmin);
  provider_.claims["email"] = victim.email;
  invite(victim.email);
  expect_refused(sign_in(), "email_taken");
}

TEST_F(OidcRoutesTest, WrongTokens) {
  invite("ada@example.org");
  const auto refused = [&](const json& claims, const std::function<std::string(json)>& sign = {}) {
    const json good = provider_.claims;
    const auto good_sign = provider_.sign;
    provider_.claims.merge_patch(claims);
    if (sign) provider_.sign = sign;
    const int before = provider_.tokens;
    expect_refused(sign_in(), "failed");
    EXPECT_EQ(provider_.tokens, before + 1) << "it must have come to the token";
    provider_.claims = good;
    provider_.sign = good_sign;
  };
  refused({{"nonce", people::random_token()}});
  refused({{"aud", "another"}});
  refused({{"aud", {"loquat", "another"}}});
  refused({{"iss", "https://evil.example.org"}});
  refused({{"exp", now_ - 61}});
  refused({{"iat", now_ + 61}});
  refused({{"sub", ""}});
  refused({}, [](const json& claims) {
    return people::TestKey::unsigned_token({{"alg", "none"}, {"kid", "k1"}}, claims);
  });
  refused({}, [](const json& claims) {
    return people::TestKey::sign_with_secret(Provider::key().public_part().dump(), claims, "k1");
  });
  const people::TestKey stranger("RS256", "k1"), unknown("ES256", "k2");
  refused({}, [&](const json& claims) { return stranger.sign(claims); });
  refused({}, [&](const json& claims) { return unknown.sign(claims); });
  EXPECT_EQ(header_in(sign_in(), "Location"), "/");  // and all else was right
}

TEST_F(OidcRoutesTest, AReturnIsGoodOnceAndInItsOwnBrowser) {
  invite("ada@example.org");
  const Begun mine = begin(), anothers = begin();
  // Another's sign-in put into this browser, and without its cookie.
  expect_refused(come_back(anothers.asked.at("state"), provider_.code_for(anothers.asked), mine.cookie), "failed");
  expect_refused(come_back(anothers.asked.at("state"), provider_.code_for(anothers.asked), anothers.cookie), "failed");
  // A code of another sign-in: its verifier is another.
  expect_refused(come_back(mine.asked.at("state"), provider_.code_for(anothers.asked), mine.cookie), "failed");
  const Begun fresh = begin();
  const std::string state = fresh.asked.at("state");
  expect_refused(come_back(people::random_token(), provider_.code_for(fresh.asked), fresh.cookie), "failed");
  expect_refused(come_back("", "", ""), "failed");
  const auto good = come_back(state, provider_.code_for(fresh.asked), fresh.cookie);
  EXPECT_EQ(header_in(good, "Location"), "/");
  expect_refused(come_back(state, provider_.code_for(fresh.asked), fresh.cookie), "failed");  // replayed
  const Begun late = begin();
  now_ += 600;
  provider_.now = now_;
  expect_refused(come_back(late.asked.at("state"), provider_.code_for(late.asked), late.cookie), "failed");
  const Begun mixed = begin();
  expect_refused(come_back(mixed.asked.at("state"), provider_.code_for(mixed.asked), mixed.cookie,
                           "&iss=https://evil.example.org"),
                 "failed");
}

TEST_F(OidcRoutesTest, GoesNowhereElse) {
  const Begun begun = begin();
  const auto answer = come_back(begun.asked.at("state"), "x", begun.cookie, "&next=https://evil.example.org");
  expect_refused(answer, "failed");
  http::Request denied = request("GET", "/oidc/return?error=access_denied&error_description=<script>");
  expect_refused(ask(std::move(denied)), "denied");
  http::Request host = request("GET", "/oidc/start");
  host.headers["host"] = "evil.example.org/x?\r\nSet-Cookie: a=b";
  EXPECT_EQ(ask(std::move(host)).status, 400);
  int status = 0;
  for (int i = 0; i < 40 && status != 429; ++i) status = ask("GET", "/oidc/start").status;
  EXPECT_EQ(status, 429);
}

TEST_F(OidcRoutesTest, WithoutAProvider) {
  options_.oidc = {};
  start();
  EXPECT_EQ(ask("GET", "/oidc/start").status, 404);
  EXPECT_EQ(ask("GET", "/oidc/return").status, 404);
  options_.oidc = {"http://id.example.org", "loquat", "", "", {}};
  EXPECT_FALSE(App::start(options_).ok()) << "not in the clear";
  options_.oidc = {"https://id.example.org", "", "", "", {}};
  EXPECT_FALSE(App::start(options_).ok());
  options_.oidc = {"http://127.0.0.1:9", "loquat", "", "", {}};  // nobody answers there
  start();
  const auto answer = ask("GET", "/oidc/start");
  EXPECT_EQ(header_in(answer, "Location"), "/?sign_in=failed");
}

}  // namespace
}  // namespace loquat::app
