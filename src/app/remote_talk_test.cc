// Models of other servers, against a small server of the test's own: events, errors, addresses that are not called.
#include "app/remote_talk.h"

#include <gmock/gmock.h>

#include "app/chat_test_server.h"
#include "app/remote_address.h"

namespace loquat::app {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// What came of a talk.
class Heard {
 public:
  TalkSink sink() {
    return [this](TalkEvent&& event) {
      std::lock_guard lock(mutex_);
      EXPECT_FALSE(ended_) << "an event after the last";
      content += event.content;
      reasoning += event.reasoning;
      if (!event.tool_calls.is_null()) tool_calls = event.tool_calls;
      if (!event.finish.empty()) finish = event.finish;
      if (event.usage) usage = event.usage;
      if (event.error) error = event.error;
      ended_ = event.ended;
      changed_.notify_all();
    };
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [this] { return ended_; });
  }
  bool wait_for_text(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return content.find(text) != std::string::npos; });
  }
  std::string content, reasoning, finish;
  Json tool_calls;
  std::optional<TalkUsage> usage;
  std::optional<serve::ApiError> error;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

std::string chunk(const Json& delta, const Json& finish = nullptr) {
  return "data: " + Json{{"choices", {{{"index", 0}, {"delta", delta}, {"finish_reason", finish}}}}}.dump() + "\n\n";
}

class RemoteTalkTest : public testing::Test {
 protected:
  RemoteTalkTest() {
    http::ServerOptions options;
    options.port = 0;
    auto server = http::Server::start(options, [this](http::Request&& request, std::shared_ptr<http::Reply> reply) {
      std::lock_guard lock(mutex_);
      ++requests;
      asked = request;
      answer(*reply);
      if (hold) held.push_back(reply);
    });
    CHECK(server.ok());
    server_ = *std::move(server);
    model.id = "far";
    model.model = "there";
    model.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1";
    model.key = "sk-secret";
    model.allow_private = true;
  }
  ~RemoteTalkTest() override { held.clear(); }
  void talk(Heard& heard) {
    talk_.start(model, {{"model", "far"}, {"messages", {{{"role", "user"}, {"content", "Hi"}}}}}, heard.sink());
    ASSERT_TRUE(heard.wait());
  }
  std::mutex mutex_;
  int requests = 0;
  bool hold = false;
  http::Request asked;
  std::function<void(http::Reply&)> answer;
  std::vector<std::shared_ptr<http::Reply>> held;
  RemoteModel model;
  std::unique_ptr<http::Server> server_;
  RemoteTalk talk_;
};

