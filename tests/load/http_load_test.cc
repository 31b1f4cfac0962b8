// Many connections at once against the server: a thousand streams, thousands of slow senders.
#include "load/http_load.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

#include "http/server.h"

namespace loquat {
namespace {

using namespace std::chrono_literals;

// Streams that are all open at once: each gets its pieces, of its own text, from one thread that goes round.
class Streamer {
 public:
  explicit Streamer(size_t wait_for) : wait_for_(wait_for), thread_([this] { run(); }) {}
  ~Streamer() {
    stop_ = true;
    thread_.join();
  }
  void add(const std::string& body, std::shared_ptr<http::Reply> reply) {
    reply->begin(200, {{"Content-Type", "text/event-stream"}});
    std::lock_guard lock(mutex_);
    streams_.push_back({body, std::move(reply), 0});
  }
  static constexpr int kPieces = 20;
  static std::string piece(const std::string& body, int i) { return body + ":" + std::to_string(i) + " "; }
  static std::string text(const std::string& body) {
    std::string out;
    for (int i = 0; i < kPieces; ++i) out += piece(body, i);
    return out;
  }

 private:
  struct Stream {
    std::string body;
    std::shared_ptr<http::Reply> reply;
    int next;
  };

  void run() {
    while (!stop_) {
      {
        std::lock_guard lock(mutex_);
        if (streams_.size() >= wait_for_) {
          wait_for_ = 0;
          for (Stream& stream : streams_) {
            if (stream.next < kPieces)
              stream.reply->write("data: " + piece(stream.body, stream.next++) + "\n\n");
            else
              stream.reply->end(), stream.reply.reset();
          }
          std::erase_if(streams_, [](const Stream& stream) { return !stream.reply; });
        }
      }
      std::this_thread::sleep_for(2ms);
    }
  }

  std::mutex mutex_;
  std::deque<Stream> streams_;
  size_t wait_for_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::string body_of(size_t n) {
  return "request " + std::to_string(n * 7919);
}

std::unique_ptr<http::Server> start(Streamer& streamer, http::ServerOptions options = {}) {
  options.port = 0;
  auto server = http::Server::start(options, [&](http::Request&& request, std::shared_ptr<http::Reply> reply) {
    streamer.add(request.body, std::move(reply));
  });
  EXPECT_TRUE(server.ok()) << server.error();
  return *std::move(server);
}

TEST(Load, AThousandStreamsAtOnce) {
  constexpr size_t kStreams = 1000;
  if (load::raise_open_files() < 2 * kStreams + 600) GTEST_SKIP() << "this machine allows too few open files";
  Streamer streamer(kStreams);
  const auto server = start(streamer);
  load::Plan plan;
  plan.port = server->port();
  plan.streams = kStreams;
  plan.body = body_of;
  const load::Outcome outcome = load::run_load(plan);
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_EQ(outcome.most_open, kStreams);
  ASSERT_EQ(outcome.hashes.size(), kStreams);
  for (const auto& [n, hash] : outcome.hashes) EXPECT_EQ(hash, load::text_hash(Streamer::text(body_of(n)))) << n;
}

TEST(Load, SlowSendersDoNotKeepOthersOut) {
  constexpr size_t kSlow = 4000, kRoom = 3000;
  if (load::raise_open_files() < 2 * kSlow + 1000) GTEST_SKIP() << "this machine allows too few open files";
  Streamer streamer(1);
  for (const size_t connections : {size_t{12000}, kRoom}) {  // room for all; and too little
    http::ServerOptions options;
    options.connections = connections;
    options.header_seconds = 3600;  // none is closed for being slow
    const auto server = start(streamer, options);
    load::Plan plan;
    plan.port = server->port();
    plan.slow = kSlow;
    plan.slow_bytes_every = 0.2;
    plan.reopen_slow = false;  // a burst of these may be newer than a stream whose request is not sent yet
    plan.streams = 20;
    plan.requests = 400;
    plan.body = body_of;
    size_t most = 0;
    const load::Outcome outcome =
        load::run_load(plan, [&](const load::Outcome&) { most = std::max(most, server->connections()); });
    EXPECT_EQ(outcome.errors, 0u);
    EXPECT_EQ(outcome.done, 400u);
    if (connections == kRoom) {
      EXPECT_GT(outcome.slow_closed, 0u);
    } else {
      EXPECT_EQ(outcome.slow_closed, 0u);
      EXPECT_EQ(outcome.slow_open, kSlow);
    }
    EXPECT_LE(most, connections + 64);
    for (const auto& [n, hash] : outcome.hashes) ASSERT_EQ(hash, load::text_hash(Streamer::text(body_of(n)))) << n;
  }
}

}  // namespace
}  // namespace loquat
