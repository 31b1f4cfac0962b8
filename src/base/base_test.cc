// The small parts of base: results, log lines, progress, metrics, interrupts, the machine, subprocesses.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/counted.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/process.h"
#include "base/progress.h"
#include "base/result.h"

namespace loquat {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class TemporaryFile {
 public:
  TemporaryFile() {
    std::string name = testing::TempDir() + "loquat-base-XXXXXX";
    fd_ = ::mkstemp(name.data());
    path_ = name;
  }
  ~TemporaryFile() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  std::string text() const { return file_text(path_); }
  void put(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }

 private:
  int fd_ = -1;
  std::string path_;
};

// Lines go to a file while this lives.
class CapturedLog {
 public:
  explicit CapturedLog(bool terminal) { set_log_output(file_.fd(), terminal); }
  ~CapturedLog() {
    set_log_output(STDERR_FILENO, false);
    set_log_level(LogLevel::kInfo);
  }
  std::string text() const { return file_.text(); }

 private:
  TemporaryFile file_;
};

// --- result and check ----------------------------------------------------------------------------

Result<int> half(int x) {
  if (x % 2) return Err("{} is odd", x);
  return x / 2;
}
Result<int> quarter(int x) {
  TRY(const int h, half(x));
  return half(h);
}
Status both_even(int x, int y) {
  TRY_STATUS([&]() -> Status { return half(x).ok() ? Status() : Err("first: {}", x); }());
  TRY(auto unused, half(y));
  (void)unused;
  return {};
}

TEST(Result, ValuesAndErrorsTravel) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error(), "3 is odd");
  EXPECT_TRUE(both_even(2, 4).ok());
  EXPECT_EQ(both_even(1, 4).error(), "first: 1");
  EXPECT_EQ(both_even(2, 5).error(), "5 is odd");
  Result<std::unique_ptr<int>> moved = std::make_unique<int>(5);
  std::unique_ptr<int> taken = *std::move(moved);
  EXPECT_EQ(*taken, 5);
}

TEST(Check, SaysWhereAndWhat) {
  CHECK(true);
  EXPECT_DEATH(CHECK(1 == 2), "base_test.cc:[0-9]+: CHECK\\(1 == 2\\) failed");
  EXPECT_DEATH(CHECK(false, "shape {}", 3), "failed: shape 3");
}

// --- log -----------------------------------------------------------------------------------------

TEST(Log, LevelsAndPrefixes) {
  CapturedLog log(false);
  log_debug("hidden {}", 1);
  log_info("plain {}", 2);
  log_warning("look");
  log_error("bad");
  set_log_level(LogLevel::kError);
  log_info("hidden");
  log_warning("hidden");
  log_error("worse");
  set_log_level(LogLevel::kSilent);
  log_error("hidden");
  EXPECT_EQ(log.text(), "plain 2\nwarning: look\nerror: bad\nerror: worse\n");
}

TEST(Log, TheStatusLineStaysBelow) {
  CapturedLog log(true);
  EXPECT_TRUE(log_to_terminal());
  set_status_line("50 %");
  log_info("line");
  set_status_line("");
  log_info("last");
  EXPECT_EQ(log.text(), "\r\x1b[K50 %\r\x1b[Kline\n50 %\r\x1b[Klast\n");
}

TEST(Log, TheStatusLineIsCutBetweenCharacters) {
  CapturedLog log(true);
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "ä";
  set_status_line(wide);
  EXPECT_EQ(log.text(), "\r\x1b[K" + wide.substr(0, 2 * 79));
}

TEST(Log, WithoutATerminalThereIsNoStatusLine) {
  CapturedLog log(false);
  set_status_line("50 %");
  EXPECT_EQ(log.text(), "");
}

TEST(Log, LinesOfThreadsAreWhole) {
  CapturedLog log(false);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) log_info("{}", std::string(40, static_cast<char>('a' + t)));
    });
  for (auto& thread : threads) thread.join();
  std::istringstream lines(log.text());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) ASSERT_EQ(line, std::string(40, line[0]));
  EXPECT_EQ(count, 200);
}

// --- progress ------------------------------------------------------------------------------------

double fake_now = 0;
double fake_clock() {
  return fake_now;
}
Progress::Options faked(double start = 0) {
  return {start, fake_clock};
}

TEST(Progress, SpeedAndTimeLeft) {
  CapturedLog log(false);
  fake_now = 100;
  Progress progress("sft", 1000, "tokens", faked());
  for (int i = 1; i <= 20; ++i) {
    fake_now = 100 + i;
    progress.update(i * 10, "loss 2.31");
  }
  const ProgressState state = progress.state();
  EXPECT_NEAR(state.per_second, 10, 1e-9);
  EXPECT_NEAR(state.seconds_left, 80, 1e-6);
  EXPECT_NEAR(state.fraction(), 0.2, 1e-9);
  EXPECT_EQ(log.text(),
            "sft  10 %  10 tokens/s  1 min 30 s left  loss 2.31\nsft  20 %  10 tokens/s  1 min 20 s left  loss 2.31\n");
}

