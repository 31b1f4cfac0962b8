// How far a stage is: a line with its name, share, speed and time left, redrawn on a terminal, else a line every ten
// seconds. Only what people see depends on the clock, never a result.
//
//   Progress progress("sft", total_tokens, "tokens");
//   for (...) progress.update(tokens_done, fmt::format("loss {:.3f}", loss));   // cheap: a clock read
//   // its destructor, or finish(), ends the line
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

namespace loquat {

struct ProgressState {
  std::string stage;
  std::string unit;  // "tokens"
  std::string note;  // "loss 2.31"
  double done = 0;
  double total = 0;          // 0: not known
  double per_second = 0;     // over about the last ten seconds
  double seconds = 0;        // since the start
  double seconds_left = -1;  // -1: not known
  bool finished = false;
  double fraction() const { return total > 0 ? (done < total ? done / total : 1.0) : 0.0; }
};

class Progress {
 public:
  struct Options {
    double start = 0;             // a resumed stage begins here: it counts as done, not as fast
    double (*clock)() = nullptr;  // seconds; for tests
  };

  Progress(std::string stage, double total, std::string unit)
      : Progress(std::move(stage), total, std::move(unit), Options()) {}
  Progress(std::string stage, double total, std::string unit, Options options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Any thread may call these; they never throw.
  void update(double done, std::string_view note = {}) noexcept;
  void add(double more) noexcept;
  void finish() noexcept;
  ProgressState state() const;

 private:
  void show(double now, std::string_view note, bool last) noexcept;

  mutable std::mutex mutex_;
  ProgressState state_;
  double (*clock_)();
  double started_ = 0;
  double first_done_ = 0;
  double measured_at_ = 0;  // the last measure of speed
  double measured_done_ = 0;
  double lined_at_ = 0;  // the last line of its own
  std::atomic<double> done_{0};
  std::atomic<double> next_show_{0};
};

std::string progress_text(const ProgressState& state);  // "sft  42 %  12.3k tokens/s  1 min 20 s left  loss 2.31"
std::string duration_text(double seconds);              // "4 s", "1 min 20 s", "2 h 05 min"
std::string count_text(double count);                   // "950", "12.3k", "4.56M"

}  // namespace loquat
