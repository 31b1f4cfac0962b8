// loquat serve DIR: the API and the page for a recipe's run folder, or for one model's folder.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/verbs.h"
#include "serve/run_server.h"

namespace loquat {
namespace {

struct ServeArguments {
  std::string folder;
  serve::RunServerOptions options;
  bool fp32 = false;
};

int serve_folder(const ServeArguments& arguments) {
  std::error_code error;
  if (!std::filesystem::is_directory(arguments.folder, error)) {
    return bad_input(arguments.folder + ": no such folder; expected a recipe's --out folder, or a model's folder");
  }
  // Blocked before any thread starts: only sigwait below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  serve::RunServerOptions options = arguments.options;
  if (arguments.fp32) options.compute = DType::kF32;
  auto server = serve::RunServer::start(arguments.folder, options);
  if (!server.ok()) return bad_input(server.error());
  std::fprintf(stderr, "%s at %s (Ctrl-C ends it)\n", arguments.folder.c_str(), (*server)->url().c_str());
  int signal = 0;
  sigwait(&signals, &signal);
  std::fprintf(stderr, "\nending\n");
  (*server)->stop();
  return 0;
}

}  // namespace

void add_serve_verb(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* verb = app.add_subcommand("serve", "Serve a run's models: a page, and an API like OpenAI's");
  verb->add_option("DIR", arguments->folder, "A recipe's --out folder, or a model's folder")->required();
  verb->add_option("--port", arguments->options.port, "Port (0: any free one)")->capture_default_str();
  verb->add_option("--host", arguments->options.host, "Address to listen at; 0.0.0.0 opens it to other machines")
      ->capture_default_str();
  verb->add_flag("--fp32", arguments->fp32, "Compute in float32");
  verb->callback([arguments, &exit_code] { exit_code = serve_folder(*arguments); });
}

}  // namespace loquat
