// Any bytes as the body of each POST route, the models being fakes: the answer is JSON or a whole stream of events, its
// status is 200, 4xx or (of a fake) 429, and what was reserved is settled. The first byte chooses the route.
#include <cstdint>
#include <string>
#include <string_view>

#include "serve/api/fakes.h"
#include "serve/api/json.h"

namespace {

using namespace loquat;              // NOLINT
using namespace loquat::serve;       // NOLINT
using namespace loquat::serve::api;  // NOLINT

class CountingMeter : public Meter {
 public:
  std::optional<ApiError> reserve(const Caller&, int64_t tokens) override {
    CHECK(tokens > 0);
    ++open;
    return std::nullopt;
  }
  void settle(const Caller&, int64_t, int64_t, int64_t) override { --open; }
  http::Headers headers(const Caller&) override { return {}; }
  int open = 0;
};

// "event: NAME" or not, then "data: JSON" or "data: [DONE]", then an empty line, and so on to the end.
void check_events(std::string_view body) {
  while (!body.empty()) {
    const size_t end = body.find("\n\n");
    CHECK(end != std::string_view::npos);
    std::string_view block = body.substr(0, end);
    body.remove_prefix(end + 2);
    if (block.starts_with("event: ")) block.remove_prefix(block.find('\n') + 1);
    CHECK(block.starts_with("data: "));
    block.remove_prefix(6);
    CHECK(block == "[DONE]" || Json::accept(block));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr const char* kRoutes[] = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                                            "/v1/responses",        "/tokenize",       "/detokenize"};
  if (size == 0) return 0;
  const auto backend = std::make_shared<FakeBackend>();
  backend->talker->context_tokens = 512;
  backend->talker->pieces = {"Hi.\n<tool_",
                             "call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"\xC3\xA9\"}}\n</tool_call>"};
  const auto meter = std::make_shared<CountingMeter>();
  ApiOptions options;
  options.log = [](const std::string& line) { CHECK(Json::accept(line)); };
  options.log_texts = true;
  Api api(backend, meter, options);
  const auto reply = std::make_shared<FakeReply>();
  http::Request request;
  request.method = "POST";
  request.path = kRoutes[data[0] % std::size(kRoutes)];
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  api.handle(std::move(request), reply, {});
  backend->talker->calls.clear();  // else its sinks keep the server, which keeps the fake
  CHECK(reply->ended && meter->open == 0);
  CHECK(reply->status == 200 || (reply->status >= 400 && reply->status < 500), "{}", reply->body);
  if (reply->begun) {
    check_events(reply->body);
  } else {
    CHECK(Json::accept(reply->body));
  }
  return 0;
}
