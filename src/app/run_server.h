// The server of one run folder, as `loquat serve DIR` and `loquat recipe run --serve` start it: API, page, report.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/server.h"
#include "people/oidc.h"
#include "serve/model_host.h"

namespace loquat {
class Background;
namespace serve {
class Access;
}  // namespace serve
}  // namespace loquat

namespace loquat::app {

class App;

struct RunServerOptions {
  http::ServerOptions http;
  serve::ModelHostOptions models;
  // Of keys, usage, people and all that they write: a SQLite file or postgres://... With it people sign in and programs
  // need keys. "": neither, and what is written is kept in app.db in the folder (a
  // temporary one where nothing can be written there).
  std::string database;
  people::OidcOptions oidc;                          // people sign in there too; needs a database
  std::vector<std::string> cors_origins;             // other websites whose pages may call
  bool join_caches = false;                          // all callers use one prefix cache
  bool log_texts = false;                            // what people and models write goes into the log too
  std::function<void(const std::string& line)> log;  // one JSON line per request; empty: stderr
  std::chrono::milliseconds grace{20'000};           // for running replies, when the server stops
};

class RunServer {
 public:
  // Listens, on threads of its own, when it returns. The folder may still be empty: models and figures are looked for
  // at every request. What keeps a run's models from being served is logged. Errors: the port is taken, the host is no
  // address or may not be listened at so, no kernels for this machine, a database that cannot be opened; the folder is
  // a model's own, and that cannot be served.
  static Result<std::unique_ptr<RunServer>> start(const std::string& folder, const RunServerOptions& options);
  ~RunServer();  // stop()
  int port() const { return http_->port(); }
  std::string url() const;                  // for people: http://localhost:8080
  std::vector<std::string> models() const;  // that can be asked now, by name
  // Takes no more requests, lets running replies end within the grace period, writes usage.
  void stop();

 private:
  RunServer() = default;
  RunServerOptions options_;
  std::string temporary_;  // a folder that goes with the server; "": none
  std::unique_ptr<App> app_;
  std::shared_ptr<serve::ModelHost> models_;
  std::unique_ptr<serve::Access> access_;
  std::unique_ptr<Background> background_;
  std::unique_ptr<http::Server> http_;  // last: its threads use the others
};

}  // namespace loquat::app
