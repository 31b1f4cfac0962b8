#include "serve/access/gate.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/check.h"
#include "http/text.h"

namespace loquat::serve {
namespace {

constexpr double kFailuresPerMinute = 20;
constexpr size_t kMostPeers = 4096;
constexpr std::string_view kAllowedMethods = "GET, POST, DELETE";
constexpr std::string_view kExposedHeaders =
    "x-request-id, retry-after, retry-after-ms, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-limit-tokens, "
    "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, "
    "x-ratelimit-reset-tokens";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_loopback_v4(const std::string& text) {  // "127.0.0.1.example.org" is no address
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

bool below(std::string_view path, std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

ApiError refuse(int status, std::string message, std::string code) {
  return {status, std::move(message), "invalid_request_error", "", std::move(code)};
}

// At most a key's first letters: enough to know it by.
std::string shown(std::string_view key) {
  std::string out;
  for (const char c : key.substr(0, std::min<size_t>(6, key.size() / 4))) {
    if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\') break;
    out += c;
  }
  return out + "***";
}

// "": there is none.
std::string_view bearer(const http::Request& request) {
  const std::string_view value = trim(request.header("authorization"));
  const size_t space = value.find(' ');
  if (space == std::string_view::npos || http::lower(value.substr(0, space)) != "bearer") return {};
  return trim(value.substr(space + 1));
}

// Whom failures are counted for: anyone with IPv6 has a whole /64.
std::string counted_as(const std::string& peer) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, peer.c_str(), &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address)) return peer;
  return std::string(reinterpret_cast<const char*>(address.s6_addr), 8);
}

bool is_origin(const std::string& text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string rest = text.substr(scheme.size());
    return !rest.empty() && rest == http::lower(rest) && rest.find_first_of("/*?#@ ,") == std::string::npos;
  }
  return false;
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  return http::lower(host) == "localhost" || host == "::1" || host == "[::1]" || is_loopback_v4(std::string(host));
}

bool is_local_host(std::string_view header) {
  const size_t name_end = header.starts_with('[') ? header.find(']') : header.find(':');
  const size_t end =
      header.starts_with('[') && name_end != std::string_view::npos ? name_end + 1 : std::min(name_end, header.size());
  const std::string_view rest = header.substr(end);
  const bool port = rest.empty() || (rest.front() == ':' && rest.size() <= 6 &&
                                     rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
  const std::string_view name = header.substr(0, end);
  return port && name != "::1" && is_loopback_host(name);
}

bool is_local_origin(std::string_view header) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (header.starts_with(scheme)) return is_local_host(header.substr(scheme.size()));
  }
  return false;  // "null" too: a sandboxed page of anybody's
}

Result<GateOptions> may_listen(const Listening& listening) {
  GateOptions options;
  const bool loopback = is_loopback_host(listening.host);
  for (const std::string& origin : listening.cors_origins) {
    if (!is_origin(origin))
      return Err("'{}' is no origin; expected one like https://example.org or http://localhost:3000", origin);
  }
  const std::string make = "`loquat keys create NAME --database D` makes one";
  if (!loopback && !listening.wants_keys) {
    return Err("{} lets other machines in, which needs API keys: name a database with --database ({})", listening.host,
               make);
  }
  if (!listening.wants_keys && listening.trusted_proxies) {
    return Err(
        "--trusted-proxy brings other machines' requests, which needs API keys: name a database with --database ({})",
        make);
  }
  if (!listening.wants_keys && !listening.cors_origins.empty()) {
    return Err("letting pages of other origins call needs API keys: name a database with --database ({})", make);
  }
  if (listening.wants_keys && listening.usable_keys <= 0 && !listening.people) {
    return Err(
        "the database has no usable API key and nobody who could sign in: {}, and `loquat people invite --role admin "
        "--database D` invites the first person",
        make);
  }
  if (!loopback && !listening.tls && !listening.trusted_proxies) {
    return Err(
        "{} lets other machines in: keys must not travel in the clear. Give --tls-cert and --tls-key, or "
        "--trusted-proxy "
        "with the addresses of the proxy that brings TLS",
        listening.host);
  }
  options.mode = listening.wants_keys ? GateMode::kKeyed : GateMode::kLocal;
  options.needs_secure = !loopback && !listening.tls;
  options.cors_origins = listening.cors_origins;
  return options;
}

