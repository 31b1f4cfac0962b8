#include "app/remote_talk.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <mutex>
#include <thread>

#include "app/remote_address.h"
#include "base/check.h"

namespace loquat::app {
namespace {

constexpr size_t kMostErrorBytes = 64 << 10;

std::string address_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof(text));
  }
  return text;
}

struct HandleEnd {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListEnd {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

// Only the thread touches it, save `cancelled`.
struct RemoteCall {
  RemoteModel model;
  std::string body;
  TalkSink sink;
  ChatEventReader reader;
  std::string error_body;
  std::atomic<bool> cancelled{false};
  bool refused_address = false, broken = false;
  std::unique_ptr<curl_slist, ListEnd> headers;
  std::unique_ptr<CURL, HandleEnd> handle;  // goes first

  long status() const {
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  static size_t on_bytes(char* bytes, size_t size, size_t count, void* self) {
    auto& call = *static_cast<RemoteCall*>(self);
    const size_t n = size * count;
    if (call.cancelled) return 0;
    if (call.status() != 200) {
      call.error_body.append(bytes, std::min(n, kMostErrorBytes - std::min(kMostErrorBytes, call.error_body.size())));
      return n;
    }
    call.broken = !call.reader.feed({bytes, n}, call.sink);
    return call.broken ? 0 : n;
  }

  // Called with the address that the name stands for, just before the connection is made to this very address.
  static curl_socket_t on_socket(void* self, curlsocktype purpose, curl_sockaddr* address) {
    auto& call = *static_cast<RemoteCall*>(self);
    if (purpose != CURLSOCKTYPE_IPCXN || !may_call(address_text(&address->addr), call.model.allow_private)) {
      call.refused_address = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<RemoteCall*>(self)->cancelled ? 1 : 0;
  }

  void set_up(const RemoteLimits& limits) {
    handle.reset(curl_easy_init());
    CHECK(handle, "libcurl gives no handle");
    const auto header = [&](const std::string& line) {
      headers.reset(curl_slist_append(headers.release(), line.c_str()));
    };
    header("Content-Type: application/json");
    header("Accept: text/event-stream");
    header("Expect:");
    if (!model.key.empty()) header("Authorization: Bearer " + model.key);
    CURL* h = handle.get();
    curl_easy_setopt(h, CURLOPT_URL, (model.url + "/chat/completions").c_str());
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");  // the environment's would resolve names itself
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_FRESH_CONNECT,
                     1L);  // another call's connection went to an address that is not looked at
    curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, limits.connect_seconds);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, limits.silent_seconds);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, limits.total_seconds);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "loquat");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, this);
  }

  void end(std::optional<serve::ApiError> error) {
    TalkEvent event;
    event.ended = true;
    event.error = std::move(error);
    sink(std::move(event));
    sink = nullptr;
  }

  std::optional<serve::ApiError> outcome(CURLcode code) const {
    const auto failed = [&](int status, const std::string& what, const char* name) {
      return serve::ApiError{status, fmt::format("The server of '{}' {}", model.id, what), "server_error", "", name};
    };
    if (cancelled) return std::nullopt;
    if (refused_address && code != CURLE_OK)
      return failed(502, "is at an address of a private network, which its entry does not allow.", "address_refused");
    if (broken) return reader.error();
    if (code == CURLE_OPERATION_TIMEDOUT) return failed(504, "took too long.", "timeout");
    if (code != CURLE_OK)
      return failed(502, fmt::format("cannot be reached: {}.", curl_easy_strerror(code)), "unreachable");
    if (status() != 200) return error_of(static_cast<int>(status()), error_body);
    if (!reader.done()) return failed(502, "ended in the middle of its reply.", "cut");
    return std::nullopt;
  }
};

struct RemoteTalk::Impl {
  explicit Impl(const RemoteLimits& given) : limits(given) {
    static const bool kReady = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    CHECK(kReady, "libcurl does not start");
    multi = curl_multi_init();
    CHECK(multi != nullptr, "libcurl does not start");
    thread = std::thread([this] { run(); });
  }
  ~Impl() {
    stopping = true;
    wake();
    thread.join();
    curl_multi_cleanup(multi);
  }
  void wake() { curl_multi_wakeup(multi); }

  void run() {
    std::list<std::shared_ptr<RemoteCall>> calls;
    while (true) {
      {
        std::lock_guard lock(mutex);
        for (auto& call : added) {
          call->set_up(limits);
          curl_easy_setopt(call->handle.get(), CURLOPT_PRIVATE, call.get());
          curl_multi_add_handle(multi, call->handle.get());
          calls.push_back(std::move(call));
        }
        added.clear();
        count = calls.size();
      }
      int running = 0;
      curl_multi_perform(multi, &running);
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        if (message->msg == CURLMSG_DONE) finish(calls, message->easy_handle, message->data.result);
      }
      for (auto at = calls.begin(); at != calls.end();) {
        const auto call = *at++;
        if (stopping) call->cancelled = true;
        if (call->cancelled) finish(calls, call->handle.get(), CURLE_ABORTED_BY_CALLBACK);
      }
      if (stopping && calls.empty()) {
        std::lock_guard lock(mutex);
        if (added.empty()) return;
        continue;
      }
      curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }

  void finish(std::list<std::shared_ptr<RemoteCall>>& calls, CURL* handle, CURLcode code) {
    const auto at = std::find_if(calls.begin(), calls.end(), [&](const auto& c) { return c->handle.get() == handle; });
    CHECK(at != calls.end(), "a call that nobody made");
    const std::shared_ptr<RemoteCall> call = *at;
    calls.erase(at);
    const auto outcome = call->outcome(code);
    curl_multi_remove_handle(multi, handle);
    call->handle.reset();
    call->end(outcome);
  }

  const RemoteLimits limits;
  CURLM* multi = nullptr;
  std::mutex mutex;
  std::vector<std::shared_ptr<RemoteCall>> added;
  size_t count = 0;
  std::atomic<bool> stopping{false};
  std::thread thread;
};

namespace {

class RemoteTalking final : public Talking {
 public:
  RemoteTalking(std::shared_ptr<RemoteCall> call, std::function<void()> wake)
      : call_(std::move(call)), wake_(std::move(wake)) {}
  void cancel() override {
    call_->cancelled = true;
    wake_();
  }

 private:
  const std::shared_ptr<RemoteCall> call_;
  const std::function<void()> wake_;
};

}  // namespace

RemoteTalk::RemoteTalk(const RemoteLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RemoteTalk::~RemoteTalk() = default;

std::shared_ptr<Talking> RemoteTalk::start(const RemoteModel& model, nlohmann::json request, TalkSink sink) {
  request["model"] = model.model;
  request["stream"] = true;
  request["stream_options"] = {{"include_usage", true}};
  auto call = std::make_shared<RemoteCall>();
  call->model = model;
  call->body = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  call->sink = std::move(sink);
  bool room = false;
  {
    std::lock_guard lock(impl_->mutex);
    room = impl_->count + impl_->added.size() < impl_->limits.at_once && !impl_->stopping;
    if (room) impl_->added.push_back(call);
  }
  if (!room) call->end(serve::server_is_busy());
  impl_->wake();
  return std::make_shared<RemoteTalking>(call, [impl = impl_.get()] { impl->wake(); });
}

}  // namespace loquat::app
