// A small HTTP/1.1 server behind plain types (Boost.Beast stays in http_server.cc): one thread per connection, each with its
// own event loop, so that a handler may simply block. In local mode (bound to a loopback address) a request must name a
// local Host and, from a browser, a local Origin: a foreign page cannot reach the server by DNS rebinding.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "serve/api_error.h"

namespace loquat::serve {

struct Request {
  std::string method;                          // "GET", "POST" (a HEAD arrives as GET; its body is not sent)
  std::string path;                            // percent-decoded, without the query: "/v1/models"
  std::map<std::string, std::string> query;    // decoded; a name given twice keeps the last
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  const std::string& header(const std::string& lower_case_name) const;  // "" where absent
};

// The other end of a connection, as a handler sees it.
class Client {
 public:
  virtual ~Client() = default;
  // The client closed its connection, or the server is stopping: work for it is of no use any more. Cheap.
  virtual bool gone() = 0;
};

class Stream : public Client {
 public:
  // Sends at once (one HTTP chunk); false where the client is gone.
  virtual bool write(std::string_view bytes) = 0;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // When set, the headers are sent, then this writes the body piece by piece; `body` is not used.
  std::function<void(Stream&)> stream;
};

Response error_response(const ApiError& error);

using Handler = std::function<Response(const Request&, Client&)>;  // an exception becomes status 500

struct ServerOptions {
  std::string host = "127.0.0.1";  // a numeric address, or "localhost"
  int port = 8080;                 // 0: any free one
  size_t body_limit = 1 << 20;     // bytes of a request's body; more gets 413
  size_t header_limit = 32 << 10;  // more gets 431
  size_t connections = 128;        // at once; more get 503
  int idle_seconds = 60;           // for a whole request to come in, or the next one on a kept connection
  int write_seconds = 30;          // a client that takes nothing for so long is gone
};

class HttpServer {
 public:
  // Listens when it returns. An error where the port is taken or the address is not this machine's.
  static Result<std::unique_ptr<HttpServer>> start(const ServerOptions& options, Handler handler);
  ~HttpServer();  // stop()
  int port() const;
  // No new requests; those being answered see gone() and end; returns when all have.
  void stop();

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "%41+b" -> "A b" ('+' only where plus_is_space); a broken escape stays as it is.
std::string percent_decode(std::string_view text, bool plus_is_space);
// Whether a Host header or an Origin names this machine: localhost, 127.x.x.x or [::1], any port.
bool is_local_host(std::string_view host);
bool is_local_origin(std::string_view origin);

}  // namespace loquat::serve
