// POST /v1/responses, without state: nothing is kept, so nothing can be asked for later or built on.
#pragma once

#include <memory>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

void responses(std::shared_ptr<Exchange> exchange);

}  // namespace loquat::serve::api
