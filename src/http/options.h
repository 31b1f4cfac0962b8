// What a server is told at its start. Seconds may be fractions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace loquat::http {

struct ServerOptions {
  std::string host = "127.0.0.1";            // a numeric address, or "localhost"
  int port = 8080;                           // 0: any free one
  std::string tls_cert, tls_key;             // PEM files: the certificate's chain, its key; both or neither
  std::vector<std::string> trusted_proxies;  // blocks of addresses whose X-Forwarded-For and -Proto are believed
  int workers = 4;                           // threads that call the handler: some may wait for a database

  size_t body_bytes = 4 << 20;      // of one request; more gets 413
  size_t bodies_bytes = 256 << 20;  // of all requests that are coming in or wait for a worker, see server.h
  size_t header_bytes = 32 << 10;   // request line and fields; more gets 431
  size_t header_fields = 100;       // more get 431
  size_t target_bytes = 8 << 10;    // of the URL; more gets 414
  size_t connections = 12000;       // at once, and no more than RLIMIT_NOFILE allows; past it 503, see server.h
  size_t connections_per_peer = 0;  // 0: any number; past it 429. Trusted proxies are exempt
  size_t waiting_bytes = 32 << 20;  // written by a handler and not taken by the client: a client that passes it is cut

  double header_seconds = 10;   // from connecting (TLS included) or a request's first byte to the end of its headers
  double body_seconds = 10;     // for the body; or as long as in each such span
  size_t body_rate = 1024;      // so many bytes a second come
  double idle_seconds = 60;     // for the next request on a kept connection to begin
  double write_seconds = 30;    // a client that takes nothing for so long is cut
  double comment_seconds = 15;  // an event stream that says nothing for so long says a comment, or a proxy would cut it
  double linger_seconds = 3;    // for a client that is refused while it sends to read the answer
};

}  // namespace loquat::http