double FailedPeers::wait(const std::string& peer, double now) {
  std::lock_guard lock(mutex_);
  const auto found = peers_.find(counted_as(peer));
  return found == peers_.end() || found->second.fits(1, kFailuresPerMinute, now)
             ? 0
             : found->second.wait(1, kFailuresPerMinute, now);
}

// Many at once, so that an addition costs little however many peers there are.
void FailedPeers::forget_half(double now) {
  std::vector<double> counts;
  for (auto& [name, bucket] : peers_) counts.push_back(bucket.used(kFailuresPerMinute, now));
  const auto middle = counts.begin() + static_cast<ptrdiff_t>(counts.size() / 2);
  std::nth_element(counts.begin(), middle, counts.end());
  std::erase_if(peers_, [least = *middle](const auto& entry) { return entry.second.last_used() <= least; });
}

void FailedPeers::add(const std::string& peer, double now) {
  std::lock_guard lock(mutex_);
  const std::string name = counted_as(peer);
  if (peers_.size() >= kMostPeers && !peers_.contains(name)) forget_half(now);
  Bucket& bucket = peers_[name];
  if (bucket.fits(1, kFailuresPerMinute, now)) bucket.take(1);
}

size_t FailedPeers::size() const {
  std::lock_guard lock(mutex_);
  return peers_.size();
}

Gate::Gate(GateOptions options, std::shared_ptr<KeyStore> keys, Clock clock)
    : options_(std::move(options)), keys_(std::move(keys)), clock_(std::move(clock)) {
  CHECK(options_.mode == GateMode::kLocal || keys_ != nullptr, "a keyed gate needs keys");
}

std::variant<Caller, ApiError> Gate::admit(const http::Request& request) {
  if (options_.mode == GateMode::kLocal) {
    if (auto error = check_local(request)) return *std::move(error);
    return Caller{"", "", true};
  }
  if (request.path == "/health" || request.path == "/ready") return Caller{};
  if (options_.needs_secure && !request.secure) {
    return refuse(
        403,
        "This server answers by way of its proxy, over https alone. (The proxy's address belongs into --trusted-proxy, "
        "and it must send X-Forwarded-Proto.)",
        "https_required");
  }
  if (!needs_admin(request.path) && is_open(request.path)) return Caller{};
  return check_key(request);
}

std::optional<ApiError> Gate::check_local(const http::Request& request) const {
  if (!is_local_host(request.header("host"))) {
    return refuse(403, "This server answers on this machine only: the Host header must be localhost.",
                  "host_not_allowed");
  }
  const std::string& origin = request.header("origin");
  const std::string& site = request.header("sec-fetch-site");
  if ((!origin.empty() && !is_local_origin(origin)) || (!site.empty() && site != "same-origin" && site != "none")) {
    return refuse(403, "This server answers its own page and this machine's programs only.", "origin_not_allowed");
  }
  const bool writes = request.method == "POST" || request.method == "PUT" || request.method == "PATCH" ||
                      (request.method == "DELETE" && !request.body.empty());
  const std::string& type = request.header("content-type");
  if (writes && http::lower(trim(std::string_view(type).substr(0, type.find(';')))) != "application/json") {
    return refuse(415, "The body must be JSON, with the header 'Content-Type: application/json'.",
                  "unsupported_media_type");
  }
  return std::nullopt;
}

