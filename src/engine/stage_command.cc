// Stages, from arguments to what is printed (stage_command.h).
#include "engine/stage_command.h"

#include <atomic>
#include <cstdio>
#include <memory>

#include "base/interrupt.h"
#include "base/progress.h"
#include "store/toml.h"
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

namespace {

template <typename Options>
using Runner = Result<StageReport> (*)(const StageContext&, const Options&);

template <typename Options>
Result<StageReport> run_on(const StageArguments& arguments, Runner<Options> run, Ranks& ranks,
                           std::atomic<bool>& stop) {
  TRY(const Options options, options_of<Options>(arguments));
  TRY(const Kernels* const kernels, best_kernels());
  install_signal_handlers();
  std::unique_ptr<Progress> progress;
  StageContext context;
  context.ranks = &ranks;
  context.out = arguments.out;
  context.work = arguments.work.empty() ? arguments.out + ".work" : arguments.work;
  context.kernels = kernels;
  context.compute = arguments.fp32 ? DType::kF32 : DType::kBF16;
  context.seed = arguments.seed;
  context.checkpoint_every = arguments.checkpoint_every;
  context.stop = &stop;
  context.on_progress = [&](const StageProgress& p) {
    if (interrupted()) stop = true;
    if (!ranks.first()) return;
    if (!progress)
      progress = std::make_unique<Progress>(p.stage, static_cast<double>(p.total_steps), "steps",
                                            Progress::Options{static_cast<double>(p.step)});
    std::string note = fmt::format("{} tokens/s", count_text(p.tokens_per_second));
    for (const char* name : {"loss", "reward", "kl"}) {
      const auto it = p.metrics.find(name);
      if (it != p.metrics.end()) note += fmt::format("  {} {:.4g}", name, it->second);
    }
    progress->update(static_cast<double>(p.step), note);
  };
  return run(context, options);
}

// With several ranks, rank 0 alone speaks.
template <typename Options>
int run_stage_command(const StageArguments& arguments, Runner<Options> run) {
  const auto joined = join_ranks();
  if (!joined.ok()) {
    std::fprintf(stderr, "loquat: %s\n", joined.error().c_str());
    return 2;
  }
  Ranks& ranks = **joined;
  std::atomic<bool> stop = false;
  const Result<StageReport> report = run_on(arguments, run, ranks, stop);
  if (!report.ok()) {
    std::string error = report.error();
    // The others learn of an error before the stage began here; later ones all ranks have.
    if (!ranks.agreed()) error = agree(ranks, Err("{}", error)).error();
    if (stop) return 130;
    if (ranks.first()) std::fprintf(stderr, "loquat: %s\n", error.c_str());
    return is_guard_failure(error) ? 3 : 2;
  }
  if (ranks.first()) std::printf("%s\n", to_json(*report).c_str());
  return 0;
}

}  // namespace

std::span<const StageCommand> stage_commands() {
  static const StageCommand commands[] = {
      {"pretrain", "train a base model on text",
       [](const StageArguments& a) { return run_stage_command<PretrainOptions>(a, run_pretrain); }},
      {"sft", "fine-tune a model on demonstrations",
       [](const StageArguments& a) { return run_stage_command<SftOptions>(a, run_sft); }},
      {"reward", "train a reward model on rankings",
       [](const StageArguments& a) { return run_stage_command<RewardOptions>(a, run_reward); }},
      {"ppo", "align a model with a reward model by PPO",
       [](const StageArguments& a) { return run_stage_command<PpoOptions>(a, run_ppo); }},
      {"dpo", "align a model with comparisons by DPO (or IPO, SimPO, RPO)",
       [](const StageArguments& a) { return run_stage_command<DpoOptions>(a, run_dpo); }},
      {"kto", "align a model with replies judged one at a time by KTO",
       [](const StageArguments& a) { return run_stage_command<KtoOptions>(a, run_kto); }},
      {"orpo", "fine-tune and align with comparisons at once by ORPO",
       [](const StageArguments& a) { return run_stage_command<OrpoOptions>(a, run_orpo); }},
      {"grpo", "align a model with a reward model or rules by GRPO",
       [](const StageArguments& a) { return run_stage_command<GrpoOptions>(a, run_grpo); }},
      {"rloo", "align a model with a reward model or rules by RLOO",
       [](const StageArguments& a) { return run_stage_command<RlooOptions>(a, run_rloo); }},
      {"rejection", "fine-tune a model on the best of its own replies by a reward model",
       [](const StageArguments& a) { return run_stage_command<RejectionOptions>(a, run_rejection); }},
  };
  return commands;
}

}  // namespace loquat
