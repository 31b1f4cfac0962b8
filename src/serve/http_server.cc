// HTTP over Boost.Beast: the one file that includes it. Every connection has a thread and an io_context of its own; each read
// or write is started asynchronously and run to its end on that thread, which gives blocking code with time-outs, and lets
// stop() end a read that waits.
#include "serve/http_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "serve/api_error.h"

namespace loquat::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

class Connection final : public Stream {
 public:
  Connection(const ServerOptions& options, const Handler& handler, const std::atomic<bool>& stopping, bool local)
      : options_(options), handler_(handler), stopping_(stopping), local_(local), stream_(context_) {}

  asio::io_context& context() { return context_; }
  void adopt(tcp::socket socket) { stream_.socket() = std::move(socket); }

  // Reads and answers requests until the connection ends.
  void run() {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    while (!stopping_ && serve_one()) {
    }
    linger();
    stream_.socket().close(ignored);
  }

  // Answers 503 without reading: there are too many connections.
  void refuse() {
    send(error_response({503, "Too many connections; try again shortly.", "server_error", "", "overloaded"}), 11, false, false);
    linger();
  }

  // From another thread: ends a read that waits for the next request.
  void wake() {
    asio::post(context_, [this] {
      error_code ignored;
      if (idle_) stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    });
  }

