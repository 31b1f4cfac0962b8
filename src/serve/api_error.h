// OpenAI's error object: {"error": {"message", "type", "param", "code"}}, all four present.
#pragma once

#include <string>

namespace loquat::serve {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;  // "": null
  std::string code;   // "": null
};

std::string error_body(const ApiError& error);

}  // namespace loquat::serve
