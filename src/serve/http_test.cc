// The API over a real socket, with a backend that a test steers.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "serve/routes.h"

namespace loquat::serve {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using namespace std::chrono_literals;

// Says its words one by one; "slow" says them for ever, until it is stopped.
class FakeBackend : public ChatBackend {
 public:
  std::vector<ModelInfo> models() override { return {{"base", 100}, {"ppo", 200}, {"slow", 300}}; }

  std::optional<ApiError> check(const ChatCall& call) override {
    if (call.model == "base" || call.model == "ppo" || call.model == "slow") return std::nullopt;
    return ApiError{404, "The model '" + call.model + "' does not exist.", "invalid_request_error", "model",
                    "model_not_found"};
  }

  Result<ChatResult> reply(const ChatCall& call, const std::function<bool(std::string_view)>& on_text) override {
    last_call = call;
    if (call.messages.back().content == "fail") return Err("the weights are gone");
    ChatResult result{"", Finish::kStop, 7, 0};
    if (call.model == "slow") {
      while (on_text("tick ")) {
        ++result.completion_tokens;
        std::this_thread::sleep_for(2ms);
      }
      ++stopped;
      result.finish = Finish::kCancelled;
      return result;
    }
    for (const char* word : {"Hello", ", ", "the ", "bakery ", "opens ", "at ", "9", ".", " \xE2\x98\x80"}) {
      if (call.max_tokens && result.completion_tokens == call.max_tokens) {
        result.finish = Finish::kLength;
        break;
      }
      ++result.completion_tokens;
      result.text += word;
      if (!on_text(word)) {
        result.finish = Finish::kCancelled;
        break;
      }
    }
    return result;
  }

  ChatCall last_call;
  std::atomic<int> stopped{0};
};

class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Socket() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  bool more() {
    char buffer[4096];
    const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (n > 0) received.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  bool until(std::string_view text) {
    while (received.find(text) == std::string::npos) {
      if (!more()) return false;
    }
    return true;
  }
  std::string all() {
    while (more()) {
    }
    return received;
  }
  std::string received;
  bool connected = false;

