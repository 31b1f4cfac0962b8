// For tests of the chat page's side: a real HTTP server over the page's routes and the API's fakes, people by a header,
// and a reader of a tab's stream.
#pragma once

#include "app/chat_routes.h"
#include "http/test_client.h"
#include "serve/api/fakes.h"

namespace loquat::app {

using Got = http::Answer;
using http::Json;
using http::Socket;

// Whoever names themselves in x-person is let in.
class NamedDoor final : public Door {
 public:
  std::variant<people::Person, serve::ApiError> who(const http::Request& request) override {
    const std::string& name = request.header("x-person");
    if (name.empty() || name == gone) return people::Person{};
    return people::Person{name, name, "", name == "boss" ? people::kEveryRole : unsigned{people::kUser}};
  }
  std::string gone;  // whose sessions have ended; set while no request is under way
};

struct SseEvent {
  std::string name;
  Json data;
};

// A tab's stream as it comes.
class TabReader {
 public:
  TabReader(int port, const std::string& person, const std::string& tab, int receive_buffer = 0)
      : socket_(port, receive_buffer) {
    socket_.send("GET /api/app/stream?tab=" + tab + " HTTP/1.1\r\nHost: localhost\r\nx-person: " + person + "\r\n\r\n");
  }
  // The next event; one of the name "" where the stream has ended.
  SseEvent next() {
    while (true) {
      if (const size_t end = text_.find("\n\n"); end != std::string::npos) {
        const std::string block = text_.substr(0, end);
        text_.erase(0, end + 2);
        if (block.starts_with(":")) {
          ++comments;
          continue;
        }
        const size_t line = block.find('\n');
        return {block.substr(7, line - 7), Json::parse(block.substr(line + 7), nullptr, false)};
      }
      if (!read()) return {};
    }
  }
  SseEvent until(const std::string& name) {
    while (true) {
      SseEvent event = next();
      if (event.name == name || event.name.empty()) return event;
    }
  }
  std::string head() {
    while (head_.empty() && read()) {
    }
    return head_;
  }
  // Reads until a comment has come.
  bool until_comment() {
    while (comments == 0) {
      if (const size_t at = text_.find(": alive\n\n"); at != std::string::npos) return true;
      if (!read()) return false;
    }
    return true;
  }
  Socket& socket() { return socket_; }
  int comments = 0;

 private:
  bool read() {
    if (ended_ || !socket_.more()) return false;
    std::string& raw = socket_.received;
    if (head_.empty()) {
      const size_t end = raw.find("\r\n\r\n");
      if (end == std::string::npos) return true;
      head_ = raw.substr(0, end);
      raw.erase(0, end + 4);
    }
    while (true) {  // whole chunks
      const size_t line = raw.find("\r\n");
      if (line == std::string::npos) return true;
      const size_t size = std::stoul(raw.substr(0, line), nullptr, 16);
      if (raw.size() < line + 2 + size + 2) return true;
      text_ += raw.substr(line + 2, size);
      raw.erase(0, line + 2 + size + 2);
      ended_ = ended_ || size == 0;
    }
  }

  Socket socket_;
  std::string head_, text_;
  bool ended_ = false;
};

class ChatServerTest : public testing::Test {
 protected:
  ChatServerTest() { start(); }
  ~ChatServerTest() override {
    stop();
    // A fake keeps its calls, and with them their sinks, which keep the server, which keeps the fake.
    backend_->talker->calls.clear();
  }

  void start(const StreamLimits& streams = {}, const ReplyLimits& replies = {}) {
    stop();
    auto opened = database::Database::open(folder_ / "app.db");
    ASSERT_TRUE(opened.ok()) << opened.error();
    serve::api::ApiOptions options;
    options.log = [](const std::string&) {};
    auto api = std::make_shared<serve::api::Api>(backend_, nullptr, options);
    auto desk = ChatDesk::open(*opened, api, backend_, false, secret_of(*opened), streams, replies);
    ASSERT_TRUE(desk.ok()) << desk.error();
    desk_ = *desk;
    router_ = std::make_unique<Router>(door_);
    add_model_routes(*router_, desk_);
    add_chat_routes(*router_, desk_);
    add_transfer_routes(*router_, desk_);
    http::ServerOptions http;
    http.port = 0;
    auto server = http::Server::start(http, [this](http::Request&& request, std::shared_ptr<http::Reply> reply) {
      router_->handle(std::move(request), std::move(reply));
    });
    ASSERT_TRUE(server.ok()) << server.error();
    server_ = *std::move(server);
  }
  void stop(std::chrono::milliseconds grace = {}) {
    if (!server_) return;
    std::thread pages([&] { desk_->stop(grace); });
    server_->drain(grace + std::chrono::seconds(10));  // no longer than until the streams have ended
    pages.join();
    server_.reset();
    router_.reset();
    desk_.reset();
  }

  Got ask(const std::string& method, const std::string& path, const Json& body = nullptr,
          const std::string& person = "ada") {
    const std::string text = body.is_null() ? "" : body.dump();
    Socket socket(server_->port());
    socket.send(method + " /api/app" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-person: " +
                person + "\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
    return http::parse_answer(socket.all());
  }
  std::string new_chat(const Json& body = Json::object(), const std::string& person = "ada") {
    const Got made = ask("POST", "/conversations", body, person);
    EXPECT_EQ(made.status, 200) << made.body;
    return made.json().value("id", "");
  }
  Json say(const std::string& conversation, const std::string& content, const Json& more = Json::object()) {
    Json body = {{"parent", nullptr}, {"content", content}, {"tab", "tab1"}};
    body.update(more);
    const Got answer = ask("POST", "/conversations/" + conversation + "/messages", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  }
  // The message as the store has it, once it is no longer being written.
  Json finished(const std::string& conversation, const std::string& message) {
    for (int i = 0; i < 2000; ++i) {
      const Json shown = ask("GET", "/conversations/" + conversation).json();
      for (const Json& one : shown["messages"]) {
        if (one["id"] == message && one["state"] != "writing") return one;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "the reply does not end";
    return {};
  }
  serve::api::FakeModel& talker() { return *backend_->talker; }
  serve::api::FakeModel::Call& call(size_t i) { return talker().calls.at(i); }

  TestFolder folder_;
  std::shared_ptr<serve::api::FakeBackend> backend_ = std::make_shared<serve::api::FakeBackend>();
  const std::shared_ptr<NamedDoor> door_ = std::make_shared<NamedDoor>();
  std::shared_ptr<ChatDesk> desk_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace loquat::app
