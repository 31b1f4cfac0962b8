// Any bytes into a connection, in any pieces, with a client that takes its answers as slowly as it likes and may close:
// what comes back is whole HTTP answers, then at most one that a close has cut; nothing is left counted, nobody is told
// twice.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/connection.h"
#include "http/text.h"

namespace {

using namespace loquat;        // NOLINT
using namespace loquat::http;  // NOLINT

struct Wire {
  std::string sent;
  size_t room = 0;  // that the client takes at a time; 0: nothing for now
  bool paused = false, blocked = false, shut = false, closed = false;
};

class MemoryLink final : public Link {
 public:
  explicit MemoryLink(Wire& wire) : wire_(wire) {}
  std::optional<size_t> send(std::span<const std::string_view> parts) override {
    CHECK(!wire_.closed && !wire_.shut);
    size_t total = 0, taken = 0;
    for (const std::string_view part : parts) {
      total += part.size();
      const std::string_view now = part.substr(0, wire_.room - taken);
      wire_.sent += now;
      taken += now.size();
    }
    wire_.blocked = taken < total;
    return taken;
  }
  void pause_reading() override { wire_.paused = true; }
  void resume_reading() override { wire_.paused = false; }
  bool peer_closed() override { return false; }
  void shutdown_send() override { wire_.shut = true; }
  void close() override { wire_.closed = true; }

 private:
  Wire& wire_;
};

// Where another answer may begin, perhaps one that is cut.
bool begins_answer(std::string_view text) {
  return text.starts_with(std::string_view("HTTP/1.1 ").substr(0, text.size()));
}

// An answer's head and body at the front of `text` are taken away; false: it is not whole.
bool take_answer(std::string_view& text, bool may_be_head) {
  CHECK(begins_answer(text));
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  const std::string_view head = text.substr(0, end + 2);
  std::string_view rest = text.substr(end + 4);
  const std::string_view length_name = "\r\nContent-Length: ";
  if (const size_t at = head.find(length_name); at != std::string_view::npos) {
    size_t length = 0;
    std::from_chars(head.data() + at + length_name.size(), head.data() + head.size(), length);
    if (may_be_head && begins_answer(rest)) length = 0;
    if (rest.size() < length) return false;
    text = rest.substr(length);
    return true;
  }
  if (head.find("\r\nTransfer-Encoding: chunked\r\n") != std::string_view::npos) {
    if (may_be_head && begins_answer(rest)) {
      text = rest;
      return true;
    }
    while (true) {
      size_t size = 0;
      const auto [last, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size, 16);
      const auto digits = static_cast<size_t>(last - rest.data());
      if (rest.size() < digits + 2) return false;
      CHECK(error == std::errc() && rest.substr(digits, 2) == "\r\n");
      rest.remove_prefix(digits + 2);
      if (rest.size() < size + 2) return false;
      CHECK(rest.substr(size, 2) == "\r\n");
      rest.remove_prefix(size + 2);
      if (size == 0) break;
    }
    text = rest;
    return true;
  }
  text = head.starts_with("HTTP/1.1 100 ") ? rest : std::string_view();  // else: until the close
  return true;
}

// Answers as the path says: whole, in pieces, later, not at all.
class Harness {
 public:
  Harness() {
    hub_.options.body_bytes = 4096;
    hub_.options.bodies_bytes = 6000;
    hub_.options.header_bytes = 2048;
    hub_.options.header_fields = 20;
    hub_.options.target_bytes = 256;
    hub_.trusted = {*Cidr::parse("10.0.0.0/8")};
    hub_.post = [this](std::function<void()> f) { posted_.push_back(std::move(f)); };
    hub_.work = [this](Job job) { jobs_.push_back(std::move(job)); };
    hub_.phase_changed = [](Connection&, Phase) {};
    hub_.evict_other = [](const Connection&) { return false; };
    hub_.closed = [this](Connection&) { ++closed_; };
    connection_ = std::make_shared<Connection>(hub_, std::make_unique<MemoryLink>(wire_), "10.0.0.1", false);
  }

  ~Harness() {
    connection_->close();
    finish_later();
    run();
    CHECK(closed_ == 1 && wire_.closed);
    CHECK(told_gone_ <= asked_gone_);
    jobs_.clear();
    CHECK(hub_.received_bytes == 0);
    std::string_view text = wire_.sent;
    while (!text.empty() && take_answer(text, saw_head_)) {
    }
  }

  void bytes(std::string_view text) {
    if (connection_->closed() || wire_.paused) return;
    connection_->on_bytes(text);
    run();
  }

  void command(uint8_t code) {
    switch (code % 8) {
      case 0:
        wire_.room = 0;
        break;
      case 1:
        wire_.room = 7;
        break;
      case 2:
        wire_.room = 1 << 20;
        break;
      case 3:
        finish_later();
        break;
      case 4:
        connection_->tick(Clock::now() + std::chrono::seconds(code));
        break;
      case 5:
        if (code == 5) hub_.draining = true;
        break;
      case 6:
        if (code == 6 && !connection_->closed()) connection_->on_eof();
        break;
      default:
        break;
    }
    run();
    if (wire_.blocked && wire_.room > 0 && !connection_->closed()) connection_->on_writable();
    run();
  }

 private:
  void run() {
    while (!posted_.empty() || !jobs_.empty()) {
      if (!posted_.empty()) {
        const auto f = std::move(posted_.front());
        posted_.pop_front();
        f();
        continue;
      }
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      job.release();
      answer(std::move(job.request), make_reply(job.exchange));
    }
  }

  void answer(Request request, std::shared_ptr<Reply> reply) {
    CHECK(request.path.starts_with('/') && request.body.size() <= hub_.options.body_bytes);
    CHECK(request.headers.size() <= hub_.options.header_fields && !request.peer.empty());
    saw_head_ = saw_head_ || request.method == "GET";  // it may have been HEAD
    ++asked_gone_;
    reply->on_gone([this] { ++told_gone_; });
    const char how = request.path.size() > 1 ? request.path[1] : 'w';
    if (how == 'l') {
      later_.push_back(std::move(reply));
    } else if (how == 's') {
      reply->begin(200, {{"Content-Type", "text/event-stream"}});
      reply->write("data: one\n\n");
      reply->write("data: two\n\n");
      reply->end();
    } else if (how == 'n') {
      reply->send({204, {}, "none"});
    } else if (how != 'd') {
      reply->send({200, {{"X-Path", request.path}}, request.body});
    }
  }

  void finish_later() {
    for (const auto& reply : std::exchange(later_, {})) {
      reply->begin(200, {});
      reply->write("later");
      if (later_.size() % 2 == 0) reply->end();
    }
  }

  Hub hub_;
  Wire wire_;
  std::deque<std::function<void()>> posted_;
  std::deque<Job> jobs_;
  std::vector<std::shared_ptr<Reply>> later_;
  int closed_ = 0, asked_gone_ = 0, told_gone_ = 0;
  bool saw_head_ = false;
  std::shared_ptr<Connection> connection_;
};

}  // namespace

// The bytes are the client's; a byte 0xff is followed by a command (a pause, a slow client, a close), and cuts the
// pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  Harness harness;
  harness.command(2);
  while (!input.empty()) {
    const size_t mark = std::min(input.find('\xff'), input.size());
    if (mark > 0) harness.bytes(input.substr(0, mark));
    if (mark + 1 < input.size()) harness.command(static_cast<uint8_t>(input[mark + 1]));
    input.remove_prefix(std::min(mark + 2, input.size()));
  }
  harness.command(2);
  harness.command(3);
  return 0;
}
