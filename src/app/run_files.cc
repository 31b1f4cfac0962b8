// Reads a run folder for the page and the report. Whatever cannot be read is left out: the page shows what there is.
#include "app/run_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace loquat::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
constexpr size_t kCurvePoints = 240;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::optional<std::string> slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::pair<int64_t, int64_t> stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {-2, -2};
  return {info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

template <typename F>
void for_each_line_of(std::string_view text, F f) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) f(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Json rounded(double x) {
  if (!std::isfinite(x)) return nullptr;
  if (x == std::floor(x) && std::abs(x) < 1e15) return static_cast<int64_t>(x);
  return std::stod(fmt::format("{:.5g}", x));  // a curve needs no more, and the page loads faster
}

// A prompt as a person would type it: a text, or the only message of a conversation. "" for anything longer.
std::string single_prompt(const Json& line) {
  const auto prompt = line.find("prompt");
  if (prompt == line.end()) return "";
  const Json* content = &*prompt;
  if (content->is_object() && content->contains("messages")) content = &(*content)["messages"];
  if (content->is_array()) {
    if (content->size() != 1 || !(*content)[0].is_object() || !(*content)[0].contains("content")) return "";
    content = &(*content)[0]["content"];
  }
  if (!content->is_string()) return "";
  const std::string text = content->get<std::string>();
  const bool short_line = !text.empty() && text.size() <= 140 && text.find('\n') == std::string::npos;
  return short_line ? text : "";
}

// The order in which kinds of questions are offered, and how many of each.
const std::vector<std::pair<std::string, int>>& suggested_measures() {
  static const std::vector<std::pair<std::string, int>> kMeasures = {
      {"closed_book", 1}, {"helpful", 2},    {"document_only", 1}, {"unanswerable", 1},
      {"harmful", 1},     {"look_alike", 1}, {"clarify", 1},       {"identity", 1}};
  return kMeasures;
}

std::vector<std::string> suggestions_of(std::string_view replies) {
  std::map<std::string, std::vector<std::string>> found;
  for_each_line_of(replies, [&](std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("measure") || !json["measure"].is_string()) return;
    auto& prompts = found[json["measure"].get<std::string>()];
    if (prompts.size() >= 8) return;
    if (std::string text = single_prompt(json); !text.empty()) prompts.push_back(std::move(text));
  });
  std::vector<std::string> out;
  for (const auto& [measure, count] : suggested_measures()) {
    const auto& prompts = found[measure];
    for (int i = 0; i < count && i < static_cast<int>(prompts.size()); ++i) {
      // spread over the first few, so that two of one kind differ in kind
      const std::string& text = prompts[prompts.size() * i / count];
      if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(text);
    }
  }
  return out;
}

}  // namespace

int MetricTable::column(std::string_view name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

MetricTable parse_metrics(std::string_view text) {
  MetricTable table;
  std::map<std::string, size_t> index;
  for_each_line_of(text, [&](std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return;  // a line that is being written
    std::vector<double> row(table.columns.size(), kNaN);
    for (const auto& [name, value] : json.items()) {
      if (!value.is_number()) continue;
      const auto [at, added] = index.try_emplace(name, table.columns.size());
      if (added) table.columns.push_back(name), row.push_back(kNaN);
      row[at->second] = value.get<double>();
    }
    const auto step = index.find("step");
    if (step != index.end() && std::isfinite(row[step->second])) {
      while (!table.rows.empty() && step->second < table.rows.back().size() &&
             table.rows.back()[step->second] >= row[step->second]) {
        table.rows.pop_back();
      }
    }
    table.rows.push_back(std::move(row));
  });
  for (auto& row : table.rows) row.resize(table.columns.size(), kNaN);
  return table;
}

MetricTable thin_out(const MetricTable& table, size_t rows) {
  if (table.rows.size() <= rows) return table;
  MetricTable out{table.columns, {}};
  const int step = table.column("step");
  for (size_t i = 0; i < rows; ++i) {
    const size_t begin = table.rows.size() * i / rows, end = table.rows.size() * (i + 1) / rows;
    std::vector<double> mean(table.columns.size(), kNaN);
    for (size_t c = 0; c < mean.size(); ++c) {
      double sum = 0;
      int64_t n = 0;
      for (size_t r = begin; r < end; ++r) {
        if (std::isfinite(table.rows[r][c])) sum += table.rows[r][c], ++n;
      }
      if (n > 0) mean[c] = sum / static_cast<double>(n);
    }
    if (step >= 0) mean[step] = table.rows[end - 1][step];
    out.rows.push_back(std::move(mean));
  }
  return out;
}

template <typename Make>
const std::string& RunFiles::cached(const std::string& path, Make make) {
  Cached& entry = cache_[path];
  const auto stamp = stamp_of(path);
  if (entry.stamp != stamp) {
    entry.text = make(slurp(path).value_or(""));
    entry.stamp = stamp;
  }
  return entry.text;
}

std::vector<std::string> RunFiles::stages() const {
  // Started earlier: its first file is older. Folders that have no metrics come last, by name.
  std::vector<std::pair<std::pair<int64_t, std::string>, std::string>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ + "/stages", error)) {
    if (!entry.is_directory(error)) continue;
    const std::string name = entry.path().filename().string();
    const int64_t time = stamp_of(entry.path().string() + "/metrics.jsonl").second;
    found.push_back({{time < 0 ? INT64_MAX : time, name}, name});
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (auto& [key, name] : found) names.push_back(std::move(name));
  return names;
}

