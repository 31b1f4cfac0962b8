// POST /tokenize and /detokenize: a model's tokens without a reply.
#pragma once

#include <memory>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

void tokenize(std::shared_ptr<Exchange> exchange);
void detokenize(std::shared_ptr<Exchange> exchange);

}  // namespace loquat::serve::api
