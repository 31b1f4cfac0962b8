#include "recipe/board.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool on_terminal() {
  static const bool answer = isatty(STDERR_FILENO) == 1;
  return answer;
}

}  // namespace

void Board::add(const std::string& stage, double estimated_seconds) {
  Entry entry;
  entry.name = stage;
  entry.estimated_seconds = estimated_seconds;
  entries_.push_back(entry);
}

void Board::already_done(const std::string& stage, double seconds) {
  for (Entry& e : entries_)
    if (e.name == stage) e.state = "done", e.fraction = 1, e.seconds = seconds;
}

Board::Entry* Board::running() {
  for (Entry& e : entries_)
    if (e.state == "running") return &e;
  return nullptr;
}

void Board::start(const std::string& stage) {
  for (Entry& e : entries_)
    if (e.name == stage) e.state = "running", e.fraction = 0, e.seconds_left = e.estimated_seconds;
  stage_started_ = Clock::now();
  drawn_ = {};
  write_file_now("running", "");
}

void Board::update(int64_t step, int64_t steps, double tokens_per_second, const std::string& detail) {
  const double pause = on_terminal() ? 0.2 : 10;
  Entry* e = running();
  if (e == nullptr) return;
  e->step = step;
  e->steps = steps;
  e->tokens_per_second = tokens_per_second;
  e->seconds = since(stage_started_);
  e->fraction = steps > 0 ? static_cast<double>(step) / static_cast<double>(steps) : 0;
  if (e->fraction > 0.03) e->seconds_left = e->seconds * (1 - e->fraction) / e->fraction;
  static thread_local Clock::time_point written{};
  if (since(written) > 0.5) {
    written = Clock::now();
    write_file_now("running", detail);
  }
  if (drawn_ != Clock::time_point{} && since(drawn_) < pause) return;
  drawn_ = Clock::now();
  std::string line = fmt::format("{:<14} {:>3.0f} %", e->name, 100 * e->fraction);
  if (tokens_per_second > 0) line += fmt::format("  {:.0f} tokens/s", tokens_per_second);
  if (!detail.empty()) line += "  " + detail;
  line += fmt::format("  {} left here, {} in all", duration_text(e->seconds_left), duration_text(left()));
  if (on_terminal()) {
    std::fprintf(stderr, "\r\033[K%.*s", 140, line.c_str());
    line_shown_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

void Board::clear_line() {
  if (line_shown_) std::fprintf(stderr, "\r\033[K");
  line_shown_ = false;
}

void Board::end(const std::string& stage, double seconds, const std::string& summary) {
  for (Entry& e : entries_)
    if (e.name == stage) e.state = "done", e.fraction = 1, e.seconds = seconds, e.seconds_left = 0;
  clear_line();
  std::fprintf(stderr, "%-14s done in %-12s %s\n", stage.c_str(), duration_text(seconds).c_str(), summary.c_str());
  write_file_now("running", "");
}

void Board::fail(const std::string& message) {
  clear_line();
  if (Entry* e = running()) e->state = "failed";
  write_file_now("failed", message);
}

void Board::note(const std::string& line) {
  clear_line();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Board::finish() {
  clear_line();
  write_file_now("done", "");
}

double Board::estimated_total() const {
  double sum = 0;
  for (const Entry& e : entries_)
    if (e.state != "done") sum += e.estimated_seconds;
  return sum;
}

double Board::current_seconds() const {
  return since(stage_started_);
}

double Board::left() const {
  double sum = 0;
  for (const Entry& e : entries_) {
    if (e.state == "running") sum += e.seconds_left;
    if (e.state == "pending") sum += e.estimated_seconds;
  }
  return sum;
}

void Board::write_file_now(const std::string& state, const std::string& message) {
  using Json = nlohmann::ordered_json;
  double total = 0, done = 0;
  Json stages = Json::array();
  for (const Entry& e : entries_) {
    const double size = e.state == "done"      ? e.seconds
                        : e.state == "running" ? e.seconds + e.seconds_left
                                               : e.estimated_seconds;
    total += size;
    done += size * e.fraction;
    stages.push_back({{"name", e.name},
                      {"state", e.state},
                      {"fraction", e.fraction},
                      {"step", e.step},
                      {"steps", e.steps},
                      {"seconds", e.seconds},
                      {"seconds_left", e.state == "pending" ? e.estimated_seconds : e.seconds_left},
                      {"tokens_per_second", e.tokens_per_second}});
  }
  const Json json = {{"recipe", recipe_},
                     {"scale", scale_},
                     {"state", state},
                     {"fraction", state == "done" ? 1.0
                                  : total > 0     ? done / total
                                                  : 0.0},
                     {"seconds", since(started_)},
                     {"seconds_left", state == "done" ? 0.0 : left()},
                     {"message", message},
                     {"stages", stages}};
  // The page can do without this file: a full disk must not end the run here.
  (void)write_file(folder_ + "/progress.json", json.dump() + "\n", Durability::kUnsynced).ok();
}

}  // namespace loquat::recipe
