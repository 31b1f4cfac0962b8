// The server of one run folder, as `loquat serve DIR` and `loquat recipe run --serve` start it: API, page, report.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "kernels/tensor.h"
#include "serve/http_server.h"

namespace loquat::serve {

struct RunServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  DType compute = DType::kBF16;
};

class RunServer {
 public:
  // Listens, on threads of its own, when it returns. The folder may still be empty: models and figures are looked for at
  // every request. Errors: the port is taken, the host is no address, no kernels for this machine.
  static Result<std::unique_ptr<RunServer>> start(const std::string& folder, const RunServerOptions& options);
  int port() const { return http_->port(); }
  std::string url() const;  // for people: http://localhost:8080
  void stop() { http_->stop(); }

 private:
  RunServer(std::unique_ptr<HttpServer> http, std::string host) : http_(std::move(http)), host_(std::move(host)) {}
  std::unique_ptr<HttpServer> http_;
  std::string host_;
};

}  // namespace loquat::serve
