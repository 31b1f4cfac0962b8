#include "load/http_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

namespace loquat::load {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Takes an answer in pieces: its head, its chunks, the events within.
class AnswerReader {
 public:
  enum class State { kMore, kDone, kBroken };

  State feed(std::string_view bytes) {
    raw_ += bytes;
    if (!head_done_ && !take_head()) return state_;
    while (state_ == State::kMore && take_chunk()) {
    }
    return state_;
  }
  bool head_done() const { return head_done_; }
  int status() const { return status_; }
  uint64_t hash() const { return text_hash(text_); }

 private:
  bool take_head() {
    const size_t end = raw_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (raw_.size() > 12) status_ = std::atoi(raw_.c_str() + 9);
    if (status_ != 200 || raw_.substr(0, end).find("Transfer-Encoding: chunked") == std::string::npos) {
      state_ = State::kBroken;
      return false;
    }
    raw_.erase(0, end + 4);
    head_done_ = true;
    return true;
  }

  bool take_chunk() {
    const size_t line = raw_.find("\r\n");
    if (line == std::string::npos) return false;
    char* last = nullptr;
    const size_t size = std::strtoul(raw_.c_str(), &last, 16);
    if (last != raw_.c_str() + line) {
      state_ = State::kBroken;
      return false;
    }
    if (raw_.size() < line + 2 + size + 2) return false;
    events_.append(raw_, line + 2, size);
    raw_.erase(0, line + 2 + size + 2);
    take_events();
    if (size == 0) state_ = State::kDone;
    return true;
  }

  void take_events() {
    size_t begin = 0;
    for (size_t end; (end = events_.find("\n\n", begin)) != std::string::npos; begin = end + 2) {
      std::string_view event = std::string_view(events_).substr(begin, end - begin);
      if (!event.starts_with("data: ")) continue;
      event.remove_prefix(6);
      if (event == "[DONE]") continue;
      const auto json = nlohmann::json::parse(event, nullptr, false);
      if (json.is_discarded()) {
        text_ += event;
      } else if (const auto content = nlohmann::json::json_pointer("/choices/0/delta/content");
                 json.contains(content) && json[content].is_string()) {
        text_ += json[content].get<std::string>();
      } else if (json.contains("error")) {
        state_ = State::kBroken;
      }
    }
    events_.erase(0, begin);
  }

  std::string raw_, events_, text_;
  bool head_done_ = false;
  int status_ = 0;
  State state_ = State::kMore;
};

struct Peer {
  int fd = -1;
  bool slow = false;
  size_t number = 0;
  std::string out;
  size_t sent = 0;
  Clock::time_point begin;
  AnswerReader reader;
  ~Peer() {
    if (fd >= 0) ::close(fd);
  }
};

class Load {
 public:
  Load(const Plan& plan, const std::function<void(const Outcome&)>& also) : plan_(plan), also_(also) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(static_cast<uint16_t>(plan.port));
    ::inet_pton(AF_INET, plan.host.c_str(), &address_.sin_addr);
  }
  ~Load() {
    peers_.clear();
    ::close(epoll_);
  }

  Outcome run() {
    for (size_t i = 0; i < plan_.slow; ++i) open_slow();
    const size_t wanted = plan_.requests > 0 ? plan_.requests : plan_.streams;
    const auto may_begin = [&] { return plan_.seconds > 0 ? since(begin_) < plan_.seconds : begun_ < wanted; };
    auto last_tenth = Clock::now();
    while (true) {
      while (streams_ < plan_.streams && may_begin()) open_stream();
      if (streams_ == 0 && !may_begin() && since(begin_) >= plan_.seconds) break;
      wait();
      if (also_) also_(outcome_);
      if (since(last_tenth) < 0.1) continue;
      last_tenth = Clock::now();
      every_tenth();
    }
    outcome_.seconds = since(begin_);
    for (const auto& [fd, peer] : peers_) outcome_.slow_open += peer->slow;
    return outcome_;
  }

 private:
  std::string request(size_t n) const {
    const std::string body = plan_.body(n);
    return "POST " + plan_.path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + plan_.headers +
           "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  Peer* open() {
    auto peer = std::make_unique<Peer>();
    peer->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (peer->fd < 0) return nullptr;
    if (::connect(peer->fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0 &&
        errno != EINPROGRESS) {
      return nullptr;
    }
    peer->begin = Clock::now();
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    event.data.fd = peer->fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer->fd, &event);
    Peer* const raw = peer.get();
    peers_[raw->fd] = std::move(peer);
    return raw;
  }

