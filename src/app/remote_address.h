// Which addresses this server calls for an admin who names a URL: the internet's, and a private network's where the
// admin says so. Never link-local ones, where clouds keep their machines' passwords.
#pragma once

#include <string>

#include "base/result.h"

namespace loquat::app {

// `address` as text, without a port.
bool may_call(const std::string& address, bool allow_private);
// A base URL like https://example.org/v1, without its last '/'. An error: it is not http(s), or carries a password, a
// query or a fragment.
Result<std::string> read_base_url(const std::string& url);

}  // namespace loquat::app
