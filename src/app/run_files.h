// What a recipe's run folder says about itself, read while the recipe is still writing it: every file may be missing,
// and a last line may be half-written. Files (docs/formats.md):
//   progress.json {"recipe","scale","state":"running|done|failed","fraction","seconds","seconds_left","message",
//                                "stages":[{"name","state":"done|running|pending|failed","fraction","step","steps","seconds",
//                                           "seconds_left","tokens_per_second"}]}
//   stages/<stage>/metrics.jsonl  one object of numbers per line, "step" among them
//   eval/<model>/replies.jsonl    {"id","measure","prompt","reply",...}
//   report.json, report.html
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace loquat::app {

// The numbers of one metrics.jsonl: a row per line, NaN where a line lacks a column. Rows that a resumed run wrote
// again replace the earlier ones of the same step.
struct MetricTable {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> rows;

  int column(std::string_view name) const;  // -1 where there is none
};

MetricTable parse_metrics(std::string_view text);
// At most `rows` rows, each the mean of a run of neighbours (their last "step").
MetricTable thin_out(const MetricTable& table, size_t rows);

class RunFiles {
 public:
  explicit RunFiles(std::string folder) : folder_(std::move(folder)) {}
  const std::string& folder() const { return folder_; }

  std::string progress_json();     // progress.json, or what the folder's files tell where there is none
  std::string curves_json();       // {"stages":[{"name","columns":[...],"rows":[[...]...]}]}
  std::string suggestions_json();  // {"suggestions":["..."...]}: prompts of the run's own tests, one of each kind
  std::optional<std::string> report_json();
  std::optional<std::string> report_html();
  // Names of stages/*, in the order in which they started.
  std::vector<std::string> stages() const;

 private:
  struct Cached {
    std::pair<int64_t, int64_t> stamp{-1, -1};  // size, time
    std::string text;
  };
  // `make` of the file's content, remade only when the file has changed.
  template <typename Make>
  const std::string& cached(const std::string& path, Make make);

  std::string folder_;
  std::mutex mutex_;
  std::map<std::string, Cached> cache_;
};

}  // namespace loquat::app
