#include "app/streams.h"

#include <algorithm>

namespace loquat::app {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kRetry{50};  // until a slow reader is looked at again

std::string event_text(const std::string& name, const json& data) {
  return "event: " + name + "\ndata: " + data.dump(-1, ' ', false, json::error_handler_t::replace) + "\n\n";
}

std::string delta_text(const std::string& conversation, const std::string& message, const std::string& content,
                       const std::string& reasoning) {
  json data = {{"conversation", conversation}, {"message", message}};
  if (!content.empty()) data["content"] = content;
  if (!reasoning.empty()) data["reasoning"] = reasoning;
  return event_text("delta", data);
}

}  // namespace

Streams::Streams(const StreamLimits& limits) : limits_(limits), thread_([this] { run(); }) {}

Streams::~Streams() {
  stop();
  thread_.join();
}

bool Streams::is_tab(const std::string& tab) {
  return !tab.empty() && tab.size() <= 64 && std::all_of(tab.begin(), tab.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// Where the person has as many tabs as they may, the one that has been away longest goes.
void Streams::make_room(const std::string& person) {
  size_t count = 0;
  auto oldest = tabs_.end();
  for (auto at = tabs_.begin(); at != tabs_.end(); ++at) {
    if (at->second.person != person) continue;
    ++count;
    if (!at->second.reply && (oldest == tabs_.end() || at->second.used < oldest->second.used)) oldest = at;
  }
  if (count >= limits_.tabs_per_person && oldest != tabs_.end()) tabs_.erase(oldest);
}

bool Streams::claim(const std::string& person, const std::string& tab) {
  std::lock_guard lock(mutex_);
  const auto found = tabs_.find(tab);
  if (found != tabs_.end()) {
    found->second.used = Clock::now();
    return found->second.person == person;
  }
  make_room(person);
  tabs_[tab].person = person;
  return true;
}

Streams::Opened Streams::open(const std::string& person, const std::string& tab, std::shared_ptr<http::Reply> reply,
                              std::function<bool()> may_stay) {
  std::lock_guard lock(mutex_);
  const auto found = tabs_.find(tab);
  if (found != tabs_.end() && found->second.person != person) return Opened::kNotTheirs;
  if (found == tabs_.end()) make_room(person);
  const auto connected = std::count_if(tabs_.begin(), tabs_.end(), [&](const auto& entry) {
    return entry.second.person == person && entry.second.reply && entry.first != tab;
  });
  if (stopping_ || static_cast<size_t>(connected) >= limits_.tabs_per_person) return Opened::kTooMany;
  Tab& mine = tabs_[tab];
  mine.person = person;
  drop_connection(mine);
  reply->begin(200,
               {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}});
  reply->write(event_text("hello", {{"tab", tab}}));
  mine.reply = std::move(reply);
  mine.may_stay = std::move(may_stay);
  mine.used = mine.written = Clock::now();
  flush(mine);
  return Opened::kYes;
}

void Streams::drop_connection(Tab& tab) {
  if (!tab.reply) return;
  tab.reply->end();
  tab.reply = nullptr;
  tab.used = Clock::now();
  // Pieces are of no use to who comes again: a snapshot has them.
  std::erase_if(tab.waiting, [](const Event& event) { return !event.keep; });
  tab.bytes = 0;
  for (const Event& event : tab.waiting) tab.bytes += event.bytes();
}

// With the mutex held.
void Streams::flush(Tab& tab) {
  if (tab.reply && tab.reply->gone()) drop_connection(tab);
  while (tab.reply && !tab.waiting.empty() && tab.reply->waiting() <= limits_.slow_bytes) {
    const Event& event = tab.waiting.front();
    std::string text = event.message.empty()
                           ? event.text
                           : delta_text(event.conversation, event.message, event.content, event.reasoning);
    if (!tab.reply->write(std::move(text))) return drop_connection(tab);
    tab.written = Clock::now();
    tab.bytes -= event.bytes();
    tab.waiting.pop_front();
  }
}

void Streams::push(const std::string& person, const std::string& name, Event event) {
  std::lock_guard lock(mutex_);
  const auto found = tabs_.find(name);
  if (found != tabs_.end() && found->second.person == person) push(found->second, std::move(event));
}

void Streams::push(Tab& tab, Event event) {
  if (tab.reply && tab.reply->gone()) drop_connection(tab);
  if (!tab.reply && !event.keep) return;
  Event* last = nullptr;  // the message's own last one: nothing of it may overtake what waits
  if (!event.message.empty()) {
    const auto at = std::find_if(tab.waiting.rbegin(), tab.waiting.rend(),
                                 [&](const Event& waiting) { return waiting.message == event.message; });
    if (at != tab.waiting.rend()) last = &*at;
  }
  if (last != nullptr) {
    last->content += event.content;
    last->reasoning += event.reasoning;
    tab.bytes += event.content.size() + event.reasoning.size();
  } else {
    tab.bytes += event.bytes();
    tab.waiting.push_back(std::move(event));
  }
  flush(tab);
  if (tab.reply && tab.bytes > limits_.waiting_bytes) drop_connection(tab);
  while (!tab.reply && tab.bytes > limits_.away_bytes && !tab.waiting.empty()) {
    tab.bytes -= tab.waiting.front().bytes();
    tab.waiting.pop_front();
  }
  if (tab.reply && !tab.waiting.empty() && !any_waiting_) {
    any_waiting_ = true;
    changed_.notify_all();
  }
}

void Streams::send(const std::string& person, const std::string& tab, const std::string& name, const json& data,
                   bool keep) {
  Event event;
  event.text = event_text(name, data);
  event.keep = keep;
  push(person, tab, std::move(event));
}

void Streams::send_to_person(const std::string& person, const std::string& name, const json& data) {
  Event event;
  event.text = event_text(name, data);
  event.keep = true;
  std::lock_guard lock(mutex_);
  for (auto& [id, tab] : tabs_) {
    if (tab.person == person) push(tab, event);
  }
}

void Streams::delta(const std::string& person, const std::string& tab, const std::string& conversation,
                    const std::string& message, const std::string& content, const std::string& reasoning) {
  Event event;
  event.message = message;
  event.conversation = conversation;
  event.content = content;
  event.reasoning = reasoning;
  push(person, tab, std::move(event));
}

void Streams::forget_person(const std::string& person) {
  std::lock_guard lock(mutex_);
  for (auto& [name, tab] : tabs_) {
    if (tab.person == person) drop_connection(tab);
  }
  std::erase_if(tabs_, [&](const auto& entry) { return entry.second.person == person; });
}

void Streams::ask_who_may_stay() {
  struct Asked {
    std::string name;
    std::shared_ptr<http::Reply> reply;
    std::function<bool()> may_stay;
  };
  std::vector<Asked> asked;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, tab] : tabs_) {
      if (tab.reply && tab.may_stay) asked.push_back({name, tab.reply, tab.may_stay});
    }
  }
  for (const Asked& one : asked) {
    if (one.may_stay()) continue;
    std::lock_guard lock(mutex_);
    const auto found = tabs_.find(one.name);
    if (found == tabs_.end() || found->second.reply != one.reply) continue;  // it has been opened anew meanwhile
    drop_connection(found->second);
    tabs_.erase(found);
  }
}

