// What people see while a recipe runs: a line on the terminal, and progress.json for the page. The estimate of a stage
// is the plan's until the stage measures its own speed.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::recipe {

class Board {
 public:
  struct Entry {
    std::string name;
    double estimated_seconds = 0;
    std::string state = "pending";  // "running", "done", "failed"
    double fraction = 0;
    int64_t step = 0;
    int64_t steps = 0;
    double seconds = 0;
    double seconds_left = 0;
    double tokens_per_second = 0;
  };

  Board(std::string folder, std::string recipe, std::string scale)
      : folder_(std::move(folder)), recipe_(std::move(recipe)), scale_(std::move(scale)) {}

  void add(const std::string& stage, double estimated_seconds);
  void already_done(const std::string& stage, double seconds);
  void start(const std::string& stage);
  // Called as often as one likes: draws at most some times a second.
  void update(int64_t step, int64_t steps, double tokens_per_second, const std::string& detail);
  void end(const std::string& stage, double seconds, const std::string& summary);
  void fail(const std::string& message);
  void note(const std::string& line);  // a line of its own, above the progress line
  void finish();

  double estimated_total() const;
  double current_seconds() const;  // of the running stage, in this process

 private:
  using Clock = std::chrono::steady_clock;
  Entry* running();
  double left() const;
  void write_file_now(const std::string& state, const std::string& message);
  void clear_line();

  std::string folder_, recipe_, scale_;
  std::vector<Entry> entries_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point stage_started_ = Clock::now();
  Clock::time_point drawn_{};
  bool line_shown_ = false;
};

}  // namespace loquat::recipe
