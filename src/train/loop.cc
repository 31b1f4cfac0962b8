// The shared skeleton of stages (loop.h).
#include "train/loop.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/counted.h"
#include "data/source.h"
#include "model/adapter_folder.h"
#include "store/files.h"
#include "store/safetensors.h"

namespace loquat {
namespace {

using nlohmann::json;

json guard_json(const GuardEvent& e) {
  return {{"stage", e.stage}, {"guard", e.guard},   {"step", e.step},      {"value", e.value},
          {"limit", e.limit}, {"action", e.action}, {"message", e.message}};
}

// Without the seconds: what a resumed run and an undisturbed one have in common.
json report_json(const StageReport& report) {
  json guards = json::array();
  for (const GuardEvent& e : report.guards) guards.push_back(guard_json(e));
  return {{"stage", report.stage},
          {"steps", report.steps},
          {"tokens", report.tokens},
          {"figures", report.figures},
          {"guards", guards}};
}

double number_or_nan(const json& value) {
  return value.is_number() ? value.get<double>() : std::nan("");
}

std::vector<GuardEvent> guards_from(const json& list) {
  std::vector<GuardEvent> events;
  for (const json& e : list) {
    events.push_back({e.at("stage"), e.at("guard"), e.at("step"), number_or_nan(e.at("value")),
                      number_or_nan(e.at("limit")), e.at("action"), e.at("message")});
  }
  return events;
}

StageReport report_from(const json& j) {
  StageReport report;
  report.stage = j.at("stage");
  report.steps = j.at("steps");
  report.tokens = j.at("tokens");
  for (const auto& [name, value] : j.at("figures").items()) report.figures[name] = number_or_nan(value);
  report.guards = guards_from(j.at("guards"));
  return report;
}

// The seconds lie outside the model's folder, whose bytes are the same however long it took.
std::string time_file(const StageContext& context) {
  return context.work + "/time.json";
}

// 0 where they are not known.
double stored_seconds(const StageContext& context, const std::string& hash) {
  const auto text = read_file(time_file(context));
  if (!text.ok()) return 0;
  const json j = json::parse(*text, nullptr, false);
  const bool known = j.is_object() && j.value("hash", json()) == hash && j.value("seconds", json()).is_number();
  return known ? j["seconds"].get<double>() : 0;
}

// The report of a folder that was finished with this hash; nothing where the folder is not finished.
Result<std::optional<StageReport>> finished_report(const StageContext& context, const std::string& hash) {
  const std::string& out = context.out;
  const std::string path = out + "/stage.json";
  if (!file_exists(path)) {
    // No stage's, and no stage that was stopped: somebody's model, not to be written over.
    std::error_code error;
    if ((is_adapter_folder(out) || file_exists(safetensors_path(out))) && !std::filesystem::exists(context.work, error))
      return Err("{} holds a model that no stage made: remove it, or choose another folder", out);
    return std::optional<StageReport>();
  }
  TRY(const std::string text, read_file(path));
  try {
    const json j = json::parse(text);
    if (j.at("hash") != hash) {
      return Err("{} holds a model that was made with other settings or data: remove it, or choose another folder",
                 out);
    }
    StageReport report = report_from(j.at("report"));
    report.seconds = stored_seconds(context, hash);
    return std::optional<StageReport>(std::move(report));
  } catch (const json::exception& e) {
    return Err("{}: {}: expected what a finished stage writes; remove the file to make the model again", path,
               e.what());
  }
}

bool is_finite(const CheckpointState& state) {
  for (const auto& [name, values] : state.tensors) {
    // One sum per tensor: an infinity or NaN anywhere makes it not finite (the values are far from overflow in double).
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * 0.0;
    if (!(sum == 0)) return false;
  }
  return true;
}

// Rank 0's state, to all.
void share(Ranks& ranks, CheckpointState& state) {
  if (ranks.size() == 1) return;
  json small = {{"step", state.step}, {"texts", state.texts}, {"sizes", json::object()}};
  for (const auto& [name, values] : state.tensors) small["sizes"][name] = values.size();
  small = json::parse(gather_texts(ranks, ranks.first() ? small.dump() : "")[0]);
  state.step = small["step"];
  state.texts = small["texts"].get<std::map<std::string, std::string>>();
  for (const auto& [name, size] : small["sizes"].items()) {
    std::vector<float>& values = state.tensors[name];
    values.resize(size.get<size_t>());
    ranks.broadcast(values.data(), static_cast<int64_t>(values.size() * sizeof(float)), 0);
  }
}

class Runner {
 public:
  Runner(const StageContext& context, const StageIdentity& identity, Stage& stage)
      : context_(context),
        identity_(identity),
        stage_(stage),
        ranks_(*context.ranks),
        checkpoints_(context.work + "/checkpoint") {}

