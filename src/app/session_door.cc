#include "app/session_door.h"

#include <fmt/core.h>

#include "http/text.h"
#include "people/secrets.h"

namespace loquat::app {
namespace {

constexpr const char* kSession = "loquat";

std::string full_name(const http::Request& request, const std::string& name) {
  return (request.secure ? "__Host-" : "") + name;
}

serve::ApiError refused(const std::string& message, const std::string& code) {
  return {403, message, "invalid_request_error", "", code};
}

bool is_write(const std::string& method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// What there is must be right, and something must be there: every browser sends one of the two with a write.
bool from_own_page(const http::Request& request) {
  const std::string& site = request.header("sec-fetch-site");
  const std::string& origin = request.header("origin");
  if (!site.empty() && site != "same-origin") return false;
  if (!origin.empty() && origin != site_of(request)) return false;
  return !site.empty() || !origin.empty();
}

// They begin a session, so that there may be none whose token they could bring.
bool begins_session(const std::string& path) {
  return path == "/api/app/login" || path == "/api/app/join";
}

}  // namespace

std::string site_of(const http::Request& request) {
  const std::string host = http::lower(request.header("host"));
  if (host.empty() || host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._:[]") != std::string::npos)
    return "";
  return (request.secure ? "https://" : "http://") + host;
}

std::string cookie(const http::Request& request, const std::string& name) {
  const std::string wanted = full_name(request, name) + "=";
  std::string_view rest = request.header("cookie");
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(wanted)) return std::string(one.substr(wanted.size()));
  }
  return "";
}

std::pair<std::string, std::string> set_cookie(const http::Request& request, const std::string& name,
                                               const std::string& value, int64_t seconds) {
  return {"Set-Cookie", fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", full_name(request, name),
                                    value, seconds, request.secure ? "; Secure" : "")};
}

std::string session_token(const http::Request& request) {
  const std::string token = cookie(request, kSession);
  return people::looks_like_token(token) ? token : "";
}

std::pair<std::string, std::string> session_cookie(const http::Request& request, const std::string& token) {
  return set_cookie(request, kSession, token, people::Sessions::kLongest);
}

std::pair<std::string, std::string> no_session_cookie(const http::Request& request) {
  return set_cookie(request, kSession, "", 0);
}

std::variant<people::Person, serve::ApiError> SessionDoor::who(const http::Request& request) {
  const bool write = is_write(request.method);
  if (write && !from_own_page(request))
    return refused("This may be done from this server's own page only.", "origin_not_allowed");
  const std::string token = session_token(request);
  if (token.empty()) return people::Person{};
  auto person = sessions_->find(token);
  if (!person.ok())
    return serve::ApiError{
        503, "Sign-ins cannot be checked at the moment; try again shortly.", "server_error", "", "people_unavailable",
        2};
  if (write && person->signed_in() && !begins_session(request.path) &&
      !people::same_text(request.header("x-loquat-csrf"), people::csrf_token(token))) {
    return refused("The page is older than your session: load it again.", "csrf");
  }
  return *std::move(person);
}

bool SessionDoor::still(const http::Request& request, const std::string& person) {
  const auto found = sessions_->look(session_token(request));
  return !found.ok() || found->id == person;
}

}  // namespace loquat::app