  void open_slow() {
    if (Peer* const peer = open()) {
      peer->slow = true;
      peer->out = "POST " + plan_.path + " HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    }
  }

  void open_stream() {
    const size_t number = begun_++;
    if (Peer* const peer = open()) {
      peer->number = number;
      peer->out = request(number);
      ++streams_;
    } else {
      failed("no connection");
    }
  }

  void failed(const std::string& kind) {
    ++outcome_.errors;
    ++outcome_.error_kinds[kind];
  }

  void end(Peer& peer, const char* error = nullptr) {
    if (peer.slow) {
      ++outcome_.slow_closed;
      reopen_ += plan_.reopen_slow;
    } else {
      --streams_;
      with_head_ -= peer.reader.head_done();
      if (error) {
        failed(peer.reader.status() > 200 ? "status " + std::to_string(peer.reader.status()) : error);
      } else {
        ++outcome_.done;
        outcome_.hashes[peer.number] = peer.reader.hash();
      }
    }
    peers_.erase(peer.fd);
  }

  void wait() {
    std::array<epoll_event, 512> events;
    const int n = ::epoll_wait(epoll_, events.data(), events.size(), 20);
    for (int i = 0; i < n; ++i) {
      const auto found = peers_.find(events[static_cast<size_t>(i)].data.fd);
      if (found == peers_.end()) continue;
      const uint32_t what = events[static_cast<size_t>(i)].events;
      if ((what & EPOLLOUT) && !write(*found->second)) continue;
      if (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read(*found->second);
    }
  }

  bool write(Peer& peer) {
    while (peer.sent < peer.out.size()) {
      const ssize_t n = ::send(peer.fd, peer.out.data() + peer.sent, peer.out.size() - peer.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return true;
      if (n <= 0) {
        end(peer, "cut while sending");
        return false;
      }
      peer.sent += static_cast<size_t>(n);
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = peer.fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, peer.fd, &event);
    return true;
  }

  void read(Peer& peer) {
    char buffer[65536];
    while (true) {
      const ssize_t n = ::recv(peer.fd, buffer, sizeof(buffer), 0);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return end(peer, "cut before the end");
      if (peer.slow) continue;
      outcome_.bytes += static_cast<size_t>(n);
      const bool had_head = peer.reader.head_done();
      const auto state = peer.reader.feed({buffer, static_cast<size_t>(n)});
      if (!had_head && peer.reader.head_done()) {
        outcome_.most_open = std::max(outcome_.most_open, ++with_head_);
        outcome_.first_byte_max = std::max(outcome_.first_byte_max, since(peer.begin));
      }
      if (state == AnswerReader::State::kDone) return end(peer);
      if (state == AnswerReader::State::kBroken) return end(peer, "not the answer of a stream");
    }
  }

  void every_tenth() {
    std::vector<Peer*> late;
    const bool send_slow = since(last_slow_) >= plan_.slow_bytes_every;
    if (send_slow) last_slow_ = Clock::now();
    for (const auto& [fd, peer] : peers_) {
      if (!peer->slow && since(peer->begin) > plan_.stream_seconds) late.push_back(peer.get());
      // What the server has closed is seen by read().
      if (peer->slow && send_slow && peer->sent == peer->out.size()) (void)!::send(fd, "x", 1, MSG_NOSIGNAL);
    }
    for (Peer* const peer : late) end(*peer, "took too long");
    for (; reopen_ > 0; --reopen_) open_slow();
  }

  const Plan& plan_;
  const std::function<void(const Outcome&)>& also_;
  const int epoll_ = ::epoll_create1(0);
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point last_slow_ = Clock::now();
  sockaddr_in address_{};
  std::unordered_map<int, std::unique_ptr<Peer>> peers_;
  size_t begun_ = 0, streams_ = 0, with_head_ = 0, reopen_ = 0;
  Outcome outcome_;
};

}  // namespace

uint64_t text_hash(const std::string& text) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

Outcome run_load(const Plan& plan, const std::function<void(const Outcome&)>& also) {
  return Load(plan, also).run();
}

size_t raise_open_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

}  // namespace loquat::load
