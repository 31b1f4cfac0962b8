#include "recipe/run.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "base/progress.h"
#include "base/threads.h"
#include "recipe/estimate.h"
#include "recipe/report.h"
#include "recipe/steps.h"
#include "store/files.h"
#include "train/guards.h"

namespace loquat::recipe {
namespace {

struct NamedStep {
  const char* name;
  Step step;
};

// The recipe, in the order in which it happens. Measuring stands behind each model.
constexpr NamedStep kTownSteps[] = {
    {"world", make_town},
    {"tokenizer", train_tokenizer},
    {"base", pretrain_base},
    {"eval_base", measure_base},
    {"sft", finetune_sft},
    {"reference", finetune_reference},
    {"eval_reference", measure_reference},
    {"comparisons", rank_comparisons},
    {"contrasts", make_contrasts},
    {"reward", train_reward},
    {"heldout_reward", train_heldout_reward},
    {"select", select_sft},
    {"eval_sft", measure_sft},
    {"ppo", align_ppo},
    {"eval_ppo", measure_ppo},
    {"dpo", align_dpo},
    {"eval_dpo", measure_dpo},
    {"kto", align_kto},
    {"eval_kto", measure_kto},
    {"orpo", align_orpo},
    {"eval_orpo", measure_orpo},
    {"grpo", align_grpo},
    {"eval_grpo", measure_grpo},
    {"rloo", align_rloo},
    {"eval_rloo", measure_rloo},
    {"rejection", align_rejection},
    {"eval_rejection", measure_rejection},
    {"adversarial", adversarial_round},
    {"eval_adversarial", measure_adversarial},
};

constexpr NamedStep kFileSteps[] = {
    {"data", make_file_data},
    {"tokenizer", train_tokenizer},
    {"base", pretrain_base},
    {"sft", finetune_sft},
    {"reference", finetune_reference},
    {"contrasts", make_contrasts},
    {"reward", train_reward},
    {"select", select_sft},
    {"ppo", align_ppo},
    {"dpo", align_dpo},
    {"kto", align_kto},
    {"orpo", align_orpo},
    {"grpo", align_grpo},
    {"rloo", align_rloo},
    {"rejection", align_rejection},
    {"eval", measure_files},
};

// Without those of the methods that the recipe does not have.
std::vector<NamedStep> steps_of(const RecipePlan& plan) {
  const std::span<const NamedStep> all = plan.world == "town" ? std::span<const NamedStep>(kTownSteps) : kFileSteps;
  const std::vector<std::string> chosen = plan.direct.names();
  std::vector<NamedStep> steps;
  for (const NamedStep& s : all) {
    std::string_view method = s.name;
    if (method.starts_with("eval_")) method.remove_prefix(5);
    const bool optional =
        std::find(std::begin(kDirectMethods), std::end(kDirectMethods), method) != std::end(kDirectMethods);
    if (!optional || std::find(chosen.begin(), chosen.end(), method) != chosen.end()) steps.push_back(s);
  }
  return steps;
}

bool stopped(const Run& run) {
  return run.stop != nullptr && run.stop->load();
}

std::string summary_of(const StageRecord& record) {
  std::string text;
  for (const char* name : {"loss", "valid_bits_per_byte", "valid_loss", "pair_accuracy", "labeler_agreement.value",
                           "reward", "kl", "chosen_epoch", "helpful", "truthful", "wins", "facts"}) {
    const auto it = record.figures.find(name);
    if (it != record.figures.end()) text += fmt::format("{}{} {:.3g}", text.empty() ? "" : ", ", name, it->second);
  }
  return text;
}

int fail(Run& run, const char* step, const std::string& error) {
  if (stopped(run)) {
    run.board.fail("stopped");
    std::fprintf(stderr, "loquat: stopped; the same command goes on from here\n");
    return 130;
  }
  run.board.fail(error);
  std::fprintf(stderr, "loquat: %s: %s\n", step, error.c_str());
  return is_guard_failure(error) ? 3 : 2;
}

int run_steps(Run& run, const RunRequest& request) {
  const std::vector<NamedStep> steps = steps_of(run.plan);
  bool all_done = file_exists(run.folder.file("report.json")) && file_exists(run.folder.file("report.html"));
  for (const NamedStep& s : steps) all_done = all_done && run.folder.finished(s.name);
  if (all_done) {
    std::fprintf(stderr, "%s: this run has ended; see %s/report.html\n", request.out.c_str(), request.out.c_str());
    return 0;
  }
  const std::map<std::string, double> estimate =
      estimate_seconds(run.plan, probe_speeds(run.plan, *run.kernels, run.compute()));
  for (const NamedStep& s : steps) {
    const auto it = estimate.find(s.name);
    run.board.add(s.name, it == estimate.end() ? 1 : it->second);
  }
  std::vector<StageRecord> records;
  for (const NamedStep& s : steps) {
    if (!run.folder.finished(s.name)) continue;
    const auto record = run.folder.record(s.name);
    if (!record.ok()) return fail(run, s.name, record.error());
    run.board.already_done(s.name, record->seconds);
  }
  std::fprintf(stderr, "%s at scale %s on %d threads (%s kernels): about %s\n", run.plan.name.c_str(),
               run.plan.scale.c_str(), thread_count(), run.kernels->name,
               duration_text(run.board.estimated_total()).c_str());
  for (const NamedStep& s : steps) {
    if (run.folder.finished(s.name)) {
      const auto record = run.folder.record(s.name);
      if (!record.ok()) return fail(run, s.name, record.error());
      records.push_back(*record);
      continue;
    }
    if (stopped(run)) return fail(run, s.name, "stopped");
    StageRecord record;
    record.name = s.name;
    run.board.start(s.name);
    const Status status = s.step(run, record);
    if (!status.ok()) return fail(run, s.name, status.error());
    record.seconds = std::max(record.seconds, run.board.current_seconds());
    const Status kept = run.folder.finish(record);
    if (!kept.ok()) return fail(run, s.name, kept.error());
    run.board.end(s.name, record.seconds, summary_of(record));
    records.push_back(record);
  }
  const Status written = write_run_report(run, records);
  if (!written.ok()) return fail(run, "report", written.error());
  const Status page = write_report(run.folder.path());
  if (!page.ok()) return fail(run, "report", page.error());
  run.board.finish();
  std::fprintf(stderr, "done: %s/report.html\n", request.out.c_str());
  return 0;
}

}  // namespace

int run_recipe(const RunRequest& request, const std::atomic<bool>* stop) {
  const auto complain = [](const std::string& error) {
    std::fprintf(stderr, "loquat: %s\n", error.c_str());
    return 2;
  };
  auto plan = read_plan(request.recipe, request.scale, request.sets);
  if (!plan.ok()) return complain(plan.error());
  const auto kernels = best_kernels();
  if (!kernels.ok()) return complain(kernels.error());
  auto folder = RunFolder::open(request.out, {plan->name, plan->scale, request.seed, request.world_seed, plan->hash});
  if (!folder.ok()) return complain(folder.error());
  Run run(*plan, *folder, *kernels, request.seed, request.world_seed, stop);
  return run_steps(run, request);
}

}  // namespace loquat::recipe
