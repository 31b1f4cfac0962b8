// Steps that train: each fills in the paths of its options and runs the stage of src/train.
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "data/encode.h"
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

// The share of the rankings' pairs that the reward model orders as they do.
Status measure_pairs(Run& run, StageRecord& record, const std::string& name, const std::vector<Ranking>& all) {
  TRY(const ModelConfig config, read_model_config(run.folder.model("reward")));
  TRY(const Tokenizer tokenizer, Tokenizer::load(run.folder.file("tokenizer")));
  TRY(const ChatTemplate chat, ChatTemplate::make(tokenizer));
  std::vector<Ranking> rankings;  // that the context holds
  for (const Ranking& ranking : all)
    if (encode_ranking(chat, ranking, config.max_positions).ok()) rankings.push_back(ranking);
  if (rankings.size() < all.size())
    record.figures[name + ".left_out"] = static_cast<double>(all.size() - rankings.size());
  std::vector<Messages> prompts;
  std::vector<std::string> replies;
  for (const Ranking& ranking : rankings)
    for (const RankedResponse& response : ranking.responses)
      prompts.push_back(ranking.prompt), replies.push_back(response.text);
  TRY(const std::vector<double> scores, reward_scores(run, run.folder.model("reward"), prompts, replies));
  put(record, name, eval::pair_accuracy_flat(rankings, scores));
  std::string lines;  // to read: where the reward model and the ranking part
  size_t at = 0;
  for (const Ranking& ranking : rankings) {
    nlohmann::json line{{"id", ranking.id}, {"prompt", ranking.prompt.back().content}};
    for (const RankedResponse& response : ranking.responses)
      line["replies"].push_back({{"text", response.text}, {"rank", response.rank}, {"score", scores[at++]}});
    lines += line.dump() + "\n";
  }
  TRY_STATUS(write_file(run.folder.stage("reward") + "/" + name + ".jsonl", lines));
  return {};
}

// On prompts that no stage of training saw: against a labeler's rankings, and against the gold order.
Status measure_town_reward(Run& run, StageRecord& record) {
  TRY(const std::vector<Ranking> labeled, read_rankings(run.folder.data("rankings_test.jsonl")));
  TRY(const std::vector<Ranking> gold, read_rankings(run.folder.data("rankings_gold.jsonl")));
  TRY_STATUS(measure_pairs(run, record, "pair_accuracy", labeled));
  return measure_pairs(run, record, "gold_pair_accuracy", gold);
}

// The stage's own split by prompt, and files that were set apart, each beside the baseline that goes by length.
Status measure_file_reward(Run& run, StageRecord& record) {
  auto& f = record.figures;
  put(record, "pair_accuracy",
      {f["pair_accuracy"], f["pair_accuracy_low"], f["pair_accuracy_high"], static_cast<int64_t>(f["pairs"])});
  int n = 0;
  for (const std::string& path : run.plan.files.test_comparisons) {
    TRY(const std::vector<Ranking> rankings, read_rankings(path));
    const std::string name = fmt::format("test_{}", ++n);
    TRY_STATUS(measure_pairs(run, record, name, rankings));
    put(record, name + "_shorter", eval::length_baseline(rankings, false));
    put(record, name + "_longer", eval::length_baseline(rankings, true));
  }
  return {};
}

bool has_heldout_text(const Run& run) {
  return file_exists(run.folder.data("heldout.jsonl"));
}

// stages/STAGE/gold.jsonl, of PPO, GRPO and RLOO: the gold utility of the policy's own replies over its KL, beside what
// the reward model gave them. Only for people to see: it is not known to training.
class GoldCurve {
 public:
  static Result<GoldCurve> make(Run& run, const std::string& stage) {
    GoldCurve curve(run, run.folder.stage(stage) + "/gold.jsonl");
    TRY(const Tokenizer tokenizer, Tokenizer::load(run.folder.file("tokenizer")));
    TRY(const ChatTemplate chat, ChatTemplate::make(tokenizer));
    for (town::Task& task : town::make_training_tasks(run.world(), run.plan.town.ppo_prompts, "ppo")) {
      TRY(const std::vector<int32_t> tokens, chat.prompt(task.messages));
      std::string prompt = tokenizer.decode(tokens);
      curve.tasks_.emplace(std::move(prompt), std::move(task));
    }
    return curve;
  }

