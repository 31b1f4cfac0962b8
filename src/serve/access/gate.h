// Who may come in. Local: this machine's own programs and pages, without keys; the Host, Origin and Sec-Fetch-Site
// headers of every request are checked and writes must be application/json, so that no website reaches in by way of a
// browser. Keyed: whoever brings an API key. Any thread may call.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "http/http.h"
#include "serve/access/bucket.h"
#include "serve/access/keys.h"
#include "serve/api_error.h"
#include "serve/caller.h"

namespace loquat::serve {

enum class GateMode { kLocal, kKeyed };

// What the start of the server is asked for.
struct Listening {
  std::string host = "127.0.0.1";
  bool wants_keys = false;       // a database was named
  int64_t usable_keys = 0;       // in it (KeyStore::usable)
  bool people = false;           // in it are people who can sign in to the page
  bool tls = false;              // --tls-cert and --tls-key
  bool trusted_proxies = false;  // --trusted-proxy
  std::vector<std::string> cors_origins;
};

struct GateOptions {
  GateMode mode = GateMode::kLocal;
  // Refuses what did not come by TLS, to this server or to its trusted proxy (http::Request::secure): a request past
  // the proxy is one of them. Not for /health and /ready.
  bool needs_secure = false;
  // Keyed mode: paths that need no key, beside /health and /ready; one that ends in '/' stands for all below it.
  std::vector<std::string> open_paths;
  // Keyed mode: paths that need an admin key, and all below them.
  std::vector<std::string> admin_prefixes = {"/metrics", "/admin"};
  // Keyed mode: other websites whose pages may call ("https://example.org"); none: no page of another origin may.
  std::vector<std::string> cors_origins;
};

// The rule of the start: without keys only at a loopback address; elsewhere with keys, and with TLS or behind a proxy
// that brings it. The options' mode, needs_secure and cors_origins are set.
Result<GateOptions> may_listen(const Listening& listening);

bool is_loopback_host(std::string_view host);   // "localhost", 127.x.x.x, "::1": an address without a port
bool is_local_host(std::string_view header);    // a Host header's value
bool is_local_origin(std::string_view header);  // an Origin header's value

// Peers that bring wrong keys: 20 at once and then 20 a minute, counted for an IPv6 peer by its /64. Bounded in memory:
// past 4096 peers those with the fewest failures are forgotten, at least half.
class FailedPeers {
 public:
  // Seconds until the peer may fail again; 0: now.
  double wait(const std::string& peer, double now);
  void add(const std::string& peer, double now);
  size_t size() const;

 private:
  void forget_half(double now);
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> peers_;  // under mutex_
};

class Gate {
 public:
  // `keys` may be null in local mode.
  Gate(GateOptions options, std::shared_ptr<KeyStore> keys, Clock clock = system_seconds);

  std::variant<Caller, ApiError> admit(const http::Request& request);

  // Before admit: the answer to a browser's question whether a page of another origin may call; nullopt: it is none.
  std::optional<http::Response> preflight(const http::Request& request) const;
  // What every answer carries: WWW-Authenticate with a 401, and what lets a listed origin's page read it.
  http::Headers answer_headers(const http::Request& request, int status) const;

 private:
  std::optional<ApiError> check_local(const http::Request& request) const;
  std::variant<Caller, ApiError> check_key(const http::Request& request);
  bool is_open(const std::string& path) const;
  bool needs_admin(const std::string& path) const;
  bool allows_origin(const std::string& origin) const;

  const GateOptions options_;
  const std::shared_ptr<KeyStore> keys_;
  const Clock clock_;
  FailedPeers failed_;
};

}  // namespace loquat::serve
