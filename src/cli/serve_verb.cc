// loquat serve DIR: the API and the page for a recipe's run folder, or for one model's folder.
#include <fmt/ranges.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "app/run_server.h"
#include "cli/verbs.h"
#include "kernels/quantize.h"

namespace loquat {
namespace {

struct ServeArguments {
  std::string folder;
  app::RunServerOptions options;
  std::string weights = "bf16";
  bool fp32 = false;
  double cache_gib = 0, grace = 20;
  std::vector<std::string> embeddings;
  std::string oidc_secret_file;
};

// "ID" or "ID:mean" or "ID:last".
Result<std::map<std::string, std::string>> pooling_of(const std::vector<std::string>& embeddings) {
  std::map<std::string, std::string> pooling;
  for (const std::string& one : embeddings) {
    const size_t colon = one.find(':');
    const std::string how = colon == std::string::npos ? "mean" : one.substr(colon + 1);
    if (how != "mean" && how != "last") return Err("--embeddings {}: expected ID, ID:mean or ID:last", one);
    pooling[one.substr(0, colon)] = how;
  }
  return pooling;
}

// Never on the command line, which others can read: a file, or the environment.
Status read_oidc_secret(const std::string& file, people::OidcOptions& oidc) {
  if (const char* given = std::getenv("LOQUAT_OIDC_CLIENT_SECRET"); given != nullptr && file.empty())
    oidc.client_secret = given;
  if (file.empty()) return {};
  std::ifstream in(file);
  if (!std::getline(in, oidc.client_secret) || oidc.client_secret.empty())
    return Err("{}: expected the OpenID client's secret in its first line", file);
  if (oidc.client_secret.back() == '\r') oidc.client_secret.pop_back();
  return {};
}

Result<app::RunServerOptions> options_of(const ServeArguments& arguments) {
  app::RunServerOptions options = arguments.options;
  options.models.model.compute = arguments.fp32 ? DType::kF32 : DType::kBF16;
  options.models.model.weights = weight_type(arguments.weights);
  options.models.model.cache_bytes = static_cast<int64_t>(arguments.cache_gib * static_cast<double>(1 << 30));
  options.grace = std::chrono::milliseconds(std::llround(1000 * arguments.grace));
  TRY(options.models.pooling, pooling_of(arguments.embeddings));
  TRY_STATUS(read_oidc_secret(arguments.oidc_secret_file, options.oidc));
  return options;
}

int serve_folder(const ServeArguments& arguments) {
  std::error_code error;
  if (!std::filesystem::exists(arguments.folder, error)) {
    return bad_input(arguments.folder +
                     ": there is no such folder; expected a recipe's --out folder, or a model's folder");
  }
  if (!std::filesystem::is_directory(arguments.folder, error))
    return bad_input(check_model_path(arguments.folder).error());
  const auto options = options_of(arguments);
  if (!options.ok()) return bad_input(options.error());
  // Blocked before any thread starts: only sigwait below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto server = app::RunServer::start(arguments.folder, *options);
  if (!server.ok()) return bad_input(server.error());
  const std::vector<std::string> models = (*server)->models();
  std::fprintf(stderr, "%s at %s (Ctrl-C ends it)\n%s\n", arguments.folder.c_str(), (*server)->url().c_str(),
               models.empty() ? "no model is there yet: they are looked for at every request"
                              : fmt::format("models: {}", fmt::join(models, ", ")).c_str());
  int signal = 0;
  sigwait(&signals, &signal);
  std::fprintf(stderr, "\nending: running replies have %g seconds (again to end at once)\n", arguments.grace);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*server)->stop();
  return 0;
}

void add_engine_options(CLI::App& verb, ServeArguments& arguments) {
  serve::BaseEngineOptions& model = arguments.options.models.model;
  verb.add_flag("--fp32", arguments.fp32, "Compute in float32");
  add_weights_option(verb, arguments.weights);
  verb.add_option("--parallel", model.parallel, "Replies of a model, and of the adapters over it, computed together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb.add_option("--queue", model.waiting, "Further replies that wait in line; more get status 429")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  verb.add_option("--cache-gib", arguments.cache_gib, "Room for a model's keys and values (0: at most 1)")
      ->check(CLI::Range(0.0, 4096.0));
  verb.add_option("--prefill-rows", model.prefill_rows, "Prompt tokens computed in one step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  verb.add_option("--draft", model.draft_tokens, "Tokens guessed ahead from the text itself (0: none)")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  verb.add_option("--deadline", model.deadline_seconds, "Seconds that a reply may take (0: any)")
      ->check(CLI::Range(0.0, 1e6));
  verb.add_option("--embeddings", arguments.embeddings, "A model that gives embeddings: ID, ID:mean or ID:last");
  verb.add_flag("--join-caches", arguments.options.join_caches, "Keys share one cache of computed prompts");
}

void add_access_options(CLI::App& verb, ServeArguments& arguments) {
  http::ServerOptions& http = arguments.options.http;
  verb.add_option("--port", http.port, "Port (0: any free one)")->capture_default_str();
  verb.add_option("--host", http.host,
                  "Address to listen at; other than this machine's own: needs --database, and TLS or a trusted proxy")
      ->capture_default_str();
  verb.add_option("--database", arguments.options.database,
                  "Keys and usage: a SQLite file or postgres://... (`loquat keys create` makes keys)")
      ->envname("LOQUAT_DATABASE");
  verb.add_option("--tls-cert", http.tls_cert, "Certificate chain, PEM");
  verb.add_option("--tls-key", http.tls_key, "Its private key, PEM");
  verb.add_option("--trusted-proxy", http.trusted_proxies, "Addresses (CIDR) of proxies that bring TLS");
  verb.add_option("--cors-origin", arguments.options.cors_origins, "Another website whose pages may call");
  verb.add_flag("--log-texts", arguments.options.log_texts, "What people and models write goes into the log");
  verb.add_option("--grace", arguments.grace, "Seconds for running replies when the server is told to end")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

void add_oidc_options(CLI::App& verb, ServeArguments& arguments) {
  people::OidcOptions& oidc = arguments.options.oidc;
  verb.add_option("--oidc-issuer", oidc.issuer, "People may sign in by this OpenID provider: https://...")
      ->envname("LOQUAT_OIDC_ISSUER");
  verb.add_option("--oidc-client-id", oidc.client_id, "This server's name there")->envname("LOQUAT_OIDC_CLIENT_ID");
  verb.add_option("--oidc-client-secret-file", arguments.oidc_secret_file,
                  "A file with its secret (or $LOQUAT_OIDC_CLIENT_SECRET)");
  verb.add_option("--oidc-name", oidc.name, "What the button calls the provider (else its host)");
  verb.add_option("--oidc-domain", oidc.domains, "People with an e-mail address there need no invitation");
}

}  // namespace

void add_serve_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* verb = app.add_subcommand("serve", "Serve a run's models: a page, and an API like OpenAI's");
  verb->add_option("DIR", arguments->folder, "A recipe's --out folder, or a model's folder")->required();
  add_access_options(*verb, *arguments);
  add_oidc_options(*verb, *arguments);
  add_engine_options(*verb, *arguments);
  verb->callback([arguments, &exit_code] { exit_code = serve_folder(*arguments); });
}

}  // namespace loquat
