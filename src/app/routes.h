// Who is asked what: the gate first, then the API (api/), the page and a run's files.
//   /v1/..., /tokenize, /health, ...     api/api.h
//   GET  /                               the page (web/page, embedded), /report.html the recipe's report
//   /api/app/...                         the page's own API (router.h)
//   GET  /api/run/{progress,curves,suggestions,report}   the recipe as it runs, JSON
#pragma once

#include <memory>

#include "app/router.h"
#include "app/run_files.h"
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
http::Handler make_routes(std::shared_ptr<serve::api::Api> api, std::shared_ptr<RunFiles> files, const Router& page,
                          serve::Gate& gate, const RouteOptions& options = {});

}  // namespace loquat::app
