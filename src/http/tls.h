// TLS of the server's side over a non-blocking socket. OpenSSL is used directly and not through Asio's stream: that one
// keeps some 70 KB of buffers for each connection, and 10,000 that are silent must cost a few KiB each.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace loquat::http {

// A certificate (its chain in one PEM file) and its key; TLS 1.2 and newer.
class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> load(const std::string& cert_file, const std::string& key_file);
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* get() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

// One connection. The socket stays the caller's. The thread that calls must have SIGPIPE blocked.
class TlsSession {
 public:
  enum class Outcome { kDone, kWantRead, kWantWrite, kEnd };  // kEnd: closed by the other end, or broken
  TlsSession(const TlsContext& context, int fd);
  ~TlsSession();

  Outcome handshake();
  Outcome read(std::span<char> space, size_t& bytes);
  Outcome write(std::string_view text, size_t& bytes);  // after kWantWrite: the same bytes again, or more
  void shutdown();                                      // says that nothing follows; waits for nothing

 private:
  Outcome outcome(int result);
  ssl_st* session_;
};

}  // namespace loquat::http