  Result<StageReport> run() {
    start_ = std::chrono::steady_clock::now();
    total_ = stage_.total_steps();
    TRY_STATUS(begin());
    TRY_STATUS(steps());
    return finish();
  }
  ~Runner() {
    if (metrics_ != nullptr) std::fclose(metrics_);
  }

 private:
  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  Status begin() {
    std::string passed_over;
    TRY(const CheckpointState state, newest(&passed_over));
    if (!passed_over.empty()) note(context_, passed_over);
    if (state.step >= 0) {
      TRY_STATUS(restore(state));
      seconds_before_ = restored_seconds_;
      tokens_at_start_ = tokens_;
      step_at_start_ = step_;
    } else {
      TRY_STATUS(save());  // what a guard rolls back to before the first checkpoint
    }
    return open_metrics();
  }

  // Rank 0 reads it and all get it: the others need not see its folder.
  Result<CheckpointState> newest(std::string* note) {
    CheckpointState state;
    TRY_STATUS(on_first(ranks_, [&]() -> Status {
      TRY(state, checkpoints_.load_newest(note));
      return {};
    }));
    share(ranks_, state);
    return state;
  }

  Status restore(const CheckpointState& state) {
    try {
      const json run = json::parse(state.texts.at("run"));
      if (run.at("hash") != identity_.hash) {
        return Err("{} holds a checkpoint of other settings or data: remove it, or choose another folder",
                   context_.work);
      }
      tokens_ = run.at("tokens");
      restored_seconds_ = run.at("seconds");
      lr_scale_ = run.at("lr_scale");
      rollbacks_ = run.at("rollbacks");
      guards_ = guards_from(run.at("guards"));
    } catch (const std::exception& e) {
      return Err("{}/checkpoint: {}: remove the folder to begin this stage again", context_.work, e.what());
    }
    step_ = saved_step_ = state.step;
    return stage_.load(state);
  }

  // An error, or whether the state was fit to be saved.
  Result<bool> save_if_finite() {
    CheckpointState state;
    TRY_STATUS(stage_.save(state));
    bool finite = is_finite(state);
    ranks_.broadcast(&finite, sizeof finite, 0);
    if (!finite) return false;
    TRY_STATUS(on_first(ranks_, [&] { return write_checkpoint(state); }));
    saved_step_ = step_;
    return true;
  }

  Status write_checkpoint(CheckpointState& state) {
    state.step = step_;
    json guards = json::array();
    for (const GuardEvent& e : guards_) guards.push_back(guard_json(e));
    state.texts["run"] = json{{"hash", identity_.hash}, {"tokens", tokens_},       {"seconds", seconds()},
                              {"lr_scale", lr_scale_},  {"rollbacks", rollbacks_}, {"guards", guards}}
                             .dump();
    return checkpoints_.save(state);
  }

  Status save() {
    TRY(const bool finite, save_if_finite());
    if (!finite) return Err("{}{}: the weights are not finite before the first step", kGuardFailure, identity_.name);
    return {};
  }

  Status open_metrics() {
    return on_first(ranks_, [&] { return cut_metrics(); });
  }

