#include "base/progress.h"

#include <fmt/core.h>

#include <chrono>
#include <cmath>

#include "base/log.h"

namespace loquat {
namespace {

constexpr double kShowEvery = 0.2;   // seconds between two drawings on a terminal
constexpr double kLineEvery = 10.0;  // seconds between two lines where stderr is no terminal
constexpr double kSpeedOver = 10.0;  // seconds over which the speed is averaged

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Progress::Progress(std::string stage, double total, std::string unit, Options options)
    : clock_(options.clock ? options.clock : steady_seconds), started_(clock_()) {
  state_.stage = std::move(stage);
  state_.unit = std::move(unit);
  state_.total = total;
  state_.done = options.start;
  first_done_ = measured_done_ = options.start;
  measured_at_ = lined_at_ = started_;
  done_ = options.start;
  next_show_ = started_;
  show(started_, {}, false);
}

Progress::~Progress() {
  finish();
}

void Progress::update(double done, std::string_view note) noexcept {
  done_.store(done, std::memory_order_relaxed);
  const double now = clock_();
  if (now >= next_show_.load(std::memory_order_relaxed)) show(now, note, false);
}

void Progress::add(double more) noexcept {
  done_.fetch_add(more, std::memory_order_relaxed);
  const double now = clock_();
  if (now >= next_show_.load(std::memory_order_relaxed)) show(now, {}, false);
}

void Progress::finish() noexcept {
  show(clock_(), {}, true);
}

ProgressState Progress::state() const {
  std::lock_guard lock(mutex_);
  ProgressState state = state_;
  state.done = done_.load(std::memory_order_relaxed);
  return state;
}

void Progress::show(double now, std::string_view note, bool last) noexcept try {
  std::unique_lock lock(mutex_, std::defer_lock);
  if (last) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return;  // another thread is showing
  }
  if (state_.finished) return;
  next_show_.store(now + kShowEvery, std::memory_order_relaxed);
  state_.done = done_.load(std::memory_order_relaxed);
  state_.seconds = now - started_;
  state_.finished = last;
  if (!note.empty()) state_.note = note;

  // The average over the whole run until kSpeedOver seconds have passed, then one that forgets. The last state tells
  // the average of all.
  const double step = now - measured_at_;
  if (step > 0) {
    const double weight = last ? 1.0 : std::fmin(1.0, step / std::fmin(kSpeedOver, state_.seconds));
    const double speed = last ? (state_.done - first_done_) / state_.seconds : (state_.done - measured_done_) / step;
    state_.per_second += weight * (speed - state_.per_second);
    measured_at_ = now;
    measured_done_ = state_.done;
  }
  const double left = state_.total - state_.done;
  state_.seconds_left = state_.per_second > 0 && state_.total > 0 ? std::fmax(0.0, left / state_.per_second) : -1;

  if (log_to_terminal()) {
    set_status_line(last ? "" : progress_text(state_));
    if (last) log_line(LogLevel::kInfo, progress_text(state_));
  } else if (last || now - lined_at_ >= kLineEvery) {
    lined_at_ = now;
    log_line(LogLevel::kInfo, progress_text(state_));
  }
} catch (...) {
  // Memory ran out: progress is not worth a run.
}

std::string progress_text(const ProgressState& s) {
  std::string text = s.stage;
  if (s.finished) {
    text += fmt::format("  {} {} in {}", count_text(s.done), s.unit, duration_text(s.seconds));
  } else if (s.total > 0) {
    text += fmt::format("  {:.0f} %", std::floor(100 * s.fraction()));
  } else {
    text += fmt::format("  {} {}", count_text(s.done), s.unit);
  }
  if (s.per_second > 0) text += fmt::format("  {} {}/s", count_text(s.per_second), s.unit);
  if (!s.finished && s.seconds_left >= 0) text += fmt::format("  {} left", duration_text(s.seconds_left));
  if (!s.note.empty()) text += "  " + s.note;
  return text;
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::lround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  const int64_t minutes = (whole + 30) / 60;
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string count_text(double count) {
  const double size = std::abs(count);
  if (size < 9.995 && count != std::floor(count)) return fmt::format("{:.2f}", count);
  if (size < 999.5) return fmt::format("{:.0f}", count);
  const char* unit = "k";
  double scaled = count / 1e3;
  if (size >= 999.5e3) {
    unit = "M";
    scaled = count / 1e6;
  }
  if (size >= 999.5e6) {
    unit = "G";
    scaled = count / 1e9;
  }
  const double digits = std::abs(scaled);
  return fmt::format("{:.{}f}{}", scaled, digits < 9.995 ? 2 : digits < 99.95 ? 1 : 0, unit);
}

}  // namespace loquat
