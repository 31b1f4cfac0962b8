#include "serve/access/gate.h"

#include <gmock/gmock.h>

#include <thread>

#include "serve/access/access.h"
#include "serve/access/access_for_tests.h"

namespace loquat::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using Headers = std::map<std::string, std::string>;

http::Request request(const std::string& method, const std::string& path, Headers headers = {},
                      const std::string& body = "") {
  http::Request out;
  out.method = method;
  out.path = path;
  out.headers = std::move(headers);
  out.body = body;
  out.peer = "192.0.2.1";
  return out;
}

std::string header_of(const http::Headers& headers, const std::string& name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

// 200: let in; else the error's status.
int status(Gate& gate, const http::Request& request) {
  const auto answer = gate.admit(request);
  const auto* error = std::get_if<ApiError>(&answer);
  return error == nullptr ? 200 : error->status;
}

class LocalGate : public testing::Test {
 protected:
  int get(Headers headers) { return status(gate_, request("GET", "/v1/models", std::move(headers))); }
  int write(const std::string& method, Headers headers, const std::string& body = "{}") {
    headers.emplace("host", "localhost:8080");
    return status(gate_, request(method, "/v1/completions", std::move(headers), body));
  }
  Gate gate_{GateOptions{}, nullptr};
};

TEST_F(LocalGate, HostMustBeThisMachine) {
  for (const char* good :
       {"localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:80", "127.9.9.9:8080", "[::1]", "[::1]:8080"}) {
    EXPECT_EQ(get({{"host", good}}), 200) << good;
  }
  for (const char* bad : {"",
                          "example.org",
                          "localhost.example.org",
                          "127.0.0.1.example.org",
                          "127.0.0.1.",
                          "localhost.",
                          "127.1",
                          "0x7f.0.0.1",
                          "10.0.0.1",
                          "0.0.0.0",
                          "::1",
                          "[::1",
                          "[::2]",
                          "[::1]x",
                          "localhost:80x",
                          "localhost:80:80",
                          "user@localhost",
                          "localhost@example.org",
                          " localhost",
                          "localhost, example.org",
                          "[::ffff:127.0.0.1]"}) {
    EXPECT_EQ(get({{"host", bad}}), 403) << bad;
  }
  EXPECT_EQ(get({}), 403);
}

TEST_F(LocalGate, NoWebsiteReachesIn) {
  const auto from = [&](const char* name, const char* value) {
    return get({{"host", "localhost:8080"}, {name, value}});
  };
  for (const char* good : {"http://localhost:8080", "https://127.0.0.1", "http://[::1]:3000"})
    EXPECT_EQ(from("origin", good), 200);
  for (const char* bad :
       {"null", "http://example.org", "https://localhost.example.org", "http://127.0.0.1.nip.io", "file://",
        "chrome-extension://localhost", "localhost", "http://localhost/path", "http://localhost@example.org"}) {
    EXPECT_EQ(from("origin", bad), 403) << bad;
  }
  EXPECT_EQ(from("sec-fetch-site", "same-origin"), 200);
  EXPECT_EQ(from("sec-fetch-site", "none"), 200);
  for (const char* bad : {"cross-site", "same-site", "anything"}) EXPECT_EQ(from("sec-fetch-site", bad), 403) << bad;
  // Open paths of a keyed server are none here: every request is checked.
  EXPECT_EQ(status(gate_, request("GET", "/health", {{"host", "example.org"}})), 403);
  EXPECT_EQ(status(gate_, request("OPTIONS", "/v1/models", {{"host", "localhost"}, {"origin", "http://example.org"}})),
            403);
}

TEST_F(LocalGate, WritesMustBeJson) {
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(write(method, {{"content-type", "application/json"}}), 200);
    EXPECT_EQ(write(method, {{"content-type", "Application/JSON ; charset=utf-8"}}), 200);
    // Those that a form or a script of any website may send without being asked.
    for (const char* bad :
         {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=application/json",
          "application/jsonx", "text/plain; application/json", ""}) {
      EXPECT_EQ(write(method, {{"content-type", bad}}), 415) << method << " " << bad;
    }
    EXPECT_EQ(write(method, {}), 415);
  }
  EXPECT_EQ(write("POST", {}, ""), 415);
  EXPECT_EQ(write("DELETE", {}, ""), 200);
  EXPECT_EQ(get({{"host", "localhost"}, {"content-type", "text/plain"}}), 200);
}