TEST(Progress, AResumedStageIsNotFast) {
  CapturedLog log(false);
  fake_now = 0;
  Progress progress("ppo", 1000, "steps", faked(900));
  fake_now = 10;
  progress.update(950);
  EXPECT_NEAR(progress.state().per_second, 5, 1e-9);
  EXPECT_NEAR(progress.state().seconds_left, 10, 1e-9);
  EXPECT_NEAR(progress.state().fraction(), 0.95, 1e-9);
  progress.finish();
  EXPECT_EQ(log.text(), "ppo  95 %  5 steps/s  10 s left\nppo  950 steps in 10 s  5 steps/s\n");
}

TEST(Progress, DrawsOnATerminalAtMostFiveTimesASecond) {
  CapturedLog log(true);
  fake_now = 0;
  {
    Progress progress("x", 100, "steps", faked());
    for (int i = 1; i <= 100; ++i) {
      fake_now = i * 0.01;
      progress.update(i);
    }
  }
  const std::string text = log.text();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 8);
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 5);
  EXPECT_EQ(text.substr(text.rfind("\x1b[K")), "\x1b[Kx  100 steps in 1.0 s  100 steps/s\n");
}

TEST(Progress, ThreadsMayAdd) {
  CapturedLog log(false);
  Progress progress("count", 40000, "items");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) progress.add(1);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(progress.state().done, 40000);
}

TEST(Progress, NothingIsDividedByZero) {
  CapturedLog log(false);
  fake_now = 5;
  Progress progress("none", 0, "steps", faked());
  progress.update(0);
  progress.finish();
  progress.finish();
  progress.update(3);
  EXPECT_EQ(log.text(), "none  0 steps in 0.0 s\n");
}

TEST(Progress, Texts) {
  EXPECT_EQ(duration_text(0), "0.0 s");
  EXPECT_EQ(duration_text(9.94), "9.9 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(3599), "59 min 59 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
  EXPECT_EQ(duration_text(-1), "?");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(0.25), "0.25");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1.00k");
  EXPECT_EQ(count_text(12345), "12.3k");
  EXPECT_EQ(count_text(999600), "1.00M");
  EXPECT_EQ(count_text(4.56e8), "456M");
  EXPECT_EQ(count_text(2e9), "2.00G");
}

// --- interrupts, machine, subprocesses -----------------------------------------------------------

TEST(Interrupt, TheFirstIsAFlagTheSecondEnds) {
  EXPECT_EXIT(
      {
        install_signal_handlers();
        if (interrupted()) _exit(1);
        std::raise(SIGINT);
        if (!interrupted()) _exit(2);
        clear_interrupt();
        std::raise(SIGTERM);
        if (!interrupted()) _exit(3);
        std::raise(SIGINT);
        _exit(4);
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(Machine, CpuInfo) {
  Machine machine;
  read_cpuinfo(
      "processor\t: 0\nmodel name\t: A CPU @ 2GHz\nflags\t\t: fpu avx2 fma avx512f amx_bf16 "
      "avx512_bf16\n\nprocessor\t: 1\nmodel name\t: B\n",
      machine);
  EXPECT_EQ(machine.cpu, "A CPU @ 2GHz");
  EXPECT_EQ(machine.flags, (std::vector<std::string>{"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}));
  machine.cores = 2;
  machine.memory_bytes = int64_t{8} << 30;
  EXPECT_EQ(machine_text(machine), "A CPU @ 2GHz, 2 cores, 8.0 GiB, avx2 fma avx512f avx512_bf16 amx_bf16");
  read_cpuinfo("", machine);
  EXPECT_EQ(machine.cpu, "unknown CPU");
  const Machine here = this_machine();
  EXPECT_GE(here.cores, 1);
  EXPECT_GT(here.memory_bytes, 0);
}

TEST(Process, OutputErrorsInputAndStatus) {
  auto result = run_process({"sh", "-c", "cat; echo oops >&2; pwd; exit 3"}, "hello\n", "/");
  ASSERT_TRUE(result.ok()) << result.error();
  EXPECT_EQ(result->exit_status, 3);
  EXPECT_EQ(result->output, "hello\n/\n");
  EXPECT_EQ(result->errors, "oops\n");
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(run_process({"cat"}, large)->output, large);
  EXPECT_EQ(run_process({"true"}, large)->exit_status, 0);  // a program that does not read its input
  EXPECT_EQ(run_process({"sh", "-c", "kill -9 $$"})->exit_status, 137);
  EXPECT_FALSE(run_process({"no-such-program-here"}).ok());
  EXPECT_FALSE(run_process({}).ok());
}

TEST(Counted, OneAndMany) {
  EXPECT_EQ(counted(0, "row"), "0 rows");
  EXPECT_EQ(counted(1, "row"), "1 row");
  EXPECT_EQ(counted(2, "row"), "2 rows");
  EXPECT_EQ(counted(1, "reply", "replies"), "1 reply");
  EXPECT_EQ(counted(12, "reply", "replies"), "12 replies");
}

}  // namespace
}  // namespace loquat
