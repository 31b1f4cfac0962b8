#include "serve/api_error.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/random_id.h"

namespace loquat::serve {

namespace {

// Requests' own words come back in messages, shortened: an answer is not made large by what it refuses.
constexpr size_t kLongestMessage = 1000;

std::string cut(const std::string& text) {
  if (text.size() <= kLongestMessage) return text;
  std::string out(text, 0, kLongestMessage);
  return out += "...";
}

}  // namespace

ApiError server_is_busy() {
  return {429,
          "The server is busy: too many requests are waiting. Try again shortly.",
          "rate_limit_error",
          "",
          "queue_full",
          1};
}

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(cut(text));
  };
  nlohmann::ordered_json inner = {{"message", cut(error.message)}, {"type", error.type}};
  inner["param"] = or_null(error.param);
  inner["code"] = or_null(error.code);
  nlohmann::ordered_json outer;
  outer["error"] = std::move(inner);
  return outer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

http::Response error_response(const ApiError& error) {
  http::Response response{
      error.status,
      {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"x-request-id", "req_" + random_id()}},
      error_json(error)};
  if (error.retry_after > 0) {
    response.headers.emplace_back("Retry-After", fmt::format("{}", std::ceil(error.retry_after)));
    response.headers.emplace_back("retry-after-ms", fmt::format("{}", std::ceil(error.retry_after * 1000)));
  }
  return response;
}

}  // namespace loquat::serve
