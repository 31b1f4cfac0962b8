#include "serve/run_server.h"

#include "serve/folder_backend.h"
#include "serve/routes.h"

namespace loquat::serve {

Result<std::unique_ptr<RunServer>> RunServer::start(const std::string& folder, const RunServerOptions& options) {
  TRY(const Kernels* kernels, best_kernels());
  auto backend = std::make_shared<FolderBackend>(folder, *kernels, options.compute);
  ServerOptions http_options;
  http_options.host = options.host;
  http_options.port = options.port;
  TRY(auto http, HttpServer::start(http_options, make_routes(backend, std::make_shared<RunFiles>(folder))));
  return std::unique_ptr<RunServer>(new RunServer(std::move(http), options.host));
}

std::string RunServer::url() const {
  const bool everywhere = host_ == "0.0.0.0" || host_ == "::" || host_ == "127.0.0.1" || host_ == "::1";
  const std::string name = everywhere ? "localhost" : host_.find(':') != std::string::npos ? "[" + host_ + "]" : host_;
  return fmt::format("http://{}:{}", name, port());
}

}  // namespace loquat::serve
