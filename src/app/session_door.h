// Team mode: a request is the person's whose session its cookie names. Writes must come from this site's own page: by
// Sec-Fetch-Site or Origin, and within a session by its x-loquat-csrf. Cookies: over TLS "__Host-loquat" alone, which
// no other host and no plain connection can set; else "loquat".
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/router.h"
#include "people/sessions.h"

namespace loquat::app {

class SessionDoor final : public Door {
 public:
  explicit SessionDoor(std::shared_ptr<people::Sessions> sessions) : sessions_(std::move(sessions)) {}
  std::variant<people::Person, serve::ApiError> who(const http::Request& request) override;
  // By the database each time; it does not count as a use of the session.
  bool still(const http::Request& request, const std::string& person) override;

 private:
  const std::shared_ptr<people::Sessions> sessions_;
};

// The request's session token as it came; "": none.
std::string session_token(const http::Request& request);
// Set-Cookie of a new session, and of none.
std::pair<std::string, std::string> session_cookie(const http::Request& request, const std::string& token);
std::pair<std::string, std::string> no_session_cookie(const http::Request& request);

// The same for other cookies of the page ("loquat-oidc"): HttpOnly, SameSite=Lax, for this host alone.
std::string cookie(const http::Request& request, const std::string& name);
std::pair<std::string, std::string> set_cookie(const http::Request& request, const std::string& name,
                                               const std::string& value, int64_t seconds);

// "https://host": this server as the browser sees it; "" where the Host header is no host's name.
std::string site_of(const http::Request& request);

}  // namespace loquat::app
