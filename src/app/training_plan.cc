#include "app/training_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/router.h"
#include "store/files.h"

namespace loquat::app {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kSteps = {"sft", "reward", "dpo", "ppo"};

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

int64_t rows_of(const std::string& file) {
  int64_t rows = 0;
  if (!file_exists(file)) return 0;
  const Status read = for_each_line(file, [&](int64_t, std::string_view) -> Status {
    ++rows;
    return {};
  });
  return read.ok() ? rows : 0;
}

bool is_model(const std::string& folder) {
  return file_exists(folder + "/config.json");
}

int64_t weight_bytes(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") bytes += static_cast<int64_t>(entry.file_size(error));
  }
  return bytes;
}

class Planner {
 public:
  explicit Planner(const TrainingWanted& wanted)
      : wanted_(wanted),
        models_(wanted.run_folder + "/models"),
        work_(wanted.run_folder + "/jobs/" + wanted.name),
        policy_(models_ + "/" + wanted.base) {}

  std::optional<serve::ApiError> check() const {
    if (!fs::is_directory(models_))
      return conflict("one_model",
                      "This server serves one model's folder; train with `loquat serve` on a run's folder.");
    if (!is_name(wanted_.base) || !is_model(policy_))
      return bad_value("base", fmt::format("There is no model named {} to train.", wanted_.base));
    if (!is_name(wanted_.name))
      return bad_value("name", "A model's name is 1 to 64 letters, digits, dots, dashes and underscores.");
    if (fs::exists(models_ + "/" + wanted_.name))
      return conflict("name_taken", fmt::format("There is a model named {} already.", wanted_.name));
    if (wanted_.steps.empty()) return bad_value("steps", "Choose at least one step.");
    for (const std::string& step : wanted_.steps) {
      if (std::find(kSteps.begin(), kSteps.end(), step) == kSteps.end())
        return bad_value("steps", fmt::format("{} is no step; there are {}.", step, fmt::join(kSteps, ", ")));
    }
    if (wants("sft") && rows("demonstrations") == 0) return bad_value("steps", "The data set has no demonstrations.");
    if ((wants("dpo") || wants("reward")) && rows("rankings") == 0)
      return bad_value("steps", "The data set has no rankings.");
    if (wants("ppo") && !wants("reward") && !is_model(models_ + "/reward"))
      return bad_value("steps", "PPO needs a reward model: add that step.");
    if (!wants("sft") && !wants("dpo") && !wants("ppo"))
      return bad_value("steps", "A reward model alone is no new model to talk to: add sft, dpo or ppo.");
    return std::nullopt;
  }

  jobs::Plan plan() {
    plan_.name = fmt::format("{} from {}", wanted_.name, wanted_.base);
    plan_.person = wanted_.person;
    plan_.dataset = wanted_.dataset;
    plan_.model = wanted_.name;
    plan_.compared_with = wanted_.base;
    rate_ = tuning_rate(weight_bytes(policy_));
    if (is_model(models_ + "/reward")) reward_ = models_ + "/reward";
    if (wants("sft")) sft();
    if (wants("reward")) reward();
    if (wants("dpo")) dpo();
    if (wants("ppo")) ppo();
    if (!reward_.empty()) compare();
    return std::move(plan_);
  }

 private:
  bool wants(const char* step) const {
    return std::find(wanted_.steps.begin(), wanted_.steps.end(), step) != wanted_.steps.end();
  }
  std::string file(const std::string& what) const { return wanted_.dataset_folder + "/" + what + ".jsonl"; }
  int64_t rows(const std::string& what) const { return rows_of(file(what)); }

  // One training stage.
  void stage(const std::string& name, const std::string& out, const std::vector<std::string>& sets) {
    jobs::Step step{name, {name, "--out", out, "--work", work_ + "/" + name}};
    for (const std::string& set : sets) {
      step.argv.push_back("--set");
      step.argv.push_back(set);
    }
    plan_.steps.push_back(std::move(step));
  }
  // As TOML reads it.
  static std::string set(const std::string& key, const std::string& text) {
    return key + "=" + nlohmann::json(text).dump();
  }
  // The policy's next form: the new model where no later step changes it.
  std::string next_policy(const std::string& step, bool last) const {
    return last ? models_ + "/" + wanted_.name : work_ + "/models/" + step;
  }

  void sft() {
    const std::string out = next_policy("sft", !wants("dpo") && !wants("ppo"));
    stage(
        "sft", out,
        {set("base", policy_), set("demonstrations", file("demonstrations")), "epochs=2", "valid_fraction=0",
         fmt::format("batch={}", std::clamp<int64_t>(rows("demonstrations") / 4, 1, 32)), fmt::format("lr={}", rate_)});
    policy_ = out;
  }

  void reward() {
    reward_ = models_ + "/" + wanted_.name + "-reward";
    stage("reward", reward_,
          {set("base", policy_), set("rankings", file("rankings")), "epochs=1", "valid_fraction=0",
           fmt::format("batch={}", std::clamp<int64_t>(rows("rankings") / 4, 1, 64)), fmt::format("lr={}", rate_)});
  }

  void dpo() {
    const std::string out = next_policy("dpo", !wants("ppo"));
    // A ranking of K answers is about as many pairs as answers and more.
    stage("dpo", out,
          {set("policy", policy_), set("rankings", file("rankings")), "epochs=3", "valid_fraction=0",
           fmt::format("batch={}", std::clamp<int64_t>(rows("rankings"), 4, 64)), fmt::format("lr={}", rate_)});
    policy_ = out;
  }

  void ppo() {
    const int64_t episodes = std::clamp<int64_t>(16 * rows("prompts"), 128, 4096);
    stage("ppo", next_policy("ppo", true),
          {set("policy", policy_), set("reward", reward_), set("prompts", file("prompts")), "batch=64", "minibatch=16",
           "ptx_coefficient=0", "normalise_rewards=true", "adaptive_kl=true",
           fmt::format("episodes={}", episodes / 64 * 64), "max_reply_tokens=128", fmt::format("lr={}", rate_ / 4)});
  }

  void compare() {
    plan_.figures = work_ + "/compared.json";
    plan_.steps.push_back({"compare",
                           {"compare", models_ + "/" + wanted_.base, models_ + "/" + wanted_.name, "--reward", reward_,
                            "--prompts", file("prompts"), "--max-prompts", "200", "--out", plan_.figures}});
  }

  const TrainingWanted& wanted_;
  const std::string models_, work_;
  std::string policy_, reward_;
  double rate_ = 0;
  jobs::Plan plan_;
};

}  // namespace

double tuning_rate(int64_t weight_bytes) {
  const double parameters = std::max(1.0, static_cast<double>(weight_bytes) / 2);
  return std::clamp(1e-4 * std::sqrt(3e6 / parameters), 5e-7, 1e-4);
}

std::variant<jobs::Plan, serve::ApiError> training_plan(const TrainingWanted& wanted) {
  Planner planner(wanted);
  if (auto error = planner.check()) return *error;
  return planner.plan();
}

}  // namespace loquat::app
