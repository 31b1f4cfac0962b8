// Replies that are being written: what a model says goes to the tab's stream at once and into the store about once a
// second and at the end. A reply goes on when its page has left. Any thread may call.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/streams.h"
#include "app/talk.h"
#include "chats/chats.h"

namespace loquat::app {

struct ReplyLimits {
  size_t at_once = 4;                         // of a person
  size_t most_bytes = chats::kMostTextBytes;  // of a reply's text, and of its thoughts
  std::chrono::milliseconds save_every{1000};
};

class Replies {
 public:
  Replies(std::shared_ptr<chats::Chats> chats, Streams& streams, const ReplyLimits& limits = {});
  ~Replies();  // stop(0)

  // A place among a person's replies, held while it lives. Null: they have as many as they may, or the server stops.
  class Place;
  std::unique_ptr<Place> place(const std::string& person);

  struct Wish {
    std::string person, conversation, tab;
    bool named = true;       // false: the tab is not told which model writes
    chats::Message message;  // in the store, in state "writing"
    std::unique_ptr<Place> place;
    std::function<std::string()> model_hash;  // asked for at the end, on a thread that may wait; not set: ""
    // Starts the talk (Talk::start).
    std::function<std::shared_ptr<Talking>(TalkSink sink)> talk;
  };
  void start(Wish wish);

  // Nothing where it is not under way. What has come stays, in state "stopped".
  void stop_message(const std::string& person, const std::string& message);
  void stop_conversation(const std::string& person, const std::string& conversation);
  void stop_person(const std::string& person);
  // `snapshot` for each reply of the tab, to its stream.
  void send_snapshots(const std::string& person, const std::string& tab);
  // The text so far, where it is ahead of the store's; nothing where it is not under way. It is "writing" until the
  // store has its end.
  std::optional<chats::Message> under_way(const std::string& person, const std::string& message);
  // Takes no more; lets those under way end within `grace`, then stops them. All are saved when it returns.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Live;
  void on_event(const std::shared_ptr<Live>& live, TalkEvent&& event);
  void stop_where(const std::function<bool(const Live&)>& which);
  std::vector<std::shared_ptr<Live>> all() const;
  void run();
  bool save(Live& live);  // true: it has ended and all is done

  const std::shared_ptr<chats::Chats> chats_;
  Streams& streams_;
  const ReplyLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Live>> live_;  // by message
  std::map<std::string, size_t> places_;               // by person
  bool stopping_ = false, closed_ = false, wake_ = false;
  std::thread saver_;
};

class Replies::Place {
 public:
  Place(Replies& replies, std::string person) : replies_(replies), person_(std::move(person)) {}
  ~Place();

 private:
  Replies& replies_;
  const std::string person_;
};

}  // namespace loquat::app
