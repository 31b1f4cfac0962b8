#include "http/exchange.h"

#include <utility>

#include "http/text.h"

namespace loquat::http {

void Exchange::wake_locked() {
  if (woken_ || !wake_) return;
  woken_ = true;
  wake_();
}

// What is under way may be stuck: the connection looks at this before it sends.
void Exchange::cut_locked() {
  cut_ = true;
  body_.clear();
  woken_ = false;
  wake_locked();
}

void Exchange::send(Response response) {
  std::function<void()> released;  // what it holds may end with it: not under the lock
  std::lock_guard lock(mutex_);
  if (started_) return;
  started_ = whole_ = ended_ = true;
  released.swap(on_gone_);
  if (gone_) return;
  length_ = response.body.size();
  if (!head_only_) body_ = std::move(response.body);
  start_ = std::move(response);
  wake_locked();
}

void Exchange::begin(int status, Headers headers) {
  std::lock_guard lock(mutex_);
  if (started_) return;
  started_ = true;
  if (gone_) return;
  start_ = Response{status, std::move(headers), ""};
  wake_locked();
}

bool Exchange::write(std::string bytes) {
  std::lock_guard lock(mutex_);
  if (gone_ || cut_ || !started_ || ended_) return false;
  if (bytes.empty() || head_only_) return true;
  if (body_.size() + bytes.size() + in_flight_ > most_waiting_) {
    cut_locked();
    return false;
  }
  if (body_.empty()) {
    body_ = std::move(bytes);
  } else {
    body_ += bytes;
  }
  wake_locked();
  return true;
}

void Exchange::end() {
  std::function<void()> released;
  std::lock_guard lock(mutex_);
  if (!started_ || ended_) return;
  ended_ = true;
  released.swap(on_gone_);
  wake_locked();
}

size_t Exchange::waiting() const {
  std::lock_guard lock(mutex_);
  return gone_ ? 0 : body_.size() + in_flight_;
}

void Exchange::on_gone(std::function<void()> f) {
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

void Exchange::drop() {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  if (!started_) {
    lock.unlock();
    send(error_response(500, "The server gave no answer."));
    return;
  }
  ended_ = true;
  cut_locked();
}

void Exchange::fail(const std::string& message) {
  send(error_response(500, "The server failed: " + message));
  drop();  // where an answer had begun, it is not whole
}

Exchange::Batch Exchange::take() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  Batch batch;
  batch.start = std::exchange(start_, std::nullopt);
  batch.whole = whole_;
  batch.length = length_;
  batch.body = std::exchange(body_, {});
  batch.ended = ended_;
  in_flight_ = batch.body.size();
  return batch;
}

void Exchange::detach(bool finished) {
  std::function<void()> call, wake;
  {
    std::lock_guard lock(mutex_);
    wake.swap(wake_);
    if (gone_ || finished) return;
    gone_ = true;
    body_ = {};
    start_.reset();
    call.swap(on_gone_);
  }
  if (call) call();
}

namespace {

class ExchangeReply final : public Reply {
 public:
  explicit ExchangeReply(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~ExchangeReply() override { exchange_->drop(); }
  void send(Response response) override { exchange_->send(std::move(response)); }
  void begin(int status, Headers headers) override { exchange_->begin(status, std::move(headers)); }
  bool write(std::string bytes) override { return exchange_->write(std::move(bytes)); }
  void end() override { exchange_->end(); }
  size_t waiting() const override { return exchange_->waiting(); }
  bool gone() const override { return exchange_->gone(); }
  void on_gone(std::function<void()> f) override { exchange_->on_gone(std::move(f)); }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::shared_ptr<Reply> make_reply(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<ExchangeReply>(std::move(exchange));
}

}  // namespace loquat::http
