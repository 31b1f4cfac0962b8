// One stream of server-sent events per tab of the page, over which everything that happens for the tab comes. A tab
// belongs to the person who named it first, and its stream to whoever may still come in: that is asked at every
// heartbeat. A stream that is opened anew takes the old one's place. Events of a tab
// whose reader is slow wait, the pieces of one message run together; a tab that is away keeps what it must not miss.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "http/http.h"

namespace loquat::app {

struct StreamLimits {
  size_t tabs_per_person = 32;
  size_t slow_bytes = 64 << 10;    // a reader with so many bytes waiting gets nothing more for now
  size_t waiting_bytes = 8 << 20;  // of events of a tab: past it the connection is cut, and the page comes again
  size_t away_bytes = 1 << 20;     // of a tab without a connection: past it the oldest events go
  std::chrono::milliseconds keep_alive{15'000};
  std::chrono::milliseconds forget{600'000};  // a tab without a connection
};

class Streams {
 public:
  explicit Streams(const StreamLimits& limits = {});
  ~Streams();

  static bool is_tab(const std::string& tab);  // 1 to 64 letters, digits, '-', '_'
  // The tab is the person's from here on; false: it is another's.
  bool claim(const std::string& person, const std::string& tab);
  enum class Opened { kYes, kNotTheirs, kTooMany };
  // `reply` becomes the tab's stream: its head and `hello` are written to it. `may_stay` is asked at heartbeats, from
  // another thread, and may take its time; false ends the stream. Not set: it stays.
  Opened open(const std::string& person, const std::string& tab, std::shared_ptr<http::Reply> reply,
              std::function<bool()> may_stay = nullptr);
  // Ends the streams whose people may not stay; the heartbeat does this by itself.
  void ask_who_may_stay();

  // To nobody where the tab is not known or not the person's. `keep`: it also waits for a tab that is away.
  void send(const std::string& person, const std::string& tab, const std::string& name, const nlohmann::json& data,
            bool keep = true);
  void send_to_person(const std::string& person, const std::string& name, const nlohmann::json& data);  // all tabs
  void delta(const std::string& person, const std::string& tab, const std::string& conversation,
             const std::string& message, const std::string& content, const std::string& reasoning);
  // All streams of a person end and their tabs are forgotten.
  void forget_person(const std::string& person);
  // All streams end, and none is opened any more.
  void stop();
  size_t tabs() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    std::string message;  // of a delta; "": another event, whose text is whole
    std::string conversation, content, reasoning;
    std::string text;  // "event: ...\ndata: ...\n\n"
    bool keep = false;
    size_t bytes() const { return content.size() + reasoning.size() + text.size() + 128; }
  };
  struct Tab {
    std::string person;
    std::shared_ptr<http::Reply> reply;  // null: away
    std::function<bool()> may_stay;      // of this connection
    std::deque<Event> waiting;
    size_t bytes = 0;  // of them
    Clock::time_point used = Clock::now(), written = Clock::now();
  };

  void push(const std::string& person, const std::string& tab, Event event);
  void push(Tab& tab, Event event);
  void flush(Tab& tab);
  void drop_connection(Tab& tab);
  void make_room(const std::string& person);
  void run();

  const StreamLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Tab> tabs_;
  bool stopping_ = false, any_waiting_ = false;
  std::thread thread_;  // keeps alive, sends what waited, forgets
};

}  // namespace loquat::app
