// The page's side of the server in one piece: its database, what is built on it, and the routes over that
// (*_routes.cc). Without accounts (local mode) there is one person, who may do all.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "app/router.h"
#include "base/result.h"
#include "database/database.h"
#include "jobs/jobs.h"
#include "people/clock.h"
#include "people/oidc.h"
#include "people/passwords.h"
#include "serve/api/api.h"

namespace loquat::app {

struct ChatDesk;
struct PeopleDesk;
struct StudioDesk;

struct AppOptions {
  std::string database;                    // a SQLite file's path or postgres://...
  std::string datasets;                    // a folder: what the studio makes for training
  std::string run_folder;                  // whose models are trained on
  std::string program = "/proc/self/exe";  // `loquat`, for jobs
  bool accounts = false;                   // people sign in; else whoever comes is the one person
  people::OidcOptions oidc;
  people::PasswordCost password_cost;
  people::Clock clock = people::system_clock_seconds;
};

class App {
 public:
  // An error where the database cannot be opened or brought up to this program.
  static Result<std::unique_ptr<App>> start(const AppOptions& options);
  // Conversations, feedback, the studio and their routes: `api` answers with the models of `models`. Once, before the
  // router is used. `join_caches`: all people use one prefix cache.
  Status start_chats(std::shared_ptr<serve::api::Api> api, std::shared_ptr<serve::Backend> models, bool join_caches);
  // Beside the HTTP server's own end: replies get `grace`, all that was written is saved, the streams end.
  void stop(std::chrono::milliseconds grace);
  const Router& router() const { return *router_; }
  PeopleDesk& people() { return *people_; }
  Result<bool> has_people();  // accounts that can sign in, or invitations that can be used

 private:
  App() = default;
  Status start_studio();
  void start_training();
  AppOptions options_;
  std::shared_ptr<database::Database> database_;
  std::shared_ptr<PeopleDesk> people_;
  std::shared_ptr<ChatDesk> chats_;     // null: not started
  std::shared_ptr<StudioDesk> studio_;  // null: not started
  std::shared_ptr<jobs::Jobs> jobs_;    // null: not started, or nothing can be written into the folder
  std::unique_ptr<Router> router_;
};

}  // namespace loquat::app
