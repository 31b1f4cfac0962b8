// Steps that train: each fills in the paths of its options and runs the stage of src/train.
#include <filesystem>

#include "eval/pairs.h"
#include "recipe/steps.h"
#include "store/files.h"

namespace loquat::recipe {
void take(StageRecord& record, const StageReport& report) {
  record.tokens += report.tokens;
  record.seconds = report.seconds;  // over resumes
  for (const auto& [name, value] : report.figures) record.figures[name] = value;
  for (const GuardEvent& event : report.guards)
    record.guards.push_back(
        fmt::format("{}: {} at step {}, {}: {}", event.stage, event.guard, event.step, event.action, event.message));
}

namespace {

std::vector<std::string> demonstrations(const Run& run) {
  if (run.plan.world == "files") return run.plan.files.demonstrations;
  return {run.folder.data("demonstrations.jsonl")};
}

// On prompts that no stage of training saw: against a labeler's rankings, and against the gold order.
Status measure_reward(Run& run, StageRecord& record) {
  TRY(const std::vector<Ranking> labeled, read_rankings(run.folder.data("rankings_test.jsonl")));
  TRY(const std::vector<Ranking> gold, read_rankings(run.folder.data("rankings_gold.jsonl")));
  for (const auto& [name, rankings] : {std::pair{"pair_accuracy", &labeled}, std::pair{"gold_pair_accuracy", &gold}}) {
    std::vector<Messages> prompts;
    std::vector<std::string> replies;
    for (const Ranking& ranking : *rankings)
      for (const RankedResponse& response : ranking.responses)
        prompts.push_back(ranking.prompt), replies.push_back(response.text);
    TRY(const std::vector<double> scores, reward_scores(run, run.folder.model("reward"), prompts, replies));
    put(record, name, eval::pair_accuracy_flat(*rankings, scores));
  }
  return {};
}

bool has_heldout_text(const Run& run) {
  return file_exists(run.folder.data("heldout.jsonl"));
}

}  // namespace

Status pretrain_base(Run& run, StageRecord& record) {
  PretrainOptions options = run.plan.base;
  options.texts = {run.folder.data("documents.jsonl")};
  if (has_heldout_text(run)) options.valid_texts = {run.folder.data("heldout.jsonl")};
  options.tokenizer = run.folder.file("tokenizer");
  TRY(const StageReport report, run_pretrain(run.context("base", run.folder.model("base")), options));
  take(record, report);
  return {};
}

Status finetune_sft(Run& run, StageRecord& record) {
  SftOptions options = run.plan.sft;
  options.base = run.folder.model("base");
  options.demonstrations = demonstrations(run);
  if (options.pretrain_fraction > 0) options.pretrain_texts = {run.folder.data("documents.jsonl")};
  options.keep_candidates = true;
  TRY(const StageReport report, run_sft(run.context("sft", run.folder.stage("sft") + "/last"), options));
  take(record, report);
  return {};
}

Status finetune_reference(Run& run, StageRecord& record) {
  SftOptions options = run.plan.reference;
  options.base = run.folder.model("base");
  options.demonstrations = demonstrations(run);
  options.pretrain_texts = {run.folder.data("documents.jsonl")};
  TRY(const StageReport report, run_sft(run.context("reference", run.folder.model("reference")), options));
  take(record, report);
  return {};
}

Status train_reward(Run& run, StageRecord& record) {
  RewardOptions options = run.plan.reward;
  options.base = run.folder.model("reference");
  options.rankings = run.plan.world == "files" ? run.plan.files.comparisons
                                               : std::vector<std::string>{run.folder.data("rankings.jsonl")};
  options.demonstrations = demonstrations(run);
  TRY(const StageReport report, run_reward(run.context("reward", run.folder.model("reward")), options));
  take(record, report);
  return run.plan.world == "town" ? measure_reward(run, record) : Status();
}

Status train_heldout_reward(Run& run, StageRecord& record) {
  if (!file_exists(run.folder.data("rankings_watching.jsonl"))) return {};  // heldout_reward.share = 0
  RewardOptions options = run.plan.reward;
  options.base = run.folder.model("base");  // another start and other judgments: errors of its own
  options.rankings = {run.folder.data("rankings_watching.jsonl")};
  options.demonstrations = demonstrations(run);
  const std::string out = run.folder.stage("heldout_reward") + "/model";
  TRY(const StageReport report, run_reward(run.context("heldout_reward", out), options));
  take(record, report);
  return {};
}

Status align_ppo(Run& run, StageRecord& record) {
  PpoOptions options = run.plan.ppo;
  options.policy = run.folder.model("reference");
  options.reference = run.folder.model("reference");
  options.reward = run.folder.model("reward");
  const std::string watcher = run.folder.stage("heldout_reward") + "/model";
  if (std::filesystem::exists(watcher)) options.held_out_reward = watcher;
  options.prompts = run.plan.world == "files" && !run.plan.files.prompts.empty()
                        ? run.plan.files.prompts
                        : std::vector<std::string>{run.folder.data("ppo_prompts.jsonl")};
  options.pretrain_texts = {run.folder.data("documents.jsonl")};
  TRY(const StageReport report, run_ppo(run.context("ppo", run.folder.model("ppo")), options));
  take(record, report);
  return {};
}

}  // namespace loquat::recipe
