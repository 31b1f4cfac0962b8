#include "serve/api_error.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace loquat::serve {

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
  };
  nlohmann::ordered_json inner = {{"message", error.message}, {"type", error.type}};
  inner["param"] = or_null(error.param);
  inner["code"] = or_null(error.code);
  nlohmann::ordered_json outer;
  outer["error"] = std::move(inner);
  return outer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

http::Response error_response(const ApiError& error) {
  http::Response response{error.status,
                          {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
                          error_json(error)};
  if (error.retry_after > 0) {
    response.headers.emplace_back("Retry-After", fmt::format("{}", std::ceil(error.retry_after)));
    response.headers.emplace_back("retry-after-ms", fmt::format("{}", std::ceil(error.retry_after * 1000)));
  }
  return response;
}

}  // namespace loquat::serve
