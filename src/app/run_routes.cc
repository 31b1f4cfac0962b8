#include "app/run_routes.h"

namespace loquat::app {
namespace {

// The report is one file with its style inside, and no script.
constexpr const char* kReportPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

http::Response json_text(std::string text) {
  return {200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, std::move(text)};
}

http::Response html(int status, std::string text) {
  return {status,
          {{"Content-Type", "text/html; charset=utf-8"},
           {"Cache-Control", "no-cache"},
           {"Content-Security-Policy", kReportPolicy},
           {"Referrer-Policy", "no-referrer"},
           {"X-Frame-Options", "DENY"}},
          std::move(text)};
}

Answer run_file(RunFiles& files, const std::string& name) {
  if (name == "progress") return json_text(files.progress_json());
  if (name == "curves") return json_text(files.curves_json());
  if (name == "suggestions") return json_text(files.suggestions_json());
  if (name == "report") {
    if (auto text = files.report_json()) return json_text(std::move(*text));
    return serve::ApiError{404, "The report is written when the recipe has ended.", "invalid_request_error", "",
                           "not_ready"};
  }
  if (name != "report.html") return not_there("A run has progress, curves, suggestions and a report.");
  if (auto text = files.report_html()) return html(200, std::move(*text));
  return html(404,
              "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Loquat: no report yet</title>"
              "<style>body{font:16px/1.6 system-ui,sans-serif;margin:20vh auto;max-width:32rem;padding:0 1rem;"
              "color-scheme:light dark}</style><h1>No report yet</h1><p>It is written when the recipe has ended. "
              "<a href=\"/run\">See how far it is.</a></p></html>");
}

}  // namespace

std::string tenant_of(const std::string& person, bool join_caches) {
  return join_caches ? "" : "person:" + person;
}

void add_run_routes(Router& router, std::shared_ptr<RunFiles> files, std::shared_ptr<serve::api::Api> api,
                    bool join_caches) {
  router.add({"GET", "/api/app/run/{name}", Rule::signed_in(),
              [files = std::move(files)](Call& call) { return run_file(*files, call.at("name")); }});
  // A chat completion as OpenAI's API has it: the page asks it of each stage's model.
  router.add({"POST", "/api/app/run/ask", Rule::signed_in(), [api = std::move(api), join_caches](Call& call) -> Answer {
                call.request.path = "/v1/chat/completions";
                api->handle(std::move(call.request), call.reply, {"", tenant_of(call.person.id, join_caches), false});
                return AnsweredLater{};
              }});
}

}  // namespace loquat::app
