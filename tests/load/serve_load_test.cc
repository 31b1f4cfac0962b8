// `loquat serve`, the program itself, under load: hundreds of streams that must not differ from lone ones, thousands of
// slow senders, an end while streams run. With LOQUAT_LONG_TESTS=1 more of all, for LOQUAT_LOAD_SECONDS (600), while
// the server's memory must stay as it is.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "load/http_load.h"
#include "program.h"
#include "serve/test_models.h"

namespace loquat {
namespace {

using namespace std::chrono_literals;
using load::Outcome;
using load::Plan;

constexpr size_t kDistinct = 20;  // different requests
constexpr int kTokens = 60;       // of each reply

bool long_tests() {
  const char* value = std::getenv("LOQUAT_LONG_TESTS");
  return value && std::string_view(value) == "1";
}

class Every {
 public:
  explicit Every(std::chrono::milliseconds span) : span_(span) {}
  bool due() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return false;
    next_ = now + span_;
    return true;
  }

 private:
  const std::chrono::milliseconds span_;
  std::chrono::steady_clock::time_point next_;
};

// The program at work on a folder with the model "sft".
class Server {
 public:
  explicit Server(const std::string& folder) : said_(folder + "/said") {
    std::vector<std::string> words = {LOQUAT_PROGRAM, "serve", folder, "--port", "0", "--grace", "120"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, said_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    wait_for_port();
  }
  ~Server() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  int port() const { return port_; }
  void end() const { ::kill(pid_, SIGTERM); }
  // Its exit status, -1 where a signal ended it.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  size_t resident_mb() const {
    size_t all = 0, resident = 0;
    std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> all >> resident;
    return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) >> 20;
  }
  size_t open_files() const {
    const auto begin = std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd");
    return static_cast<size_t>(std::distance(begin, std::filesystem::directory_iterator()));
  }
  std::string said() const { return slurp(said_); }

 private:
  void wait_for_port() {
    for (int i = 0; i < 1200; ++i) {
      const std::string text = said();
      const std::string before = " at http://localhost:";
      const size_t at = text.find(before);
      if (at != std::string::npos && text.find('\n', at) != std::string::npos) {
        port_ = std::atoi(text.c_str() + at + before.size());
        return;
      }
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = -1;
        break;
      }
      std::this_thread::sleep_for(50ms);
    }
    ADD_FAILURE() << "the server did not start: " << said();
  }

  const std::string said_;
  pid_t pid_ = -1;
  int port_ = 0;
};

class ServeLoad : public testing::Test {
 protected:
  void SetUp() override {
    load::raise_open_files();
    serve::write_model(folder_.file("models/sft"), 1, HeadKind::kLanguage, 1024);
    server_ = std::make_unique<Server>(folder_.path());
    ASSERT_GT(server_->port(), 0);
  }
  void TearDown() override {
    if (HasFailure()) {
      const std::string said = server_->said();
      std::fprintf(stderr, "the server said:\n%s\n", said.substr(said.size() - std::min(said.size(), 4000ul)).c_str());
    }
  }

  // Seeded, so that its text is the same however many run beside it; and never ended by the model itself.
  static std::string body(size_t n, int tokens) {
    nlohmann::json biases;
    for (const std::string_view stop : {kEndOfTurn, kEndOfText})
      biases[std::to_string(serve::test_tokenizer().special(stop))] = -100;
    return nlohmann::json({{"model", "sft"},
                           {"stream", true},
                           {"seed", n % kDistinct},
                           {"max_tokens", tokens},
                           {"logit_bias", biases},
                           {"messages", {{{"role", "user"}, {"content", "Where? " + std::to_string(n % kDistinct)}}}}})
        .dump();
  }
  Plan plan(size_t streams, size_t requests, double seconds, int tokens = kTokens) const {
    Plan out;
    out.port = server_->port();
    out.body = [tokens](size_t n) { return body(n, tokens); };
    out.streams = streams;
    out.requests = requests;
    out.seconds = seconds;
    out.stream_seconds = 300;
    return out;
  }
  static void report(const char* what, const Outcome& outcome, int tokens = kTokens) {
    std::printf(
        "%s: %zu streams in %.1f s (%.0f streams/s, %.0f tokens/s), %zu at once, first byte after %.2f s at most\n",
        what, outcome.done, outcome.seconds, static_cast<double>(outcome.done) / outcome.seconds,
        static_cast<double>(outcome.done) * tokens / outcome.seconds, outcome.most_open, outcome.first_byte_max);
  }
  static void expect_no_errors(const Outcome& outcome) {
    for (const auto& [kind, count] : outcome.error_kinds) ADD_FAILURE() << count << " streams: " << kind;
  }

