// loquat: the whole recipe, one verb at a time.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/verbs.h"

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error with its name, as a full disk is
  CLI::App app{
      "Loquat: from text and people's judgments to an assistant: pretrain, fine-tune, align, attack, measure, talk."};
  app.require_subcommand(1);
  app.set_version_flag("--version", "loquat 0.1.0");
  int exit_code = 0;
  loquat::add_recipe_verb(app, exit_code);
  loquat::add_chat_verb(app, exit_code);
  loquat::add_serve_verb(app, exit_code);
  loquat::add_keys_verb(app, exit_code);
  loquat::add_feedback_verb(app, exit_code);
  loquat::add_people_verb(app, exit_code);
  loquat::add_eval_verb(app, exit_code);
  loquat::add_compare_verb(app, exit_code);
  loquat::add_stage_verbs(app, exit_code);
  loquat::add_data_verb(app, exit_code);
  loquat::add_town_verb(app, exit_code);
  loquat::add_tokenizer_verb(app, exit_code);
  loquat::add_quantize_verb(app, exit_code);
  loquat::add_merge_verb(app, exit_code);
  loquat::add_models_verb(app, exit_code);
  loquat::add_bench_verb(app, exit_code);
  if (const loquat::Status verb = loquat::check_verb(app, argc, argv); !verb.ok())
    return loquat::bad_input(verb.error());
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    app.exit(e);
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "loquat: %s\n", e.what());
    return 1;
  }
  return exit_code;
}
