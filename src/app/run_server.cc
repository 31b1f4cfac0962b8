#include "app/run_server.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "app/app.h"
#include "app/routes.h"
#include "base/background.h"
#include "base/log.h"
#include "serve/access/access.h"

namespace loquat::app {
namespace {

constexpr int kBackgroundThreads = 4;
constexpr size_t kMostInBackground = 256;

serve::Access::Options access_options(const RunServerOptions& options) {
  serve::Access::Options out;
  out.database = options.database;
  out.listening.host = options.http.host;
  out.listening.tls = !options.http.tls_cert.empty();
  out.listening.trusted_proxies = !options.http.trusted_proxies.empty();
  out.listening.cors_origins = options.cors_origins;
  out.open_paths = page_paths();
  return out;
}

// Where what people write is kept without --database: in the folder or, where nothing can be written there, in a folder
// that goes with the server.
Result<std::string> local_database(const std::string& folder, std::string* temporary) {
  const std::string path = folder + "/app.db";
  const bool writable =
      ::access(folder.c_str(), W_OK) == 0 && (::access(path.c_str(), F_OK) != 0 || ::access(path.c_str(), W_OK) == 0);
  if (writable) return path;
  std::error_code error;
  std::string pattern = std::filesystem::temp_directory_path(error).string() + "/loquat-XXXXXX";
  if (error || ::mkdtemp(pattern.data()) == nullptr)
    return Err("{}: cannot be written, and there is no folder for temporary files", folder);
  log_warning("{}: cannot be written: conversations are kept until the server stops, and no longer", folder);
  *temporary = pattern;
  return pattern + "/app.db";
}

// What the engines do, as /metrics has it.
std::string engine_metrics(const serve::ModelHost& models) {
  struct Series {
    const char *name, *type, *help;
    int64_t EngineCounts::*count;
  };
  static constexpr Series kSeries[] = {
      {"loquat_sequences_running", "gauge", "Replies being written", &EngineCounts::running},
      {"loquat_sequences_waiting", "gauge", "Replies in line", &EngineCounts::waiting},
      {"loquat_preemptions_total", "counter", "Replies put back for want of pages", &EngineCounts::preemptions},
      {"loquat_drafted_tokens_total", "counter", "Tokens guessed ahead", &EngineCounts::drafted_tokens},
      {"loquat_accepted_tokens_total", "counter", "Guesses that were right", &EngineCounts::accepted_tokens},
  };
  std::string out;
  const auto begin = [&](const char* name, const char* type, const char* help) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  };
  const auto line = [&](const char* name, const std::string& id, int64_t value) {
    out += fmt::format("{}{{model=\"{}\"}} {}\n", name, id, value);
  };
  const auto counts = models.counts();
  for (const Series& s : kSeries) {
    begin(s.name, s.type, s.help);
    for (const auto& [id, count] : counts) line(s.name, id, count.*s.count);
  }
  const auto pages = models.pages();
  begin("loquat_cache_pages", "gauge", "Pages of keys and values");
  for (const auto& [base, of_base] : pages) line("loquat_cache_pages", base, of_base.all);
  begin("loquat_cache_pages_used", "gauge", "Pages of replies being written");
  for (const auto& [base, of_base] : pages) line("loquat_cache_pages_used", base, of_base.used);
  return out;
}

}  // namespace

Result<std::unique_ptr<RunServer>> RunServer::start(const std::string& folder, const RunServerOptions& options) {
  TRY(const Kernels* kernels, best_kernels());
  std::unique_ptr<RunServer> server(new RunServer);
  server->options_ = options;
  if (options.database.empty() && !options.oidc.issuer.empty())
    return Err("signing in by OpenID Connect needs a database of people: name one with --database");
  server->models_ = std::make_shared<serve::ModelHost>(folder, *kernels, options.models);
  const auto faults = server->models_->faults();
  if (const auto own = faults.find(server->models_->own_id()); own != faults.end()) return Err("{}", own->second);
  for (const auto& [id, fault] : faults) log_warning("the model {} is not served: {}", id, fault);
  AppOptions app;
  app.accounts = !options.database.empty();
  app.database = options.database;
  if (!app.accounts) {
    TRY(app.database, local_database(folder, &server->temporary_));
  }
  app.datasets = folder + "/datasets";
  app.run_folder = folder;
  app.oidc = options.oidc;
  TRY(server->app_, App::start(app));
  serve::Access::Options access = access_options(options);
  TRY(access.listening.people, server->app_->has_people());
  TRY(server->access_, serve::Access::start(access));
  // The server's end waits for its requests' ends, so that nothing outlives the meter.
  const std::shared_ptr<serve::Meter> meter(std::shared_ptr<void>(), &server->access_->meter());
  serve::api::ApiOptions api;
  api.log_texts = options.log_texts;
  api.log = options.log;
  api.more_metrics = [models = server->models_.get()] { return engine_metrics(*models); };
  server->background_ = std::make_unique<Background>(kBackgroundThreads, kMostInBackground);
  api.background = [background = server->background_.get()](auto job) { return background->add(std::move(job)); };
  const auto answers = std::make_shared<serve::api::Api>(server->models_, meter, std::move(api));
  TRY_STATUS(server->app_->start_chats(answers, server->models_, options.join_caches));
  const auto routes =
      make_routes(answers, server->app_->router(), server->access_->gate(), {.join_caches = options.join_caches});
  TRY(server->http_, http::Server::start(options.http, routes));
  return server;
}

RunServer::~RunServer() {
  stop();
  app_.reset();
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

void RunServer::stop() {
  if (!http_) return;
  // Both at once: the page's replies and streams end by the one, programs' by the other. The page's first, so that its
  // tabs still hear of it.
  std::thread pages([this] { app_->stop(options_.grace * 3 / 4); });
  http_->drain(options_.grace);
  pages.join();
  http_.reset();
  background_.reset();
  app_.reset();
  models_.reset();  // waits for the last events of replies that were cut
  const Status written = access_->stop();
  if (!written.ok()) log_warning("usage could not be written: {}", written.error());
}

std::vector<std::string> RunServer::models() const {
  std::vector<std::string> names;
  for (const serve::ModelInfo& model : models_->models()) names.push_back(model.id);
  return names;
}

std::string RunServer::url() const {
  const std::string& host = options_.http.host;
  const bool everywhere = host == "0.0.0.0" || host == "::" || host == "127.0.0.1" || host == "::1";
  const std::string name = everywhere ? "localhost" : host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return fmt::format("{}://{}:{}", options_.http.tls_cert.empty() ? "http" : "https", name, port());
}

}  // namespace loquat::app
