#include "serve/api/responses.h"

#include <algorithm>

#include "serve/api/chat.h"
#include "serve/api/conversation.h"
#include "serve/api/formats.h"
#include "serve/api/generation.h"
#include "serve/api/response_items.h"
#include "serve/api/sampling.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kFields[] = {
    "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice",
    "parallel_tool_calls", "text", "stream", "stream_options", "top_logprobs", "truncation", "include", "background",
    "reasoning", "chat_template_kwargs", "enable_thinking",
    // Accepted and ignored:
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "max_tool_calls"};

constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"previous_response_id", "this server keeps no responses; send the whole conversation in 'input'"},
    {"conversation", "this server keeps no conversations; send the whole of it in 'input'"},
    {"prompt", "this server keeps no prompts; use 'instructions' and 'input'"},
    {"context_management", "this server keeps no conversations"},
    {"moderation", "this server does not moderate"}};

struct ResponsesRequest {
  std::string model;
  ChatInput input;
  GenerateCall call;        // without the prompt
  int64_t max_tokens = -1;  // -1: as many as there is room for
  bool stream = false;
  Json echo;  // the request's fields that a response repeats
};

// As the request gave it, or what holds where it did not.
Json given_or(const Fields& body, std::string_view name, Json fallback) {
  const Json* value = body.given(name);
  return value ? *value : std::move(fallback);
}

Json echo_of(const Fields& body) {
  Json echo;
  for (const char* name : {"instructions", "max_output_tokens"}) echo[name] = given_or(body, name, nullptr);
  echo["metadata"] = given_or(body, "metadata", Json::object());
  echo["parallel_tool_calls"] = given_or(body, "parallel_tool_calls", true);
  echo["previous_response_id"] = nullptr;
  echo["reasoning"] = {{"effort", nullptr}, {"summary", nullptr}};
  echo["store"] = false;
  echo["temperature"] = given_or(body, "temperature", 1.0);
  echo["text"] = given_or(body, "text", Json{{"format", {{"type", "text"}}}});
  echo["tool_choice"] = given_or(body, "tool_choice", "auto");
  echo["tools"] = given_or(body, "tools", Json::array());
  echo["top_p"] = given_or(body, "top_p", 1.0);
  echo["truncation"] = "disabled";
  echo["user"] = given_or(body, "user", nullptr);
  return echo;
}

void refuse_values(const Fields& body) {
  if (body.flag("background", false)) {
    wrong("background", "'background' is not supported: this server keeps no responses.", "unsupported_value");
  }
  if (body.integer("top_logprobs", 0, 0, 20) > 0) {
    wrong("top_logprobs", "'top_logprobs' is not supported here; use /v1/chat/completions.", "unsupported_value");
  }
  if (body.text("truncation").value_or("disabled") != "disabled") {
    wrong("truncation", "'truncation' must be \"disabled\": nothing is left out of an input.", "unsupported_value");
  }
  if (const Json* include = body.list("include")) {
    for (const Json& item : *include) {
      if (item == "reasoning.encrypted_content") continue;
      wrong("include", "'include' may hold \"reasoning.encrypted_content\" alone.", "unsupported_value");
    }
  }
}

ResponsesRequest read_request(const Json& json) {
  const Fields body(json);
  for (const auto& [name, why] : kRefused) body.refuse(name, std::string(why));
  body.only({std::begin(kFields), std::end(kFields)});
  refuse_values(body);
  ResponsesRequest request;
  request.model = body.required_text("model");
  const ToolSet tools = read_tools(body, ToolShape::kFlat);
  request.input = {read_input(body), tools, read_chat_options(body, tools, "reasoning"), "input"};
  request.call.sampling = read_sampling(body);
  request.max_tokens = body.integer("max_output_tokens", -1, 1, INT64_MAX);
  request.stream = body.flag("stream", false);
  body.object("stream_options");
  body.flag("store", false);
  body.text("user");
  std::optional<Fields> format;
  if (const auto text = body.object("text")) format = text->object("format");
  request.call.grammar = read_format({format, ToolShape::kFlat}, tools);
  request.echo = echo_of(body);
  return request;
}

