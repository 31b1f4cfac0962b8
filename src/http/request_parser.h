// One HTTP/1.x request from bytes that come piece by piece (its header by Boost.Beast, which stays in the .cc file),
// held to limits and to one meaning: whatever two readers could take differently (both lengths, folded lines, two
// hosts) is refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/http.h"

namespace loquat::http {

struct ParserLimits {
  size_t body_bytes;
  size_t header_bytes;  // the request line and all fields
  size_t header_fields;
  size_t target_bytes;
};

struct Refusal {
  int status = 400;
  std::string message;
  std::string code;
};

class RequestParser {
 public:
  enum class State { kHeader, kBody, kDone, kRefused };

  explicit RequestParser(const ParserLimits& limits);
  ~RequestParser();

  // Takes a part of `bytes` and says how many; what it left must come again, with more behind it. Returns early when
  // the header is whole, so that the caller may act on it; call again while the state is kBody and it took something.
  size_t feed(std::string_view bytes);
  State state() const;
  const Refusal& refusal() const;  // in kRefused

  // From kBody on:
  const Request& request() const;  // peer and secure are the caller's to set
  Request take();
  int version() const;  // 10 or 11
  bool keep_alive() const;
  bool is_head() const;  // request().method is GET then
  bool expects_continue() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loquat::http
