// Who sends a request, and what of their allowance it takes. access/ has the real ones; a server without keys has one
// caller who may do all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/http.h"
#include "serve/api_error.h"

namespace loquat::serve {

struct Caller {
  std::string key_id;  // "": no key was needed
  std::string tenant;  // whose prefix cache is used
  bool admin = false;  // may load and unload models and read metrics
};

class Meter {
 public:
  virtual ~Meter() = default;
  // Before the work: the prompt's tokens and as many as the reply may have. An error (429, with how long to wait):
  // the caller's limit or quota does not hold them.
  virtual std::optional<ApiError> reserve(const Caller& caller, int64_t tokens) = 0;
  // After it, once for each reservation that was granted: what was used of it.
  virtual void settle(const Caller& caller, int64_t reserved, int64_t prompt_tokens, int64_t completion_tokens) = 0;
  // x-ratelimit-{limit,remaining,reset}-{requests,tokens}; none where there is no limit.
  virtual http::Headers headers(const Caller& caller) = 0;
};

}  // namespace loquat::serve
