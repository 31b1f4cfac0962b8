#include "app/replies.h"

#include "base/log.h"
#include "chats/message_json.h"

namespace loquat::app {
namespace {

using chats::Message;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kSaveTries = 5;  // of a reply's end, a second apart

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

// Locked before the streams, never after them.
struct Replies::Live {
  std::string person, conversation, tab;
  bool named = true;
  std::unique_ptr<Place> place;
  std::function<std::string()> model_hash;
  const Clock::time_point begun = Clock::now();

  std::mutex mutex;  // of all below
  Message message;
  std::shared_ptr<Talking> talking;
  std::optional<chats::Seconds> seconds;
  bool stopped = false;  // somebody wants it to end
  bool too_long = false;
  bool ended = false;
  bool kept = false;    // the store has its end
  bool changed = true;  // since it was saved
  // The saver's alone:
  int tries = 0;
  Clock::time_point saved = begun;
};

Replies::Place::~Place() {
  std::lock_guard lock(replies_.mutex_);
  const auto found = replies_.places_.find(person_);
  if (found != replies_.places_.end() && --found->second == 0) replies_.places_.erase(found);
  replies_.changed_.notify_all();
}

Replies::Replies(std::shared_ptr<chats::Chats> chats, Streams& streams, const ReplyLimits& limits)
    : chats_(std::move(chats)), streams_(streams), limits_(limits), saver_([this] { run(); }) {}

Replies::~Replies() {
  stop(std::chrono::milliseconds(0));
}

std::unique_ptr<Replies::Place> Replies::place(const std::string& person) {
  std::lock_guard lock(mutex_);
  size_t& count = places_[person];
  if (stopping_ || count >= limits_.at_once) {
    if (count == 0) places_.erase(person);
    return nullptr;
  }
  ++count;
  return std::make_unique<Place>(*this, person);
}

void Replies::start(Wish wish) {
  auto live = std::make_shared<Live>();
  live->person = std::move(wish.person);
  live->conversation = std::move(wish.conversation);
  live->tab = std::move(wish.tab);
  live->named = wish.named;
  live->place = std::move(wish.place);
  live->model_hash = std::move(wish.model_hash);
  live->message = std::move(wish.message);
  {
    std::lock_guard lock(mutex_);
    live_[live->message.id] = live;
    live->stopped = closed_;
  }
  auto talking = wish.talk([this, live](TalkEvent&& event) { on_event(live, std::move(event)); });
  bool cancel = false;
  {
    std::lock_guard lock(live->mutex);
    cancel = live->stopped;
    if (!live->ended) live->talking = talking;
  }
  if (cancel) talking->cancel();
}

void Replies::on_event(const std::shared_ptr<Live>& live, TalkEvent&& event) {
  bool wake = false;
  {
    std::lock_guard lock(live->mutex);
    Message& message = live->message;
    const std::string content = chats::plain_text(std::move(event.content));
    const std::string reasoning = chats::plain_text(std::move(event.reasoning));
    if (message.content.size() + content.size() > limits_.most_bytes ||
        message.reasoning.size() + reasoning.size() > limits_.most_bytes ||
        (!event.tool_calls.is_null() && event.tool_calls.dump().size() > limits_.most_bytes)) {
      // The saver ends it: a sink may not.
      wake = !live->too_long;
      live->too_long = true;
    } else if (!live->too_long) {
      message.content += content;
      message.reasoning += reasoning;
      if (!event.tool_calls.is_null()) message.tool_calls = std::move(event.tool_calls);
      if (!content.empty() || !reasoning.empty()) {
        if (!live->seconds) live->seconds = chats::Seconds{seconds_since(live->begun), 0};
        streams_.delta(live->person, live->tab, live->conversation, message.id, content, reasoning);
      }
    }
    if (event.finish == "length") message.state = "cut";
    if (event.usage)
      message.usage =
          chats::Usage{event.usage->prompt_tokens, event.usage->completion_tokens, event.usage->cached_tokens};
    if (event.ended) {
      if (event.error) {
        message.state = "failed";
        message.error = chats::plain_text(event.error->message);
      } else if (live->too_long) {
        message.state = "cut";
      } else if (message.state == "writing") {
        message.state = live->stopped ? "stopped" : "done";
      }
      message.seconds = live->seconds.value_or(chats::Seconds{seconds_since(live->begun), 0});
      message.seconds->total = seconds_since(live->begun);
      live->ended = wake = true;
      live->talking = nullptr;
    }
    live->changed = true;
  }
  if (!wake) return;
  std::lock_guard lock(mutex_);
  wake_ = true;
  changed_.notify_all();
}

std::vector<std::shared_ptr<Replies::Live>> Replies::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Live>> list;
  for (const auto& [id, live] : live_) list.push_back(live);
  return list;
}

void Replies::stop_where(const std::function<bool(const Live&)>& which) {
  for (const auto& live : all()) {
    if (!which(*live)) continue;
    std::shared_ptr<Talking> talking;
    {
      std::lock_guard lock(live->mutex);
      live->stopped = true;
      talking = live->talking;
    }
    if (talking) talking->cancel();
  }
}

void Replies::stop_message(const std::string& person, const std::string& message) {
  stop_where([&](const Live& live) { return live.person == person && live.message.id == message; });
}
void Replies::stop_conversation(const std::string& person, const std::string& conversation) {
  stop_where([&](const Live& live) { return live.person == person && live.conversation == conversation; });
}
void Replies::stop_person(const std::string& person) {
  stop_where([&](const Live& live) { return live.person == person; });
}

void Replies::send_snapshots(const std::string& person, const std::string& tab) {
  for (const auto& live : all()) {
    if (live->person != person || live->tab != tab) continue;
    std::lock_guard lock(live->mutex);
    if (live->ended) continue;  // `done` comes
    streams_.send(person, tab, "snapshot",
                  {{"conversation", live->conversation}, {"message", message_json(live->message, live->named)}}, false);
  }
}

std::optional<Message> Replies::under_way(const std::string& person, const std::string& message) {
  std::shared_ptr<Live> live;
  {
    std::lock_guard lock(mutex_);
    const auto found = live_.find(message);
    if (found == live_.end() || found->second->person != person) return std::nullopt;
    live = found->second;
  }
  std::lock_guard lock(live->mutex);
  Message now = live->message;
  // What is told to be at its end can be answered, exported and judged: then the store must have it.
  if (!live->kept) now.state = "writing", now.error.clear();
  return now;
}

bool Replies::save(Live& live) {
  Message message;
  bool ended = false, changed = false;
  std::shared_ptr<Talking> too_long;
  {
    std::lock_guard lock(live.mutex);
    ended = live.ended;
    if (live.too_long) too_long = live.talking;
    changed = live.changed && (ended || Clock::now() - live.saved >= limits_.save_every);
    if (changed) {
      live.changed = false;
      message = live.message;
    }
  }
  if (too_long) too_long->cancel();
  if (!changed) return false;
  live.saved = Clock::now();
  if (ended) {
    if (live.model_hash) message.model_hash = live.model_hash();
  } else {
    message.state = "writing";  // also where the last token has come and the end has not
  }
  const auto saved = chats_->save_reply(message);
  if (!saved.ok()) {
    log_warning("a reply could not be saved: {}", saved.error());
    std::lock_guard lock(live.mutex);
    live.changed = true;
    if (!ended || ++live.tries < kSaveTries) return false;
  }
  if (!ended) return false;
  {
    std::lock_guard lock(live.mutex);
    live.message = message;
    live.kept = true;
  }
  streams_.send(live.person, live.tab, "done",
                {{"conversation", live.conversation}, {"message", message_json(message, live.named)}});
  return true;
}

void Replies::run() {
  std::unique_lock lock(mutex_);
  const auto over = [this] { return closed_ && live_.empty() && places_.empty(); };
  while (!over()) {
    changed_.wait_for(lock, limits_.save_every, [&] { return wake_ || over(); });
    wake_ = false;
    lock.unlock();
    std::vector<std::shared_ptr<Live>> finished;
    for (const auto& live : all()) {
      if (save(*live)) finished.push_back(live);
    }
    lock.lock();
    for (const auto& live : finished) live_.erase(live->message.id);
    changed_.notify_all();
    lock.unlock();
    finished.clear();  // places are given back without the lock
    lock.lock();
  }
}

void Replies::stop(std::chrono::milliseconds grace) {
  {
    std::unique_lock lock(mutex_);
    if (!saver_.joinable()) return;
    stopping_ = true;
    changed_.wait_for(lock, grace, [this] { return live_.empty(); });
  }
  stop_where([](const Live&) { return true; });
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  saver_.join();
}

}  // namespace loquat::app