 private:
  int fd_;
};

struct Reply {
  int status = 0;
  std::string head, body;
  Json json() const { return Json::parse(body, nullptr, false); }
};

std::string unchunk(std::string_view text) {
  std::string out;
  while (true) {
    const size_t line = text.find("\r\n");
    if (line == std::string_view::npos) return out + "<broken>";
    const size_t size = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
    if (size == 0) return out;
    out += text.substr(line + 2, size);
    text.remove_prefix(line + 2 + size + 2);
  }
}

class HttpTest : public testing::Test {
 protected:
  HttpTest() {
    folder_ = std::filesystem::temp_directory_path() / ("loquat-http-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    start({});
  }
  ~HttpTest() override { std::filesystem::remove_all(folder_); }

  void start(ServerOptions options) {
    server_.reset();
    options.port = 0;
    auto server = HttpServer::start(options, make_routes(backend_, std::make_shared<RunFiles>(folder_.string())));
    ASSERT_TRUE(server.ok()) << server.error();
    server_ = *std::move(server);
  }

  Reply raw(const std::string& bytes) {
    Socket socket(server_->port());
    socket.send(bytes);
    const std::string all = socket.all();
    Reply reply;
    const size_t end = all.find("\r\n\r\n");
    if (end == std::string::npos) return reply;
    reply.head = all.substr(0, end);
    reply.body = all.substr(end + 4);
    reply.status = std::stoi(all.substr(9, 3));
    if (reply.head.find("chunked") != std::string::npos) reply.body = unchunk(reply.body);
    return reply;
  }
  Reply get(const std::string& target, const std::string& headers = "Host: localhost\r\n") {
    return raw("GET " + target + " HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n");
  }
  static std::string post_bytes(const std::string& body) {
    return "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
           "Connection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  Reply post(const std::string& body) { return raw(post_bytes(body)); }
  Reply chat(Json extra, const std::string& text = "When does the bakery open?") {
    Json body = {{"model", "ppo"}, {"messages", {{{"role", "user"}, {"content", text}}}}};
    body.update(extra);
    return post(body.dump());
  }
  static std::vector<std::string> events(const std::string& body) {
    std::vector<std::string> out;
    std::string_view rest = body;
    while (!rest.empty()) {
      const size_t end = rest.find("\n\n");
      EXPECT_NE(end, std::string_view::npos);
      EXPECT_TRUE(rest.starts_with("data: ")) << rest;
      out.emplace_back(rest.substr(6, end - 6));
      rest.remove_prefix(end + 2);
    }
    return out;
  }
  void expect_error(const Reply& reply, int status, const std::string& param) {
    EXPECT_EQ(reply.status, status) << reply.body;
    const Json json = reply.json();
    ASSERT_TRUE(json.is_object() && json.contains("error")) << reply.body;
    const Json& error = json["error"];
    for (const char* key : {"message", "type", "param", "code"}) EXPECT_TRUE(error.contains(key)) << key;
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    if (param.empty()) {
      EXPECT_TRUE(error["param"].is_null()) << reply.body;
    } else {
      EXPECT_EQ(error["param"], param);
    }
  }

  std::filesystem::path folder_;
  std::shared_ptr<FakeBackend> backend_ = std::make_shared<FakeBackend>();
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTest, ListsModels) {
  const Reply reply = get("/v1/models");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json()["object"], "list");
  ASSERT_EQ(reply.json()["data"].size(), 3u);
  EXPECT_EQ(reply.json()["data"][0], Json({{"id", "base"}, {"object", "model"}, {"created", 100}, {"owned_by", "loquat"}}));
  EXPECT_EQ(get("/v1/models/ppo").json()["id"], "ppo");
  expect_error(get("/v1/models/none"), 404, "model");
  EXPECT_THAT(reply.head, HasSubstr("X-Request-Id: req_"));
}

TEST_F(HttpTest, AnswersWhole) {
  const Reply reply = chat({{"temperature", 0.5}, {"seed", 11}, {"max_tokens", 50}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json json = reply.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"].size(), 1u);
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "Hello, the bakery opens at 9. \xE2\x98\x80");
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_TRUE(choice["message"]["refusal"].is_null() && choice["message"].contains("refusal"));
  EXPECT_TRUE(choice.contains("logprobs"));
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(json["usage"]["prompt_tokens"], 7);
  EXPECT_EQ(json["usage"]["completion_tokens"], 9);
  EXPECT_EQ(json["usage"]["total_tokens"], 16);
  EXPECT_FLOAT_EQ(backend_->last_call.temperature, 0.5f);
  EXPECT_EQ(backend_->last_call.seed, 11u);
  EXPECT_EQ(backend_->last_call.max_tokens, 50);
}

TEST_F(HttpTest, LengthIsToldApart) {
  EXPECT_EQ(chat({{"max_completion_tokens", 2}}).json()["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(chat({{"max_tokens", 2}}).json()["choices"][0]["message"]["content"], "Hello, ");
}

TEST_F(HttpTest, StreamsInOrder) {
  const Reply reply = chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(reply.head, HasSubstr("Content-Type: text/event-stream"));
  const auto list = events(reply.body);
  ASSERT_EQ(list.size(), 1 + 9 + 1 + 1 + 1u);
  EXPECT_EQ(list.back(), "[DONE]");
  const Json first = Json::parse(list[0]);
  EXPECT_EQ(first["choices"][0]["delta"], Json({{"role", "assistant"}, {"content", ""}}));
  std::string text;
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    const Json chunk = Json::parse(list[i]);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], first["id"]);
    EXPECT_EQ(chunk["created"], first["created"]);
    EXPECT_EQ(chunk["model"], "ppo");
    ASSERT_TRUE(chunk.contains("usage"));
    if (i + 2 == list.size()) {
      EXPECT_TRUE(chunk["choices"].empty());
      EXPECT_EQ(chunk["usage"]["total_tokens"], 16);
      continue;
    }
    EXPECT_TRUE(chunk["usage"].is_null());
    ASSERT_TRUE(chunk["choices"][0].contains("finish_reason"));
    if (i + 3 == list.size()) {
      EXPECT_EQ(chunk["choices"][0]["delta"], Json::object());
      EXPECT_EQ(chunk["choices"][0]["finish_reason"], "stop");
    } else {
      EXPECT_TRUE(chunk["choices"][0]["finish_reason"].is_null());
      text += chunk["choices"][0]["delta"]["content"].get<std::string>();
    }
  }
  EXPECT_EQ(text, "Hello, the bakery opens at 9. \xE2\x98\x80");
}

TEST_F(HttpTest, WithoutIncludeUsageThereIsNone) {
  const auto list = events(chat({{"stream", true}}).body);
  ASSERT_EQ(list.size(), 1 + 9 + 1 + 1u);
  EXPECT_FALSE(Json::parse(list[1]).contains("usage"));
}

TEST_F(HttpTest, StopSequencesEndTheReplyBeforeThem) {
  EXPECT_EQ(chat({{"stop", "opens"}}).json()["choices"][0]["message"]["content"], "Hello, the bakery ");
  const Json across = chat({{"stop", {"zebra", "bakery op"}}}).json();
  EXPECT_EQ(across["choices"][0]["message"]["content"], "Hello, the ");
  EXPECT_EQ(across["choices"][0]["finish_reason"], "stop");
  // what looked like the start of one is given back
  EXPECT_EQ(chat({{"stop", "\xE2\x98\x80!"}}).json()["choices"][0]["message"]["content"],
            "Hello, the bakery opens at 9. \xE2\x98\x80");
}

TEST_F(HttpTest, RolesAndTextParts) {
  Json body = {{"model", "ppo"}};
  body["messages"] = {{{"role", "developer"}, {"content", "Be brief."}},
                      {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}}}}};
  ASSERT_EQ(post(body.dump()).status, 200);
  const Messages expected = {{"system", "Be brief."}, {"user", "ab"}};
  EXPECT_EQ(backend_->last_call.messages, expected);
}