std::variant<Caller, ApiError> Gate::check_key(const http::Request& request) {
  const std::string_view text = bearer(request);
  if (text.empty()) {
    return refuse(401, "No API key was given. Send it in the header 'Authorization: Bearer YOUR_KEY'.",
                  "invalid_api_key");
  }
  const double now = clock_();
  const double wait = failed_.wait(request.peer, now);
  // A peer that is slowed down is not looked up in the database; keys that are known to be good still pass, so that one
  // program with a wrong key does not lock out all that share its address.
  const auto found = keys_->find(text, wait == 0);
  if (const Key* key = std::get_if<Key>(&found)) {
    if (needs_admin(request.path) && !key->admin) {
      return refuse(403, "This needs an admin key.", "insufficient_permissions");
    }
    return Caller{key->id, key->tenant, key->admin};
  }
  const KeyStore::Refusal refusal = std::get<KeyStore::Refusal>(found);
  if (refusal == KeyStore::Refusal::kUnavailable) {
    return ApiError{
        503, "API keys cannot be checked at the moment; try again shortly.", "server_error", "", "keys_unavailable", 2};
  }
  if (wait > 0) {
    return ApiError{429,
                    "Too many requests with wrong API keys from this address; wait before you try again.",
                    "requests",
                    "",
                    "rate_limit_exceeded",
                    wait};
  }
  failed_.add(request.peer, now);
  const char* what = refusal == KeyStore::Refusal::kRevoked   ? "This API key has been revoked"
                     : refusal == KeyStore::Refusal::kExpired ? "This API key has expired"
                                                              : "Incorrect API key provided";
  return refuse(401, std::string(what) + ": " + shown(text), "invalid_api_key");
}

bool Gate::is_open(const std::string& path) const {
  return std::any_of(options_.open_paths.begin(), options_.open_paths.end(), [&](const std::string& open) {
    // ".." could lead out of what is open.
    return path == open ||
           (open.size() > 1 && open.ends_with('/') && path.starts_with(open) && path.find("..") == path.npos);
  });
}

bool Gate::needs_admin(const std::string& path) const {
  return std::any_of(options_.admin_prefixes.begin(), options_.admin_prefixes.end(),
                     [&](const std::string& prefix) { return below(path, prefix); });
}

bool Gate::allows_origin(const std::string& origin) const {
  return std::find(options_.cors_origins.begin(), options_.cors_origins.end(), origin) != options_.cors_origins.end();
}

std::optional<http::Response> Gate::preflight(const http::Request& request) const {
  const std::string& origin = request.header("origin");
  const std::string& method = request.header("access-control-request-method");
  if (request.method != "OPTIONS" || origin.empty() || method.empty() || options_.cors_origins.empty())
    return std::nullopt;
  http::Response response;
  response.headers = answer_headers(request, 204);
  response.status = 204;
  if (!allows_origin(origin)) {
    response.status = 403;
    return response;
  }
  std::string headers;
  std::string_view asked = request.header("access-control-request-headers");
  while (!asked.empty()) {
    const size_t comma = std::min(asked.find(','), asked.size());
    const std::string name = http::lower(trim(asked.substr(0, comma)));
    const bool token = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    if (name == "authorization" || name == "content-type" || (token && name.starts_with("x-stainless-")) ||
        name == "openai-organization" || name == "openai-project" || name == "openai-beta" ||
        name == "idempotency-key") {
      headers += (headers.empty() ? "" : ", ") + name;
    }
    asked.remove_prefix(std::min(comma + 1, asked.size()));
  }
  response.headers.emplace_back("Access-Control-Allow-Methods", kAllowedMethods);
  if (!headers.empty()) response.headers.emplace_back("Access-Control-Allow-Headers", headers);
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

http::Headers Gate::answer_headers(const http::Request& request, int status) const {
  http::Headers headers;
  if (status == 401) headers.emplace_back("WWW-Authenticate", "Bearer");
  if (options_.cors_origins.empty()) return headers;
  headers.emplace_back("Vary", "Origin");
  const std::string& origin = request.header("origin");
  if (allows_origin(origin)) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
    headers.emplace_back("Access-Control-Expose-Headers", kExposedHeaders);
  }
  return headers;
}

}  // namespace loquat::serve
