// OpenAI's error object: {"error": {"message", "type", "param", "code"}}, all four present.
#pragma once

#include <string>

#include "http/http.h"

namespace loquat::serve {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;       // "": null
  std::string code;        // "": null
  double retry_after = 0;  // seconds; above 0: the answer says so (Retry-After)
};

ApiError server_is_busy();  // 429: too much waits already

std::string error_json(const ApiError& error);
http::Response error_response(const ApiError& error);

}  // namespace loquat::serve