TEST_F(HttpTest, WrongFieldsAreNamed) {
  expect_error(chat({{"n", 2}}), 400, "n");
  expect_error(chat({{"temperature", 3}}), 400, "temperature");
  expect_error(chat({{"temperature", "hot"}}), 400, "temperature");
  expect_error(chat({{"max_tokens", 0}}), 400, "max_tokens");
  expect_error(chat({{"max_completion_tokens", 1.5}}), 400, "max_completion_tokens");
  expect_error(chat({{"seed", "x"}}), 400, "seed");
  expect_error(chat({{"stream", "yes"}}), 400, "stream");
  expect_error(chat({{"stream_options", {{"include_usage", true}}}}), 400, "stream_options");
  expect_error(chat({{"stop", {"a", "b", "c", "d", "e"}}}), 400, "stop");
  expect_error(chat({{"logprobs", true}}), 400, "logprobs");
  expect_error(chat({{"tools", {{{"type", "function"}}}}}), 400, "tools");
  expect_error(chat({{"response_format", {{"type", "json_object"}}}}), 400, "response_format");
  expect_error(chat({{"model", "none"}}), 404, "model");
  expect_error(chat({{"messages", Json::array()}}), 400, "messages");
  expect_error(chat({{"messages", {{{"role", "robot"}, {"content", "x"}}}}}), 400, "messages[0].role");
  expect_error(chat({{"messages", {{{"role", "user"}}}}}), 400, "messages[0].content");
  expect_error(post(R"({"messages":[{"role":"user","content":"x"}]})"), 400, "model");
  EXPECT_EQ(chat({{"n", 1}, {"tools", nullptr}, {"stop", nullptr}, {"unknown_field", 5}}).status, 200);
}