  void add(int64_t step, double kl, double reward, const std::vector<RolloutSample>& samples) {
    double utility = 0;
    int64_t n = 0, helpful = 0;
    for (const RolloutSample& sample : samples) {
      const auto task = tasks_.find(sample.prompt);
      if (task == tasks_.end()) continue;
      const town::Verdict verdict = run_->gold().score(task->second, sample.reply, sample.ended);
      utility += verdict.utility;
      helpful += verdict.helpful ? 1 : 0;
      ++n;
    }
    if (n == 0) return;
    lines_[step] =
        fmt::format("{{\"step\":{},\"kl\":{:.5g},\"reward\":{:.5g},\"gold\":{:.5g},\"helpful\":{:.5g}}}\n", step, kl,
                    reward, utility / static_cast<double>(n), static_cast<double>(helpful) / static_cast<double>(n));
    std::string text;
    for (const auto& [at, line] : lines_) text += line;
    (void)write_file(path_, text, Durability::kUnsynced).ok();  // a picture: the run goes on without it
  }

 private:
  GoldCurve(Run& run, std::string path) : run_(&run), path_(std::move(path)) {
    (void)for_each_line(path_, [&](int64_t, std::string_view line) {
      long long step = 0;
      if (std::sscanf(std::string(line).c_str(), "{\"step\":%lld", &step) == 1) lines_[step] = std::string(line) + "\n";
      return Status();
    }).ok();
  }

  Run* run_;
  std::string path_;
  std::unordered_map<std::string, town::Task> tasks_;
  std::map<int64_t, std::string> lines_;
};

// Runs a stage that samples; in the town with its gold curve.
template <typename F>
Status align_on_policy(Run& run, StageRecord& record, const std::string& stage, const F& run_it) {
  StageContext context = run.context(stage, run.folder.model(stage));
  std::optional<GoldCurve> gold;
  if (run.plan.world == "town") {
    TRY(gold, GoldCurve::make(run, stage));
    context.on_rollout = [&gold](int64_t step, double kl, double reward, const std::vector<RolloutSample>& samples) {
      gold->add(step, kl, reward, samples);
    };
  }
  TRY(const StageReport report, run_it(context));
  take(record, report);
  return {};
}

std::vector<std::string> ranking_files(const Run& run) {
  if (run.plan.world == "files") return run.plan.files.comparisons;
  return {run.folder.data("rankings.jsonl")};
}

std::string held_out_reward(const Run& run) {
  const std::string watcher = run.folder.stage("heldout_reward") + "/model";
  return std::filesystem::exists(watcher) ? watcher : "";
}

void fill(const Run& run, GroupOptions& options) {
  options.policy = run.folder.model("reference");
  options.reward = run.folder.model("reward");
  options.held_out_reward = held_out_reward(run);
  options.prompts = {run.folder.data("ppo_prompts.jsonl")};
}

}  // namespace

Status pretrain_base(Run& run, StageRecord& record) {
  PretrainOptions options = run.plan.base;
  const std::string mixture = run.folder.data("documents.toml");  // of texts with weights
  options.texts = {file_exists(mixture) ? mixture : run.folder.data("documents.jsonl")};
  if (run.plan.world == "town" && run.plan.town.lesson_words > 0)
    options.first_texts = {run.folder.data("lessons.jsonl")};
  if (has_heldout_text(run)) options.valid_texts = {run.folder.data("heldout.jsonl")};
  options.tokenizer = run.folder.file("tokenizer");
  TRY(const StageReport report, run_pretrain(run.context("base", run.folder.model("base")), options));
  take(record, report);
  return {};
}

Status finetune_sft(Run& run, StageRecord& record) {
  SftOptions options = run.plan.sft;
  options.base = run.folder.model("base");
  options.demonstrations = demonstration_files(run);
  if (options.pretrain_fraction > 0) options.pretrain_texts = {run.folder.data("documents.jsonl")};
  options.keep_candidates = true;
  TRY(const StageReport report, run_sft(run.context("sft", run.folder.stage("sft") + "/last"), options));
  take(record, report);
  return {};
}

