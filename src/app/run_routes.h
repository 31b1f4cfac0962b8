// A recipe's run as the page shows it: its progress, curves and report, and every stage's model asked at once.
#pragma once

#include <memory>
#include <string>

#include "app/router.h"
#include "app/run_files.h"
#include "serve/api/api.h"

namespace loquat::app {

// `join_caches`: all people use one prefix cache.
void add_run_routes(Router& router, std::shared_ptr<RunFiles> files, std::shared_ptr<serve::api::Api> api,
                    bool join_caches);

// Whose prefix cache a person's words go to.
std::string tenant_of(const std::string& person, bool join_caches);

}  // namespace loquat::app
