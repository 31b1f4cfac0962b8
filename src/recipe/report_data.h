// The parts of a run folder that the report shows, as plain values. Reading is lenient: a missing or odd part is
// absent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/run_files.h"
#include "base/result.h"

namespace loquat::recipe {

// V of report.json: a measured value with its 95 % interval.
struct Figure {
  double value = 0;
  std::optional<double> low, high, ties;
  int64_t n = 0;
  bool held_out = false;  // of an attack family
};
using MaybeFigure = std::optional<Figure>;

struct ModelFigures {
  std::map<std::string, Figure> measures;  // "helpful" ... "bits_per_byte", "reply_tokens"
  std::map<std::string, Figure> attacks;   // "seen_families", "held_out_families"
  std::map<std::string, Figure> families;  // by_family

  MaybeFigure measure(const std::string& name) const;
  MaybeFigure attack(const std::string& name) const;
};

struct StageFigures {
  std::string name;
  std::optional<double> seconds, tokens, tokens_per_second;
};

struct ReportData {
  std::string recipe, scale, seed, world_seed, recipe_hash, commit;
  std::vector<std::pair<std::string, std::string>> machine;  // name ("" for a plain text), value
  std::vector<std::string> guards;                           // one line each
  std::vector<StageFigures> stages;
  std::map<std::string, Figure> reward_model;
  std::map<std::string, Figure> preferred;
  std::map<std::string, ModelFigures> models;
  std::vector<std::string> model_order;  // those in `models`, in the order in which they were made

  const ModelFigures* model(const std::string& name) const;
  MaybeFigure measure(const std::string& model, const std::string& name) const;
  double total_seconds() const;
};

// One prompt and what each model said.
struct DialogueReply {
  std::string model, text;
  std::vector<std::pair<std::string, bool>>
      marks;  // what the gold scorer found: ("right", good?), ("made up", false) ...
};
struct Dialogue {
  std::string measure, prompt;
  std::vector<DialogueReply> replies;
};

Result<ReportData> read_report_data(const std::string& run_folder);
// The same prompts from every model's replies.jsonl, `per_measure` of each measure, chosen by a hash of the id alone.
std::vector<Dialogue> read_dialogues(const std::string& run_folder, const std::vector<std::string>& models,
                                     int per_measure);
// An empty table where the file is missing.
app::MetricTable read_metrics(const std::string& path);

}  // namespace loquat::recipe
