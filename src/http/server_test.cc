// The server over real sockets: requests, answers, clients that go away, draining.
#include "http/server.h"

#include <atomic>

#include "http/test_client.h"
#include "http/text.h"

namespace loquat::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(ServerTest, Answers) {
  const Answer answer =
      get("/echo/a%20b+c?x=1&y=a+b%2B&x=2&flag&=v", "X-One: 1\r\nx-one: 2\r\nCookie: a=1\r\nCookie: b=2\r\n");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json json = answer.json();
  EXPECT_EQ(json["method"], "GET");
  EXPECT_EQ(json["path"], "/echo/a b+c");
  EXPECT_EQ(json["query"], Json({{"x", "2"}, {"y", "a b+"}, {"flag", ""}, {"", "v"}}));
  EXPECT_EQ(json["headers"]["x-one"], "1, 2");
  EXPECT_EQ(json["headers"]["cookie"], "a=1; b=2");
  EXPECT_EQ(json["peer"], "127.0.0.1");
  EXPECT_EQ(json["secure"], false);
  EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer.head, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer.head, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer.head, HasSubstr("\r\nDate: "));
}

TEST_F(ServerTest, TakesBodies) {
  const std::string body(300'000, 'b');
  EXPECT_EQ(post("/echo", body).json()["bytes"], 300'000);
  EXPECT_EQ(post("/echo", "").json()["bytes"], 0);
  const Answer chunked =
      raw("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
          "4;name=value\r\nWiki\r\n00005\r\npedia\r\nA\r\n in chunks\r\n0\r\nTrailer: x\r\nX-Secret: y\r\n\r\n");
  EXPECT_EQ(chunked.json()["body"], "Wikipedia in chunks");
  EXPECT_FALSE(chunked.json()["headers"].contains("x-secret"));
}

TEST_F(ServerTest, TakesBytesOneByOne) {
  Socket socket(server_->port());
  for (const char c : post_bytes("/echo", "abc")) ASSERT_TRUE(socket.send({&c, 1}));
  ASSERT_TRUE(socket.until("\"body\":\"abc\""));
  socket.received.clear();
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2;a=\"b\"\r\nde\r\n0\r\nX: y\r\n\r\n";
  for (const char c : chunked) ASSERT_TRUE(socket.send({&c, 1}));
  EXPECT_THAT(socket.all(), HasSubstr("\"body\":\"de\""));
}

TEST_F(ServerTest, KeepsConnections) {
  Socket socket(server_->port());
  for (int i = 0; i < 3; ++i) {
    socket.received.clear();
    socket.send(get_bytes("/echo?i=" + std::to_string(i)));
    ASSERT_TRUE(socket.until("\"secure\":false}")) << i;
    EXPECT_THAT(socket.received, HasSubstr("\"i\":\"" + std::to_string(i) + "\""));
    EXPECT_THAT(socket.received, Not(HasSubstr("Connection:")));
  }
  socket.received.clear();
  socket.send(get_bytes("/stream"));
  ASSERT_TRUE(socket.until("\r\n0\r\n\r\n"));
  socket.received.clear();
  socket.send("\r\n" + get_bytes("/echo"));  // an empty line first, as old clients send after a body
  EXPECT_TRUE(socket.until("\"secure\":false}"));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  Socket socket(server_->port());
  socket.send(get_bytes("/first") + post_bytes("/echo", "second") + get_bytes("/stream") +
              get_bytes("/echo?last", "Connection: close\r\n"));
  const auto first = next_held();
  std::this_thread::sleep_for(20ms);
  first->send({200, {}, "first"});
  const std::string all = socket.all();
  size_t at = 0;
  for (const char* piece : {"\r\n\r\nfirst", "second", "data: 99", "\r\n0\r\n\r\n", "\"last\""}) {
    at = all.find(piece, at);
    ASSERT_NE(at, std::string::npos) << piece << " in " << all;
  }
}

TEST_F(ServerTest, ExpectContinue) {
  Socket socket(server_->port());
  socket.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(socket.until("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(socket.received, "HTTP/1.1 100 Continue\r\n\r\n");
  socket.received.clear();
  socket.send("body");
  EXPECT_EQ(parse_answer(socket.all()).json()["body"], "body");
  // one that will be refused is not asked for its body
  expect_error(raw("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"),
               413);
  expect_error(raw("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: the-moon\r\nContent-Length: 4\r\n\r\nbody"), 417);
}

TEST_F(ServerTest, HeadHasNoBody) {
  Socket socket(server_->port());
  socket.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = socket.all();
  const Answer answer = parse_answer(all);
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: "));
  EXPECT_THAT(answer.head, Not(HasSubstr("Content-Length: 0")));
  EXPECT_TRUE(answer.body.starts_with("HTTP/1.1 200 OK\r\n")) << all;  // the second answer follows at once
  EXPECT_TRUE(answer.body.ends_with("\r\n\r\n"));
  EXPECT_EQ(answer.body.find("data:"), std::string::npos);
}

TEST_F(ServerTest, OldClients) {
  const Answer streamed = raw("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_THAT(streamed.head, Not(HasSubstr("chunked")));
  EXPECT_TRUE(streamed.body.starts_with("data: 0\n\n"));
  EXPECT_TRUE(streamed.body.ends_with("data: 99\n\n"));
  Socket socket(server_->port());
  socket.send("GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  ASSERT_TRUE(socket.until("\"secure\":false}"));
  EXPECT_THAT(socket.received, HasSubstr("Connection: keep-alive\r\n"));
  socket.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_THAT(socket.all(), HasSubstr("Connection: close\r\n"));
}

TEST_F(ServerTest, StreamsFromAnyThreadAndLater) {
  Socket socket(server_->port());
  socket.send(post_bytes("/hold", "x", "Connection: close\r\n"));
  auto reply = next_held();
  std::thread writer([&] {
    reply->begin(200, {{"Content-Type", "text/event-stream"}});
    for (int i = 0; i < 5000; ++i) EXPECT_TRUE(reply->write(std::to_string(i) + " "));
    reply->end();
    EXPECT_FALSE(reply->write("too late"));
    reply.reset();
  });
  const Answer answer = parse_answer(socket.all());
  writer.join();
  std::string expected;
  for (int i = 0; i < 5000; ++i) expected += std::to_string(i) + " ";
  EXPECT_EQ(answer.body, expected);
}

TEST_F(ServerTest, PiecesArriveAsTheyAreWritten) {
  Socket socket(server_->port());
  socket.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->begin(200, {});
  ASSERT_TRUE(socket.until("\r\n\r\n"));
  for (const std::string piece : {"one", "two", "three"}) {
    reply->write(piece);
    ASSERT_TRUE(socket.until(piece + "\r\n"));
  }
  EXPECT_TRUE(eventually([&] { return reply->waiting() == 0; }));
  reply->end();
  EXPECT_TRUE(socket.until("0\r\n\r\n"));
}

// A proxy cuts what is silent: an event stream is not. Other answers have no place for a comment.
TEST_F(ServerTest, AnEventStreamThatWaitsSaysComments) {
  ServerOptions options;
  options.comment_seconds = 0.1;
  start(options);
  for (const char* type : {"text/event-stream", "text/plain"}) {
    const bool events = std::string(type) == "text/event-stream";
    Socket socket(server_->port());
    socket.send(get_bytes("/hold"));
    const auto reply = next_held();
    reply->begin(200, {{"Content-Type", type}});
    if (events) {
      ASSERT_TRUE(socket.until("\r\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n"));
    } else {
      std::this_thread::sleep_for(500ms);
    }
    reply->write("data: x\n\n");
    reply->end();
    ASSERT_TRUE(socket.until("9\r\ndata: x\n\n\r\n0\r\n\r\n")) << socket.received;
    EXPECT_EQ(socket.received.find("\n:\n") != std::string::npos, events) << socket.received;
  }
}

TEST_F(ServerTest, UnansweredAndUnfinished) {
  expect_error(get("/throw"), 500);
  expect_error(get("/drop"), 500);
  Socket socket(server_->port());
  socket.send(get_bytes("/half"));
  EXPECT_EQ(socket.all().find("\r\n0\r\n"), std::string::npos);  // the client sees that it is not whole
  Socket kept(server_->port());
  kept.send(get_bytes("/hold") + get_bytes("/echo", "Connection: close\r\n"));
  next_held().reset();
  EXPECT_THAT(kept.all(), HasSubstr("\"path\":\"/echo\""));  // 500 leaves the connection whole
}

TEST_F(ServerTest, AnswersWithoutABody) {
  Socket socket(server_->port());
  socket.send(get_bytes("/hold") + get_bytes("/echo", "Connection: close\r\n"));
  next_held()->send({204, {}, "dropped"});
  const Answer answer = parse_answer(socket.all());
  EXPECT_EQ(answer.status, 204);
  EXPECT_THAT(answer.head, Not(HasSubstr("Content-Length")));
  EXPECT_TRUE(answer.body.starts_with("HTTP/1.1 200"));
}

TEST_F(ServerTest, HeadersOfAnswersAreMadeSafe) {
  Socket socket(server_->port());
  socket.send(get_bytes("/hold"));
  next_held()->send(
      {200, {{"X-Id", "a\r\nSet-Cookie: evil=1"}, {"Content-Length", "7"}, {"Connection", "close"}}, "text"});
  const Answer answer = parse_answer(socket.all());
  EXPECT_THAT(answer.head, HasSubstr("X-Id: a  Set-Cookie: evil=1\r\n"));
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(answer.head, Not(HasSubstr("Content-Length: 7")));
}

TEST_F(ServerTest, ALargeAnswer) {
  std::string body;
  for (int i = 0; i < 2'000'000; ++i) body += static_cast<char>('a' + i * 7 % 26);
  Socket socket(server_->port());
  socket.send(get_bytes("/hold", "Connection: close\r\n"));
  next_held()->send({200, {}, body});
  EXPECT_EQ(parse_answer(socket.all()).body, body);
}

TEST_F(ServerTest, GoneAsSoonAsTheClientCloses) {
  for (const bool streams : {false, true}) {
    for (const bool resets : {false, true}) {
      Flag gone;
      Socket socket(server_->port());
      socket.send(get_bytes("/hold"));
      const auto reply = next_held();
      reply->on_gone([&] { gone.set(); });
      if (streams) {
        reply->begin(200, {});
        reply->write("text");
        ASSERT_TRUE(socket.until("text"));
      }
      EXPECT_FALSE(reply->gone());
      if (resets) {
        socket.reset();
      } else {
        socket.close();
      }
      EXPECT_TRUE(gone.wait()) << streams << resets;
      EXPECT_TRUE(reply->gone());
      EXPECT_FALSE(reply->write("more"));
      EXPECT_EQ(reply->waiting(), 0u);
      int called = 0;
      reply->on_gone([&] { ++called; });  // at once where it is so
      EXPECT_EQ(called, 1);
      EXPECT_EQ(gone.calls(), 1);
    }
  }
}

TEST_F(ServerTest, NobodyIsToldThatAnAnsweredClientIsGone) {
  Flag gone;
  Socket socket(server_->port());
  socket.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->on_gone([&] { gone.set(); });
  reply->send({200, {}, "done"});
  ASSERT_TRUE(socket.until("done"));
  socket.close();
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
  EXPECT_EQ(gone.calls(), 0);
}

TEST_F(ServerTest, APipelinedFloodIsNotTakenIn) {
  const std::string request = get_bytes("/echo");
  for (const size_t most : {size_t{100'000}, size_t{64} << 20}) {
    Flag gone;
    Socket socket(server_->port());
    socket.send(get_bytes("/hold"));
    const auto reply = next_held();
    reply->on_gone([&] { gone.set(); });
    size_t sent = 0;
    int full = 0;
    while (sent < most && full < 3) {  // until the system takes no more: the server has stopped reading
      const ssize_t n = ::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) sent += static_cast<size_t>(n);
      full = n > 0 ? 0 : full + 1;
      if (n <= 0) std::this_thread::sleep_for(50ms);
    }
    EXPECT_LT(sent, 64u << 20);
    EXPECT_FALSE(reply->gone());
    // Behind bytes that nobody reads, and seen all the same (an orderly close only where the system has room for it).
    full ? socket.reset() : socket.close();
    EXPECT_TRUE(gone.wait());
  }
}

TEST_F(ServerTest, AFloodOfPipelinedRequestsIsAnswered) {
  Socket socket(server_->port());
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += get_bytes("/echo?i=" + std::to_string(i));
  requests += get_bytes("/echo?i=end", "Connection: close\r\n");
  std::thread sender([&] { socket.send(requests); });
  const std::string all = socket.all();
  sender.join();
  size_t at = 0;
  for (int i = 0; i < 2000; ++i) {
    at = all.find("{\"i\":\"" + std::to_string(i) + "\"}", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_NE(all.find("{\"i\":\"end\"}", at), std::string::npos);
}

TEST_F(ServerTest, AClientThatNeverReadsIsCut) {
  ServerOptions options;
  options.write_seconds = 0.5;
  start(options);
  Flag gone;
  Socket socket(server_->port(), 4096);
  socket.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->on_gone([&] { gone.set(); });
  reply->begin(200, {});
  while (reply->waiting() < (1u << 20) && reply->write(std::string(64 << 10, 'x'))) {
  }
  EXPECT_EQ(get("/echo").status, 200);  // others go on
  EXPECT_TRUE(gone.wait());
}

TEST_F(ServerTest, AHandlerThatDoesNotWaitLosesItsSlowClient) {
  ServerOptions options;
  options.waiting_bytes = 1 << 20;
  start(options);
  Socket socket(server_->port(), 4096);
  socket.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->begin(200, {});
  size_t written = 0;
  while (written < (256u << 20) && reply->write(std::string(64 << 10, 'x'))) written += 64 << 10;
  EXPECT_LT(written, 256u << 20);
  EXPECT_TRUE(eventually([&] { return reply->gone(); }));
}

TEST_F(ServerTest, DrainLetsRepliesEndAndRefusesNewRequests) {
  Socket running(server_->port()), idle(server_->port()), silent(server_->port()), pipelined(server_->port());
  idle.send(get_bytes("/echo"));
  ASSERT_TRUE(idle.until("\"secure\":false}"));
  running.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->begin(200, {});
  reply->write("one ");
  ASSERT_TRUE(running.until("one "));
  pipelined.send(get_bytes("/hold"));
  const auto second = next_held();

  std::thread drainer([&] { server_->drain(20s); });
  EXPECT_THAT(idle.all(), HasSubstr("200 OK"));  // closed
  EXPECT_EQ(silent.all(), "");
  EXPECT_FALSE(Socket(server_->port()).connected);
  EXPECT_FALSE(reply->gone());
  pipelined.send(get_bytes("/echo"));
  std::this_thread::sleep_for(20ms);
  second->begin(200, {});
  second->end();
  EXPECT_THAT(pipelined.all(), HasSubstr("Connection: close"));
  reply->write("two");
  reply->end();
  EXPECT_THAT(running.all(), HasSubstr("two\r\n0\r\n\r\n"));
  running.close();
  pipelined.close();
  drainer.join();
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(ServerTest, RequestsThatComeWhileDrainingGet503) {
  Socket socket(server_->port()), running(server_->port());
  running.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->begin(200, {});  // this connection's head says that it is kept
  ASSERT_TRUE(running.until("\r\n\r\n"));
  const std::string request = get_bytes("/echo");
  socket.send(request.substr(0, 10));
  EXPECT_TRUE(eventually([&] { return server_->connections() == 2; }));
  std::this_thread::sleep_for(50ms);  // its first bytes are there: not idle
  std::thread drainer([&] { server_->drain(20s); });
  EXPECT_TRUE(eventually([&] { return !Socket(server_->port()).connected; }));
  socket.send(request.substr(10));
  expect_error(parse_answer(socket.all()), 503);
  running.send(get_bytes("/echo"));
  std::this_thread::sleep_for(50ms);
  reply->end();
  EXPECT_THAT(running.all(), HasSubstr("HTTP/1.1 503"));
  socket.close();
  running.close();
  drainer.join();
}

TEST_F(ServerTest, AfterTheGracePeriodRepliesAreGone) {
  Flag gone;
  Socket socket(server_->port());
  socket.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->on_gone([&] { gone.set(); });
  reply->begin(200, {});
  server_->drain(100ms);
  EXPECT_TRUE(reply->gone());
  EXPECT_EQ(gone.calls(), 1);
  EXPECT_EQ(socket.all().find("\r\n0\r\n"), std::string::npos);
  server_.reset();
  EXPECT_FALSE(reply->write("to nobody"));  // harmless
  reply->end();
}

TEST_F(ServerTest, StopsWhileMuchIsGoingOn) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  const int port = server_->port();
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      while (!stop) {
        Socket socket(port);
        if (!socket.connected) return;
        socket.send(get_bytes(i % 2 ? "/stream" : "/hold"));
        if (i % 2) socket.until("\r\n0\r\n\r\n");
      }
    });
  }
  std::this_thread::sleep_for(200ms);
  server_->drain(0ms);
  stop = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(server_->connections(), 0u);
}

TEST(Text, Decodes) {
  EXPECT_EQ(percent_decode("a%20b+c%zz%4", true), "a b c%zz%4");
  EXPECT_EQ(percent_decode("a+b%2B", false), "a+b+");
  EXPECT_TRUE(has_token("Upgrade, Close", "close"));
  EXPECT_FALSE(has_token("closed, not-close", "close"));
}

}  // namespace
}  // namespace loquat::http