TEST_F(LocalGate, LetsInAsAdminOfNoTenant) {
  const auto answer = gate_.admit(request("GET", "/metrics", {{"host", "localhost"}}));
  const auto* caller = std::get_if<Caller>(&answer);
  ASSERT_NE(caller, nullptr);
  EXPECT_TRUE(caller->admin);
  EXPECT_EQ(caller->key_id + caller->tenant, "");
}

class KeyedGate : public AccessTest {
 protected:
  KeyedGate() {
    store_ = open_store(open_database());
    Key admin;
    admin.admin = true;
    admin_ = make(*store_, admin).text;
    Key wanted;
    wanted.tenant = "town";
    user_ = make(*store_, wanted).text;
  }
  static GateOptions keyed() {
    GateOptions options;
    options.mode = GateMode::kKeyed;
    options.open_paths = {"/", "/assets/"};
    return options;
  }
  std::unique_ptr<Gate> gate(const GateOptions& options = keyed()) {
    return std::make_unique<Gate>(options, store_, clock_.clock());
  }
  static http::Request with_key(const std::string& path, const std::string& key) {
    return request("GET", path, {{"authorization", "Bearer " + key}});
  }

  std::shared_ptr<KeyStore> store_;
  std::string admin_, user_;
};

TEST_F(KeyedGate, AGoodKeySaysWhoCalls) {
  const auto gate = this->gate();
  const auto answer = gate->admit(with_key("/v1/models", user_));
  const auto* caller = std::get_if<Caller>(&answer);
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller->key_id, user_.substr(3, 12));
  EXPECT_EQ(caller->tenant, "town");
  EXPECT_FALSE(caller->admin);
  EXPECT_EQ(status(*gate, request("POST", "/v1/completions", {{"authorization", "bearer  " + user_ + " "}}, "{}")),
            200);
}

