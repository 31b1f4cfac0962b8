// A request of this process to itself: no socket, the API's events read as they are written.
#include <atomic>
#include <mutex>

#include "app/run_routes.h"
#include "app/talk.h"

namespace loquat::app {
namespace {

class LocalTalk final : public Talking {
 public:
  explicit LocalTalk(TalkSink sink) : sink_(std::move(sink)) {}

  void cancel() override {
    gone_ = true;
    std::function<void()> tell;
    {
      std::lock_guard lock(mutex_);
      tell.swap(on_gone_);
    }
    if (tell) tell();  // may bring the reply's end, and with it calls of this class
    end(std::nullopt);
  }

  bool write(std::string_view bytes) {
    std::lock_guard lock(mutex_);
    if (gone_ || ended_) return false;
    if (reader_.feed(bytes, sink_)) return true;
    end_locked(reader_.error());
    gone_ = true;
    return false;
  }

  void end(std::optional<serve::ApiError> error) {
    std::lock_guard lock(mutex_);
    end_locked(std::move(error));
  }

  // The API has let go of the answer, or says that it is whole.
  void finish() {
    std::lock_guard lock(mutex_);
    if (reader_.done() || gone_) return end_locked(std::nullopt);
    end_locked(serve::ApiError{503, "The reply was cut.", "server_error", "", "cut"});
  }

  bool gone() const { return gone_; }

  void on_gone(std::function<void()> f) {
    {
      std::lock_guard lock(mutex_);
      if (ended_) return;
      if (!gone_) {
        on_gone_ = std::move(f);
        return;
      }
    }
    f();
  }

 private:
  void end_locked(std::optional<serve::ApiError> error) {
    if (ended_) return;
    ended_ = true;
    TalkEvent event;
    event.ended = true;
    event.error = std::move(error);
    sink_(std::move(event));
    sink_ = nullptr;
  }

  std::mutex mutex_;
  TalkSink sink_;
  ChatEventReader reader_;
  std::function<void()> on_gone_;
  std::atomic<bool> gone_{false};
  bool ended_ = false;
};

// The API's end of it.
class LocalReply final : public http::Reply {
 public:
  explicit LocalReply(std::shared_ptr<LocalTalk> talk) : talk_(std::move(talk)) {}
  ~LocalReply() override { talk_->finish(); }
  void send(http::Response response) override { talk_->end(error_of(response.status, response.body)); }
  void begin(int, http::Headers) override {}
  bool write(std::string bytes) override { return talk_->write(bytes); }
  void end() override { talk_->finish(); }
  size_t waiting() const override { return 0; }
  bool gone() const override { return talk_->gone(); }
  void on_gone(std::function<void()> f) override { talk_->on_gone(std::move(f)); }

 private:
  const std::shared_ptr<LocalTalk> talk_;
};

class LocalTalks final : public Talk {
 public:
  LocalTalks(std::shared_ptr<serve::api::Api> api, bool join_caches)
      : api_(std::move(api)), join_caches_(join_caches) {}

  std::shared_ptr<Talking> start(nlohmann::json body, const std::string& person, TalkSink sink) override {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    http::Request request;
    request.method = "POST";
    request.path = "/v1/chat/completions";
    request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    auto talk = std::make_shared<LocalTalk>(std::move(sink));
    // No key: what a person of the page uses counts against nobody's key.
    const serve::Caller caller{"", tenant_of(person, join_caches_), false};
    api_->handle(std::move(request), std::make_shared<LocalReply>(talk), caller);
    return talk;
  }

 private:
  const std::shared_ptr<serve::api::Api> api_;
  const bool join_caches_;
};

}  // namespace

std::shared_ptr<Talk> make_local_talk(std::shared_ptr<serve::api::Api> api, bool join_caches) {
  return std::make_shared<LocalTalks>(std::move(api), join_caches);
}

}  // namespace loquat::app
