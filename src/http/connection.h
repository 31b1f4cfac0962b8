// One connection's HTTP, without its socket: bytes in, requests out to the workers, answers back as bytes. Everything
// here runs on the one I/O thread; only Exchange is shared with others. A Link is the socket (server.cc) or a test's
// stand-in.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/address.h"
#include "http/exchange.h"
#include "http/options.h"
#include "http/request_parser.h"

namespace loquat::http {

using Clock = std::chrono::steady_clock;

// A connection's socket. None of these calls back into the connection.
class Link {
 public:
  virtual ~Link() = default;
  // Sends what can be sent now without waiting, as one system call where possible; nothing: the connection is broken.
  // Where it is not all, Connection::on_writable() follows when more can be sent.
  virtual std::optional<size_t> send(std::span<const std::string_view> parts) = 0;
  virtual void pause_reading() = 0;  // no on_bytes() and no on_eof() until resume_reading()
  virtual void resume_reading() = 0;
  virtual bool peer_closed() = 0;  // while reading is paused: whether the other end has closed
  virtual void shutdown_send() = 0;
  virtual void close() = 0;
};

// A request on its way to the handler. The bytes of its body count until it is let go.
struct Job {
  Job(Request job_request, std::shared_ptr<Exchange> job_exchange, std::atomic<size_t>& bytes, size_t charged)
      : request(std::move(job_request)), exchange(std::move(job_exchange)), bytes_(&bytes, Release{charged}) {}

  Request request;
  std::shared_ptr<Exchange> exchange;
  void release() { bytes_.reset(); }

 private:
  struct Release {
    size_t charged;
    void operator()(std::atomic<size_t>* bytes) const { *bytes -= charged; }
  };
  std::unique_ptr<std::atomic<size_t>, Release> bytes_;
};

class Connection;

// Reading: a request is awaited or comes in, none was whole so far or a part of the next is there. Idle: kept, between
// requests. Busy: a request is being answered, or the connection is on its way out.
enum class Phase { kReading, kIdle, kBusy };

// What all connections of a server share.
struct Hub {
  ServerOptions options;
  std::vector<Cidr> trusted;
  std::function<void(std::function<void()>)> post;  // runs it on the I/O thread; from any thread
  std::function<void(Job)> work;                    // has a worker call the handler
  std::function<void(Connection&, Phase)> phase_changed;
  std::function<void(Connection&)> closed;             // forget it; called once
  std::function<bool(const Connection&)> evict_other;  // closes the oldest other one in kReading; false: there is none
  bool draining = false;                               // of the I/O thread
  std::atomic<size_t> received_bytes{0};               // of requests that no handler has yet
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Hub& hub, std::unique_ptr<Link> link, std::string peer, bool secure);
  ~Connection();

  void on_bytes(std::string_view bytes);
  void on_eof();  // the other end closed, or broke
  void on_writable();
  void tick(Clock::time_point now);               // a few times a second: closes what took too long
  void answer_and_close(const Refusal& refusal);  // instead of reading: too many connections
  void drain();                                   // idle: closes; else after the running answer
  void close();                                   // at once; a running reply is gone

  bool closed() const { return state_ == State::kClosed; }
  bool untouched() const { return served_ == 0 && !parser_; }  // not a byte came so far
  const std::string& peer() const { return peer_; }

 private:
  enum class State { kReading, kWorking, kClosing, kLingering, kClosed };

  void process();
  void begin_request();
  void header_done();
  void dispatch();
  void refuse(const Refusal& refusal);
  bool charge();
  void release();
  void pump();
  bool fill_from_exchange();
  bool flush();
  void say_comment();
  void answer_done();
  void linger();
  void set_phase(Phase phase);
  size_t out_size() const;

  Hub& hub_;
  const std::unique_ptr<Link> link_;
  const std::string peer_;
  const bool secure_;
  State state_ = State::kReading;
  Phase phase_ = Phase::kReading;
  size_t served_ = 0;
  Clock::time_point deadline_;  // of what is being waited for now, in kReading and kLingering
  Clock::time_point progress_;  // when the client last took something
  std::string input_;           // bytes that are not taken yet: part of a header, or the next request
  bool paused_ = false;

  std::unique_ptr<RequestParser> parser_;
  Clock::time_point span_began_;  // of body_seconds
  size_t span_bytes_ = 0;         // of the body, when it began
  size_t charged_ = 0;            // bytes that hub_.received_bytes counts

  std::shared_ptr<Exchange> exchange_;
  bool keep_ = false, chunked_ = false, ended_ = false;
  bool events_ = false;  // the answer is an event stream
  int version_ = 11;
  bool head_ = false;

  std::array<std::string, 3> out_;  // under way: head, body, tail
  size_t sent_ = 0;                 // of them together
};

}  // namespace loquat::http
