// The answer to one request between the handler's threads, which fill it through Reply, and the connection's thread,
// which empties it onto the wire. Pieces that are written while others are under way are sent together.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "http/http.h"

namespace loquat::http {

// All calls from any thread, save those of the connection's part.
class Exchange {
 public:
  // `wake`: called (with no more than this exchange locked) when there is something to take; it must only pass that on.
  // `most_waiting`: a handler that lets more bytes than these wait for a client loses the client.
  Exchange(std::function<void()> wake, bool head_only, size_t most_waiting)
      : wake_(std::move(wake)), head_only_(head_only), most_waiting_(most_waiting) {}

  // The handler's part: as Reply says. Calls out of order are passed over.
  void send(Response response);
  void begin(int status, Headers headers);
  bool write(std::string bytes);
  void end();
  size_t waiting() const;
  bool gone() const { return gone_; }
  void on_gone(std::function<void()> f);
  void drop();                            // the Reply is gone: 500, or the connection is cut
  void fail(const std::string& message);  // the handler threw

  // The connection's part.
  struct Batch {
    std::optional<Response> start;  // the status and headers, once; its body is in `body`
    bool whole = false;             // with `start`: the body is all there, its length can be said
    std::string body;
    size_t length = 0;   // with `whole`: the body's length, also where HEAD leaves it out
    bool ended = false;  // nothing follows
  };
  bool cut() const { return cut_; }  // the connection must be cut, whatever is under way
  Batch take();
  void set_in_flight(size_t bytes) { in_flight_ = bytes; }
  // The client is gone, or (finished) has its whole answer: nothing is woken any more.
  void detach(bool finished);

 private:
  void wake_locked();
  void cut_locked();

  mutable std::mutex mutex_;
  std::function<void()> wake_;
  const bool head_only_;
  const size_t most_waiting_;
  std::optional<Response> start_;
  std::string body_;
  size_t length_ = 0;
  bool started_ = false, whole_ = false, ended_ = false, woken_ = false;
  std::atomic<bool> cut_{false};
  std::function<void()> on_gone_;
  std::atomic<bool> gone_{false};
  std::atomic<size_t> in_flight_{0};
};

std::shared_ptr<Reply> make_reply(std::shared_ptr<Exchange> exchange);

}  // namespace loquat::http
