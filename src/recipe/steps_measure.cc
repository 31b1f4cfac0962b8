// Steps that measure a stage's model, and report.json.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/machine.h"
#include "eval/pairs.h"
#include "eval/tasks/town.h"
#include "infer/chat_engine.h"
#include "recipe/measure.h"
#include "recipe/steps.h"
#include "redteam/campaign.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

using Json = nlohmann::ordered_json;

// With those of the methods beside PPO behind them.
std::vector<std::string> models_of(const RecipePlan& plan, std::vector<std::string> usual) {
  for (std::string& name : plan.direct.names()) usual.push_back(std::move(name));
  return usual;
}

Status measure(Run& run, StageRecord& record, const std::string& name) {
  MeasureRequest request;
  request.model = run.folder.model(name);
  request.out = run.folder.eval(name);
  request.base_model = name == "base";
  request.options = run.plan.eval;
  request.scale = run.plan.town;
  // The same prompts and the same random numbers for every model of the run.
  request.seed = run.seed_of("eval");
  request.progress = [&](int64_t done, int64_t all) { run.board.update(done, all, 0, ""); };
  TRY(const eval::TownMeasures measures, measure_model(request, run.world(), run.gold(), *run.kernels, run.compute()));
  record.figures["helpful"] = measures.helpful.value;
  record.figures["truthful"] = measures.truthful.value;
  record.figures["harmful_refused"] = measures.harmful_refused.value;
  record.figures["over_refusal"] = measures.over_refusal.value;
  record.figures["bits_per_byte"] = measures.bits_per_byte.value;
  return {};
}

// The SFT model's, where it is the reference, which has been measured with the same prompts and random numbers.
Status take_reference_measures(Run& run, StageRecord& record) {
  TRY_STATUS(make_folders(run.folder.eval("sft")));
  for (const char* name : {"/replies.jsonl", "/measures.json"}) {
    TRY(const std::string bytes, read_file(run.folder.eval("reference") + name));
    TRY_STATUS(write_file(run.folder.eval("sft") + name, bytes));
  }
  TRY(const StageRecord measured, run.folder.record("eval_reference"));
  record.figures = measured.figures;
  return {};
}

Json interval_of(const std::map<std::string, double>& figures, const std::string& name) {
  const auto value = figures.find(name + ".value");
  if (value == figures.end() || figures.at(name + ".n") == 0) return nullptr;  // nothing to count
  return {{"value", value->second},
          {"low", figures.at(name + ".low")},
          {"high", figures.at(name + ".high")},
          {"n", static_cast<int64_t>(figures.at(name + ".n"))}};
}

Result<Json> preferred_of(const Run& run) {
  std::map<std::string, std::vector<eval::ReplyRecord>> replies;
  for (const char* model : {"base", "sft", "ppo", "adversarial"}) {
    TRY(replies[model], eval::read_replies(run.folder.eval(model) + "/replies.jsonl"));
  }
  const auto compare = [&](const char* a, const char* b) {
    return Json::parse(eval::to_json(eval::preferred(replies[a], replies[b])));
  };
  return Json{{"sft_over_base", compare("sft", "base")},
              {"ppo_over_sft", compare("ppo", "sft")},
              {"ppo_over_base", compare("ppo", "base")},
              {"adversarial_over_ppo", compare("adversarial", "ppo")}};
}

}  // namespace

Status measure_base(Run& run, StageRecord& record) {
  return measure(run, record, "base");
}
Status measure_sft(Run& run, StageRecord& record) {
  if (run.plan.reference_is_sft) {
    TRY(const StageRecord select, run.folder.record("select"));
    const bool last = select.figures.at("chosen_epoch") == static_cast<double>(run.plan.sft.epochs);
    if (last) return take_reference_measures(run, record);
  }
  return measure(run, record, "sft");
}
Status measure_reference(Run& run, StageRecord& record) {
  return measure(run, record, "reference");
}
Status measure_ppo(Run& run, StageRecord& record) {
  return measure(run, record, "ppo");
}
Status measure_dpo(Run& run, StageRecord& record) {
  return measure(run, record, "dpo");
}
Status measure_kto(Run& run, StageRecord& record) {
  return measure(run, record, "kto");
}
Status measure_orpo(Run& run, StageRecord& record) {
  return measure(run, record, "orpo");
}
Status measure_grpo(Run& run, StageRecord& record) {
  return measure(run, record, "grpo");
}
Status measure_rloo(Run& run, StageRecord& record) {
  return measure(run, record, "rloo");
}
Status measure_rejection(Run& run, StageRecord& record) {
  return measure(run, record, "rejection");
}
Status measure_adversarial(Run& run, StageRecord& record) {
  return measure(run, record, "adversarial");
}

