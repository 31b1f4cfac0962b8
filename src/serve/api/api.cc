// The routes, and the one place where what a request did wrong becomes its answer.
#include "serve/api/api.h"

#include <fmt/core.h>

#include <exception>

#include "base/log.h"
#include "serve/api/chat.h"
#include "serve/api/completions.h"
#include "serve/api/embeddings.h"
#include "serve/api/exchange.h"
#include "serve/api/json.h"
#include "serve/api/models.h"
#include "serve/api/openapi.h"
#include "serve/api/responses.h"
#include "serve/api/tokenize.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kModels = "/v1/models/";
constexpr std::string_view kAdminModels = "/admin/models/";

using Run = std::function<void(const std::shared_ptr<Exchange>&)>;

struct Route {
  std::string pattern;  // for the log, the counts and /openapi.json's reader
  std::string method;
  bool admin = false;
  Run run;
  bool slow = false;  // always done in the background
};

void health(const std::shared_ptr<Exchange>& exchange) {
  exchange->send(200, R"({"status":"ok"})");
}

void ready(const std::shared_ptr<Exchange>& exchange) {
  const auto& asked = exchange->service().options.ready;
  if (!asked || asked()) {
    exchange->send(200, R"({"status":"ready"})");
  } else {
    exchange->send_error({503, "The server is not ready.", "server_error", "", "not_ready"});
  }
}

void metrics(const std::shared_ptr<Exchange>& exchange) {
  const auto& more = exchange->service().options.more_metrics;
  exchange->send(200, exchange->service().metrics->text() + (more ? more() : ""), {},
                 "text/plain; version=0.0.4; charset=utf-8");
}

void openapi(const std::shared_ptr<Exchange>& exchange) {
  exchange->send(200, std::string(openapi_json()));
}

const std::map<std::string, Route>& fixed_routes() {
  static const std::map<std::string, Route> kRoutes = [] {
    std::map<std::string, Route> routes;
    const auto add = [&](const std::string& method, const std::string& path, Run run, bool admin = false) {
      routes[path] = {path, method, admin, std::move(run)};
    };
    add("POST", "/v1/chat/completions", chat_completions);
    add("POST", "/v1/completions", completions);
    add("POST", "/v1/embeddings", embeddings);
    add("POST", "/v1/responses", responses);
    add("POST", "/tokenize", tokenize);
    add("POST", "/detokenize", detokenize);
    add("GET", "/v1/models", list_models);
    add("GET", "/health", health);
    add("GET", "/ready", ready);
    add("GET", "/metrics", metrics, true);
    add("GET", "/openapi.json", openapi);
    routes["/v1/embeddings"].slow = true;
    return routes;
  }();
  return kRoutes;
}

// "/admin/models/ID/load": ID, or nothing where the path is not of that form. Ids may have slashes.
std::optional<std::string> middle(std::string_view path, std::string_view before, std::string_view after) {
  if (!path.starts_with(before) || !path.ends_with(after) || path.size() <= before.size() + after.size()) {
    return std::nullopt;
  }
  return std::string(path.substr(before.size(), path.size() - before.size() - after.size()));
}

std::optional<Route> find_route(const std::string& path) {
  const auto fixed = fixed_routes().find(path);
  if (fixed != fixed_routes().end()) return fixed->second;
  if (const auto id = middle(path, kAdminModels, "/load")) {
    return Route{"/admin/models/{model}/load", "POST", true, [id](const auto& e) { load_model(e, *id); }};
  }
  if (const auto id = middle(path, kAdminModels, "/unload")) {
    return Route{"/admin/models/{model}/unload", "POST", true, [id](const auto& e) { unload_model(e, *id); }};
  }
  if (const auto id = middle(path, kModels, "")) {
    return Route{"/v1/models/{model}", "GET", false, [id](const auto& e) { show_model(e, *id); }};
  }
  return std::nullopt;
}

void answer(const std::optional<Route>& route, const std::shared_ptr<Exchange>& exchange) {
  const http::Request& request = exchange->request();
  if (!route) {
    exchange->send_error(
        {404, fmt::format("There is nothing at {}.", request.path), "invalid_request_error", "", "not_found"});
    return;
  }
  if (request.method != route->method) {
    exchange->send_error(
        {405, fmt::format("{} is not allowed for {}; use {}.", request.method, request.path, route->method),
         "invalid_request_error", "", "method_not_allowed"},
        {{"Allow", route->method}});
    return;
  }
  if (route->admin && !exchange->caller().admin) {
    exchange->send_error({403, "This needs an admin key.", "invalid_request_error", "", "admin_key_required"});
    return;
  }
  if (route->slow) exchange->may_wait();
  route->run(exchange);
}

// Answers, whatever happens.
void run(const std::optional<Route>& route, const std::shared_ptr<Exchange>& exchange) {
  try {
    answer(route, exchange);
  } catch (const Wrong& found) {
    exchange->send_error(found.error);
  } catch (const MustWait&) {
    const auto again = [route, exchange] {
      exchange->let_wait();
      if (!exchange->reply().gone()) run(route, exchange);
    };
    if (exchange->service().options.background(again)) return;
    exchange->send_error(server_is_busy());
  } catch (const std::exception& failure) {
    log_error("{}: {}", exchange->route(), failure.what());
    if (!exchange->answered()) {
      exchange->send_error({500, "The server could not answer this request.", "server_error", "", "internal_error"});
    }
  }
}

}  // namespace

Api::Api(std::shared_ptr<Backend> backend, std::shared_ptr<Meter> meter, ApiOptions options) {
  auto service = std::make_shared<Service>();
  service->backend = std::move(backend);
  service->meter = std::move(meter);
  service->options = std::move(options);
  service_ = std::move(service);
}

bool Api::handles(const std::string& path) const {
  return path.starts_with("/v1/") || path.starts_with(kAdminModels) || fixed_routes().count(path);
}

void Api::handle(http::Request&& request, std::shared_ptr<http::Reply> reply, const Caller& caller) {
  const auto route = find_route(request.path);
  const auto exchange = std::make_shared<Exchange>(service_, std::move(request), std::move(reply), caller,
                                                   route ? route->pattern : "other");
  run(route, exchange);
}

void Api::refuse(http::Request&& request, std::shared_ptr<http::Reply> reply, const ApiError& error) {
  const auto route = find_route(request.path);
  request.body.clear();  // of a stranger: not for the log
  Exchange(service_, std::move(request), std::move(reply), {}, route ? route->pattern : "other").send_error(error);
}

}  // namespace loquat::serve::api
