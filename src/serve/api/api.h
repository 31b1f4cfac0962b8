// OpenAI's API over whatever models there are (backend.h): requests in, replies and events out (docs/api.md). Knows
// nothing of sockets, keys or limits' making. Replies that take long are written by the models' threads; handle()
// itself returns when a request is read, checked and handed on; embeddings and what needs a model that is not loaded
// yet are done in the background.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/http.h"
#include "serve/backend.h"
#include "serve/caller.h"

namespace loquat::serve::api {

struct ApiOptions {
  bool log_texts = false;  // what people and models write goes into the log
  // Runs what takes long on another thread; false: too much waits. Not set: it is run at once.
  std::function<bool(std::function<void()> job)> background;
  std::function<std::string()> more_metrics;         // further lines of /metrics, in Prometheus' text format
  std::function<bool()> ready;                       // what /ready says; not set: always ready
  std::function<void(const std::string& line)> log;  // one JSON line per request; not set: stderr
};

struct Service;

class Api {
 public:
  // `meter` may be null: nothing is limited.
  Api(std::shared_ptr<Backend> backend, std::shared_ptr<Meter> meter, ApiOptions options);
  // The paths that this answers, whatever the method: /v1/..., /admin/models/..., /tokenize, /detokenize, /health,
  // /ready, /metrics, /openapi.json.
  bool handles(const std::string& path) const;
  void handle(http::Request&& request, std::shared_ptr<http::Reply> reply, const Caller& caller);
  // Answers a request that may not come in: logged and counted as all others.
  void refuse(http::Request&& request, std::shared_ptr<http::Reply> reply, const ApiError& error);

 private:
  std::shared_ptr<const Service> service_;
};

}  // namespace loquat::serve::api
