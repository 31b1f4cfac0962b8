// POST /v1/embeddings.
#pragma once

#include <memory>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

void embeddings(std::shared_ptr<Exchange> exchange);

}  // namespace loquat::serve::api