  Folder folder_{"serve-load"};
  std::unique_ptr<Server> server_;
};

TEST_F(ServeLoad, ManyStreamsAreAsLoneOnes) {
  const size_t streams = long_tests() ? 1000 : 200;
  const char* seconds_given = std::getenv("LOQUAT_LOAD_SECONDS");
  const double seconds = !long_tests() ? 3 : seconds_given ? std::atof(seconds_given) : 600;
  const Outcome lone = load::run_load(plan(1, kDistinct, 0));
  expect_no_errors(lone);
  ASSERT_EQ(lone.hashes.size(), kDistinct);
  EXPECT_NE(lone.hashes.at(0), lone.hashes.at(1));

  Every sample(200ms);
  std::vector<size_t> memory;  // the most of each minute, MB
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = load::run_load(plan(streams, 0, seconds), [&](const Outcome&) {
    const auto minute = static_cast<size_t>((std::chrono::steady_clock::now() - begin) / 60s);
    if (!sample.due()) return;
    memory.resize(std::max(memory.size(), minute + 1));
    memory[minute] = std::max(memory[minute], server_->resident_mb());
  });
  report("streams", outcome);
  std::printf("the server's memory, minute by minute (MB): %s\n", testing::PrintToString(memory).c_str());
  expect_no_errors(outcome);
  EXPECT_GE(outcome.done, streams);
  EXPECT_EQ(outcome.done, outcome.hashes.size());
  size_t differ = 0;
  for (const auto& [n, hash] : outcome.hashes) differ += hash != lone.hashes.at(n % kDistinct);
  EXPECT_EQ(differ, 0u) << "of " << outcome.done << " streams";
  if (memory.size() > 2) {
    EXPECT_LE(memory.back(), memory[1] * 11 / 10 + 20);
  }
}

TEST_F(ServeLoad, SlowSendersDoNotStopOthers) {
  const size_t slow = long_tests() ? 10'000 : 1'000;
  Plan beside = plan(8, 0, long_tests() ? 30 : 2);
  beside.slow = slow;
  Every sample(500ms);
  size_t most = 0;
  const Outcome outcome = load::run_load(beside, [&](const Outcome&) {
    if (sample.due()) most = std::max(most, server_->open_files());
  });
  report("beside slow senders", outcome);
  std::printf("%zu slow senders, %zu closed by the server, %zu files open in it, %zu MB\n", slow, outcome.slow_closed,
              most, server_->resident_mb());
  expect_no_errors(outcome);
  EXPECT_GE(outcome.done, 8u);
  EXPECT_GE(most, slow);
  if (long_tests()) {
    EXPECT_GT(outcome.slow_closed, 0u);
  }
}

TEST_F(ServeLoad, StreamsEndWholeWhenTheServerEnds) {
  constexpr int kLong = 900;
  const size_t streams = 30;
  const Outcome before = load::run_load(plan(streams, kDistinct, 0, kLong));
  expect_no_errors(before);
  bool told = false;
  size_t done_then = 0;
  const Outcome outcome = load::run_load(plan(streams, streams, 0, kLong), [&](const Outcome& now) {
    if (told || now.most_open < streams) return;
    told = true;
    done_then = now.done;
    server_->end();
  });
  report("at the end", outcome, kLong);
  std::printf("%zu of them had ended when the server was told to\n", done_then);
  expect_no_errors(outcome);
  EXPECT_EQ(outcome.done, streams);
  for (const auto& [n, hash] : outcome.hashes)
    EXPECT_EQ(hash, before.hashes.at(n % kDistinct)) << n << ": cut short, or of another";
  ASSERT_TRUE(told) << "the replies were too short";
  EXPECT_EQ(server_->wait(), 0) << server_->said();
}

}  // namespace
}  // namespace loquat
