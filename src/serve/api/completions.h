// POST /v1/completions.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "serve/api/exchange.h"

namespace loquat::serve::api {

std::span<const std::string_view> completions_fields();
void completions(std::shared_ptr<Exchange> exchange);

}  // namespace loquat::serve::api