  // Lines of steps that the checkpoint does not know are cut off: these steps run again.
  Status cut_metrics() {
    const std::string path = context_.work + "/metrics.jsonl";
    if (metrics_ != nullptr) std::fclose(metrics_);
    metrics_ = nullptr;
    std::string kept;
    if (file_exists(path)) {
      TRY(const std::string all, read_file(path));
      size_t at = 0;
      while (at < all.size()) {
        const size_t end = all.find('\n', at);
        if (end == std::string::npos) break;
        const json line = json::parse(all.begin() + static_cast<std::ptrdiff_t>(at),
                                      all.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
        if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer() ||
            line["step"].get<int64_t>() > step_)
          break;
        kept.append(all, at, end + 1 - at);
        at = end + 1;
      }
    }
    TRY_STATUS(write_file(path, kept));
    metrics_ = std::fopen(path.c_str(), "ab");
    if (metrics_ == nullptr) return Err("{}: cannot be written", path);
    return {};
  }

  Status write_metrics(const std::map<std::string, double>& metrics) {
    json line = {{"step", step_}};
    for (const auto& [name, value] : metrics) line[name] = std::isfinite(value) ? json(value) : json(nullptr);
    const std::string text = line.dump() + "\n";
    if (std::fwrite(text.data(), 1, text.size(), metrics_) != text.size() || std::fflush(metrics_) != 0) {
      return Err("{}/metrics.jsonl: cannot be written (is the disk full?)", context_.work);
    }
    return {};
  }

  Status steps() {
    int64_t steps_here = 0;
    while (step_ < total_) {
      if (stop_asked()) {
        return Err("{}: stopped after step {} of {}; the same command goes on from its last checkpoint", identity_.name,
                   step_, total_);
      }
      if (context_.stop_after_steps >= 0 && steps_here++ >= context_.stop_after_steps) {
        return Err("{}: stopped by a test after step {}", identity_.name, step_);
      }
      const auto begin = std::chrono::steady_clock::now();
      TRY(StepResult result, stage_.step(step_, lr_scale_));
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      std::optional<GuardTrip> trip = not_finite(result);
      if (!trip) trip = std::move(result.trip);
      if (trip) {
        TRY(const bool ended, act(*trip));
        if (ended) break;
        continue;
      }
      ++step_;
      tokens_ += result.tokens;
      result.metrics["tokens"] = static_cast<double>(tokens_);
      result.metrics["tokens_per_second"] = took > 0 ? static_cast<double>(result.tokens) / took : 0;
      TRY_STATUS(on_first(ranks_, [&] { return write_metrics(result.metrics); }));
      report_progress(result.metrics);
      const bool last = step_ == total_;  // its weights are looked at too: a model is written from them
      if (last || (step_ - saved_step_ >= context_.checkpoint_every && !result.suspicious)) {
        TRY(const bool finite, save_if_finite());
        if (!finite) {
          TRY_STATUS(act(
              {"nan", GuardAction::kRollBack, std::nan(""), 0, "the weights are no longer finite: lower lr or clip"}));
        }
      }
    }
    return {};
  }

  // On any rank: all stop after the same step.
  bool stop_asked() const {
    double asked = context_.stop != nullptr && context_.stop->load() ? 1 : 0;
    ranks_.all_reduce({&asked, 1});
    return asked > 0;
  }

  static std::optional<GuardTrip> not_finite(const StepResult& result) {
    for (const char* name : {"loss", "grad_norm", "value_loss", "critic_grad_norm"}) {
      const auto found = result.metrics.find(name);
      if (found == result.metrics.end() || std::isfinite(found->second)) continue;
      return GuardTrip{"nan", GuardAction::kRollBack, found->second, 0,
                       fmt::format("{} is not a number: lower lr, raise warmup_steps or lower clip", name)};
    }
    return std::nullopt;
  }

