// An HTTP/1.1 server with one I/O thread that drives all connections, and a few workers that call the handler. When
// there are too many connections, the oldest that has not sent its whole request is closed to make room, then the
// longest idle one; where all are being answered the new one gets 503. When too many bytes of requests are coming in
// (bodies_bytes), the oldest such request is closed too. So slow senders never keep others out.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "base/result.h"
#include "http/http.h"
#include "http/options.h"

namespace loquat::http {

class Server {
 public:
  // Listens when it returns; raises the process's limit of open files as far as it may. An error where an option is
  // wrong, the port is taken, the address is not this machine's, or certificate or key cannot be used.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Handler handler);
  ~Server();  // drain(0)
  int port() const;
  size_t connections() const;  // open now
  // Accepts no more, closes idle connections, answers new requests on others with 503; replies that run go on until
  // they end or `grace` is over, then they are gone(). Returns when all connections are closed and no handler runs; not
  // to be called by a handler. Replies that are still held then are gone and harmless.
  void drain(std::chrono::milliseconds grace);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace loquat::http