TEST_F(RemoteTalkTest, GivesTheSameEvents) {
  answer = [](http::Reply& reply) {
    reply.begin(200, {{"Content-Type", "text/event-stream"}});
    reply.write(": hello\r\n\r\n" + chunk({{"role", "assistant"}, {"content", ""}}) +
                chunk({{"reasoning_content", "Hm"}}));
    const std::string more = chunk({{"content", "Grüße 茶"}});
    for (const char byte : more) reply.write(std::string(1, byte));
    reply.write(chunk(
        {{"tool_calls", {{{"index", 0}, {"id", "c1"}, {"function", {{"name", "f"}, {"arguments", "{\"a\""}}}}}}}));
    reply.write(chunk({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", ":1}"}}}}}}}));
    reply.write(chunk(Json::object(), "tool_calls"));
    reply.write(
        "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,"
        "\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\ndata: [DONE]\n\n");
    reply.end();
  };
  Heard heard;
  talk(heard);
  EXPECT_FALSE(heard.error) << heard.error->message;
  EXPECT_EQ(heard.content, "Grüße 茶");
  EXPECT_EQ(heard.reasoning, "Hm");
  EXPECT_EQ(heard.finish, "tool_calls");
  EXPECT_EQ(heard.tool_calls, Json({{{"id", "c1"}, {"name", "f"}, {"arguments", "{\"a\":1}"}}}));
  EXPECT_EQ(heard.usage->cached_tokens, 2);
  EXPECT_EQ(asked.path, "/v1/chat/completions");
  EXPECT_EQ(asked.header("authorization"), "Bearer sk-secret");
  const Json body = Json::parse(asked.body);
  EXPECT_EQ(body["model"], "there");
  EXPECT_EQ(body["stream"], true);
}

TEST_F(RemoteTalkTest, ErrorsAreTold) {
  const auto error = [&](std::function<void(http::Reply&)> how) {
    answer = std::move(how);
    Heard heard;
    talk(heard);
    return heard.error ? heard.error->message : "no error";
  };
  EXPECT_EQ(error([](http::Reply& r) {
              r.send({429, {}, R"({"error":{"message":"Slow down","code":"x"}})"});
            }),
            "Slow down");
  EXPECT_THAT(error([](http::Reply& r) { r.send({500, {}, "<html>"}); }), HasSubstr("status 500"));
  EXPECT_THAT(error([](http::Reply& r) { r.send({200, {}, "{}"}); }), HasSubstr("middle"));
  EXPECT_THAT(error([](http::Reply& r) { r.send({200, {}, "data: nothing\n\n"}); }), HasSubstr("no JSON"));
  EXPECT_THAT(error([](http::Reply& r) {
                r.send({200, {}, "data: " + std::string(5'000'000, '[')});
              }),
              HasSubstr("long"));
  EXPECT_THAT(error([](http::Reply& r) {
                r.send({200, {}, "data: {\"a\":" + std::string(3'000, '[') + "\n\n"});
              }),
              HasSubstr("no JSON"));
  EXPECT_EQ(error([](http::Reply& r) { r.send({200, {}, "data: {\"error\":{\"message\":\"broke\"}}\n\n"}); }), "broke");
  EXPECT_THAT(error([](http::Reply& r) {
                r.begin(200, {});
                r.write(chunk({{"content", "half"}}));
                r.end();
              }),
              HasSubstr("middle"));
}

TEST_F(RemoteTalkTest, RedirectsAreNotFollowed) {
  answer = [&](http::Reply& reply) { reply.send({302, {{"Location", model.url + "/elsewhere"}}, ""}); };
  Heard heard;
  talk(heard);
  EXPECT_THAT(heard.error->message, HasSubstr("status 302"));
  EXPECT_EQ(requests, 1);
}

TEST_F(RemoteTalkTest, PrivateAddressesAreRefusedWhenTheNameHasBeenResolved) {
  answer = [](http::Reply& reply) { reply.send({200, {}, "data: [DONE]\n\n"}); };
  model.allow_private = false;
  for (const char* host : {"127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"}) {
    model.url = "http://" + std::string(host) + ":" + std::to_string(server_->port()) + "/v1";
    Heard heard;
    talk(heard);
    ASSERT_TRUE(heard.error) << host;
    EXPECT_EQ(heard.error->code, "address_refused") << host << ": " << heard.error->message;
  }
  EXPECT_EQ(requests, 0);
}

TEST_F(RemoteTalkTest, ATalkCanBeCancelled) {
  hold = true;
  answer = [](http::Reply& reply) {
    reply.begin(200, {});
    reply.write(chunk({{"content", "begun"}}));
  };
  Heard heard;
  const auto talking = talk_.start(model, {{"messages", Json::array()}}, heard.sink());
  ASSERT_TRUE(heard.wait_for_text("begun"));
  talking->cancel();
  ASSERT_TRUE(heard.wait());
  EXPECT_FALSE(heard.error);
  talking->cancel();
  // One that is not reached, and one whose server ends with calls under way.
  Heard last;
  {
    RemoteTalk other;
    other.start(model, {{"messages", Json::array()}}, last.sink());
    ASSERT_TRUE(last.wait_for_text("begun"));
  }
  EXPECT_TRUE(last.wait());
}

TEST_F(RemoteTalkTest, NobodyThereIsAnError) {
  server_.reset();
  Heard heard;
  talk(heard);
  EXPECT_THAT(heard.error->message, HasSubstr("cannot be reached"));
}

TEST(RemoteAddress, WhatIsPrivateIsNotCalled) {
  for (const char* address : {"93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"}) {
    EXPECT_TRUE(may_call(address, false)) << address;
    EXPECT_TRUE(may_call(address, true)) << address;
  }
  for (const char* address : {"10.1.2.3", "127.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1",
                              "::ffff:10.0.0.1", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(may_call(address, false)) << address;
    EXPECT_TRUE(may_call(address, true)) << address;
  }
  for (const char* address : {"169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
                              "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254", "", "x"}) {
    EXPECT_FALSE(may_call(address, false)) << address;
    EXPECT_FALSE(may_call(address, true)) << address;
  }
  EXPECT_EQ(*read_base_url("https://example.org/v1/"), "https://example.org/v1");
  EXPECT_EQ(*read_base_url("http://127.0.0.1:8000"), "http://127.0.0.1:8000");
  for (const char* url :
       {"", "example.org", "file:///etc/passwd", "gopher://x/", "ftp://x", "https://", "https://u@x/v1",
        "https://u:p@x", "https://x/?a", "https://x/#a", "https://x /v1", "https://x\r\nHost: y"})
    EXPECT_FALSE(read_base_url(url).ok()) << url;
}

}  // namespace
}  // namespace loquat::app
