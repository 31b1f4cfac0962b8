// Who is asked what: the gate first, then the API, the page's own API, the page.
//   /v1/..., /tokenize, /health, ...     api/api.h
//   GET  /                               the page (web, embedded)
//   /api/app/...                         the page's own API (router.h); /report.html is /api/app/run/report.html
#pragma once

#include <memory>

#include "app/router.h"
#include "http/http.h"
#include "serve/access/gate.h"
#include "serve/api/api.h"

namespace loquat::app {

struct RouteOptions {
  bool join_caches = false;  // all callers use one prefix cache
};

// Paths of the page, which need no key: a browser has none when it comes, and the page's own API knows people.
std::vector<std::string> page_paths();

// `gate` and `page` must outlive the handler.
http::Handler make_routes(std::shared_ptr<serve::api::Api> api, const Router& page, serve::Gate& gate,
                          const RouteOptions& options = {});

}  // namespace loquat::app
