// loquat pretrain | sft | reward | ppo | dpo | kto | orpo | grpo | rloo | rejection: one stage on its own, from a TOML
// section and --set. loquat best-of-n: replies chosen by a reward model, as a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/verbs.h"
#include "store/toml.h"
#include "train/best_of.h"
#include "train/dpo.h"
#include "train/grpo.h"
#include "train/kto.h"
#include "train/orpo.h"
#include "train/ppo.h"
#include "train/pretrain.h"
#include "train/rejection.h"
#include "train/reward.h"
#include "train/rloo.h"
#include "train/sft.h"

namespace loquat {
namespace {

struct StageArguments {
  std::string config;
  std::string section;
  std::vector<std::string> sets;
  std::string out;
  std::string work;
  uint64_t seed = 1;
  bool fp32 = false;
  int64_t checkpoint_every = 50;
};

// The section of the file, or the whole file where it has no such section, with --set laid over it.
Result<Settings> stage_settings(const StageArguments& arguments) {
  Settings settings;
  if (!arguments.config.empty()) {
    TRY(const Settings file, read_toml(arguments.config));
    const Settings source = file.has(arguments.section) ? file.section(arguments.section) : file;
    for (const auto& [key, value] : source.values()) settings.set(key, value);
  }
  for (const std::string& set : arguments.sets) TRY_STATUS(settings.set_from_argument(set));
  return settings;
}

template <typename Options>
using Runner = Result<StageReport> (*)(const StageContext&, const Options&);

template <typename Options>
Result<Options> options_of(const StageArguments& arguments) {
  TRY(Settings settings, stage_settings(arguments));
  TRY(Options options, Options::read(settings));
  TRY_STATUS(settings.finish());
  return options;
}

template <typename Options>
int run_verb(const StageArguments& arguments, Runner<Options> run) {
  const auto options = options_of<Options>(arguments);
  if (!options.ok()) return bad_input(options.error());
  const auto kernels = best_kernels();
  if (!kernels.ok()) return bad_input(kernels.error());
  install_signal_handlers();
  std::atomic<bool> stop = false;
  std::unique_ptr<Progress> progress;
  StageContext context;
  context.out = arguments.out;
  context.work = arguments.work.empty() ? arguments.out + ".work" : arguments.work;
  context.kernels = *kernels;
  context.compute = arguments.fp32 ? DType::kF32 : DType::kBF16;
  context.seed = arguments.seed;
  context.checkpoint_every = arguments.checkpoint_every;
  context.stop = &stop;
  context.on_progress = [&](const StageProgress& p) {
    if (!progress)
      progress = std::make_unique<Progress>(p.stage, static_cast<double>(p.total_steps), "steps",
                                            Progress::Options{static_cast<double>(p.step)});
    std::string note = fmt::format("{} tokens/s", count_text(p.tokens_per_second));
    for (const char* name : {"loss", "reward", "kl"}) {
      const auto it = p.metrics.find(name);
      if (it != p.metrics.end()) note += fmt::format("  {} {:.4g}", name, it->second);
    }
    progress->update(static_cast<double>(p.step), note);
    if (interrupted()) stop = true;
  };
  const Result<StageReport> report = run(context, *options);
  progress.reset();
  if (!report.ok()) {
    if (stop) return 130;
    std::fprintf(stderr, "loquat: %s\n", report.error().c_str());
    return is_guard_failure(report.error()) ? 3 : 2;
  }
  std::printf("%s\n", to_json(*report).c_str());
  return 0;
}

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

template <typename Options>
void add_stage(CLI::App& app, int& exit_code, const std::string& name, const std::string& help, Runner<Options> run) {
  auto arguments = std::make_shared<StageArguments>();
  CLI::App* verb = add_verb(app, name, name, help, "the model folder to write", *arguments);
  verb->add_option("--work", arguments->work, "checkpoints and metrics (default: OUT.work)");
  verb->add_option("--checkpoint-every", arguments->checkpoint_every, "steps between checkpoints")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  verb->callback([arguments, run, &exit_code] { exit_code = run_verb<Options>(*arguments, run); });
}

}  // namespace

void add_stage_verbs(CLI::App& app, int& exit_code) {
  add_stage<PretrainOptions>(app, exit_code, "pretrain", "train a base model on text", run_pretrain);
  add_stage<SftOptions>(app, exit_code, "sft", "fine-tune a model on demonstrations", run_sft);
  add_stage<RewardOptions>(app, exit_code, "reward", "train a reward model on rankings", run_reward);
  add_stage<PpoOptions>(app, exit_code, "ppo", "align a model with a reward model by PPO", run_ppo);
  add_stage<DpoOptions>(app, exit_code, "dpo", "align a model with comparisons by DPO (or IPO, SimPO, RPO)", run_dpo);
  add_stage<KtoOptions>(app, exit_code, "kto", "align a model with replies judged one at a time by KTO", run_kto);
  add_stage<OrpoOptions>(app, exit_code, "orpo", "fine-tune and align with comparisons at once by ORPO", run_orpo);
  add_stage<GrpoOptions>(app, exit_code, "grpo", "align a model with a reward model or rules by GRPO", run_grpo);
  add_stage<RlooOptions>(app, exit_code, "rloo", "align a model with a reward model or rules by RLOO", run_rloo);
  add_stage<RejectionOptions>(app, exit_code, "rejection",
                              "fine-tune a model on the best of its own replies by a reward model", run_rejection);
  auto arguments = std::make_shared<StageArguments>();
  CLI::App* best = add_verb(app, "best-of-n", "best_of_n",
                            "sample n replies to each prompt and write the one that a reward model likes best",
                            "the JSONL file of demonstrations to write", *arguments);
  best->callback([arguments, &exit_code] { exit_code = run_best_of_n_verb(*arguments); });
}

}  // namespace loquat
