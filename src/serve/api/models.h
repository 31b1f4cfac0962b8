// GET /v1/models and /v1/models/ID; POST /admin/models/ID/load and /unload.
#pragma once

#include <memory>
#include <string>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

void list_models(std::shared_ptr<Exchange> exchange);
void show_model(std::shared_ptr<Exchange> exchange, const std::string& id);
void load_model(std::shared_ptr<Exchange> exchange, const std::string& id);  // waits until it is there
void unload_model(std::shared_ptr<Exchange> exchange, const std::string& id);

}  // namespace loquat::serve::api
