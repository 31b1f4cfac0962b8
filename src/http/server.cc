// The sockets, over Boost.Asio: readiness is waited for, and bytes are moved through one buffer of the I/O thread's, so
// that a silent connection holds no buffers.
#include "http/server.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "http/connection.h"
#include "http/tls.h"
#include "http/workers.h"

namespace loquat::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

constexpr auto kTick = 100ms;
constexpr size_t kRefusedAtOnce = 64;    // connections past the limit that are told so; more are just closed
constexpr int kUnsentBytes = 256 << 10;  // that the system holds for a slow client
constexpr size_t kTlsRecord = 16 << 10;

class SocketLink final : public Link {
 public:
  SocketLink(tcp::socket socket, const TlsContext* tls, std::span<char> scratch)
      : socket_(std::move(socket)), scratch_(scratch), established_(!tls) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof(kUnsentBytes));
    if (tls) tls_ = std::make_unique<TlsSession>(*tls, socket_.native_handle());
  }

  void start(const std::shared_ptr<Connection>& connection) {
    connection_ = connection;
    later();
  }

  std::optional<size_t> send(std::span<const std::string_view> parts) override {
    size_t total = 0;
    for (const std::string_view part : parts) total += part.size();
    const std::optional<size_t> sent = tls_ ? send_tls(parts, total) : send_plain(parts);
    blocked_ = sent && *sent < total;
    if (blocked_) wait(tcp::socket::wait_write);
    return sent;
  }

  void pause_reading() override { paused_ = true; }
  void resume_reading() override {
    paused_ = false;
    later();
  }
  bool peer_closed() override {
    pollfd poll_fd{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
  }
  void shutdown_send() override {
    if (tls_) tls_->shutdown();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    closed_ = true;
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void later() {
    asio::post(socket_.get_executor(), [this, connection = connection_] {
      if (const auto alive = connection.lock()) ready(*alive);
    });
  }

  void wait(tcp::socket::wait_type type) {
    bool& waiting = type == tcp::socket::wait_read ? waits_read_ : waits_write_;
    if (waiting) return;
    waiting = true;
    socket_.async_wait(type, [this, &waiting, connection = connection_](error_code error) {
      const auto alive = connection.lock();  // which owns this link
      if (!alive) return;
      waiting = false;
      if (error != asio::error::operation_aborted) ready(*alive);
    });
  }

  void ready(Connection& connection) {
    if (closed_) return;
    if (!established_) {
      switch (tls_->handshake()) {
        case TlsSession::Outcome::kDone:
          established_ = true;
          break;
        case TlsSession::Outcome::kWantRead:
          return wait(tcp::socket::wait_read);
        case TlsSession::Outcome::kWantWrite:
          return wait(tcp::socket::wait_write);
        case TlsSession::Outcome::kEnd:
          return connection.on_eof();
      }
    }
    if (blocked_) connection.on_writable();
    if (!closed_ && !paused_) read(connection);
  }

  void read(Connection& connection) {
    for (int round = 0; round < 4; ++round) {
      size_t bytes = 0;
      switch (read_some(bytes)) {
        case TlsSession::Outcome::kDone:
          break;
        case TlsSession::Outcome::kWantRead:
          return wait(tcp::socket::wait_read);
        case TlsSession::Outcome::kWantWrite:
          return wait(tcp::socket::wait_write);
        case TlsSession::Outcome::kEnd:
          return connection.on_eof();
      }
      connection.on_bytes({scratch_.data(), bytes});
      if (closed_ || paused_) return;
      if (!tls_ && bytes < scratch_.size()) return wait(tcp::socket::wait_read);
    }
    later();  // there is more: the others first
  }

  TlsSession::Outcome read_some(size_t& bytes) {
    if (tls_) return tls_->read(scratch_, bytes);
    error_code error;
    bytes = socket_.read_some(asio::mutable_buffer(scratch_.data(), scratch_.size()), error);
    if (!error) return TlsSession::Outcome::kDone;
    return error == asio::error::would_block ? TlsSession::Outcome::kWantRead : TlsSession::Outcome::kEnd;
  }

  std::optional<size_t> send_plain(std::span<const std::string_view> parts) {
    std::array<asio::const_buffer, 3> buffers;
    for (size_t i = 0; i < std::min(parts.size(), buffers.size()); ++i) buffers[i] = {parts[i].data(), parts[i].size()};
    error_code error;
    const size_t sent = socket_.write_some(buffers, error);
    if (error && error != asio::error::would_block) return std::nullopt;
    return sent;
  }

  // Pieces that are small go into one record.
  std::optional<size_t> send_tls(std::span<const std::string_view> parts, size_t total) {
    size_t sent = 0;
    while (sent < total) {
      const size_t size = gather(parts, sent);
      size_t taken = 0;
      const auto outcome = tls_->write({scratch_.data(), size}, taken);
      if (outcome == TlsSession::Outcome::kEnd) return std::nullopt;
      if (outcome != TlsSession::Outcome::kDone) break;
      sent += taken;
    }
    return sent;
  }

  size_t gather(std::span<const std::string_view> parts, size_t skip) {
    size_t size = 0;
    for (const std::string_view part : parts) {
      const size_t begin = std::min(skip, part.size());
      skip -= begin;
      size += part.substr(begin).copy(scratch_.data() + size, kTlsRecord - size);
    }
    return size;
  }

  tcp::socket socket_;
  const std::span<char> scratch_;
  std::unique_ptr<TlsSession> tls_;
  std::weak_ptr<Connection> connection_;
  bool established_;
  bool blocked_ = false, paused_ = false, closed_ = false;
  bool waits_read_ = false, waits_write_ = false;
};

// How many connections the limit of open files leaves room for; raises it as far as this process may.
size_t connections_allowed(size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  if (files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur == RLIM_INFINITY) return wanted;
  const size_t limit = files.rlim_cur;
  return std::max<size_t>(1, std::min(wanted, limit - std::min<size_t>(512, limit / 2)));  // the rest is for files
}

}  // namespace

