// Options of the stages: each struct lists its fields once (visit, and visit_paths for
// files), and from that list they are read from a TOML section,
// checked, and written in canonical form for the stage's hash. Also the options that all stages of training share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/settings.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace loquat {

// Reads each field from the settings, keeping its present value where the key is absent. What is wrong is kept for
// Settings::finish(), which names file and line.
class FieldReader {
 public:
  explicit FieldReader(Settings& settings) : settings_(settings) {}
  void operator()(const char* key, double& value, double low, double high) {
    value = settings_.number(key, value, low, high);
  }
  void operator()(const char* key, int64_t& value, int64_t low, int64_t high) {
    value = settings_.integer(key, value, low, high);
  }
  void operator()(const char* key, bool& value) { value = settings_.flag(key, value); }
  void operator()(const char* key, std::string& value) { value = settings_.text(key, value); }
  void operator()(const char* key, std::string& value, std::initializer_list<const char*> choices);
  void operator()(const char* key, std::vector<std::string>& value);  // texts, or tables of data (data/source.h)

 private:
  Settings& settings_;
};

// key = value lines.
class FieldWriter {
 public:
  void operator()(const char* key, double& value, double, double);
  void operator()(const char* key, int64_t& value, int64_t, int64_t);
  void operator()(const char* key, bool& value);
  void operator()(const char* key, std::string& value);
  void operator()(const char* key, std::string& value, std::initializer_list<const char*>) { (*this)(key, value); }
  void operator()(const char* key, std::vector<std::string>& value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// preset = NAME chooses the values of the keys that are absent; the first preset is the default.
template <typename Options>
Result<Options> read_options(Settings& settings, const std::vector<std::pair<std::string, Options>>& presets) {
  std::vector<std::string> names;
  for (const auto& [name, options] : presets) names.push_back(name);
  const std::string chosen = settings.choice("preset", names[0], names);
  Options options =
      std::find_if(presets.begin(), presets.end(), [&](const auto& p) { return p.first == chosen; })->second;
  FieldReader reader(settings);
  options.visit_paths(reader);
  options.visit(reader);
  return options;
}
// Of a stage whose defaults are the only preset.
template <typename Options>
Result<Options> read_options(Settings& settings, const Options& options) {
  return read_options<Options>(settings, {{"instructgpt", options}});
}

// Without the paths: what the files hold counts, not where they lie.
template <typename Options>
std::string canonical_options(Options options) {
  FieldWriter writer;
  options.visit(writer);
  return writer.text();
}

// How weights move: the optimizer, its rate over time, and how a batch is cut into micro-batches.
struct TrainingOptions {
  std::string optimizer = "adamw";
  double lr = 1e-3;
  std::string schedule = "cosine";
  double final_fraction = 0.1;
  int64_t warmup_steps = 0;
  double warmup_from = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;
  double clip = 1;
  double muon_rate = 1;         // times lr: the rate of the matrices that Muon moves
  std::string moments = "f32";  // of the optimizer
  int64_t micro_tokens = 8192;  // rows of one forward; never changes what is computed but for the order of sums
  bool recompute = false;

  template <typename V>
  void visit(V& v) {
    v("optimizer", optimizer, {"adamw", "muon"});
    v("lr", lr, 0.0, 10.0);
    v("schedule", schedule, {"constant", "cosine", "linear"});
    v("final_fraction", final_fraction, 0.0, 1.0);
    v("warmup_steps", warmup_steps, int64_t{0}, int64_t{1} << 40);
    v("warmup_from", warmup_from, 0.0, 1.0);
    v("beta1", beta1, 0.0, 0.999999);
    v("beta2", beta2, 0.0, 0.999999);
    v("eps", eps, 1e-20, 1.0);
    v("weight_decay", weight_decay, 0.0, 10.0);
    v("clip", clip, 0.0, 1e9);
    v("muon_rate", muon_rate, 0.0, 1e3);
    v("moments", moments, {"f32", "bf16"});
    v("micro_tokens", micro_tokens, int64_t{1}, int64_t{1} << 30);
    v("recompute", recompute);
  }
  OptimizerOptions optimizer_options() const {
    return {optimizer, beta1, beta2, eps, weight_decay, clip, moments, muon_rate};
  }
  Schedule make_schedule(int64_t total_steps) const {
    return {schedule, lr, total_steps, warmup_steps, warmup_from, final_fraction};
  }
};

}  // namespace loquat