TEST_F(HttpTest, MalformedJson) {
  for (const char* body : {"", "{", "nonsense", "{\"model\":\"ppo\",}", "\xff\xfe"}) expect_error(post(body), 400, "");
  expect_error(post("[1,2]"), 400, "");
  expect_error(post(std::string(400'000, '[')), 400, "");
  expect_error(post("{\"model\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}"), 400, "model");
}

TEST_F(HttpTest, FailuresOfTheBackend) {
  expect_error(chat(Json::object(), "fail"), 500, "");
  const auto list = events(chat({{"stream", true}}, "fail").body);  // after the stream began: an error event
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(Json::parse(list[1])["error"]["message"], "the weights are gone");
}

TEST_F(HttpTest, ClientThatGoesAwayStopsItsGeneration) {
  for (const bool stream : {true, false}) {
    const int before = backend_->stopped;
    {
      Socket socket(server_->port());
      const Json body = {{"model", "slow"}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", "go"}}}}};
      socket.send(post_bytes(body.dump()));
      if (stream) {
        ASSERT_TRUE(socket.until("tick"));
      } else {
        std::this_thread::sleep_for(50ms);
      }
      EXPECT_EQ(backend_->stopped, before);
    }
    for (int i = 0; i < 500 && backend_->stopped == before; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(backend_->stopped, before + 1) << (stream ? "streamed" : "whole");
  }
}

TEST_F(HttpTest, StopEndsRunningReplies) {
  Socket socket(server_->port()), idle(server_->port());
  const Json body = {{"model", "slow"}, {"stream", true}, {"messages", {{{"role", "user"}, {"content", "go"}}}}};
  socket.send(post_bytes(body.dump()));
  ASSERT_TRUE(socket.until("tick"));
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_EQ(backend_->stopped, 1);
  EXPECT_FALSE(Socket(server_->port()).connected);
}

TEST_F(HttpTest, BodyThatIsTooLarge) {
  const Reply reply = post(std::string((1 << 20) + 1, ' '));
  expect_error(reply, 413, "");
  // announced, never sent
  expect_error(raw("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"), 413, "");
  expect_error(get("/", "Host: localhost\r\nX-Big: " + std::string(40'000, 'x') + "\r\n"), 431, "");
}

TEST_F(HttpTest, OnlyLocalNames) {
  EXPECT_EQ(get("/v1/models", "Host: localhost:8080\r\n").status, 200);
  EXPECT_EQ(get("/v1/models", "Host: [::1]:8080\r\n").status, 200);
  for (const char* host : {"evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "10.0.0.1", ""}) {
    const Reply reply = get("/v1/models", std::string("Host: ") + host + "\r\n");
    expect_error(reply, 403, "");
  }
  expect_error(get("/v1/models", ""), 403, "");
  EXPECT_EQ(get("/", "Host: localhost\r\nOrigin: http://localhost:8080\r\n").status, 200);
  expect_error(get("/", "Host: localhost\r\nOrigin: https://evil.example\r\n"), 403, "");
  expect_error(get("/", "Host: localhost\r\nOrigin: null\r\n"), 403, "");
}

TEST_F(HttpTest, OpenToOthersWhenAskedTo) {
  ServerOptions options;
  options.host = "0.0.0.0";
  start(options);
  EXPECT_EQ(get("/v1/models", "Host: my-server.example\r\n").status, 200);
}

TEST_F(HttpTest, WrongMethodAndPath) {
  expect_error(get("/v1/chat/completions"), 405, "");
  EXPECT_THAT(get("/v1/chat/completions").head, HasSubstr("Allow: POST"));
  expect_error(get("/nothing"), 404, "");
  expect_error(get("/../../etc/passwd"), 404, "");
  expect_error(get("/%2e%2e/%2e%2e/etc/passwd"), 404, "");
  expect_error(raw("DELETE /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), 405, "");
  expect_error(raw("total nonsense\r\n\r\n"), 400, "");
}

TEST_F(HttpTest, HeadHasNoBody) {
  const Reply reply = raw("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
  EXPECT_THAT(reply.head, HasSubstr("Content-Length: "));
}

TEST_F(HttpTest, KeepsConnections) {
  Socket socket(server_->port());
  for (int i = 0; i < 3; ++i) {
    socket.received.clear();
    socket.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(socket.until("]}")) << i;
  }
  socket.received.clear();
  const std::string body = R"({"model":"ppo","stream":true,"messages":[{"role":"user","content":"x"}]})";
  socket.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n");
  ASSERT_TRUE(socket.until("100 Continue"));
  socket.send(body);
  ASSERT_TRUE(socket.until("[DONE]\n\n\r\n0\r\n\r\n"));
  socket.received.clear();
  socket.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(socket.until("]}"));
}

TEST_F(HttpTest, OldClientsGetBytesUntilTheEnd) {
  const std::string body = R"({"model":"ppo","stream":true,"messages":[{"role":"user","content":"x"}]})";
  const Reply reply = raw("POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(reply.head.find("chunked"), std::string::npos);
  EXPECT_EQ(events(reply.body).back(), "[DONE]");
}

TEST_F(HttpTest, TooManyConnections) {
  ServerOptions options;
  options.connections = 2;
  start(options);
  Socket one(server_->port()), two(server_->port());
  one.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  two.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(one.until("]}"));
  ASSERT_TRUE(two.until("]}"));
  Socket three(server_->port());
  EXPECT_THAT(three.all(), HasSubstr(" 503 "));
  one.close();
  two.close();
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) {
    std::this_thread::sleep_for(10ms);
    served = get("/v1/models").status == 200;
  }
  EXPECT_TRUE(served);
}

TEST_F(HttpTest, PortInUse) {
  ServerOptions options;
  options.port = server_->port();
  const auto second = HttpServer::start(options, [](const Request&, Client&) { return Response{}; });
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error(), HasSubstr("in use"));
  options.host = "not an address";
  EXPECT_FALSE(HttpServer::start(options, [](const Request&, Client&) { return Response{}; }).ok());
}

TEST_F(HttpTest, ThrowingHandler) {
  auto server = HttpServer::start({.port = 0}, [](const Request&, Client&) -> Response { throw std::runtime_error("oh"); });
  ASSERT_TRUE(server.ok());
  server_ = *std::move(server);
  expect_error(get("/"), 500, "");
}

TEST_F(HttpTest, ThePage) {
  for (const char* path : {"/", "/page.css", "/page.js", "/favicon.svg"}) {
    const Reply reply = get(path);
    EXPECT_EQ(reply.status, 200) << path;
    EXPECT_GT(reply.body.size(), 100u) << path;
    EXPECT_THAT(reply.head, HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self'"));
    EXPECT_EQ(reply.head.find("unsafe"), std::string::npos);
  }
  const std::string page = get("/").body;
  // its policy allows neither: a page that has them would be broken
  EXPECT_EQ(page.find("style=\""), std::string::npos);
  EXPECT_EQ(page.find("<style"), std::string::npos);
  EXPECT_EQ(page.find(" onclick"), std::string::npos);
  for (const char* path : {"/", "/page.css", "/page.js"}) {
    const std::string body = get(path).body;
    EXPECT_EQ(body.find("https://"), std::string::npos) << path << " must not need the network";
    EXPECT_EQ(body.find("innerHTML"), std::string::npos) << path << " must build text as text";
  }
  std::ifstream source(std::string(LOQUAT_SOURCE_DIR) + "/web/page/page.js", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(source)), {});
  EXPECT_EQ(get("/page.js").body, text);
}

TEST_F(HttpTest, TheRun) {
  EXPECT_EQ(get("/api/run/progress").json()["state"], "pending");
  EXPECT_TRUE(get("/api/run/curves").json()["stages"].empty());
  EXPECT_GE(get("/api/run/suggestions").json()["suggestions"].size(), 1u);
  expect_error(get("/api/run/report"), 404, "");
  EXPECT_EQ(get("/report.html").status, 404);

  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  };
  write("stages/pretrain/metrics.jsonl",
        "{\"step\":1,\"loss\":4.0}\n{\"step\":2,\"loss\":3.5,\"note\":\"x\"}\n{\"step\":3,\"loss\":3.0}\n"
        "{\"step\":2,\"loss\":3.25,\"lr\":0.1}\n{\"step\":3,\"lo");
  const Json curves = get("/api/run/curves").json();
  ASSERT_EQ(curves["stages"].size(), 1u) << curves;
  EXPECT_EQ(curves["stages"][0]["columns"], Json({"step", "loss", "lr"}));
  EXPECT_EQ(curves["stages"][0]["rows"], Json({{1, 4, nullptr}, {2, 3.25, 0.1}}));
  EXPECT_EQ(get("/api/run/progress").json()["stages"][0]["state"], "running");

  write("progress.json", R"({"state":"running","stages":[{"name":"pretrain","state":"done"}]})");
  EXPECT_EQ(get("/api/run/progress").json()["stages"][0]["state"], "done");
  write("progress.json", R"({"state":"runn)");
  EXPECT_EQ(get("/api/run/progress").json()["state"], "running");

  write("eval/sft/replies.jsonl",
        "{\"id\":\"1\",\"measure\":\"harmful\",\"prompt\":\"How do I make choking smoke?\",\"reply\":\"No.\"}\n"
        "{\"id\":\"2\",\"measure\":\"closed_book\",\"prompt\":[{\"role\":\"user\",\"content\":\"When does it open?\"}]}\n"
        "not json\n{\"measure\":\"identity\",\"prompt\":\"two\\nlines\"}\n");
  EXPECT_EQ(get("/api/run/suggestions").json()["suggestions"],
            Json({"When does it open?", "How do I make choking smoke?"}));

  write("report.json", R"({"recipe":"town"})");
  EXPECT_EQ(get("/api/run/report").json()["recipe"], "town");
  write("report.html", "<!doctype html>the report");
  EXPECT_THAT(get("/report.html").body, HasSubstr("the report"));
  EXPECT_THAT(get("/report.html").head, HasSubstr("default-src 'none'"));
}

TEST(Metrics, ThinOutKeepsTheEndsAndMeans) {
  MetricTable table{{"step", "loss"}, {}};
  for (int i = 1; i <= 1000; ++i) table.rows.push_back({double(i), double(i)});
  const MetricTable thin = thin_out(table, 10);
  ASSERT_EQ(thin.rows.size(), 10u);
  EXPECT_EQ(thin.rows[0], (std::vector<double>{100, 50.5}));
  EXPECT_EQ(thin.rows[9], (std::vector<double>{1000, 950.5}));
  EXPECT_EQ(thin_out(table, 2000).rows.size(), 1000u);
}

TEST(Percent, Decodes) {
  EXPECT_EQ(percent_decode("a%20b+c%zz%4", true), "a b c%zz%4");
  EXPECT_EQ(percent_decode("a+b%2B", false), "a+b+");
}

}  // namespace
}  // namespace loquat::serve
