#include "http/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "http/text.h"

namespace loquat::http {
namespace {

constexpr size_t kPipelined = 16 << 10;  // of next requests that are kept while one is answered

Clock::duration seconds(double n) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(n));
}

}  // namespace

Connection::Connection(Hub& hub, std::unique_ptr<Link> link, std::string peer, bool secure)
    : hub_(hub), link_(std::move(link)), peer_(std::move(peer)), secure_(secure) {
  deadline_ = Clock::now() + seconds(hub_.options.header_seconds);
}

Connection::~Connection() {
  release();
}

void Connection::on_bytes(std::string_view bytes) {
  switch (state_) {
    case State::kReading: {
      input_.append(bytes);
      process();
      break;
    }
    case State::kWorking: {
      input_.append(bytes);
      if (input_.size() >= kPipelined && !paused_) {
        paused_ = true;
        link_->pause_reading();
      }
      break;
    }
    default:
      break;  // read so that the client gets our answer; of no use
  }
}

void Connection::on_eof() {
  close();
}

void Connection::on_writable() {
  pump();
}

void Connection::process() {
  while (state_ == State::kReading && !input_.empty()) {
    if (!parser_) {
      const size_t begin = std::min(input_.find_first_not_of("\r\n"), input_.size());
      input_.erase(0, begin);  // empty lines after a body: old clients send them
      if (input_.empty()) break;
      begin_request();
    }
    const bool in_header = parser_->state() == RequestParser::State::kHeader;
    const size_t taken = parser_->feed(input_);
    input_.erase(0, taken);
    if (parser_->state() == RequestParser::State::kRefused) return refuse(parser_->refusal());
    if (in_header && parser_->state() != RequestParser::State::kHeader) {
      header_done();
      if (state_ != State::kReading) return;
    }
    if (!charge()) return;
    if (parser_->state() == RequestParser::State::kDone) return dispatch();
    if (taken == 0) break;
  }
  if (input_.empty() && input_.capacity() > kPipelined) input_ = {};
}

void Connection::begin_request() {
  parser_ = std::make_unique<RequestParser>(ParserLimits{hub_.options.body_bytes, hub_.options.header_bytes,
                                                         hub_.options.header_fields, hub_.options.target_bytes});
  // The first request's time began with the connection.
  if (served_ > 0) deadline_ = Clock::now() + seconds(hub_.options.header_seconds);
  set_phase(Phase::kReading);
}

void Connection::header_done() {
  if (hub_.draining) return refuse({503, "The server is stopping.", "stopping"});
  span_began_ = Clock::now();
  span_bytes_ = 0;
  if (parser_->state() == RequestParser::State::kBody && parser_->expects_continue() && input_.empty()) {
    out_[0] += "HTTP/1.1 100 Continue\r\n\r\n";
    progress_ = Clock::now();
    pump();
  }
}

// Counts what came of the request; false: there is too much of all requests together, and this one is refused.
bool Connection::charge() {
  const size_t now = parser_->request().body.size() + input_.size();
  hub_.received_bytes += now - charged_;
  charged_ = now;
  while (hub_.received_bytes > hub_.options.bodies_bytes) {
    if (hub_.evict_other(*this)) continue;
    refuse({503, "The server is receiving too much at once; try again shortly.", "overloaded"});
    return false;
  }
  return true;
}

void Connection::release() {
  hub_.received_bytes -= charged_;
  charged_ = 0;
}

void Connection::dispatch() {
  keep_ = parser_->keep_alive();
  version_ = parser_->version();
  head_ = parser_->is_head();
  Request request = parser_->take();
  parser_.reset();
  request.peer = peer_;
  request.secure = secure_;
  if (!hub_.trusted.empty() && any_contains(hub_.trusted, peer_)) {
    request.peer = forwarded_peer(hub_.trusted, peer_, request.header("x-forwarded-for"));
    const std::string_view protocols = request.header("x-forwarded-proto");
    const size_t comma = protocols.rfind(',');
    if (has_token(protocols.substr(comma == std::string_view::npos ? 0 : comma + 1), "https")) request.secure = true;
  }
  ++served_;
  state_ = State::kWorking;
  ended_ = chunked_ = false;
  set_phase(Phase::kBusy);
  exchange_ = std::make_shared<Exchange>(
      [self = weak_from_this(), &hub = hub_] {
        hub.post([self] {
          if (const auto connection = self.lock()) connection->pump();
        });
      },
      head_, hub_.options.waiting_bytes);
  hub_.work(Job(std::move(request), exchange_, hub_.received_bytes, std::exchange(charged_, 0)));
}

