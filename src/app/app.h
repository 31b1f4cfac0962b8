// The page's side of the server in one piece: its database, what is built on it, and the routes over that
// (*_routes.cc). Without accounts (local mode) there is one person, who may do all.
#pragma once

#include <memory>
#include <string>

#include "app/router.h"
#include "base/result.h"
#include "database/database.h"
#include "people/clock.h"
#include "people/oidc.h"
#include "people/passwords.h"

namespace loquat::app {

struct PeopleDesk;

struct AppOptions {
  std::string database;   // a SQLite file's path or postgres://...
  bool accounts = false;  // people sign in; else whoever comes is the one person
  people::OidcOptions oidc;
  people::PasswordCost password_cost;
  people::Clock clock = people::system_clock_seconds;
};

class App {
 public:
  // An error where the database cannot be opened or brought up to this program.
  static Result<std::unique_ptr<App>> start(const AppOptions& options);
  const Router& router() const { return *router_; }
  PeopleDesk& people() { return *people_; }
  Result<bool> has_people();  // accounts that can sign in, or invitations that can be used

 private:
  App() = default;
  std::shared_ptr<database::Database> database_;
  std::shared_ptr<PeopleDesk> people_;
  std::unique_ptr<Router> router_;
};

}  // namespace loquat::app
