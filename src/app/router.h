// The page's own API: a table of routes, each with who may use it. A route without a rule does not compile, and a test
// asks every route as every kind of person (matrix_test.cc). Bodies are JSON objects, answers JSON or an error object
// like OpenAI's (serve/api_error.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/http.h"
#include "people/person.h"
#include "serve/api_error.h"

namespace loquat::app {

// Who may use a route. What belongs to one person (kOwn) does not exist for another: 404.
class Rule {
 public:
  static constexpr Rule anyone() { return Rule(false, people::kEveryRole, false); }
  static constexpr Rule signed_in() { return Rule(true, people::kEveryRole, false); }
  static constexpr Rule own() { return Rule(true, people::kEveryRole, true); }
  static constexpr Rule roles(unsigned any_of) { return Rule(true, any_of, false); }

  bool needs_person() const { return needs_person_; }
  unsigned any_of() const { return any_of_; }
  bool is_own() const { return own_; }

 private:
  constexpr Rule(bool needs_person, unsigned any_of, bool own)
      : needs_person_(needs_person), any_of_(any_of), own_(own) {}
  bool needs_person_;
  unsigned any_of_;
  bool own_;
};

// One request that may come in.
struct Call {
  http::Request request;
  people::Person person;                    // of id "" where nobody is signed in
  std::map<std::string, std::string> path;  // what the pattern's names stand for
  nlohmann::json body;                      // an object; empty where none was sent
  std::shared_ptr<http::Reply> reply;       // for a handler that answers by itself

  const std::string& at(const std::string& name) const { return path.at(name); }
};

struct AnsweredLater {};  // the handler has the reply, and answers by it
using Answer = std::variant<nlohmann::json, http::Response, serve::ApiError, AnsweredLater>;

struct Route {
  std::string method;   // "GET", "POST", "PUT", "PATCH", "DELETE"
  std::string pattern;  // "/api/app/conversations/{id}"
  Rule rule;
  std::function<Answer(Call& call)> handle;
};

// Whose request it is.
class Door {
 public:
  virtual ~Door() = default;
  // A person of id "": nobody is signed in. An error: the request may not come in at all (a write that another site's
  // page may have made, a session that has ended while it was used).
  virtual std::variant<people::Person, serve::ApiError> who(const http::Request& request) = 0;
  // Whether what came with `request` still lets `person` in: asked again and again of what stays open. What cannot be
  // asked at the moment is no end.
  virtual bool still(const http::Request& request, const std::string& person) {
    const auto now = who(request);
    const auto* found = std::get_if<people::Person>(&now);
    return found == nullptr || found->id == person;
  }
};

class Router {
 public:
  explicit Router(std::shared_ptr<Door> door) : door_(std::move(door)) {}
  void add(Route route);
  static bool handles(std::string_view path) { return path.starts_with("/api/app/"); }
  void handle(http::Request&& request, std::shared_ptr<http::Reply> reply) const;
  const std::vector<Route>& routes() const { return routes_; }
  const std::shared_ptr<Door>& door() const { return door_; }

 private:
  Answer answer(Call& call) const;

  const std::shared_ptr<Door> door_;
  std::vector<Route> routes_;
};

// {"error": {...}} of a wrong value of the page's own API.
serve::ApiError bad_value(const std::string& param, const std::string& message);  // 400
serve::ApiError not_there(const std::string& what);                               // 404
serve::ApiError conflict(const std::string& code, const std::string& message);    // 409
http::Response json_response(const nlohmann::json& body, int status = 200);       // not stored by anyone
inline http::Response no_content() {
  return {204, {{"Cache-Control", "no-store"}}, ""};
}

}  // namespace loquat::app
