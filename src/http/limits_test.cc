// What the server does with requests that are malformed, too large or too slow, and with too many connections.
#include "http/address.h"
#include "http/test_client.h"

namespace loquat::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(ServerTest, MalformedRequests) {
  const std::string get = "GET /echo HTTP/1.1\r\nHost: x\r\n";
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const struct {
    std::string bytes;
    int status;
  } cases[] = {
      {"total nonsense\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {std::string("\x16\x03\x01\x02\x00\x01\xfc", 7) + "\r\n\r\n", 400},  // TLS to a server without
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"GET /echo HTTP/3.0\r\nHost: x\r\n\r\n", 400},
      {"GET http://x/echo HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"BREW /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"get /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"GET /echo%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n\r\n", 400},
      {get + "Host: y\r\n\r\n", 400},
      {get + "X-Fold: a\r\n b\r\n\r\n", 400},
      {get + "X-Fold: a\r\n\tb\r\n\r\n", 400},
      {get + "No colon\r\n\r\n", 400},
      {get + "Space : a\r\n\r\n", 400},
      {get + ": a\r\n\r\n", 400},
      {get + std::string("X-Nul: a\0b\r\n\r\n", 14), 400},
      {get + "X-Cr: a\rb\r\n\r\n", 400},
      {get + "Connection: (,)\r\n\r\n", 400},
      {post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
      {post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbodyx", 400},
      {post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody", 400},
      {post + "Content-Length: 4, 4\r\n\r\nbody", 400},
      {post + "Content-Length: -4\r\n\r\nbody", 400},
      {post + "Content-Length: +4\r\n\r\nbody", 400},
      {post + "Content-Length: 0x4\r\n\r\nbody", 400},
      {post + "Content-Length: 99999999999999999999999\r\n\r\nbody", 400},
      {post + "Content-Length:\r\n\r\nbody", 400},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {chunked + "zz\r\n", 400},
      {chunked + "-1\r\n", 400},
      {chunked + "0x4\r\nbody\r\n", 400},
      {chunked + "ffffffffffffffffffff\r\n", 413},
      {chunked + "7fffffffffffffff\r\n", 413},
      {chunked + "4\r\nbodyX\r\n0\r\n\r\n", 400},
      {chunked + "4 bad ext\r\nbody\r\n", 400},
      {chunked + "4;=\r\nbody\r\n", 400},
      {chunked + "4;a=\"\r\nbody\r\n", 400},
      {chunked + "4;" + std::string(40'000, 'x'), 400},
      {chunked + "0\r\nno colon\r\n\r\n", 400},
      {chunked + "0\r\nX: a\r\n b: c\r\n\r\n", 400},
      {chunked + "4\nbody\n0\n\n", 400},
      {chunked + "\r\n", 400},
      {chunked + "0\r\nX: " + std::string(40'000, 'x'), 400},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.bytes.substr(0, 200));
    expect_error(raw(one.bytes), one.status);  // and the connection is closed
  }
  EXPECT_EQ(this->get("/echo").status, 200);
}

TEST_F(ServerTest, LimitsOfHeaders) {
  expect_error(get("/echo", "X-Big: " + std::string(40'000, 'x') + "\r\n"), 431);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  expect_error(get("/echo", many), 431);
  for (int i = 0; i < 10'000; ++i) many += "a: 1\r\n";
  expect_error(get("/echo", many), 431);
  expect_error(raw("GET /echo HTTP/1.1\r\nHost: x\r\nX-Endless: " + std::string(1 << 20, 'x')), 431);
  expect_error(raw(std::string(1 << 20, 'G')), 431);
  expect_error(get("/echo/" + std::string(9000, 'x')), 414);
  EXPECT_EQ(get("/echo/" + std::string(8000, 'x')).status, 200);
  EXPECT_EQ(get("/echo", "X-Big: " + std::string(30'000, 'x') + "\r\n").status, 200);
}

TEST_F(ServerTest, LimitsOfBodies) {
  ServerOptions options;
  options.body_bytes = 1000;
  start(options);
  EXPECT_EQ(post("/echo", std::string(1000, 'x')).status, 200);
  expect_error(post("/echo", std::string(1001, 'x')), 413);
  expect_error(post("/echo", std::string(3'000'000, 'x')), 413);  // and the client can still read the answer
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  EXPECT_EQ(raw(chunked + chunk + chunk + "0\r\n\r\n").status, 200);
  expect_error(raw(chunked + chunk + chunk + "1\r\nx\r\n0\r\n\r\n"), 413);
}

TEST_F(ServerTest, AllBodiesTogetherAreBounded) {
  ServerOptions options;
  options.bodies_bytes = 100'000;
  start(options);
  expect_error(post("/echo", std::string(150'000, 'x')), 503);
  Socket old(server_->port());
  old.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" + std::string(80'000, 'x'));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(post("/echo", std::string(70'000, 'x')).status, 200);  // the older one, not whole yet, made room
  EXPECT_EQ(old.all(), "");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(post("/echo", std::string(90'000, 'x')).status, 200);  // nothing stays counted
}

TEST_F(ServerTest, SlowSendersAreClosed) {
  ServerOptions options;
  options.header_seconds = 0.3;
  options.body_seconds = 0.3;
  options.idle_seconds = 0.3;
  start(options);
  Socket silent(server_->port()), header(server_->port()), body(server_->port()), kept(server_->port());
  header.send("GET /echo HTTP/1.1\r\nHost");
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nbo");
  kept.send(get_bytes("/echo"));
  EXPECT_EQ(silent.all(), "");
  expect_error(parse_answer(header.all()), 408);
  expect_error(parse_answer(body.all()), 408);
  EXPECT_THAT(kept.all(), HasSubstr("\"path\":\"/echo\""));
}

TEST_F(ServerTest, ASteadySenderIsNotSlow) {
  ServerOptions options;
  options.body_seconds = 0.2;
  options.body_rate = 100;
  start(options);
  Socket socket(server_->port());
  const std::string piece(1000, 'x');
  socket.send("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12000\r\n\r\n");
  for (int i = 0; i < 12; ++i) {
    socket.send(piece);
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(parse_answer(socket.all()).status, 200);
}

TEST_F(ServerTest, ARequestCutOffInTheMiddle) {
  const std::string whole = post_bytes("/hold", std::string(5000, 'x'));
  for (size_t cut = 1; cut < whole.size(); cut += cut < 100 ? 7 : 997) {
    Socket socket(server_->port());
    socket.send(std::string_view(whole).substr(0, cut));
  }
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
  std::lock_guard lock(mutex_);
  EXPECT_TRUE(held_.empty());
}

TEST_F(ServerTest, TooManyConnections) {
  ServerOptions options;
  options.connections = 2;
  start(options);
  Socket one(server_->port()), two(server_->port());
  one.send(get_bytes("/hold"));
  two.send(get_bytes("/hold"));
  const auto first = next_held(), second = next_held();
  Socket three(server_->port());
  expect_error(parse_answer(three.all()), 503);
  EXPECT_THAT(three.received, HasSubstr("Retry-After: 1\r\n"));
  first->send({200, {}, "done"});
  second->send({200, {}, "done"});
  ASSERT_TRUE(one.until("done"));
  ASSERT_TRUE(two.until("done"));
  three.close();
  EXPECT_TRUE(eventually([&] { return get("/echo").status == 200; }));  // idle ones make room
}

TEST_F(ServerTest, TheOldestSlowSenderMakesRoom) {
  ServerOptions options;
  options.connections = 3;
  start(options);
  Socket busy(server_->port());
  busy.send(get_bytes("/hold"));
  const auto reply = next_held();
  Socket oldest(server_->port());
  oldest.send("GET /ec");
  EXPECT_TRUE(eventually([&] { return server_->connections() == 2; }));
  Socket newer(server_->port());
  newer.send("GET /ec");
  EXPECT_TRUE(eventually([&] { return server_->connections() == 3; }));
  EXPECT_EQ(get("/echo").status, 200);
  EXPECT_EQ(oldest.all(), "");
  newer.send("ho HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(parse_answer(newer.all()).status, 200);
  reply->send({200, {}, "still here"});
  EXPECT_TRUE(busy.until("still here"));
}

TEST_F(ServerTest, ConnectionsOfOneAddress) {
  ServerOptions options;
  options.connections_per_peer = 2;
  start(options);
  {
    Socket one(server_->port()), two(server_->port());
    EXPECT_TRUE(eventually([&] { return server_->connections() == 2; }));
    expect_error(get("/echo"), 429);
  }
  EXPECT_TRUE(eventually([&] { return get("/echo").status == 200; }));
  options.trusted_proxies = {"127.0.0.0/8"};
  start(options);
  Socket one(server_->port()), two(server_->port());
  EXPECT_TRUE(eventually([&] { return server_->connections() == 2; }));
  EXPECT_EQ(get("/echo").status, 200);
}

TEST_F(ServerTest, ForwardedAddresses) {
  const std::string headers = "X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n";
  EXPECT_EQ(get("/echo", headers).json()["peer"], "127.0.0.1");  // nobody is trusted
  EXPECT_EQ(get("/echo", headers).json()["secure"], false);
  ServerOptions options;
  options.trusted_proxies = {"127.0.0.1", "198.51.100.0/24"};
  start(options);
  EXPECT_EQ(get("/echo", headers).json()["peer"], "203.0.113.9");
  EXPECT_EQ(get("/echo", headers).json()["secure"], true);
  EXPECT_EQ(get("/echo").json()["peer"], "127.0.0.1");
  EXPECT_EQ(get("/echo").json()["secure"], false);
  options.trusted_proxies = {"10.0.0.0/8"};
  start(options);
  EXPECT_EQ(get("/echo", headers).json()["peer"], "127.0.0.1");
  options.trusted_proxies = {"10.0.0.0/33"};
  EXPECT_FALSE(Server::start(options, [](Request&&, std::shared_ptr<Reply>) {}).ok());
}

TEST(Address, Blocks) {
  const auto holds = [](const char* block, const char* address) { return (*Cidr::parse(block)).contains(address); };
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(holds("::1", "::1"));
  EXPECT_TRUE(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.256", "name", "::/129"}) {
    EXPECT_FALSE(Cidr::parse(text).ok()) << text;
  }
  EXPECT_EQ(plain_address("::ffff:10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(plain_address(" [2001:DB8::1]:443 "), "2001:db8::1");
  EXPECT_EQ(plain_address("10.0.0.1:99"), "10.0.0.1");
  EXPECT_EQ(plain_address("fe80::1%eth0"), "fe80::1");
  for (const char* text : {"", "unknown", "[", "[]", "1.2.3", "a:b"}) EXPECT_EQ(plain_address(text), "") << text;
}

TEST(Address, ForwardedPeer) {
  const std::vector<Cidr> trusted = {*Cidr::parse("10.0.0.0/8")};
  EXPECT_EQ(forwarded_peer(trusted, "10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.2"), "2.2.2.2");
  EXPECT_EQ(forwarded_peer(trusted, "10.0.0.1", "10.0.0.9,10.0.0.2"), "10.0.0.9");
  EXPECT_EQ(forwarded_peer(trusted, "10.0.0.1", "1.1.1.1, junk, 10.0.0.2"), "10.0.0.2");
  EXPECT_EQ(forwarded_peer(trusted, "10.0.0.1", ""), "10.0.0.1");
  EXPECT_EQ(forwarded_peer(trusted, "3.3.3.3", "1.1.1.1"), "3.3.3.3");
}

TEST_F(ServerTest, WhereItCannotListen) {
  const auto failure = [](ServerOptions options) {
    const auto server = Server::start(options, [](Request&&, std::shared_ptr<Reply>) {});
    return server.ok() ? std::string("it listens") : server.error();
  };
  ServerOptions options;
  options.port = server_->port();
  EXPECT_THAT(failure(options), HasSubstr("in use by another program"));
  options.host = "not an address";
  EXPECT_THAT(failure(options), HasSubstr("--host"));
  options.host = "192.0.2.1";  // nobody's
  EXPECT_THAT(failure(options), HasSubstr("cannot listen on 192.0.2.1"));
  options = {};
  options.port = 70000;
  EXPECT_THAT(failure(options), HasSubstr("--port"));
}

TEST_F(ServerTest, ListensOnIpv6) {
  ServerOptions options;
  options.host = "::1";
  options.port = 0;
  auto server = Server::start(options, [](Request&& request, std::shared_ptr<Reply> reply) {
    reply->send({200, {}, request.peer});
  });
  if (!server.ok()) GTEST_SKIP() << "no IPv6 here: " << server.error();
  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>((*server)->port()));
  address.sin6_addr = in6addr_loopback;
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = get_bytes("/", "Connection: close\r\n");
  ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string all;
  char buffer[1024];
  for (ssize_t n; (n = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) all.append(buffer, static_cast<size_t>(n));
  ::close(fd);
  EXPECT_EQ(parse_answer(all).body, "::1");
}

}  // namespace
}  // namespace loquat::http
