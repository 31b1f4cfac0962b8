// src/serve/api/openapi.json, embedded when the program is built.
#pragma once

#include <string_view>

namespace loquat::serve::api {

std::string_view openapi_json();

}  // namespace loquat::serve::api