  bool gone() override {
    if (gone_ || stopping_) return true;
    pollfd poll_fd{stream_.socket().native_handle(), POLLRDHUP, 0};
    if (::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))) gone_ = true;
    return gone_;
  }

  bool write(std::string_view bytes) override {
    if (gone()) return false;
    if (bytes.empty()) return true;
    const asio::const_buffer buffer(bytes.data(), bytes.size());
    const error_code error =
        chunked_ ? complete([&](auto done) { asio::async_write(stream_, http::make_chunk(buffer), done); })
                 : complete([&](auto done) { asio::async_write(stream_, buffer, done); });
    if (error) gone_ = true;
    return !gone_;
  }

 private:
  // Starts one asynchronous operation and runs it to its end.
  template <typename Start>
  error_code complete(Start start, int seconds = 0) {
    error_code result = asio::error::operation_aborted;
    stream_.expires_after(std::chrono::seconds(seconds > 0 ? seconds : options_.write_seconds));
    start([&result](error_code error, size_t) { result = error; });
    context_.restart();
    context_.run();
    return result;
  }

  // True where another request may follow.
  bool serve_one() {
    http::request_parser<http::string_body> parser;
    parser.body_limit(options_.body_limit);
    parser.header_limit(static_cast<uint32_t>(options_.header_limit));
    idle_ = true;
    error_code error = complete([&](auto done) { http::async_read_header(stream_, buffer_, parser, done); },
                                options_.idle_seconds);
    idle_ = false;
    if (!error && lower(parser.get()[http::field::expect]) == "100-continue" && !parser.is_done()) {
      const asio::const_buffer go_on = asio::buffer(kContinue);
      complete([&](auto done) { asio::async_write(stream_, go_on, done); });
    }
    if (!error && !parser.is_done()) {
      error = complete([&](auto done) { http::async_read(stream_, buffer_, parser, done); }, options_.idle_seconds);
    }
    if (error) {
      if (const auto refusal = refusal_of(error)) send(*refusal, 11, false, false);
      return false;
    }
    const auto& message = parser.get();
    const bool head = message.method() == http::verb::head;
    const bool keep = message.keep_alive();
    return send(answer(message), message.version(), keep, head) && keep;
  }

  static std::optional<Response> refusal_of(error_code error) {
    const auto bad = [](int status, std::string text) {
      return error_response({status, std::move(text), "invalid_request_error", "", ""});
    };
    if (error == http::error::body_limit) return bad(413, "The request's body is too large.");
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return bad(431, "The request's headers are too large.");
    }
    if (error == http::error::end_of_stream || error == beast::error::timeout || error == http::error::partial_message ||
        error.category() != http::make_error_code(http::error::bad_method).category()) {
      return std::nullopt;  // the client went away or was silent: nobody to answer
    }
    return bad(400, "This is not a well-formed HTTP request: " + error.message() + ".");
  }

  Response answer(const http::request<http::string_body>& message) {
    Request request;
    request.method = message.method() == http::verb::head ? "GET" : std::string(message.method_string());
    const std::string_view target = message.target();
    const size_t question = std::min(target.find('?'), target.size());
    request.path = percent_decode(target.substr(0, question), false);
    for (size_t at = question; at < target.size();) {
      const size_t end = std::min(target.find('&', at + 1), target.size());
      const std::string_view pair = target.substr(at + 1, end - at - 1);
      const size_t equals = std::min(pair.find('='), pair.size());
      if (!pair.empty()) {
        request.query[percent_decode(pair.substr(0, equals), true)] =
            equals < pair.size() ? percent_decode(pair.substr(equals + 1), true) : "";
      }
      at = end;
    }
    for (const auto& field : message) request.headers[lower(field.name_string())] = std::string(field.value());
    request.body = message.body();
    if (local_) {
      if (!is_local_host(request.header("host"))) {
        return error_response({403, "This server answers on this machine only: the Host header must be localhost.",
                               "invalid_request_error", "", "host_not_allowed"});
      }
      const std::string& origin = request.header("origin");
      if (!origin.empty() && !is_local_origin(origin)) {
        return error_response({403, "This server answers pages of this machine only.", "invalid_request_error", "",
                               "origin_not_allowed"});
      }
    }
    try {
      return handler_(request, *this);
    } catch (const std::exception& failure) {
      return error_response({500, std::string("The server failed: ") + failure.what(), "server_error", "", ""});
    }
  }

  static void set_headers(http::fields& fields, const Response& response) {
    for (const auto& [name, value] : response.headers) fields.set(name, value);
    fields.set("X-Content-Type-Options", "nosniff");
  }

  // False where the connection cannot be used any more.
  bool send(const Response& response, unsigned version, bool keep, bool head) {
    if (response.stream && !head) return send_stream(response, version, keep);
    http::response<http::string_body> message(static_cast<http::status>(response.status), version);
    set_headers(message, response);
    message.keep_alive(keep);
    message.content_length(response.body.size());
    if (!head) message.body() = response.body;
    http::response_serializer<http::string_body> serializer(message);
    const error_code error =
        head ? complete([&](auto done) { http::async_write_header(stream_, serializer, done); })
             : complete([&](auto done) { http::async_write(stream_, serializer, done); });
    return !error;
  }

  bool send_stream(const Response& response, unsigned version, bool keep) {
    http::response<http::empty_body> message(static_cast<http::status>(response.status), version);
    set_headers(message, response);
    chunked_ = version >= 11;  // an older client gets bytes until the connection closes
    message.keep_alive(keep && chunked_);
    if (chunked_) message.chunked(true);
    http::response_serializer<http::empty_body> serializer(message);
    if (complete([&](auto done) { http::async_write_header(stream_, serializer, done); })) return false;
    try {
      response.stream(*this);
    } catch (const std::exception&) {
      return false;  // the missing last chunk tells the client that the answer is not whole
    }
    if (gone()) return false;
    if (!chunked_) return false;
    return !complete([&](auto done) { asio::async_write(stream_, http::make_chunk_last(), done); });
  }

  // Lets a client that is still sending read our answer before the connection is cut: closing with unread bytes would reset it.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    char scrap[4096];
    for (int rounds = 0; rounds < 4096 && !stopping_; ++rounds) {
      const asio::mutable_buffer space(scrap, sizeof(scrap));
      if (complete([&](auto done) { stream_.async_read_some(space, done); }, 1)) return;
    }
  }

  const ServerOptions& options_;
  const Handler& handler_;
  const std::atomic<bool>& stopping_;
  const bool local_;
  asio::io_context context_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  bool idle_ = false;  // touched by the connection's own thread only
  bool gone_ = false;
  bool chunked_ = true;
};

}  // namespace