class ResponsesWriter : public ReplyWriter {
 public:
  ResponsesWriter(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model,
                  const ResponsesRequest& request)
      : exchange_(std::move(exchange)),
        model_(std::move(model)),
        stream_(request.stream),
        echo_(request.echo),
        reader_(*model_, request.input.tools),
        items_([this](const char* type, Json fields) { event(type, std::move(fields)); }) {}

  bool streams() const override { return stream_; }

  void begin() override {
    if (!stream_) return;
    exchange_->begin_events();
    const Json response = response_json("in_progress", nullptr);
    event("response.created", {{"response", response}});
    event("response.in_progress", {{"response", response}});
    send_events();
  }

  void piece(int, GenerateEvent&& event) override {
    for (const ToolPiece& piece : reader_.push(event)) items_.add(piece);
    if (event.finish) {
      complete_ = *event.finish != Finish::kLength;
      items_.finish(complete_);
    }
    send_events();
  }

  void end(const Usage& usage) override {
    const Json used = {{"input_tokens", usage.prompt_tokens},
                       {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
                       {"output_tokens", usage.completion_tokens},
                       {"output_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}},
                       {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
    const Json response = response_json(complete_ ? "completed" : "incomplete", used);
    if (!stream_) {
      exchange_->send(200, dump(response));
      return;
    }
    event(complete_ ? "response.completed" : "response.incomplete", {{"response", response}});
    send_events();
    exchange_->end_events(200);
  }

  void fail(const ApiError& error) override {
    if (!stream_) {
      exchange_->send_error(error);
      return;
    }
    Json fields = {{"message", error.message}};
    fields["code"] = error.code.empty() ? Json(nullptr) : Json(error.code);
    fields["param"] = error.param.empty() ? Json(nullptr) : Json(error.param);
    event("error", std::move(fields));
    send_events();
    exchange_->end_events(error.status);
  }

 private:
  Json response_json(const char* status, Json usage) const {
    Json json = {{"id", id_}, {"object", "response"}, {"created_at", created_}, {"status", status}};
    json["background"] = false;
    json["error"] = nullptr;
    json["incomplete_details"] = nullptr;
    if (std::string_view(status) == "incomplete") json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    json["model"] = model_->id();
    json["output"] = items_.output();
    json.update(echo_);
    json["usage"] = std::move(usage);
    return json;
  }

  void event(const char* type, Json fields) {
    if (!stream_) return;
    Json json = {{"type", type}, {"sequence_number", sequence_++}};
    json.update(fields);
    events_ += std::string("event: ") + type + "\ndata: " + dump(json) + "\n\n";
  }

  void send_events() {
    if (!events_.empty()) exchange_->write(std::exchange(events_, {}));
  }

  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<ServedModel> model_;
  const bool stream_;
  const Json echo_;
  const std::string id_ = random_id("resp_", 32);
  const int64_t created_ = unix_now();
  ReplyReader reader_;
  ResponseItems items_;
  std::string events_;  // not sent yet
  int64_t sequence_ = 0;
  bool complete_ = true;
};

}  // namespace

void responses(std::shared_ptr<Exchange> exchange) {
  ResponsesRequest request = read_request(parse_object(exchange->body()));
  const auto model = find_model(*exchange, request.model);
  exchange->set_model(model->id());
  GenerateCall& call = request.call;
  set_prompt(call, *model, request.input);
  call.tenant = exchange->caller().tenant;
  set_length(call, *model, request.max_tokens, request.max_tokens < 0 ? "input" : "max_output_tokens");
  auto writer = std::make_unique<ResponsesWriter>(exchange, model, request);
  Generation::start(exchange, model, {std::move(call)}, std::move(writer));
}

}  // namespace loquat::serve::api