void Streams::stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  for (auto& [name, tab] : tabs_) drop_connection(tab);
  changed_.notify_all();
}

size_t Streams::tabs() const {
  std::lock_guard lock(mutex_);
  return tabs_.size();
}

void Streams::run() {
  std::unique_lock lock(mutex_);
  const auto beat = std::min<std::chrono::milliseconds>(limits_.keep_alive, limits_.forget) / 4 + kRetry;
  auto asked = Clock::now();
  while (!stopping_) {
    if (Clock::now() - asked >= limits_.keep_alive) {
      lock.unlock();
      ask_who_may_stay();
      lock.lock();
      asked = Clock::now();
    }
    if (stopping_) break;
    if (any_waiting_) {
      changed_.wait_for(lock, kRetry, [this] { return stopping_; });
    } else {
      changed_.wait_for(lock, beat, [this] { return stopping_ || any_waiting_; });
    }
    any_waiting_ = false;
    const auto time = Clock::now();
    for (auto& [name, tab] : tabs_) {
      flush(tab);
      // A reader with a full pipe needs no sign of life.
      if (tab.reply && time - tab.written >= limits_.keep_alive && tab.reply->waiting() <= limits_.slow_bytes) {
        tab.reply->write(": alive\n\n");
        tab.written = time;
      }
      any_waiting_ = any_waiting_ || (tab.reply && !tab.waiting.empty());
    }
    std::erase_if(tabs_,
                  [&](const auto& entry) { return !entry.second.reply && time - entry.second.used >= limits_.forget; });
  }
}

}  // namespace loquat::app