  // Goes back to the last good checkpoint; true where the stage ends there.
  Result<bool> act(const GuardTrip& trip) {
    GuardEvent event{identity_.name, trip.guard, step_, trip.value, trip.limit, "", trip.message};
    TRY(const CheckpointState state, newest(nullptr));
    const int64_t rollbacks = rollbacks_;
    std::vector<GuardEvent> events = guards_;
    const double scale = lr_scale_;
    if (trip.action == GuardAction::kRollBack && rollbacks >= identity_.max_rollbacks) {
      return Err("{}{}: step {}: {} (after {} roll-backs, each with half the learning rate)", kGuardFailure,
                 identity_.name, step_, trip.message, rollbacks);
    }
    CHECK(state.step >= 0, "{}: no checkpoint to go back to", identity_.name);
    TRY_STATUS(restore(state));
    const bool ends = trip.action == GuardAction::kStopEarly;
    event.action = ends ? "stopped early" : "rolled back";
    events.push_back(event);
    guards_ = std::move(events);
    note(context_, fmt::format("{}: step {}: {}: {}", identity_.name, event.step, event.action, event.message));
    if (!ends) {
      lr_scale_ = scale / 2;
      rollbacks_ = rollbacks + 1;
      TRY_STATUS(save());
    }
    TRY_STATUS(open_metrics());
    return ends;
  }

  void report_progress(const std::map<std::string, double>& metrics) const {
    if (!context_.on_progress) return;
    const double here = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    StageProgress progress;
    progress.stage = identity_.name;
    progress.step = step_;
    progress.total_steps = total_;
    progress.tokens = tokens_;
    progress.tokens_per_second = here > 0 ? static_cast<double>(tokens_ - tokens_at_start_) / here : 0;
    const int64_t done = step_ - step_at_start_;
    progress.seconds_left = done > 0 ? here / static_cast<double>(done) * static_cast<double>(total_ - step_) : 0;
    progress.metrics = metrics;
    context_.on_progress(progress);
  }

  Result<StageReport> finish() {
    StageReport report;
    report.stage = identity_.name;
    report.steps = step_;
    report.tokens = tokens_;
    report.guards = guards_;
    TRY_STATUS(stage_.finish(context_.out, report));
    report.seconds = seconds();
    TRY_STATUS(on_first(ranks_, [&] { return write_report(report); }));
    return report;
  }

  Status write_report(const StageReport& report) {
    const json time = {{"hash", identity_.hash}, {"seconds", report.seconds}};
    TRY_STATUS(write_file(time_file(context_), time.dump() + "\n"));
    const json j = {{"stage", identity_.name}, {"hash", identity_.hash}, {"report", report_json(report)}};
    TRY_STATUS(write_file(context_.out + "/stage.json", j.dump(2) + "\n"));
    checkpoints_.remove();
    return {};
  }

