// For the tests of this folder: a blocking client over a real socket, and a server whose handler a test steers.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "http/server.h"

namespace loquat::http {

using Json = nlohmann::json;
using namespace std::chrono_literals;

class Socket {
 public:
  explicit Socket(int port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reset() {  // closes with RST
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }
  bool send(std::string_view bytes, int flags = 0) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  bool more() {
    char buffer[16384];
    const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (n > 0) received.append(buffer, static_cast<size_t>(n));
    timed_out = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return n > 0;
  }
  bool until(std::string_view text) {
    while (received.find(text) == std::string::npos) {
      if (!more()) return false;
    }
    return true;
  }
  std::string all() {  // until the server closes
    while (more()) {
    }
    EXPECT_FALSE(timed_out) << "the connection stays open";
    return received;
  }

  std::string received;
  bool connected = false;
  bool timed_out = false;

 private:
  int fd_;
};

struct Answer {
  int status = 0;
  std::string head, body;
  Json json() const { return Json::parse(body, nullptr, false); }
};

inline std::string unchunk(std::string_view text) {
  std::string out;
  while (true) {
    const size_t line = text.find("\r\n");
    if (line == std::string_view::npos) return out + "<broken>";
    const size_t size = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
    if (size == 0) return out;
    if (text.size() < line + 2 + size + 2) return out + "<broken>";
    out += text.substr(line + 2, size);
    text.remove_prefix(line + 2 + size + 2);
  }
}

inline Answer parse_answer(const std::string& all) {
  Answer answer;
  const size_t end = all.find("\r\n\r\n");
  if (end == std::string::npos || !all.starts_with("HTTP/1.1 ")) return answer;
  answer.head = all.substr(0, end + 2);
  answer.body = all.substr(end + 4);
  answer.status = std::stoi(all.substr(9, 3));
  if (answer.head.find("Transfer-Encoding: chunked") != std::string::npos) answer.body = unchunk(answer.body);
  return answer;
}

inline void expect_error(const Answer& answer, int status) {
  EXPECT_EQ(answer.status, status) << answer.head << answer.body;
  const Json json = answer.json();
  ASSERT_TRUE(json.is_object() && json.contains("error")) << answer.body;
  for (const char* key : {"message", "type", "param", "code"}) EXPECT_TRUE(json["error"].contains(key)) << key;
  EXPECT_FALSE(json["error"]["message"].get<std::string>().empty());
  EXPECT_NE(answer.head.find("\r\nx-request-id: req_"), std::string::npos) << answer.head;
}

// Answers /echo (what it was asked, as JSON), /stream (pieces), /throw, /drop and /half itself; keeps all others in
// `held` for the test to answer.
class ServerTest : public testing::Test {
 protected:
  ServerTest() { start({}); }
  ~ServerTest() override {
    held_.clear();
    server_.reset();
  }

  void start(ServerOptions options) {
    server_.reset();
    options.port = 0;
    auto server = Server::start(options, [this](Request&& request, std::shared_ptr<Reply> reply) {
      handle(std::move(request), std::move(reply));
    });
    ASSERT_TRUE(server.ok()) << server.error();
    server_ = *std::move(server);
  }

  void handle(Request&& request, std::shared_ptr<Reply> reply) {
    if (request.path == "/throw") throw std::runtime_error("oh");
    if (request.path == "/drop") return;
    if (request.path == "/half" || request.path == "/stream") {
      reply->begin(200, {{"Content-Type", "text/event-stream"}});
      for (int i = 0; i < 100; ++i) reply->write("data: " + std::to_string(i) + "\n\n");
      if (request.path == "/stream") reply->end();
      return;
    }
    if (request.path.starts_with("/echo")) {
      const Json json = {{"method", request.method},
                         {"path", request.path},
                         {"query", request.query},
                         {"peer", request.peer},
                         {"secure", request.secure},
                         {"bytes", request.body.size()},
                         {"body", request.body.substr(0, 100)},
                         {"headers", request.headers}};
      return reply->send({200, {{"Content-Type", "application/json"}}, json.dump()});
    }
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(reply));
    arrived_.notify_all();
  }

  // The next request's reply that the test answers.
  std::shared_ptr<Reply> next_held() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, 20s, [this] { return !held_.empty(); })) {
      ADD_FAILURE() << "no request came";
      return nullptr;
    }
    auto reply = std::move(held_.front());
    held_.pop_front();
    return reply;
  }

  Answer raw(const std::string& bytes) {
    Socket socket(server_->port());
    socket.send(bytes);
    return parse_answer(socket.all());
  }
  static std::string get_bytes(const std::string& target, const std::string& headers = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
  }
  static std::string post_bytes(const std::string& target, const std::string& body, const std::string& headers = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  Answer get(const std::string& target, const std::string& headers = "") {
    return raw(get_bytes(target, headers + "Connection: close\r\n"));
  }
  Answer post(const std::string& target, const std::string& body) {
    return raw(post_bytes(target, body, "Connection: close\r\n"));
  }
  static bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
    return holds();
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<Reply>> held_;
  std::unique_ptr<Server> server_;
};

// Becomes true when a reply's client is gone.
class Flag {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    ++calls_;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [this] { return calls_ > 0; });
  }
  int calls() {
    std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
};

}  // namespace loquat::http
