// What the API's tests have in common: one server with fakes, requests to it, and its answers taken apart.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api/fakes.h"
#include "serve/api/json.h"

namespace loquat::serve::api {

struct Event {
  std::string name;  // of the line "event:", or ""
  std::string data;
  Json json() const { return Json::parse(data, nullptr, false); }
};

// Each event's lines are "event: NAME" (or none) and "data: TEXT", then an empty line: anything else gives one of the
// name "broken".
inline std::vector<Event> events_of(std::string_view body) {
  std::vector<Event> events;
  while (!body.empty()) {
    const size_t end = body.find("\n\n");
    if (end == std::string_view::npos) return {{"broken", std::string(body)}};
    std::string_view block = body.substr(0, end);
    body.remove_prefix(end + 2);
    Event event;
    if (block.starts_with("event: ")) {
      event.name = block.substr(7, block.find('\n') - 7);
      block.remove_prefix(std::min(block.size(), block.find('\n') + 1));
    }
    if (!block.starts_with("data: ") || block.find('\n') != std::string_view::npos)
      return {{"broken", std::string(block)}};
    event.data = block.substr(6);
    events.push_back(std::move(event));
  }
  return events;
}

class FakeMeter : public Meter {
 public:
  std::optional<ApiError> reserve(const Caller&, int64_t tokens) override {
    if (refuse) return ApiError{429, "Too many tokens.", "rate_limit_exceeded", "", "rate_limit_exceeded", 0.25};
    reserved.push_back(tokens);
    return std::nullopt;
  }
  void settle(const Caller&, int64_t tokens, int64_t prompt, int64_t completion) override {
    settled.push_back({tokens, prompt, completion});
  }
  http::Headers headers(const Caller&) override { return {{"x-ratelimit-limit-requests", "60"}}; }
  bool refuse = false;
  std::vector<int64_t> reserved;
  std::vector<std::array<int64_t, 3>> settled;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    options_.log = [this](const std::string& line) { log.push_back(line); };
  }
  // A fake keeps its calls, and with them their sinks, which keep the server, which keeps the fake.
  ~ApiTest() override { backend->talker->calls.clear(); }

  std::shared_ptr<FakeReply> request(const std::string& method, const std::string& path, const std::string& body = "") {
    if (!api_) api_ = std::make_unique<Api>(backend, meter, options_);
    auto reply = std::make_shared<FakeReply>();
    http::Request request;
    request.method = method;
    request.path = path;
    request.body = body;
    api_->handle(std::move(request), reply, caller);
    return reply;
  }
  std::shared_ptr<FakeReply> post(const std::string& path, const Json& body) {
    return request("POST", path, dump(body));
  }

  static Json json(const std::shared_ptr<FakeReply>& reply) { return Json::parse(reply->body, nullptr, false); }
  // "STATUS CODE PARAM" of an error, which has all four fields.
  static std::string error(const std::shared_ptr<FakeReply>& reply) {
    const Json body = json(reply);
    if (!body.is_object() || !body.contains("error"))
      return std::to_string(reply->status) + " no error: " + reply->body;
    const Json& error = body["error"];
    for (const char* name : {"message", "type", "param", "code"}) {
      if (!error.contains(name)) return std::string("no field ") + name;
    }
    if (error["message"].get<std::string>().empty()) return "no message";
    const auto text = [&](const char* name) { return error[name].is_null() ? "null" : error[name].get<std::string>(); };
    return std::to_string(reply->status) + " " + text("code") + " " + text("param");
  }

  std::shared_ptr<FakeBackend> backend = std::make_shared<FakeBackend>();
  std::shared_ptr<FakeMeter> meter = std::make_shared<FakeMeter>();
  Caller caller{"key_1", "tenant_1", true};
  std::vector<std::string> log;
  ApiOptions options_;

 private:
  std::unique_ptr<Api> api_;
};

}  // namespace loquat::serve::api
