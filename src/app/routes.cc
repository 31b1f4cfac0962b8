// The routes and the page's security headers.
#include "app/routes.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "app/page_assets.h"

namespace loquat::app {
namespace {

// The page loads its own files and talks to its own server, nothing else; no inline script or style.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr const char* kReport = "/report.html";

http::Headers headers_for(const std::string& content_type, const char* policy) {
  return {{"Content-Type", content_type},
          {"Cache-Control", "no-cache"},
          {"Content-Security-Policy", policy},
          {"Referrer-Policy", "no-referrer"},
          {"X-Frame-Options", "DENY"}};
}

// The paths of the page's own router (web/src/App.tsx), which all answer the page; '/' at the end: and all below.
constexpr std::string_view kPagePaths[] = {"/",       "/c/",      "/run",     "/blind",   "/settings",
                                           "/studio", "/studio/", "/people",  "/people/", "/join",
                                           "/join/",  "/reviews", "/reviews/"};

bool is_page_path(std::string_view path) {
  return std::any_of(std::begin(kPagePaths), std::end(kPagePaths), [&](std::string_view page) {
    return path == page || (page.size() > 1 && page.ends_with('/') && path.starts_with(page));
  });
}

// Whether an Accept-Encoding header takes gzip: named, and not with a weight of nothing.
bool takes_gzip(std::string_view accepted) {
  const size_t at = accepted.find("gzip");
  if (at == accepted.npos) return false;
  std::string_view weight = accepted.substr(at + 4);
  weight = weight.substr(0, weight.find(','));
  const size_t q = weight.find("q=");
  return q == weight.npos || weight.substr(q + 2).find_first_of("123456789") != weight.npos;
}

// A file whose name has its content's hash (Vite's assets) never changes; of the others the client asks whether they
// have.
http::Response page_file(const http::Request& request, const PageAsset& asset) {
  http::Headers headers = headers_for(std::string(asset.content_type), kPagePolicy);
  for (auto& [name, value] : headers) {
    if (name == "Cache-Control" && asset.path.starts_with("/assets/")) value = "public, max-age=31536000, immutable";
  }
  headers.emplace_back("ETag", std::string(asset.etag));
  headers.emplace_back("Vary", "Accept-Encoding");
  if (request.header("if-none-match").find(asset.etag) != std::string::npos) return {304, std::move(headers), ""};
  if (asset.gzip.empty() || !takes_gzip(request.header("accept-encoding")))
    return {200, std::move(headers), std::string(asset.bytes)};
  headers.emplace_back("Content-Encoding", "gzip");
  return {200, std::move(headers), std::string(asset.gzip)};
}

http::Response not_found(const std::string& path) {
  return serve::error_response(
      {404, fmt::format("There is nothing at {}.", path), "invalid_request_error", "", "not_found"});
}

// Adds what the gate wants in every answer to a request.
class GatedReply final : public http::Reply {
 public:
  GatedReply(std::shared_ptr<http::Reply> reply, std::function<http::Headers(int status)> more)
      : reply_(std::move(reply)), more_(std::move(more)) {}
  void send(http::Response response) override {
    add(response.status, response.headers);
    reply_->send(std::move(response));
  }
  void begin(int status, http::Headers headers) override {
    add(status, headers);
    reply_->begin(status, std::move(headers));
  }
  bool write(std::string bytes) override { return reply_->write(std::move(bytes)); }
  void end() override { reply_->end(); }
  size_t waiting() const override { return reply_->waiting(); }
  bool gone() const override { return reply_->gone(); }
  void on_gone(std::function<void()> f) override { reply_->on_gone(std::move(f)); }

 private:
  void add(int status, http::Headers& headers) const {
    for (auto& header : more_(status)) headers.push_back(std::move(header));
  }
  const std::shared_ptr<http::Reply> reply_;
  const std::function<http::Headers(int)> more_;
};

class Routes {
 public:
  Routes(std::shared_ptr<serve::api::Api> api, const Router& page, serve::Gate& gate, const RouteOptions& options)
      : api_(std::move(api)), page_(page), gate_(gate), options_(options) {}

  void operator()(http::Request&& request, std::shared_ptr<http::Reply> direct) const {
    if (auto answer = gate_.preflight(request)) return direct->send(std::move(*answer));
    const auto asked = std::make_shared<const http::Request>(
        http::Request{request.method, request.path, {}, request.headers, "", request.peer, request.secure});
    const auto reply = std::make_shared<GatedReply>(
        std::move(direct), [asked, &gate = gate_](int status) { return gate.answer_headers(*asked, status); });
    auto admitted = gate_.admit(request);
    if (const auto* error = std::get_if<serve::ApiError>(&admitted))
      return api_->refuse(std::move(request), reply, *error);
    serve::Caller& caller = std::get<serve::Caller>(admitted);
    if (options_.join_caches) caller.tenant.clear();
    if (api_->handles(request.path)) return api_->handle(std::move(request), reply, caller);
    if (request.path == kReport) request.path = "/api/app/run/report.html";
    if (Router::handles(request.path)) return page_.handle(std::move(request), reply);
    reply->send(page_or_file(request));
  }

 private:
  http::Response page_or_file(const http::Request& request) const {
    if (request.method != "GET") {
      http::Response response =
          serve::error_response({405, fmt::format("{} is not allowed for {}; use GET.", request.method, request.path),
                                 "invalid_request_error", "", "method_not_allowed"});
      response.headers.emplace_back("Allow", "GET");
      return response;
    }
    const std::string_view path = is_page_path(request.path) ? "/index.html" : std::string_view(request.path);
    for (const PageAsset& asset : page_assets()) {
      if (asset.path == path) return page_file(request, asset);
    }
    return not_found(request.path);
  }

  const std::shared_ptr<serve::api::Api> api_;
  const Router& page_;
  serve::Gate& gate_;
  const RouteOptions options_;
};

}  // namespace

std::vector<std::string> page_paths() {
  std::vector<std::string> paths = {"/api/app/", kReport};
  for (const std::string_view path : kPagePaths) paths.emplace_back(path);
  for (const PageAsset& asset : page_assets()) paths.push_back(std::string(asset.path));
  return paths;
}

http::Handler make_routes(std::shared_ptr<serve::api::Api> api, const Router& page, serve::Gate& gate,
                          const RouteOptions& options) {
  return Routes(std::move(api), page, gate, options);
}

}  // namespace loquat::app