struct HttpServer::Impl {
  struct Worker {
    std::unique_ptr<Connection> connection;
    std::thread thread;
    std::atomic<bool> done{false};
  };

  Impl(const ServerOptions& server_options, Handler server_handler)
      : options(server_options), handler(std::move(server_handler)), acceptor(context) {}

  void accept() {
    auto worker = std::make_unique<Worker>();
    worker->connection = std::make_unique<Connection>(options, handler, stopping, local);
    Worker* raw = worker.get();
    acceptor.async_accept(raw->connection->context(),
                          [this, worker = std::move(worker)](error_code error, tcp::socket socket) mutable {
                            if (stopping || error == asio::error::operation_aborted) return;
                            if (!error) launch(std::move(worker), std::move(socket));
                            accept();
                          });
  }

  void launch(std::unique_ptr<Worker> worker, tcp::socket socket) {
    worker->connection->adopt(std::move(socket));
    Worker* raw = worker.get();
    std::lock_guard lock(mutex);
    reap();
    const bool full = workers.size() >= options.connections;
    if (workers.size() >= 2 * options.connections) return;  // not even a thread to say so
    workers.push_back(std::move(worker));
    raw->thread = std::thread([raw, full] {
      if (full) {
        raw->connection->refuse();
      } else {
        raw->connection->run();
      }
      raw->done = true;
    });
  }

  void reap() {
    workers.remove_if([](const std::unique_ptr<Worker>& worker) {
      if (!worker->done) return false;
      worker->thread.join();
      return true;
    });
  }

  void stop() {
    if (stopping.exchange(true)) return;
    asio::post(context, [this] {
      error_code ignored;
      acceptor.close(ignored);
    });
    if (thread.joinable()) thread.join();
    for (const auto& worker : workers) worker->connection->wake();
    for (const auto& worker : workers) worker->thread.join();
    workers.clear();
  }

  ServerOptions options;
  Handler handler;
  asio::io_context context{1};
  tcp::acceptor acceptor;
  bool local = true;
  int port = 0;
  std::atomic<bool> stopping{false};
  std::thread thread;
  std::mutex mutex;
  std::list<std::unique_ptr<Worker>> workers;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { stop(); }
int HttpServer::port() const { return impl_->port; }
void HttpServer::stop() { impl_->stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ServerOptions& options, Handler handler) {
  if (options.port < 0 || options.port > 65535) return Err("--port: {} is no port; expected 0 to 65535", options.port);
  error_code error;
  const std::string numeric = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(numeric, error);
  if (error) return Err("--host: '{}' is no address; expected one like 127.0.0.1, 0.0.0.0 or ::1", options.host);
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  impl->local = address.is_loopback();
  const tcp::endpoint endpoint(address, static_cast<uint16_t>(options.port));
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return Err("port {} on {} is in use by another program; stop it, or choose another with --port", options.port,
               options.host);
  }
  if (error == asio::error::access_denied) {
    return Err("port {} on {} needs more rights than this user has; choose one above 1023 with --port", options.port,
               options.host);
  }
  if (error) return Err("cannot listen on {} port {}: {}", options.host, options.port, error.message());
  impl->port = impl->acceptor.local_endpoint(error).port();
  Impl* raw = impl.get();
  raw->accept();
  raw->thread = std::thread([raw] { raw->context.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::string& Request::header(const std::string& lower_case_name) const {
  static const std::string kNone;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? kNone : found->second;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

bool is_local_host(std::string_view host) {
  if (host.starts_with('[')) return host == "[::1]" || host.starts_with("[::1]:");
  const std::string name = lower(host.substr(0, host.find(':')));
  if (name == "localhost") return true;
  error_code error;
  const auto address = asio::ip::make_address_v4(name, error);  // "127.0.0.1.example.org" is no address
  return !error && address.is_loopback();
}

bool is_local_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return is_local_host(origin.substr(scheme.size()));
  }
  return false;  // "null" too: a sandboxed page of anybody's
}

}  // namespace loquat::serve