  const StageContext& context_;
  const StageIdentity& identity_;
  Stage& stage_;
  Ranks& ranks_;
  CheckpointFolder checkpoints_;
  std::FILE* metrics_ = nullptr;
  std::chrono::steady_clock::time_point start_;
  int64_t total_ = 0, step_ = 0, saved_step_ = 0, tokens_ = 0, rollbacks_ = 0;
  int64_t tokens_at_start_ = 0, step_at_start_ = 0;
  double seconds_before_ = 0, restored_seconds_ = 0, lr_scale_ = 1;
  std::vector<GuardEvent> guards_;
};

}  // namespace

void note(const StageContext& context, const std::string& line) {
  if (!context.ranks->first()) return;
  if (context.on_note) {
    context.on_note(line);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void note_too_long(const StageContext& context, const std::string& path, int64_t prompts, int64_t positions) {
  if (prompts == 0) return;
  note(context, fmt::format("{}: {} left out: the last turn leaves no room for a reply in the context of {} tokens",
                            path, counted(prompts, "prompt is", "prompts are"), positions));
}

std::string to_json(const StageReport& report) {
  json j = report_json(report);
  j["seconds"] = report.seconds;
  return j.dump(2);
}

StageHash::StageHash(const std::string& stage, const StageContext& context) {
  text_ = fmt::format("loquat stage {}\nseed {}\ncompute {}\n", stage, context.seed,
                      context.compute == DType::kF32 ? "f32" : "bf16");
}

void StageHash::add(const std::string& name, const std::string& text) {
  text_ += fmt::format("{} {}\n{}\n", name, text.size(), text);
}

Status StageHash::add_file(const std::string& path) {
  TRY(const std::string hash, sha256_of_file(path));
  text_ += "file " + hash + "\n";
  return {};
}

Status StageHash::add_files(const std::vector<std::string>& paths) {
  return add_data(paths, false);
}

Status StageHash::add_mixture(const std::vector<std::string>& paths) {
  return add_data(paths, true);
}

Status StageHash::add_data(const std::vector<std::string>& paths, bool weighted) {
  TRY(const std::vector<DataSource> sources, data_sources(paths));
  for (const DataSource& source : sources) {
    if (source.weight && !weighted)
      return Err("{}: has a weight, which texts to pretrain on and demonstrations of sft alone can have", source.name);
    for (const std::string& file : source.files) TRY_STATUS(add_file(file));
    if (!source.settings().empty()) text_ += fmt::format("{} files with {}\n", source.files.size(), source.settings());
  }
  text_ += fmt::format("{} files\n", paths.size());
  return {};
}

Status StageHash::add_model(const std::string& folder) {
  if (is_adapter_folder(folder)) return add_adapter(folder);
  TRY(const std::vector<std::string> weights, safetensors_files(folder));
  std::vector<std::string> paths = {folder + "/config.json"};
  paths.insert(paths.end(), weights.begin(), weights.end());
  for (const char* name : {"tokenizer.json", "reward.json"}) paths.push_back(folder + "/" + name);
  for (const std::string& path : paths) {
    if (file_exists(path)) {
      TRY_STATUS(add_file(path));
    } else if (!path.ends_with("/reward.json")) {
      return Err("{}: expected a model's folder with config.json, model.safetensors and tokenizer.json", path);
    }
  }
  return {};
}

// The adapter's own files, then the base's.
Status StageHash::add_adapter(const std::string& folder) {
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "reward.json"}) {
    const std::string path = folder + "/" + name;
    if (file_exists(path)) TRY_STATUS(add_file(path));
  }
  TRY(const AdapterFolder adapter, read_adapter_folder(folder));
  return add_model(adapter.base);
}

std::string StageHash::hex() const {
  return sha256_hex(text_);
}

Result<StageReport> run_stage(const StageContext& context, const StageIdentity& identity,
                              const std::function<Result<std::unique_ptr<Stage>>()>& make) {
  CHECK(context.kernels != nullptr && !context.out.empty() && !context.work.empty(),
        "the stage's context is not filled");
  CHECK(context.checkpoint_every >= 1, "checkpoint_every is {}", context.checkpoint_every);
  Ranks& ranks = *context.ranks;
  TRY_STATUS(agree(ranks, {}, identity.hash));
  std::optional<StageReport> stored;
  TRY_STATUS(on_first(ranks, [&]() -> Status {
    TRY(stored, finished_report(context, identity.hash));
    if (stored) CheckpointFolder(context.work + "/checkpoint").remove();
    return {};
  }));
  bool finished = stored.has_value();
  ranks.broadcast(&finished, sizeof finished, 0);
  if (finished) return stored ? *stored : StageReport{.stage = identity.name};
  if (ranks.size() > 1 && !context.kernels->host_memory)
    return Err("{}: several processes on graphics cards are not supported; start one", identity.name);
  auto stage = make();
  TRY_STATUS(agree(ranks, stage.ok() ? Status() : Err("{}", stage.error())));
  TRY_STATUS(on_first(ranks, [&]() -> Status {
    for (const std::string& folder : {context.out, context.work, context.work + "/checkpoint"})
      TRY_STATUS(make_folders(folder));
    return {};
  }));
  return Runner(context, identity, **stage).run();
}

Status only_alone(const StageContext& context, const std::string& stage) {
  if (context.ranks->size() == 1) return {};
  return Err(
      "{}: runs in one process, since it samples as it learns; {} were started (pretrain, sft, reward, dpo, kto "
      "and orpo run in several)",
      stage, context.ranks->size());
}

}  // namespace loquat
