// The routes and their security headers. A handler runs on its connection's thread and may block there.
#include "serve/routes.h"

#include <atomic>
#include <chrono>
#include <random>

#include "serve/openai.h"
#include "serve/page_assets.h"

namespace loquat::serve {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The page loads its own files and talks to its own server, nothing else; no inline script or style.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
// The report is one file with its style inside, and no script.
constexpr const char* kReportPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

Headers headers_for(const std::string& content_type, const char* policy) {
  return {{"Content-Type", content_type},
          {"Cache-Control", "no-cache"},
          {"Content-Security-Policy", policy},
          {"Referrer-Policy", "no-referrer"},
          {"X-Frame-Options", "DENY"}};
}

Response json_response(std::string body) {
  return {200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, std::move(body), {}};
}

std::string random_id(const char* prefix) {
  static std::atomic<uint64_t> counter{0};
  static const uint64_t kStart = (static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}();
  return fmt::format("{}{:016x}{:08x}", prefix, kStart, counter++);
}

int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class Routes {
 public:
  Routes(std::shared_ptr<ChatBackend> backend, std::shared_ptr<RunFiles> files)
      : backend_(std::move(backend)), files_(std::move(files)) {}

  Response operator()(const Request& request, Client& client) const {
    Response response = route(request, client);
    response.headers.emplace_back("X-Request-Id", random_id("req_"));
    return response;
  }

 private:
  Response route(const Request& request, Client& client) const {
    const bool chat = request.path == "/v1/chat/completions";
    const std::string allowed = chat ? "POST" : "GET";
    if (request.method != allowed) {
      Response response = error_response({405, fmt::format("{} is not allowed for {}; use {}.", request.method,
                                                           request.path, allowed),
                                          "invalid_request_error", "", "method_not_allowed"});
      response.headers.emplace_back("Allow", allowed);
      return response;
    }
    if (chat) return chat_completion(request, client);
    if (request.path == "/v1/models") return json_response(models_body(backend_->models()));
    if (request.path.starts_with("/v1/models/")) return one_model(request.path.substr(11));
    if (request.path.starts_with("/api/run/")) return run_file(request.path.substr(9));
    if (request.path == "/report.html") return report();
    const std::string path = request.path == "/" ? "/index.html" : request.path;
    for (const PageAsset& asset : page_assets()) {
      if (asset.path == path) {
        return {200, headers_for(std::string(asset.content_type), kPagePolicy), std::string(asset.bytes), {}};
      }
    }
    return not_found(request.path);
  }

  static Response not_found(const std::string& path) {
    return error_response({404, fmt::format("There is nothing at {}.", path), "invalid_request_error", "", "not_found"});
  }

  Response one_model(const std::string& id) const {
    for (const ModelInfo& model : backend_->models()) {
      if (model.id == id) return json_response(model_body(model));
    }
    return error_response({404, fmt::format("The model '{}' does not exist.", id), "invalid_request_error", "model",
                           "model_not_found"});
  }

  Response run_file(const std::string& name) const {
    if (name == "progress") return json_response(files_->progress_json());
    if (name == "curves") return json_response(files_->curves_json());
    if (name == "suggestions") return json_response(files_->suggestions_json());
    if (name == "report") {
      if (auto text = files_->report_json()) return json_response(std::move(*text));
      return error_response({404, "The report is written when the recipe has ended.", "invalid_request_error", "",
                             "not_ready"});
    }
    return not_found("/api/run/" + name);
  }

  Response report() const {
    if (auto text = files_->report_html()) {
      return {200, headers_for("text/html; charset=utf-8", kReportPolicy), std::move(*text), {}};
    }
    return {404, headers_for("text/html; charset=utf-8", kReportPolicy),
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Loquat: no report yet</title>"
            "<style>body{font:16px/1.6 system-ui,sans-serif;margin:20vh auto;max-width:32rem;padding:0 1rem;"
            "color-scheme:light dark}</style><h1>No report yet</h1><p>It is written when the recipe has ended. "
            "<a href=\"/\">See how far it is.</a></p></html>",
            {}};
  }

  Response chat_completion(const Request& request, Client& client) const {
    const auto parsed = parse_chat_call(request.body);
    if (const auto* error = std::get_if<ApiError>(&parsed)) return error_response(*error);
    const ChatCall call = std::get<ChatCall>(parsed);
    if (const auto error = backend_->check(call)) return error_response(*error);
    const ChatWriter writer(random_id("chatcmpl-"), unix_now(), call.model, call.include_usage);
    if (call.stream) {
      return {200,
              {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
              "",
              [call, writer, backend = backend_](Stream& stream) { stream_reply(call, writer, *backend, stream); }};
    }
    std::string text;
    const auto result = filtered_reply(call, *backend_, [&](std::string_view piece) {
      text += piece;
      return !client.gone();
    });
    if (!result) return error_response({500, result.error(), "server_error", "", ""});
    ChatResult whole = *result;
    whole.text = std::move(text);
    return json_response(writer.completion(whole));
  }

  // The backend's reply up to the first stop sequence.
  static Result<ChatResult> filtered_reply(const ChatCall& call, ChatBackend& backend,
                                           const std::function<bool(std::string_view)>& on_text) {
    StopFilter filter(call.stop);
    Result<ChatResult> result = backend.reply(
        call, [&](std::string_view piece) { return on_text(filter.push(piece)) && !filter.stopped(); });
    if (!result) return result;
    if (filter.stopped()) {
      result->finish = Finish::kStop;
    } else if (const std::string rest = filter.finish(); !rest.empty()) {
      on_text(rest);
    }
    return result;
  }

  static void stream_reply(const ChatCall& call, const ChatWriter& writer, ChatBackend& backend, Stream& stream) {
    if (!stream.write(writer.role_event())) return;
    auto sent = std::chrono::steady_clock::now();
    const auto result = filtered_reply(call, backend, [&](std::string_view piece) {
      if (!piece.empty()) {
        sent = std::chrono::steady_clock::now();
        return stream.write(writer.content_event(piece));
      }
      if (std::chrono::steady_clock::now() - sent < std::chrono::seconds(10)) return !stream.gone();
      sent = std::chrono::steady_clock::now();
      return stream.write(": waiting\n\n");  // keeps proxies from giving up on the connection
    });
    if (!result) {
      stream.write(ChatWriter::error_event({500, result.error(), "server_error", "", ""}));
      return;
    }
    if (result->finish == Finish::kCancelled) return;
    stream.write(writer.finish_event(result->finish));
    if (call.include_usage) stream.write(writer.usage_event(*result));
    stream.write(ChatWriter::done_event());
  }

  std::shared_ptr<ChatBackend> backend_;
  std::shared_ptr<RunFiles> files_;
};

}  // namespace

Handler make_routes(std::shared_ptr<ChatBackend> backend, std::shared_ptr<RunFiles> files) {
  return Routes(std::move(backend), std::move(files));
}

}  // namespace loquat::serve