struct Server::Impl {
  using Connections = std::list<std::shared_ptr<Connection>>;
  struct Place {
    Phase phase;
    Connections::iterator at;
  };

  Impl(const ServerOptions& options, Handler handler)
      : acceptor(context), ticker(context), scratch(64 << 10), workers(options.workers, std::move(handler)) {
    hub.options = options;
    hub.options.connections = connections_allowed(options.connections);
    hub.post = [this](std::function<void()> f) { asio::post(context, std::move(f)); };
    hub.work = [this](Job job) { workers.add(std::move(job)); };
    hub.phase_changed = [this](Connection& connection, Phase phase) {
      Place& place = places.at(&connection);
      list(phase).splice(list(phase).end(), list(place.phase), place.at);
      place.phase = phase;
    };
    hub.closed = [this](Connection& connection) { forget(connection); };
    hub.evict_other = [this](const Connection& but) { return evict(Phase::kReading, &but); };
  }

  Status listen() {
    const ServerOptions& options = hub.options;
    if (options.port < 0 || options.port > 65535) {
      return Err("--port: {} is no port; expected 0 to 65535", options.port);
    }
    for (const std::string& block : options.trusted_proxies) {
      TRY(Cidr cidr, Cidr::parse(block));
      hub.trusted.push_back(cidr);
    }
    if (!options.tls_cert.empty() || !options.tls_key.empty()) {
      TRY(tls, TlsContext::load(options.tls_cert, options.tls_key));
    }
    error_code error;
    const auto address = asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
    if (error) return Err("--host: '{}' is no address; expected one like 127.0.0.1, 0.0.0.0 or ::1", options.host);
    const tcp::endpoint endpoint(address, static_cast<uint16_t>(options.port));
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
      return Err("port {} on {} is in use by another program; stop it, or choose another with --port", options.port,
                 options.host);
    }
    if (error == asio::error::access_denied) {
      return Err("port {} on {} needs more rights than this user has; choose one above 1023 with --port", options.port,
                 options.host);
    }
    if (error) return Err("cannot listen on {} port {}: {}", options.host, options.port, error.message());
    port = acceptor.local_endpoint(error).port();
    return {};
  }

  void run() {
    accept();
    tick();
    thread = std::thread([this] {
      sigset_t pipe;
      ::sigemptyset(&pipe);
      ::sigaddset(&pipe, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // OpenSSL writes to sockets that may be broken
      context.run();
    });
  }

  Connections& list(Phase phase) { return lists[static_cast<size_t>(phase)]; }

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (hub.draining || error == asio::error::operation_aborted) return;
      if (error) {  // not again at once: nothing may be free yet
        if (error == asio::error::no_descriptors) make_room();
        accept_again_at_tick = true;
        return;
      }
      adopt(std::move(socket));
      accept();
    });
  }

  void adopt(tcp::socket socket) {
    error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error) return;
    const std::string peer = plain_address(endpoint.address().to_string());
    const ServerOptions& options = hub.options;
    std::optional<Refusal> refusal;
    if (places.size() >= options.connections && !make_room()) {
      if (tls || places.size() >= options.connections + kRefusedAtOnce) return;
      refusal = {503, "Too many connections; try again shortly.", "overloaded"};
    }
    if (options.connections_per_peer > 0 && !any_contains(hub.trusted, peer) &&
        per_peer[peer] >= options.connections_per_peer) {
      if (tls) return;
      refusal = {429, "Too many connections from this address.", "too_many_connections"};
    }
    auto link = std::make_unique<SocketLink>(std::move(socket), tls.get(), scratch);
    SocketLink* const raw = link.get();
    auto connection = std::make_shared<Connection>(hub, std::move(link), peer, tls != nullptr);
    Connections& reading = list(Phase::kReading);
    places[connection.get()] = {Phase::kReading, reading.insert(reading.end(), connection)};
    if (options.connections_per_peer > 0) ++per_peer[peer];
    open = places.size();
    raw->start(connection);
    if (refusal) connection->answer_and_close(*refusal);
  }

  void forget(Connection& connection) {
    const auto found = places.find(&connection);
    list(found->second.phase).erase(found->second.at);
    places.erase(found);
    if (const auto count = per_peer.find(connection.peer()); count != per_peer.end() && --count->second == 0) {
      per_peer.erase(count);
    }
    open = places.size();
    check_drained();
  }

  bool make_room() { return evict(Phase::kReading, nullptr) || evict(Phase::kIdle, nullptr); }

  bool evict(Phase phase, const Connection* but) {
    Connections& connections = list(phase);
    auto oldest = connections.begin();
    if (oldest != connections.end() && oldest->get() == but) ++oldest;
    if (oldest == connections.end()) return false;
    (*oldest)->close();
    return true;
  }

  void tick() {
    ticker.expires_after(kTick);
    ticker.async_wait([this](error_code error) {
      if (error) return;
      const Clock::time_point now = Clock::now();
      for (Connections& connections : lists) {
        // The step comes first: a tick may move or end this connection, and no other.
        for (auto at = connections.begin(); at != connections.end();) (*at++)->tick(now);
      }
      if (std::exchange(accept_again_at_tick, false) && !hub.draining) accept();
      tick();
    });
  }

  template <typename F>
  void for_all(F f) {
    std::vector<std::shared_ptr<Connection>> all;
    for (const Connections& connections : lists) all.insert(all.end(), connections.begin(), connections.end());
    for (const auto& connection : all) f(*connection);
  }

  void check_drained() {
    if (hub.draining && places.empty() && !std::exchange(told_empty, true)) empty.set_value();
  }

  void drain(std::chrono::milliseconds grace) {
    std::lock_guard lock(drain_mutex);
    if (!thread.joinable()) return;
    asio::post(context, [this] {
      hub.draining = true;
      error_code ignored;
      acceptor.close(ignored);
      for_all([](Connection& connection) { connection.drain(); });
      check_drained();
    });
    std::future<void> done = empty.get_future();
    if (done.wait_for(grace) != std::future_status::ready) {
      asio::post(context, [this] { for_all([](Connection& connection) { connection.close(); }); });
      done.wait();
    }
    workers.stop();
    context.stop();
    thread.join();
  }

  asio::io_context context{1};
  tcp::acceptor acceptor;
  asio::steady_timer ticker;
  std::vector<char> scratch;
  Hub hub;
  std::shared_ptr<TlsContext> tls;
  int port = 0;
  std::array<Connections, 3> lists;  // by phase, each in the order of entering it; of the I/O thread, as all below
  std::unordered_map<const Connection*, Place> places;
  std::unordered_map<std::string, size_t> per_peer;
  bool accept_again_at_tick = false;
  bool told_empty = false;
  std::atomic<size_t> open{0};
  std::promise<void> empty;
  std::mutex drain_mutex;
  Workers workers;  // last: its threads use the above
  std::thread thread;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() {
  drain(0ms);
}
int Server::port() const {
  return impl_->port;
}
size_t Server::connections() const {
  return impl_->open;
}
void Server::drain(std::chrono::milliseconds grace) {
  impl_->drain(grace);
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  TRY_STATUS(impl->listen());
  impl->run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace loquat::http
