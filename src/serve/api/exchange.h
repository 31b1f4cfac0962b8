// One request and its answer: the headers that every answer has, and the one log line and the counts when it has ended.
// Not for two threads at a time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "http/http.h"
#include "serve/api/api.h"
#include "serve/api/metrics.h"
#include "serve/backend.h"
#include "serve/caller.h"

namespace loquat::serve::api {

// What all requests share.
struct Service {
  std::shared_ptr<Backend> backend;
  std::shared_ptr<Meter> meter;  // may be null
  ApiOptions options;
  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>();
};

std::string random_id(const std::string& prefix, size_t letters);
int64_t unix_now();

// Thrown where a request would make the server's thread wait: it is begun again in the background.
struct MustWait {};

class Exchange {
 public:
  Exchange(std::shared_ptr<const Service> service, http::Request&& request, std::shared_ptr<http::Reply> reply,
           const Caller& caller, std::string route);
  ~Exchange();  // an answer that was never given counts as status 500
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Service& service() const { return *service_; }
  const http::Request& request() const { return request_; }
  const std::string& body() const { return request_.body; }
  void drop_body();       // a stream does not hold on to what it has read
  void may_wait() const;  // before what may take long; throws MustWait where this thread must not
  void let_wait() { lets_wait_ = true; }
  const std::string& route() const { return route_; }
  const Caller& caller() const { return caller_; }
  http::Reply& reply() { return *reply_; }

  // For the log and the counts; of models that exist.
  void set_model(const std::string& id) { model_ = id; }
  void set_usage(const Usage& usage) { usage_ = usage; }
  void reply_text(const std::string& text);  // kept for the log, where texts are logged
  void tokens_arrived();                     // for the times between tokens

  void send(int status, std::string body, const http::Headers& more = {},
            const std::string& content_type = "application/json");
  void send_error(const ApiError& error, const http::Headers& more = {});
  void begin_events();
  bool write(std::string bytes) { return reply_->write(std::move(bytes)); }
  void end_events(int status);  // `status`: how it went, for the log and the counts
  void client_gone();           // nothing can be said any more
  bool answered() const { return begun_ || finished_; }

 private:
  using Clock = std::chrono::steady_clock;
  http::Headers common_headers() const;
  void finish(int status);
  void count(int status, double total) const;

  std::shared_ptr<const Service> service_;
  http::Request request_;
  std::shared_ptr<http::Reply> reply_;
  Caller caller_;
  std::string route_, id_, model_, text_;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> first_token_, last_token_;
  std::optional<Usage> usage_;
  bool begun_ = false, finished_ = false, lets_wait_ = false;
};

}  // namespace loquat::serve::api