void Connection::refuse(const Refusal& refusal) {
  Response response = error_response(refusal.status, refusal.message, refusal.code);
  if (refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
  if (refusal.status == 405) response.headers.emplace_back("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  const bool head = parser_ && parser_->is_head();
  out_[0] += response_head(response.status, response.headers, {false, response.body.size(), "close"});
  if (!head) out_[0] += response.body;
  progress_ = Clock::now();
  release();
  parser_.reset();
  input_ = {};
  state_ = State::kClosing;
  set_phase(Phase::kBusy);
  pump();
}

void Connection::answer_and_close(const Refusal& refusal) {
  if (state_ == State::kReading) refuse(refusal);
}

// Puts what the handler has written into out_; false: there is nothing (yet).
bool Connection::fill_from_exchange() {
  Exchange::Batch batch = exchange_->take();
  if (batch.start) {
    const Response& start = *batch.start;
    const bool has_body = status_has_body(start.status);
    Framing framing;
    if (batch.whole && has_body) framing.content_length = batch.length;
    chunked_ = !batch.whole && has_body && version_ == 11;
    framing.chunked = chunked_;
    if (hub_.draining || (!batch.whole && has_body && version_ == 10)) keep_ = false;
    events_ = false;
    for (const auto& [name, value] : start.headers) {
      if (lower(name) == "connection" && has_token(value, "close")) keep_ = false;
      if (lower(name) == "content-type" && value.starts_with("text/event-stream")) events_ = !batch.whole && !head_;
    }
    framing.connection = !keep_ ? "close" : version_ == 10 ? "keep-alive" : "";
    out_[0] += response_head(start.status, start.headers, framing);
    if (!has_body) head_ = true;
  }
  if (head_) batch.body.clear();
  if (chunked_ && !head_) {
    if (!batch.body.empty()) {
      out_[0] += fmt::format("{:x}\r\n", batch.body.size());
      out_[2] = "\r\n";
    }
    if (batch.ended) out_[2] += "0\r\n\r\n";
  }
  out_[1] = std::move(batch.body);
  ended_ = batch.ended;
  if (out_size() == 0) return false;
  progress_ = Clock::now();
  return true;
}

// Sends until all is sent, the handler has nothing more, or the client takes no more.
void Connection::pump() {
  while (state_ != State::kClosed) {
    if (exchange_ && exchange_->cut()) return close();
    if (!flush()) return;
    if (state_ == State::kClosing) return linger();
    if (state_ != State::kWorking) return;
    if (ended_ || (!fill_from_exchange() && ended_)) return answer_done();
    if (out_size() == 0) return;
  }
}

// True when all that was under way is sent.
bool Connection::flush() {
  while (sent_ < out_size()) {
    std::array<std::string_view, 3> parts;
    size_t skip = sent_;
    for (size_t i = 0; i < out_.size(); ++i) {
      const size_t cut = std::min(skip, out_[i].size());
      parts[i] = std::string_view(out_[i]).substr(cut);
      skip -= cut;
    }
    const auto n = link_->send(parts);
    if (!n) {
      close();
      return false;
    }
    sent_ += *n;
    if (*n > 0) progress_ = Clock::now();
    const size_t left = out_size() - sent_;
    if (exchange_) exchange_->set_in_flight(left);
    if (left > 0) return false;
  }
  for (std::string& part : out_) part = {};
  sent_ = 0;
  return true;
}

// Between two events: a handler writes whole ones.
void Connection::say_comment() {
  constexpr std::string_view kComment = ":\n\n";
  out_[0] = chunked_ ? fmt::format("{:x}\r\n{}\r\n", kComment.size(), kComment) : kComment;
  progress_ = Clock::now();
  pump();
}

void Connection::answer_done() {
  events_ = false;
  exchange_->detach(true);
  exchange_.reset();
  if (!keep_ || (hub_.draining && input_.empty())) {
    state_ = State::kClosing;
    return linger();
  }
  state_ = State::kReading;
  deadline_ = Clock::now() + seconds(hub_.options.idle_seconds);
  set_phase(Phase::kIdle);
  if (paused_) {
    paused_ = false;
    link_->resume_reading();
  }
  process();
}

// Lets a client that is still sending read our answer: closing with unread bytes would reset the connection.
void Connection::linger() {
  state_ = State::kLingering;
  input_ = {};
  deadline_ = Clock::now() + seconds(hub_.options.linger_seconds);
  link_->shutdown_send();
  if (paused_) {
    paused_ = false;
    link_->resume_reading();
  }
}

void Connection::tick(Clock::time_point now) {
  if (state_ == State::kClosed) return;
  if (out_size() > 0 && now > progress_ + seconds(hub_.options.write_seconds)) return close();
  if (paused_ && link_->peer_closed()) return close();
  if (state_ == State::kLingering && now > deadline_) return close();
  if (state_ == State::kWorking && events_ && out_size() == 0 &&
      now > progress_ + seconds(hub_.options.comment_seconds))
    return say_comment();
  if (state_ != State::kReading) return;
  if (parser_ && parser_->state() == RequestParser::State::kBody) {
    const double span = hub_.options.body_seconds;
    if (now < span_began_ + seconds(span)) return;
    const size_t bytes = parser_->request().body.size();
    if (static_cast<double>(bytes - span_bytes_) < span * static_cast<double>(hub_.options.body_rate)) {
      return refuse({408, "The request's body came too slowly.", "too_slow"});
    }
    span_began_ = now;
    span_bytes_ = bytes;
  } else if (now > deadline_) {
    if (!parser_) return close();
    refuse({408, "The request's headers came too slowly.", "too_slow"});
  }
}

void Connection::drain() {
  if (state_ == State::kReading && !parser_) close();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  const auto self = shared_from_this();  // the hub forgets it below
  link_->close();
  release();
  parser_.reset();
  input_ = {};
  if (const auto exchange = std::exchange(exchange_, nullptr)) exchange->detach(false);
  hub_.closed(*this);
}

void Connection::set_phase(Phase phase) {
  if (phase == phase_) return;
  phase_ = phase;
  hub_.phase_changed(*this, phase);
}

size_t Connection::out_size() const {
  return out_[0].size() + out_[1].size() + out_[2].size();
}

}  // namespace loquat::http
