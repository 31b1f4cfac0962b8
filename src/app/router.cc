#include "app/router.h"

#include <fmt/core.h>

#include "base/check.h"
#include "base/json_depth.h"
#include "people/words.h"

namespace loquat::app {
namespace {

using nlohmann::json;

// The next part of a path, and the path without it.
std::string_view next_part(std::string_view& path) {
  const size_t end = std::min(path.find('/', 1), path.size());
  const std::string_view part = path.substr(1, end - 1);
  path.remove_prefix(end);
  return part;
}

bool matches(std::string_view pattern, std::string_view path, std::map<std::string, std::string>* names) {
  names->clear();
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = next_part(pattern), given = next_part(path);
    if (wanted.starts_with('{')) {
      if (given.empty()) return false;
      names->emplace(wanted.substr(1, wanted.size() - 2), given);
    } else if (wanted != given) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

bool is_text(std::string_view value) {  // that a database takes
  return value.find('\0') == value.npos && people::is_utf8(value);
}

// Whether JSON that has been parsed had the escape \u0000 in it.
bool has_nul(std::string_view body) {
  for (size_t at = 0; (at = body.find("u0000", at)) != body.npos; ++at) {
    size_t slashes = 0;
    while (slashes < at && body[at - 1 - slashes] == '\\') ++slashes;
    if (slashes % 2 == 1) return true;
  }
  return false;
}

http::Response failed(const serve::ApiError& error) {
  http::Response response = serve::error_response(error);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

void Router::add(Route route) {
  CHECK(handles(route.pattern) && route.handle, "a route at {}", route.pattern);
  routes_.push_back(std::move(route));
}

Answer Router::answer(Call& call) const {
  const Route* found = nullptr;
  std::string methods;
  for (const Route& route : routes_) {
    std::map<std::string, std::string> names;
    if (!matches(route.pattern, call.request.path, &names)) continue;
    if (route.method == call.request.method) {
      found = &route;
      call.path = std::move(names);
      break;
    }
    methods += (methods.empty() ? "" : ", ") + route.method;
  }
  if (!found && methods.empty()) return not_there(fmt::format("There is nothing at {}.", call.request.path));
  if (!found) {
    http::Response response =
        failed({405, fmt::format("{} is not allowed for {}.", call.request.method, call.request.path),
                "invalid_request_error", "", "method_not_allowed"});
    response.headers.emplace_back("Allow", methods);
    return response;
  }
  for (const auto& [name, value] : call.path) {
    if (!is_text(value)) return not_there("There is nothing at this address.");
  }
  for (const auto& [name, value] : call.request.query) {
    if (!is_text(value)) return bad_value("", "The address's query must be text.");
  }
  auto who = door_->who(call.request);
  if (auto* error = std::get_if<serve::ApiError>(&who)) return std::move(*error);
  call.person = std::move(std::get<people::Person>(who));
  if (found->rule.needs_person() && !call.person.signed_in())
    return serve::ApiError{401, "Sign in first.", "invalid_request_error", "", "not_signed_in"};
  if (found->rule.needs_person() && !call.person.has(found->rule.any_of()))
    return serve::ApiError{403, "Your roles do not allow this.", "invalid_request_error", "", "not_allowed"};
  call.body = json::object();
  if (!call.request.body.empty()) {
    if (json_nests_deeper(call.request.body)) return bad_value("", "The body's JSON is nested too deep.");
    call.body = json::parse(call.request.body, nullptr, false);
    if (!call.body.is_object()) return bad_value("", "The body must be a JSON object.");
    if (has_nul(call.request.body)) return bad_value("", "The body must be text without NUL characters.");
  }
  return found->handle(call);
}

void Router::handle(http::Request&& request, std::shared_ptr<http::Reply> reply) const {
  Call call{std::move(request), {}, {}, {}, reply};
  Answer answered = answer(call);
  if (auto* body = std::get_if<json>(&answered)) return reply->send(json_response(*body));
  if (auto* response = std::get_if<http::Response>(&answered)) return reply->send(std::move(*response));
  if (auto* error = std::get_if<serve::ApiError>(&answered)) return reply->send(failed(*error));
}

serve::ApiError bad_value(const std::string& param, const std::string& message) {
  return {400, message, "invalid_request_error", param, "bad_value"};
}

serve::ApiError not_there(const std::string& what) {
  return {404, what, "invalid_request_error", "", "not_found"};
}

serve::ApiError conflict(const std::string& code, const std::string& message) {
  return {409, message, "invalid_request_error", "", code};
}

http::Response json_response(const json& body, int status) {
  // Text that is not UTF-8 is shown as such, never an error.
  return {status,
          {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          body.dump(-1, ' ', false, json::error_handler_t::replace)};
}

}  // namespace loquat::app
