// loquat pretrain | sft | reward | ppo | dpo | kto | orpo | grpo | rloo | rejection: one stage on its own, from a TOML
// section and --set. loquat best-of-n: replies chosen by a reward model, as a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/verbs.h"
#include "engine/stage_command.h"
#include "train/best_of.h"

namespace loquat {
namespace {

// The options that a stage and best-of-n share.
CLI::App* add_verb(CLI::App& app, const std::string& name, const std::string& section, const std::string& help,
                   const std::string& out, StageArguments& arguments) {
  CLI::App* verb = app.add_subcommand(name, help);
  arguments.section = section;
  verb->add_option("config", arguments.config, "TOML file; its section [" + section + "], or the whole file");
  verb->add_option("--section", arguments.section, "another section of the file")->capture_default_str();
  verb->add_option("--set", arguments.sets, "key=value, laid over the file (may be given many times)")
      ->allow_extra_args(false);
  verb->add_option("--out", arguments.out, out)->required();
  add_seed_option(*verb, "--seed", arguments.seed, "of everything random");
  verb->add_flag("--fp32", arguments.fp32, "compute in float32 everywhere");
  return verb;
}

int run_best_of_n_verb(const StageArguments& arguments) {
  const auto options = options_of<BestOfNOptions>(arguments);
  if (!options.ok()) return bad_input(options.error());
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  install_signal_handlers();
  std::atomic<bool> stop = false;
  std::unique_ptr<Progress> progress;
  BestOfRun run{*kernels, arguments.fp32 ? DType::kF32 : DType::kBF16, arguments.seed, &stop, {}};
  run.progress = [&](int64_t done, int64_t all) {
    if (!progress) progress = std::make_unique<Progress>("best of n", static_cast<double>(all), "prompts");
    progress->update(static_cast<double>(done));
    if (interrupted()) stop = true;
  };
  const auto report = run_best_of_n(run, *options, arguments.out);
  progress.reset();
  if (stop && !report.ok()) return 130;
  if (!report.ok()) return bad_input(report.error());
  std::printf("%s\n", to_json(*report).c_str());
  return 0;
}

void add_stage(CLI::App& app, int& exit_code, const StageCommand& command) {
  auto arguments = std::make_shared<StageArguments>();
  CLI::App* verb = add_verb(app, command.name, command.name, command.help, "the model folder to write", *arguments);
  verb->add_option("--work", arguments->work, "checkpoints and metrics (default: OUT.work)");
  verb->add_option("--checkpoint-every", arguments->checkpoint_every, "steps between checkpoints")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  verb->callback([arguments, command, &exit_code] { exit_code = command.run(*arguments); });
}

}  // namespace

void add_stage_verbs(CLI::App& app, int& exit_code) {
  for (const StageCommand& command : stage_commands()) add_stage(app, exit_code, command);
  auto arguments = std::make_shared<StageArguments>();
  CLI::App* best = add_verb(app, "best-of-n", "best_of_n",
                            "sample n replies to each prompt and write the one that a reward model likes best",
                            "the JSONL file of demonstrations to write", *arguments);
  best->callback([arguments, &exit_code] { exit_code = run_best_of_n_verb(*arguments); });
}

}  // namespace loquat
