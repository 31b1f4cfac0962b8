// What the server answers:
//   GET  /v1/models, /v1/models/ID       the models that can talk
//   POST /v1/chat/completions            OpenAI's, streamed and not
//   GET  /                               the page (web/page, embedded), /report.html the recipe's report
//   GET  /api/run/{progress,curves,suggestions,report}   the recipe as it runs, JSON
#pragma once

#include <memory>

#include "serve/chat_backend.h"
#include "serve/http_server.h"
#include "serve/run_files.h"

namespace loquat::serve {

Handler make_routes(std::shared_ptr<ChatBackend> backend, std::shared_ptr<RunFiles> files);

}  // namespace loquat::serve
