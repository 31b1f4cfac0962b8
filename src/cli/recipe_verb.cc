// loquat recipe run FILE.toml --out DIR: a whole recipe, with its live page where --serve is given.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "app/run_server.h"
#include "base/interrupt.h"
#include "base/threads.h"
#include "cli/verbs.h"
#include "kernels/kernels.h"
#include "ranks/ranks.h"
#include "recipe/plan.h"
#include "recipe/run.h"
#include "store/files.h"

namespace loquat {
namespace {

struct RecipeArguments {
  recipe::RunRequest request;
  bool serve = false;
  int port = 8080;
  int threads = 0;
};

int run(const RecipeArguments& arguments) {
  if (launched_ranks() > 1)
    return bad_input("a recipe runs in one process; stages that are started on their own can run in several");
  if (arguments.threads > 0) set_thread_count(arguments.threads);
  install_signal_handlers();
  // What is wrong with the file is said before the page is there.
  const auto plan = recipe::read_plan(arguments.request.recipe, arguments.request.scale, arguments.request.sets);
  if (!plan.ok()) return bad_input(plan.error());
  std::unique_ptr<app::RunServer> server;
  if (arguments.serve) {
    // What is said on the page while it runs is kept in it.
    if (const Status made = make_folders(arguments.request.out); !made.ok()) return bad_input(made.error());
    app::RunServerOptions options;
    options.http.port = arguments.port;
    options.log = [](const std::string&) {};  // the terminal is the recipe's
    auto started = app::RunServer::start(arguments.request.out, options);
    if (!started.ok()) return bad_input(started.error());
    server = *std::move(started);
    std::fprintf(stderr, "watch it, and talk to each stage's model, at %s\n", server->url().c_str());
  }
  // Ctrl-C, seen by a thread of its own: the stages look at the flag after every step.
  std::atomic<bool> stop = false, ended = false;
  std::thread watcher([&] {
    while (!ended) {
      if (interrupted()) stop = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  const int status = recipe::run_recipe(arguments.request, &stop);
  if (status == 0 && server) {
    std::fprintf(stderr, "the assistant is at %s; Ctrl-C ends it\n", server->url().c_str());
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ended = true;
  watcher.join();
  return status;
}

}  // namespace

void add_recipe_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("recipe", "run a whole recipe, from text to an aligned assistant");
  verb->require_subcommand(1);
  CLI::App* command = verb->add_subcommand("run", "run, or go on with, the stages of a recipe file");
  auto arguments = std::make_shared<RecipeArguments>();
  command->add_option("recipe", arguments->request.recipe, "TOML file, such as recipes/town.toml")->required();
  command->add_option("--out", arguments->request.out, "the run's folder")->required();
  command->add_option("--scale", arguments->request.scale, "smoke, quick or full")->capture_default_str();
  add_seed_option(*command, "--seed", arguments->request.seed, "of everything but the world");
  add_seed_option(*command, "--world-seed", arguments->request.world_seed, "another seed is another town");
  command
      ->add_option("--set", arguments->request.sets, "section.key=value, laid over the file (may be given many times)")
      ->allow_extra_args(false);
  command->add_flag("--serve", arguments->serve, "a live page while it runs, and the assistant when it has ended");
  command->add_option("--port", arguments->port, "of the page")->capture_default_str();
  command->add_option("--threads", arguments->threads, "default: all cores")->check(CLI::Range(1, 1024));
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace loquat