std::string RunFiles::progress_json() {
  if (const auto text = slurp(folder_ + "/progress.json")) {
    const Json json = Json::parse(*text, nullptr, false);
    if (json.is_object()) return dump(json);
  }
  const bool done = fs::exists(folder_ + "/report.json");
  Json stages = Json::array();
  const auto names = this->stages();
  for (size_t i = 0; i < names.size(); ++i) {
    stages.push_back({{"name", names[i]}, {"state", done || i + 1 < names.size() ? "done" : "running"}});
  }
  Json json = {{"state", done ? "done" : names.empty() ? "pending" : "running"}};
  json["stages"] = std::move(stages);
  return dump(json);
}

std::string RunFiles::curves_json() {
  std::lock_guard lock(mutex_);
  std::string out = "{\"stages\":[";
  bool first = true;
  for (const std::string& name : stages()) {
    const std::string& stage = cached(folder_ + "/stages/" + name + "/metrics.jsonl", [&](const std::string& text) {
      const MetricTable table = thin_out(parse_metrics(text), kCurvePoints);
      Json rows = Json::array();
      for (const auto& row : table.rows) {
        Json cells = Json::array();
        for (const double x : row) cells.push_back(rounded(x));
        rows.push_back(std::move(cells));
      }
      Json json = {{"name", name}, {"columns", table.columns}};
      json["rows"] = std::move(rows);
      return dump(json);
    });
    out += first ? "" : ",";
    out += stage;
    first = false;
  }
  return out + "]}";
}

std::string RunFiles::suggestions_json() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> suggestions;
  if (const auto text = slurp(folder_ + "/suggestions.json")) {
    Json json = Json::parse(*text, nullptr, false);
    if (json.is_object() && json.contains("suggestions")) json = Json(json["suggestions"]);
    if (json.is_array()) {
      for (const Json& item : json) {
        if (item.is_string()) suggestions.push_back(item.get<std::string>());
      }
    }
  }
  for (const char* model : {"ppo", "sft", "base"}) {
    if (!suggestions.empty()) break;
    const std::string& list = cached(folder_ + "/eval/" + model + "/replies.jsonl",
                                     [](const std::string& text) { return dump(Json(suggestions_of(text))); });
    suggestions = Json::parse(list).get<std::vector<std::string>>();
  }
  if (suggestions.empty()) {
    suggestions = {"Who are you?", "What can you do for me?", "Suggest three things to do in the town today."};
  }
  Json json;
  json["suggestions"] = suggestions;
  return dump(json);
}

std::optional<std::string> RunFiles::report_json() {
  auto text = slurp(folder_ + "/report.json");
  if (text && !Json::accept(*text)) return std::nullopt;
  return text;
}

std::optional<std::string> RunFiles::report_html() {
  return slurp(folder_ + "/report.html");
}

}  // namespace loquat::app
