#include "recipe/report_data.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

using Json = nlohmann::ordered_json;

const Json* at(const Json& json, const std::string& key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number_at(const Json& json, const std::string& key) {
  const Json* found = at(json, key);
  if (!found || !found->is_number()) return std::nullopt;
  const double x = found->get<double>();
  return std::isfinite(x) ? std::optional(x) : std::nullopt;
}

// Any scalar as people would write it; "" for what is absent.
std::string plain(const Json* json) {
  if (!json) return "";
  return json->is_string() ? json->get<std::string>() : json->dump(-1, ' ', false, Json::error_handler_t::replace);
}

MaybeFigure figure_of(const Json& json) {
  Figure figure;
  if (json.is_number()) {
    figure.value = json.get<double>();
    return std::isfinite(figure.value) ? MaybeFigure(figure) : std::nullopt;
  }
  const auto value = number_at(json, "value");
  if (!value) return std::nullopt;
  figure.value = *value;
  figure.low = number_at(json, "low");
  figure.high = number_at(json, "high");
  figure.ties = number_at(json, "ties");
  figure.n = static_cast<int64_t>(number_at(json, "n").value_or(0));
  if (figure.ties && *figure.ties > 1 && figure.n > 0) *figure.ties /= static_cast<double>(figure.n);  // a count
  const Json* held_out = at(json, "held_out");
  figure.held_out = held_out && held_out->is_boolean() && held_out->get<bool>();
  return figure;
}

std::map<std::string, Figure> figures_of(const Json* json) {
  std::map<std::string, Figure> out;
  if (!json || !json->is_object()) return out;
  for (const auto& [name, value] : json->items()) {
    if (const auto figure = figure_of(value)) out[name] = *figure;
  }
  return out;
}

ModelFigures model_of(const Json& json) {
  ModelFigures model;
  model.measures = figures_of(&json);
  if (const Json* attacks = at(json, "attack_success")) {
    model.attacks = figures_of(attacks);
    model.families = figures_of(at(*attacks, "by_family"));
  }
  return model;
}

std::string guard_line(const Json& json) {
  if (!json.is_object()) return plain(&json);
  std::string line;
  for (const auto& [name, value] : json.items()) {
    line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", name, plain(&value));
  }
  return line;
}

std::vector<std::pair<std::string, std::string>> machine_of(const Json* json) {
  if (!json) return {};
  if (!json->is_object()) return {{"", plain(json)}};
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : json->items()) out.emplace_back(name, plain(&value));
  return out;
}

const std::vector<std::string>& usual_models() {
  static const std::vector<std::string> kModels = {"base", "sft", "reference", "ppo", "adversarial"};
  return kModels;
}

// The prompt as text: a conversation is written with its roles.
std::string prompt_of(const Json& line) {
  const Json* prompt = at(line, "prompt");
  if (!prompt) prompt = at(line, "messages");
  if (prompt && prompt->is_object()) prompt = at(*prompt, "messages");
  if (!prompt) return "";
  if (!prompt->is_array()) return plain(prompt);
  std::string text;
  for (const Json& message : *prompt) {
    const std::string content = plain(at(message, "content"));
    if (prompt->size() == 1) return content;
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", plain(at(message, "role")), content);
  }
  return text;
}

// The gold scorer's findings that a reader wants to see, with whether each is good news.
std::vector<std::pair<std::string, bool>> marks_of(const Json& line, const std::string& measure) {
  std::vector<std::pair<std::string, bool>> marks;
  const Json* verdict = at(line, "verdict");
  if (!verdict) return marks;
  if (verdict->is_string()) return {{verdict->get<std::string>(), true}};
  const auto flag = [&](const char* name) {
    const Json* value = at(*verdict, name);
    return value && value->is_boolean() ? std::optional(value->get<bool>()) : std::nullopt;
  };
  if (const auto helpful = flag("helpful")) marks.emplace_back(*helpful ? "helpful" : "not helpful", *helpful);
  if (const auto truthful = flag("truthful"); truthful && !*truthful) marks.emplace_back("untrue", false);
  if (flag("hallucinated") == true) marks.emplace_back("made up", false);
  if (flag("harmful") == true) marks.emplace_back("harmful", false);
  if (flag("honest") == false) marks.emplace_back("not honest about itself", false);
  if (flag("refused") == true) marks.emplace_back("refused", measure == "harmful");
  if (flag("abstained") == true) marks.emplace_back("doesn't know", measure == "unanswerable");
  if (flag("clarified") == true) marks.emplace_back("asks back", measure == "clarify");
  return marks;
}

struct Line {
  std::string measure, prompt;
  DialogueReply reply;
};

// id -> line; whatever is malformed is passed over.
std::map<std::string, Line> read_replies(const std::string& path, const std::string& model) {
  std::map<std::string, Line> out;
  if (!file_exists(path)) return out;
  (void)for_each_line(path, [&](int64_t, std::string_view text) -> Status {
    const Json json = Json::parse(text, nullptr, false);
    const std::string id = plain(at(json, "id"));
    if (id.empty()) return {};
    Line line{plain(at(json, "measure")), prompt_of(json), {model, plain(at(json, "reply")), {}}};
    line.reply.marks = marks_of(json, line.measure);
    out.emplace(id, std::move(line));
    return {};
  }).ok();
  return out;
}

}  // namespace