Status finetune_reference(Run& run, StageRecord& record) {
  if (run.plan.reference_is_sft) {
    TRY(const std::vector<std::string> candidates, sft_candidates(run));
    return copy_model(candidates.back(), run.folder.model("reference"));
  }
  SftOptions options = run.plan.reference;
  options.base = run.folder.model("base");
  options.demonstrations = demonstration_files(run);
  options.pretrain_texts = {run.folder.data("documents.jsonl")};
  TRY(const StageReport report, run_sft(run.context("reference", run.folder.model("reference")), options));
  take(record, report);
  return {};
}

Status train_reward(Run& run, StageRecord& record) {
  RewardOptions options = run.plan.reward;
  options.base = run.folder.model("reference");
  options.rankings = ranking_files(run);
  if (run.plan.contrasts.any()) options.rankings.push_back(run.folder.data("contrasts.jsonl"));
  options.demonstrations = demonstration_files(run);
  if (options.pretrain_fraction > 0) options.pretrain_texts = {run.folder.data("documents.jsonl")};
  TRY(const StageReport report, run_reward(run.context("reward", run.folder.model("reward")), options));
  take(record, report);
  return run.plan.world == "town" ? measure_town_reward(run, record) : measure_file_reward(run, record);
}

Status train_heldout_reward(Run& run, StageRecord& record) {
  if (!file_exists(run.folder.data("rankings_watching.jsonl"))) return {};  // heldout_reward.share = 0
  RewardOptions options = run.plan.reward;
  options.base = run.folder.model("base");  // another start and other judgments: errors of its own
  options.rankings = {run.folder.data("rankings_watching.jsonl")};
  options.demonstrations = demonstration_files(run);
  if (options.pretrain_fraction > 0) options.pretrain_texts = {run.folder.data("documents.jsonl")};
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
  options.held_out_reward = held_out_reward(run);
  options.prompts = {run.folder.data("ppo_prompts.jsonl")};
  options.pretrain_texts = {run.folder.data("documents.jsonl")};
  return align_on_policy(run, record, "ppo", [&](const StageContext& context) { return run_ppo(context, options); });
}

// The methods beside PPO start where PPO does, and learn from what it and the reward model do.

namespace {

template <typename Options>
Status align_on_rankings(Run& run, StageRecord& record, const char* name, Options options,
                         Result<StageReport> (*train)(const StageContext&, const Options&)) {
  options.policy = run.folder.model("reference");
  options.rankings = ranking_files(run);
  TRY(const StageReport report, train(run.context(name, run.folder.model(name)), options));
  take(record, report);
  return {};
}

}  // namespace

Status align_dpo(Run& run, StageRecord& record) {
  return align_on_rankings(run, record, "dpo", *run.plan.direct.dpo, run_dpo);
}

Status align_kto(Run& run, StageRecord& record) {
  return align_on_rankings(run, record, "kto", *run.plan.direct.kto, run_kto);
}

Status align_orpo(Run& run, StageRecord& record) {
  return align_on_rankings(run, record, "orpo", *run.plan.direct.orpo, run_orpo);
}

Status align_grpo(Run& run, StageRecord& record) {
  GrpoOptions options = *run.plan.direct.grpo;
  fill(run, options.group);
  return align_on_policy(run, record, "grpo", [&](const StageContext& context) { return run_grpo(context, options); });
}

Status align_rloo(Run& run, StageRecord& record) {
  RlooOptions options = *run.plan.direct.rloo;
  fill(run, options.group);
  return align_on_policy(run, record, "rloo", [&](const StageContext& context) { return run_rloo(context, options); });
}

Status align_rejection(Run& run, StageRecord& record) {
  RejectionOptions options = *run.plan.direct.rejection;
  options.policy = run.folder.model("reference");
  options.reward = run.folder.model("reward");
  options.prompts = {run.folder.data("ppo_prompts.jsonl")};
  TRY(const StageReport report, run_rejection(run.context("rejection", run.folder.model("rejection")), options));
  take(record, report);
  return {};
}

}  // namespace loquat::recipe