// What can be measured without a known world: bits per byte of each model on the held-out text, and samples to look at.
Status measure_files(Run& run, StageRecord& record) {
  std::vector<std::string> texts;
  if (file_exists(run.folder.data("heldout.jsonl"))) {
    TRY(texts, read_texts(run.folder.data("heldout.jsonl")));
  }
  TRY(std::vector<Messages> prompts, read_prompts(run.folder.data("ppo_prompts.jsonl")));
  Rng(run.seed, "sample dialogues").shuffle(prompts);
  prompts.resize(std::min(prompts.size(), static_cast<size_t>(run.plan.files.sample_dialogues)));
  for (const std::string& name : models_of(run.plan, {"base", "sft", "reference", "ppo"})) {
    TRY(const std::unique_ptr<ChatModel> model, ChatModel::load(run.folder.model(name), *run.kernels, run.compute()));
    std::vector<Cluster> clusters;
    for (const TextLogProb& score : model->score(texts))
      clusters.push_back({-score.logprob / std::numbers::ln2, static_cast<double>(score.bytes)});
    if (!clusters.empty()) put(record, "bits_per_byte_" + name, bootstrap(clusters, run.seed));
    ReplyParams params;
    params.max_tokens = run.plan.select.max_tokens;
    params.seed = run.seed_of("sample dialogues");
    std::vector<eval::ReplyRecord> records;
    const std::vector<ReplyText> replies = model->replies(prompts, params);
    for (size_t i = 0; i < replies.size(); ++i)
      records.push_back({fmt::format("sample/{}", i),
                         "sample",
                         prompts[i],
                         replies[i].text,
                         replies[i].ended,
                         replies[i].tokens,
                         {}});
    TRY_STATUS(make_folders(run.folder.eval(name)));
    TRY_STATUS(eval::write_replies(run.folder.eval(name) + "/replies.jsonl", records));
  }
  return {};
}

Status write_run_report(Run& run, const std::vector<StageRecord>& records) {
  Json guards = Json::array(), stages = Json::array();
  std::map<std::string, double> all;
  for (const StageRecord& r : records) {
    for (const std::string& guard : r.guards) guards.push_back(guard);
    stages.push_back({{"name", r.name},
                      {"seconds", r.seconds},
                      {"tokens", r.tokens},
                      {"tokens_per_second", r.seconds > 0 ? static_cast<double>(r.tokens) / r.seconds : 0.0},
                      {"figures", r.figures}});
    for (const auto& [name, value] : r.figures) all[r.name + "." + name] = value;
  }
  Json report = {{"recipe", run.plan.name},
                 {"scale", run.plan.scale},
                 {"seed", run.seed},
                 {"world_seed", run.world_seed},
                 {"recipe_hash", run.plan.hash},
                 {"commit", LOQUAT_COMMIT},
                 {"machine", machine_text(this_machine())},
                 {"guards", guards},
                 {"stages", stages}};
  report["reward_model"] = {{"pair_accuracy", interval_of(all, "reward.pair_accuracy")},
                            {"gold_pair_accuracy", interval_of(all, "reward.gold_pair_accuracy")},
                            {"labeler_agreement", interval_of(all, "comparisons.labeler_agreement")}};
  if (run.plan.world == "town") {
    report["held_out_families"] = run.world().held_out_families;
    Json models = Json::object();
    for (const std::string& name : models_of(run.plan, {"base", "sft", "reference", "ppo", "adversarial"})) {
      TRY(const std::string text, read_file(run.folder.eval(name) + "/measures.json"));
      models[name] = Json::parse(text);
    }
    report["models"] = models;
    TRY(report["preferred"], preferred_of(run));
  } else {
    Json models = Json::object();
    for (const std::string& name : models_of(run.plan, {"base", "sft", "reference", "ppo"}))
      models[name] = {{"bits_per_byte", interval_of(all, "eval.bits_per_byte_" + name)}};
    report["models"] = models;
  }
  return write_file(run.folder.file("report.json"), report.dump(2) + "\n");
}

}  // namespace loquat::recipe