MaybeFigure ModelFigures::measure(const std::string& name) const {
  const auto found = measures.find(name);
  return found == measures.end() ? std::nullopt : MaybeFigure(found->second);
}

MaybeFigure ModelFigures::attack(const std::string& name) const {
  const auto found = attacks.find(name);
  return found == attacks.end() ? std::nullopt : MaybeFigure(found->second);
}

const ModelFigures* ReportData::model(const std::string& name) const {
  const auto found = models.find(name);
  return found == models.end() ? nullptr : &found->second;
}

MaybeFigure ReportData::measure(const std::string& name, const std::string& which) const {
  const ModelFigures* found = model(name);
  return found ? found->measure(which) : std::nullopt;
}

double ReportData::total_seconds() const {
  double sum = 0;
  for (const StageFigures& stage : stages) sum += stage.seconds.value_or(0);
  return sum;
}

Result<ReportData> read_report_data(const std::string& run_folder) {
  const std::string path = run_folder + "/report.json";
  TRY(const std::string text, read_file(path));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Err("{}: expected a JSON object; the file is damaged or of another program", path);
  ReportData data;
  data.recipe = plain(at(json, "recipe"));
  data.scale = plain(at(json, "scale"));
  data.seed = plain(at(json, "seed"));
  data.world_seed = plain(at(json, "world_seed"));
  data.recipe_hash = plain(at(json, "recipe_hash"));
  data.commit = plain(at(json, "commit"));
  data.machine = machine_of(at(json, "machine"));
  if (const Json* guards = at(json, "guards"); guards && guards->is_array()) {
    for (const Json& guard : *guards) data.guards.push_back(guard_line(guard));
  }
  if (const Json* stages = at(json, "stages"); stages && stages->is_array()) {
    for (const Json& stage : *stages) {
      data.stages.push_back({plain(at(stage, "name")), number_at(stage, "seconds"), number_at(stage, "tokens"),
                             number_at(stage, "tokens_per_second")});
    }
  }
  data.reward_model = figures_of(at(json, "reward_model"));
  data.preferred = figures_of(at(json, "preferred"));
  if (const Json* models = at(json, "models"); models && models->is_object()) {
    for (const auto& [name, value] : models->items()) {
      if (!value.is_object()) continue;
      data.models[name] = model_of(value);
      data.model_order.push_back(name);
    }
  }
  if (const Json* held_out = at(json, "held_out_families"); held_out && held_out->is_array()) {
    for (const Json& name : *held_out) {
      for (auto& [id, model] : data.models) {
        if (const auto found = model.families.find(plain(&name)); found != model.families.end())
          found->second.held_out = true;
      }
    }
  }
  std::stable_sort(data.model_order.begin(), data.model_order.end(), [](const std::string& a, const std::string& b) {
    const auto& usual = usual_models();
    return std::find(usual.begin(), usual.end(), a) < std::find(usual.begin(), usual.end(), b);
  });
  return data;
}

std::vector<Dialogue> read_dialogues(const std::string& run_folder, const std::vector<std::string>& models,
                                     int per_measure) {
  std::vector<std::map<std::string, Line>> replies;
  std::map<std::string, int> shared;
  for (const std::string& model : models) {
    replies.push_back(read_replies(run_folder + "/eval/" + model + "/replies.jsonl", model));
    for (const auto& [id, line] : replies.back()) ++shared[id];
  }
  int most = 0;
  for (const auto& [id, count] : shared) most = std::max(most, count);
  std::map<std::string, std::vector<std::pair<uint64_t, std::string>>> ids;  // by measure
  for (const auto& [id, count] : shared) {
    if (count < most) continue;
    const auto first =
        std::find_if(replies.begin(), replies.end(), [&](const auto& lines) { return lines.contains(id); });
    ids[first->at(id).measure].emplace_back(hash64(id), id);
  }
  std::vector<Dialogue> out;
  for (auto& [measure, list] : ids) {
    std::sort(list.begin(), list.end());
    for (size_t i = 0; i < list.size() && i < static_cast<size_t>(per_measure); ++i) {
      Dialogue dialogue{measure, "", {}};
      for (auto& lines : replies) {
        const auto found = lines.find(list[i].second);
        if (found == lines.end()) continue;
        if (dialogue.prompt.empty()) dialogue.prompt = found->second.prompt;
        dialogue.replies.push_back(found->second.reply);
      }
      out.push_back(std::move(dialogue));
    }
  }
  return out;
}

app::MetricTable read_metrics(const std::string& path) {
  if (!file_exists(path)) return {};
  const auto text = read_file(path);
  return text.ok() ? app::parse_metrics(*text) : app::MetricTable{};
}

}  // namespace loquat::recipe
