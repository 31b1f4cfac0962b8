// Who is asked what: the gate first, then the API (api/), the page and a run's files.
//   /v1/..., /tokenize, /health, ...     api/api.h
//   GET  /                               the page (web/page, embedded), /report.html the recipe's report
//   GET  /api/run/{progress,curves,suggestions,report}   the recipe as it runs, JSON
#pragma once

#include <memory>

#include "http/http.h"
#include "serve/access/gate.h"
#include "serve/api/api.h"
#include "serve/run_files.h"

namespace loquat::serve {

struct RouteOptions {
  bool join_caches = false;  // all callers use one prefix cache
};

// Paths of the page, which need no key: a browser has none when it comes.
std::vector<std::string> page_paths();

// `gate` must outlive the handler.
http::Handler make_routes(std::shared_ptr<api::Api> api, std::shared_ptr<RunFiles> files, Gate& gate,
                          const RouteOptions& options = {});

}  // namespace loquat::serve