TEST_F(KeyedGate, AMissingOrWrongKeyIs401AndIsNotShown) {
  const auto gate = this->gate();
  for (const std::string& value :
       {std::string(), std::string("Bearer"), std::string("Bearer "), "Basic " + user_, user_}) {
    EXPECT_EQ(status(*gate, request("GET", "/v1/models", {{"authorization", value}})), 401) << value;
  }
  const std::string wrong = user_.substr(0, 57) + (user_[57] == 'a' ? "b" : "a");
  const auto answer = gate->admit(with_key("/v1/models", wrong));
  const auto* error = std::get_if<ApiError>(&answer);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->status, 401);
  EXPECT_EQ(error->code, "invalid_api_key");
  EXPECT_EQ(error->type, "invalid_request_error");
  EXPECT_THAT(error->message, HasSubstr(wrong.substr(0, 6) + "***"));
  EXPECT_THAT(error->message, Not(HasSubstr(wrong.substr(0, 7))));
  const auto short_answer = gate->admit(with_key("/v1/models", "hush"));
  EXPECT_THAT(std::get<ApiError>(short_answer).message, Not(HasSubstr("hu")));
  EXPECT_EQ(header_of(gate->answer_headers(with_key("/v1/models", wrong), 401), "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(header_of(gate->answer_headers(with_key("/v1/models", user_), 200), "WWW-Authenticate"), "");
}

TEST_F(KeyedGate, RevokedAndExpiredKeysAre401) {
  const auto gate = this->gate();
  Key wanted;
  wanted.expires = 1'700'000'010;
  const std::string expiring = make(*store_, wanted).text;
  ASSERT_TRUE(store_->revoke(user_.substr(3, 12)).ok());
  ASSERT_TRUE(store_->refresh().ok());
  clock_.pass(10);
  for (const auto& [key, word] : {std::pair(user_, "revoked"), std::pair(expiring, "expired")}) {
    const auto answer = gate->admit(with_key("/v1/models", key));
    EXPECT_EQ(std::get<ApiError>(answer).status, 401);
    EXPECT_EQ(std::get<ApiError>(answer).code, "invalid_api_key");
    EXPECT_THAT(std::get<ApiError>(answer).message, HasSubstr(word));
    EXPECT_THAT(std::get<ApiError>(answer).message, Not(HasSubstr(key.substr(15))));
  }
}

TEST_F(KeyedGate, OnlyListedPathsNeedNoKey) {
  const auto gate = this->gate();
  for (const char* open : {"/health", "/ready", "/", "/assets/page.js"})
    EXPECT_EQ(status(*gate, request("GET", open)), 200) << open;
  for (const char* closed :
       {"/v1/models", "/assets", "/assets/../v1/models", "/health/", "/healthy", "//health", "/metrics"}) {
    EXPECT_EQ(status(*gate, request("GET", closed)), 401) << closed;
  }
}

TEST_F(KeyedGate, AdminPathsNeedAnAdminKey) {
  const auto gate = this->gate();
  for (const char* path : {"/metrics", "/admin", "/admin/models/base/load"}) {
    EXPECT_EQ(status(*gate, request("GET", path)), 401) << path;
    EXPECT_EQ(status(*gate, with_key(path, user_)), 403) << path;
    EXPECT_EQ(status(*gate, with_key(path, admin_)), 200) << path;
  }
  EXPECT_EQ(status(*gate, with_key("/metricsx", user_)), 200);
  GateOptions both = keyed();
  both.open_paths = {"/admin/"};  // open and for admins: for admins
  EXPECT_EQ(status(*this->gate(both), request("GET", "/admin/x")), 401);
}

TEST_F(KeyedGate, BehindAProxyOnlyWhatCameByTls) {
  GateOptions options = keyed();
  options.needs_secure = true;
  const auto gate = this->gate(options);
  http::Request direct = with_key("/v1/models", user_);
  EXPECT_EQ(status(*gate, direct), 403);
  direct.secure = true;
  EXPECT_EQ(status(*gate, direct), 200);
  EXPECT_EQ(status(*gate, request("GET", "/")), 403);
  EXPECT_EQ(status(*gate, request("GET", "/health")), 200);
}

TEST_F(KeyedGate, WrongKeysSlowTheirPeerDown) {
  const auto gate = this->gate();
  const auto guess = [&](int i) {
    return with_key("/v1/models", "lq-" + std::string(12, 'a') + std::string(42, 'x') + std::to_string(i % 10));
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status(*gate, guess(i)), 401);
  const auto answer = gate->admit(guess(0));
  EXPECT_EQ(std::get<ApiError>(answer).status, 429);
  EXPECT_GT(std::get<ApiError>(answer).retry_after, 0);
  // Those who share the address and have a good key go on; others' addresses too.
  EXPECT_EQ(status(*gate, with_key("/v1/models", user_)), 200);
  http::Request elsewhere = guess(0);
  elsewhere.peer = "192.0.2.2";
  EXPECT_EQ(status(*gate, elsewhere), 401);
  // A slowed peer's guesses do not reach the database.
  const auto console = open_store(open_database());
  Key wanted;
  wanted.name = "new";
  const std::string fresh = console->create(wanted)->text;
  EXPECT_EQ(status(*gate, with_key("/v1/models", fresh)), 429);
  clock_.pass(3.1);
  EXPECT_EQ(status(*gate, with_key("/v1/models", fresh)), 200);
  EXPECT_EQ(status(*gate, guess(0)), 401);
  EXPECT_EQ(status(*gate, guess(0)), 429);
}

TEST_F(KeyedGate, ADatabaseThatIsAwayIs503) {
  const auto gate = this->gate();
  clock_.pass(61);
  EXPECT_EQ(status(*gate, with_key("/v1/models", user_)), 503);
  ASSERT_TRUE(store_->refresh().ok());
  EXPECT_EQ(status(*gate, with_key("/v1/models", user_)), 200);
}

TEST_F(KeyedGate, CorsIsOffUnlessAnOriginIsListed) {
  const Headers ask = {{"origin", "https://app.example.org"}, {"access-control-request-method", "POST"}};
  EXPECT_FALSE(gate()->preflight(request("OPTIONS", "/v1/models", ask)).has_value());
  EXPECT_TRUE(gate()->answer_headers(request("GET", "/v1/models", ask), 200).empty());
  EXPECT_EQ(status(*gate(), request("OPTIONS", "/v1/models", ask)), 401);
}

TEST_F(KeyedGate, CorsAnswersListedOriginsWithWhatIsAllowed) {
  GateOptions options = keyed();
  options.cors_origins = {"https://app.example.org"};
  const auto gate = this->gate(options);
  Headers ask = {{"origin", "https://app.example.org"},
                 {"access-control-request-method", "POST"},
                 {"access-control-request-headers",
                  "Authorization,content-type, x-stainless-os,X-Stainless-Retry-Count, cookie, x-stainless-a:b,"}};
  const auto yes = gate->preflight(request("OPTIONS", "/v1/chat/completions", ask));
  ASSERT_TRUE(yes.has_value());
  EXPECT_EQ(yes->status, 204);
  EXPECT_EQ(header_of(yes->headers, "Access-Control-Allow-Origin"), "https://app.example.org");
  EXPECT_EQ(header_of(yes->headers, "Access-Control-Allow-Methods"), "GET, POST, DELETE");
  EXPECT_EQ(header_of(yes->headers, "Access-Control-Allow-Headers"),
            "authorization, content-type, x-stainless-os, x-stainless-retry-count");
  EXPECT_EQ(header_of(yes->headers, "Access-Control-Allow-Credentials"), "");
  EXPECT_EQ(header_of(yes->headers, "Vary"), "Origin");
  for (const char* other :
       {"https://example.org", "https://app.example.org.evil.org", "http://app.example.org", "null"}) {
    ask["origin"] = other;
    const auto no = gate->preflight(request("OPTIONS", "/v1/models", ask));
    ASSERT_TRUE(no.has_value());
    EXPECT_EQ(no->status, 403);
    EXPECT_EQ(header_of(no->headers, "Access-Control-Allow-Origin"), "");
    EXPECT_EQ(header_of(no->headers, "Access-Control-Allow-Headers"), "");
  }
  const auto answer = gate->answer_headers(request("GET", "/v1/models", {{"origin", "https://app.example.org"}}), 200);
  EXPECT_EQ(header_of(answer, "Access-Control-Allow-Origin"), "https://app.example.org");
  EXPECT_THAT(header_of(answer, "Access-Control-Expose-Headers"), HasSubstr("x-request-id"));
  // Whoever may ask still needs a key; and what is no question is none.
  EXPECT_EQ(status(*gate, request("GET", "/v1/models", {{"origin", "https://app.example.org"}})), 401);
  EXPECT_FALSE(gate->preflight(request("GET", "/v1/models", ask)).has_value());
}

TEST(FailedPeers, StayBoundedAndKeepTheWorst) {
  FailedPeers peers;
  for (int i = 0; i < 20; ++i) peers.add("203.0.113.9", 1000);
  for (int i = 0; i < 10'000; ++i) peers.add("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256), 1000);
  EXPECT_LE(peers.size(), 4096u);
  EXPECT_GT(peers.wait("203.0.113.9", 1000), 0);
  EXPECT_EQ(peers.wait("203.0.113.9", 1060), 0);
}

TEST(FailedPeers, CountANetworkOfIPv6AsOne) {
  FailedPeers peers;
  for (int i = 0; i < 20; ++i) peers.add("2001:db8:1:2::" + std::to_string(i), 1000);
  EXPECT_EQ(peers.size(), 1u);
  EXPECT_GT(peers.wait("2001:db8:1:2:ffff::1", 1000), 0);
  EXPECT_EQ(peers.wait("2001:db8:1:3::1", 1000), 0);
}

TEST(MayListen, WithoutKeysOnThisMachineAlone) {
  for (const char* host : {"127.0.0.1", "localhost", "::1", "127.8.8.8"}) {
    const auto options = may_listen({.host = host});
    ASSERT_TRUE(options.ok()) << host;
    EXPECT_EQ(options->mode, GateMode::kLocal);
    EXPECT_FALSE(options->needs_secure);
  }
  for (const char* host : {"0.0.0.0", "::", "192.168.1.5", "example.org", "", "localhost.example.org", "127.1"}) {
    EXPECT_FALSE(may_listen({.host = host}).ok()) << host;
    EXPECT_FALSE(may_listen({.host = host, .tls = true}).ok()) << host;
    EXPECT_FALSE(may_listen({.host = host, .trusted_proxies = true}).ok()) << host;
    EXPECT_FALSE(may_listen({.host = host, .wants_keys = true, .usable_keys = 1}).ok()) << host;
    EXPECT_FALSE(may_listen({.host = host, .wants_keys = true, .usable_keys = 0, .tls = true}).ok()) << host;
  }
}

TEST(MayListen, ElsewhereWithKeysAndTlsOrAProxy) {
  const auto tls = may_listen({.host = "0.0.0.0", .wants_keys = true, .usable_keys = 1, .tls = true});
  ASSERT_TRUE(tls.ok());
  EXPECT_EQ(tls->mode, GateMode::kKeyed);
  EXPECT_FALSE(tls->needs_secure);
  const auto proxy = may_listen({.host = "0.0.0.0", .wants_keys = true, .usable_keys = 1, .trusted_proxies = true});
  ASSERT_TRUE(proxy.ok());
  EXPECT_TRUE(proxy->needs_secure);
  const auto loopback = may_listen({.wants_keys = true, .usable_keys = 1, .trusted_proxies = true});
  ASSERT_TRUE(loopback.ok());
  EXPECT_EQ(loopback->mode, GateMode::kKeyed);
  EXPECT_FALSE(loopback->needs_secure);
}

TEST(MayListen, AProxyOrAnotherOriginNeedsKeysHereToo) {
  EXPECT_FALSE(may_listen({.trusted_proxies = true}).ok());
  EXPECT_FALSE(may_listen({.cors_origins = {"https://example.org"}}).ok());
  EXPECT_FALSE(may_listen({.wants_keys = true, .usable_keys = 0}).ok());
  EXPECT_TRUE(may_listen({.wants_keys = true, .usable_keys = 1, .cors_origins = {"https://example.org:8443"}}).ok());
  for (const char* bad : {"*", "example.org", "https://", "https://example.org/", "https://Example.org",
                          "https://*.example.org", "null"}) {
    EXPECT_FALSE(may_listen({.wants_keys = true, .usable_keys = 1, .cors_origins = {bad}}).ok()) << bad;
  }
}

class WholeAccess : public AccessTest {};

TEST_F(WholeAccess, WithoutADatabaseIsLocal) {
  const auto access = Access::start({});
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(status((*access)->gate(), request("GET", "/v1/models", {{"host", "localhost"}})), 200);
  EXPECT_FALSE((*access)->meter().reserve(Caller{}, 1 << 30).has_value());
  EXPECT_TRUE((*access)->stop().ok());
}

TEST_F(WholeAccess, WithADatabaseNeedsAKeyAndRecordsItsUse) {
  Access::Options options;
  options.database = address_;
  EXPECT_THAT(Access::start(options, clock_.clock()).error(), HasSubstr("no usable API key"));
  const auto opened = open_keys(address_, clock_.clock());
  ASSERT_TRUE(opened.ok());
  const std::string key = make(*opened->keys).text;
  const auto access = Access::start(options, clock_.clock());
  ASSERT_TRUE(access.ok()) << access.error();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto answer = (*access)->gate().admit(request("GET", "/v1/models", {{"authorization", "Bearer " + key}}));
      const Caller caller = std::get<Caller>(answer);
      EXPECT_FALSE((*access)->meter().reserve(caller, 10).has_value());
      (*access)->meter().settle(caller, 10, 3, 4);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE((*access)->stop().ok());
  const auto usage = read_usage(*opened->database, 0);
  ASSERT_EQ(usage->size(), 1u);
  EXPECT_EQ(usage->at(0).usage.requests, 4);
  EXPECT_EQ(usage->at(0).usage.tokens(), 28);
  EXPECT_EQ(usage->at(0).name, "test");
}

}  // namespace
}  // namespace loquat::serve
