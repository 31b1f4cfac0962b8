// One request to another server by libcurl: https, or http to this machine itself; no redirects, bounded in size and
// time.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::people {

struct Fetch {
  std::string url;
  std::string form;                  // "": GET; else POST, application/x-www-form-urlencoded
  std::vector<std::string> headers;  // "Name: value"
};

struct Fetched {
  int status = 0;
  std::string body;
};

bool may_fetch(const std::string& url);  // https://..., or http:// to a loopback address
Result<Fetched> fetch(const Fetch& wanted);
std::string form_encoded(const std::string& text);  // percent-encoded, as a form or a query has it

}  // namespace loquat::people
