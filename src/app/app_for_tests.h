// For tests of the page's API: a real App in team mode on a SQLite file of its own, asked without sockets, as any
// person; and one that chats with fake models.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include "app/app.h"
#include "app/people_desk.h"
#include "app/session_door.h"
#include "serve/api/fakes.h"

namespace loquat::app {

// Keeps what was answered; a stream's first piece counts as its answer.
class KeptReply final : public http::Reply {
 public:
  void send(http::Response response) override {
    std::lock_guard lock(mutex_);
    response_ = std::move(response);
    answered_ = true;
    changed_.notify_all();
  }
  void begin(int status, http::Headers headers) override { send({status, std::move(headers), ""}); }
  bool write(std::string) override { return false; }
  void end() override {}
  size_t waiting() const override { return 0; }
  bool gone() const override { return false; }
  void on_gone(std::function<void()>) override {}

  http::Response wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return answered_; })) << "no answer came";
    return response_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool answered_ = false;
  http::Response response_;
};

inline nlohmann::json json_of(const http::Response& response) {
  return nlohmann::json::parse(response.body, nullptr, false);
}

inline std::string header_in(const http::Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

// "name=value" of the first cookie that is set.
inline std::string cookie_in(const http::Response& response) {
  const std::string all = header_in(response, "Set-Cookie");
  return all.substr(0, all.find(';'));
}

class TeamApp : public testing::Test {
 protected:
  TeamApp() {
    char pattern[] = "/tmp/loquat-app-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    options_.database = folder_ + "/app.db";
    options_.accounts = true;
    options_.password_cost = people::kCheapForTests;
    options_.clock = [this] { return now_; };
  }
  ~TeamApp() override {
    app_.reset();
    std::filesystem::remove_all(folder_);
  }
  void SetUp() override { start(); }
  void start() {
    app_.reset();
    auto started = App::start(options_);
    ASSERT_TRUE(started.ok()) << started.error();
    app_ = *std::move(started);
  }
  PeopleDesk& desk() { return app_->people(); }

  // Somebody new, by an invitation.
  people::Person person(unsigned roles, const std::string& name = "Ada") {
    const std::string email = "p" + std::to_string(++people_) + "@example.org";
    const auto made = desk().invitations.make({.roles = roles}, 7);
    EXPECT_TRUE(made.ok());
    const auto hash = desk().passwords->hash(kPassword);
    const auto joined = desk().accounts.join(made->token, email, name, *hash);
    EXPECT_TRUE(joined.ok() && joined->refusal == people::Accounts::Refusal::kNone);
    return joined->value;
  }
  std::string session_of(const people::Person& person) { return *desk().sessions->start(person.id); }

  // As the page asks: from its own origin and, within a session ("" none), with the session's csrf.
  static http::Request request(const std::string& method, const std::string& target, const std::string& session = "",
                               const nlohmann::json& body = nullptr) {
    http::Request request;
    request.method = method;
    const size_t mark = target.find('?');
    request.path = "/api/app" + target.substr(0, mark);
    for (size_t at = mark; at != std::string::npos;) {
      const size_t end = target.find('&', at + 1), equals = target.find('=', at);
      request.query[target.substr(at + 1, equals - at - 1)] =
          target.substr(equals + 1, end == std::string::npos ? end : end - equals - 1);
      at = end;
    }
    request.peer = "192.0.2.1";
    request.headers = {{"host", "loquat.example.org"}};
    if (method != "GET") request.headers["origin"] = "http://loquat.example.org";
    if (!body.is_null()) request.body = body.dump();
    if (!session.empty()) {
      request.headers["cookie"] = "loquat=" + session;
      request.headers["x-loquat-csrf"] = people::csrf_token(session);
    }
    return request;
  }
  http::Response ask(http::Request request) {
    const auto reply = std::make_shared<KeptReply>();
    app_->router().handle(std::move(request), reply);
    return reply->wait();
  }
  http::Response ask(const std::string& method, const std::string& target, const std::string& session = "",
                     const nlohmann::json& body = nullptr) {
    return ask(request(method, target, session, body));
  }

  static constexpr const char* kPassword = "correct horse battery";
  std::string folder_;
  int64_t now_ = 1'700'000'000;
  AppOptions options_;
  std::unique_ptr<App> app_;
  int people_ = 0;
};

class TeamChats : public TeamApp {
 protected:
  void SetUp() override {
    options_.run_folder = folder_;
    options_.datasets = folder_ + "/datasets";
    TeamApp::SetUp();
    serve::api::ApiOptions api;
    api.log = [](const std::string&) {};
    const Status chats = app_->start_chats(std::make_shared<serve::api::Api>(models_, nullptr, api), models_, false);
    ASSERT_TRUE(chats.ok()) << chats.error();
  }
  ~TeamChats() override {
    if (app_) app_->stop({});
    app_.reset();
    // A fake keeps its calls, and with them their sinks, which keep the API, which keeps the fake.
    models_->talker->calls.clear();
    models_->embedder->calls.clear();
  }

  const std::shared_ptr<serve::api::FakeBackend> models_ = std::make_shared<serve::api::FakeBackend>();
};

}  // namespace loquat::app
