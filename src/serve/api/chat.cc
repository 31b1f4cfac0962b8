#include "serve/api/chat.h"

#include <fmt/core.h>

#include <algorithm>

#include "serve/api/conversation.h"
#include "serve/api/formats.h"
#include "serve/api/generation.h"
#include "serve/api/logprobs.h"
#include "serve/api/sampling.h"
#include "serve/api/tools.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kFields[] = {
    "model", "messages", "n", "stop", "seed", "temperature", "top_p", "top_k", "min_p", "presence_penalty",
    "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "stream",
    "stream_options", "response_format", "tools", "tool_choice", "parallel_tool_calls",
    // Accepted and ignored:
    "user", "store", "metadata", "service_tier", "prediction", "modalities", "reasoning_effort", "verbosity",
    "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"};

// Of OpenAI's API, and refused with a word on what to do: never silently left out.
constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"functions", "use tools"},
    {"function_call", "use tool_choice"},
    {"audio", "these models write text"},
    {"web_search_options", "this server does not search the web"},
    {"moderation", "this server does not moderate"}};

struct ChatRequest {
  std::string model;
  Messages messages;
  GenerateCall call;         // without the prompt
  int64_t max_tokens = -1;   // -1: as many as there is room for
  std::string length_param;  // the field that says so
  StreamChoice stream;
  bool tools = false;  // the reply may have calls
};

ChatRequest read_request(const Json& json) {
  const Fields body(json);
  for (const auto& [name, why] : kRefused) body.refuse(name, std::string(why));
  body.only({std::begin(kFields), std::end(kFields)});
  ChatRequest request;
  request.model = body.required_text("model");
  const ToolSet tools = read_tools(body, ToolShape::kNested);
  request.tools = tools.active();
  request.messages = read_messages(body, tools);
  GenerateCall& call = request.call;
  call.sampling = read_sampling(body);
  call.stop = read_stop(body);
  call.seed = read_seed(body);
  call.n = static_cast<int>(body.integer("n", 1, 1, 128));
  const int64_t older = body.integer("max_tokens", -1, 1, INT64_MAX);
  request.max_tokens = body.integer("max_completion_tokens", older, 1, INT64_MAX);
  request.length_param = body.given("max_completion_tokens") ? "max_completion_tokens"
                         : body.given("max_tokens")          ? "max_tokens"
                                                             : "messages";
  request.stream = read_stream(body);
  const bool logprobs = body.flag("logprobs", false);
  const auto top = static_cast<int>(body.integer("top_logprobs", 0, 0, 20));
  if (top > 0 && !logprobs) wrong("top_logprobs", "'top_logprobs' is for logprobs: true only.", "invalid_value");
  if (logprobs) call.top_logprobs = top;
  body.text("user");
  if (const Json* kinds = body.list("modalities"); kinds && *kinds != Json::array({"text"})) {
    wrong("modalities", "'modalities' must be [\"text\"]: these models write text.", "unsupported_value");
  }
  call.grammar = read_format({body.object("response_format"), ToolShape::kNested}, tools);
  return request;
}

// What of a choice has been written, as calls and as text.
struct ChoiceText {
  std::optional<ToolCallParser> parser;  // where there are tools
  std::vector<ToolPiece> push(const GenerateEvent& event) {
    if (parser) return parser->push(event.text, event.finish.has_value());
    if (event.text.empty()) return {};
    return {{ToolPiece::Kind::kText, event.text}};
  }
  std::string finish(Finish how) const {
    return parser && parser->any_call() && how == Finish::kStop ? "tool_calls" : finish_name(how);
  }
};

std::vector<ChoiceText> choice_texts(const ChatRequest& request) {
  std::vector<ChoiceText> choices(static_cast<size_t>(request.call.n));
  if (request.tools) {
    for (ChoiceText& choice : choices) choice.parser.emplace();
  }
  return choices;
}

class ChatWriter : public ReplyWriter {
 public:
  ChatWriter(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model, const ChatRequest& request)
      : exchange_(std::move(exchange)),
        model_(std::move(model)),
        logprobs_(request.call.top_logprobs >= 0),
        include_usage_(request.stream.include_usage),
        texts_(choice_texts(request)) {}

 protected:
  Json head(const char* object) const {
    return {{"id", id_}, {"object", object}, {"created", created_}, {"model", model_->id()}};
  }
  Json logprobs_json(const std::vector<TokenLogprob>& tokens) const {
    if (!logprobs_) return nullptr;
    Json json = {{"content", chat_logprobs(tokens, model_->tokenizer())}};
    json["refusal"] = nullptr;
    return json;
  }

  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<ServedModel> model_;
  const bool logprobs_, include_usage_;
  const std::string id_ = random_id("chatcmpl-", 29);
  const int64_t created_ = unix_now();
  std::vector<ChoiceText> texts_;
};

class ChatStream : public ChatWriter {
 public:
  ChatStream(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model, const ChatRequest& request)
      : ChatWriter(std::move(exchange), std::move(model), request), tokens_(texts_.size()) {}

  bool streams() const override { return true; }

  void begin() override {
    exchange_->begin_events();
    std::string events;
    for (size_t i = 0; i < texts_.size(); ++i) {
      events += chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    }
    exchange_->write(std::move(events));
  }

  void piece(int choice, GenerateEvent&& event) override {
    const auto i = static_cast<size_t>(choice);
    std::string events;
    // A token whose text is still to come waits for it.
    std::move(event.tokens.begin(), event.tokens.end(), std::back_inserter(tokens_[i]));
    for (ToolPiece& piece : texts_[i].push(event)) {
      events += chunk(i, delta(piece), take_logprobs(i), nullptr);
    }
    if (event.finish) {
      if (!tokens_[i].empty()) events += chunk(i, {{"content", ""}}, take_logprobs(i), nullptr);
      events += chunk(i, Json::object(), nullptr, texts_[i].finish(*event.finish));
    }
    if (!events.empty()) exchange_->write(std::move(events));
  }

  void end(const Usage& usage) override {
    std::string events;
    if (include_usage_) {
      Json json = head("chat.completion.chunk");
      json["choices"] = Json::array();
      json["usage"] = usage_json(usage);
      events = "data: " + dump(json) + "\n\n";
    }
    exchange_->write(events + "data: [DONE]\n\n");
    exchange_->end_events(200);
  }

  void fail(const ApiError& error) override {
    exchange_->write("data: " + error_json(error) + "\n\n");
    exchange_->end_events(error.status);
  }

 private:
  std::string chunk(size_t choice, Json delta, Json logprobs, Json finish_reason) const {
    Json json = head("chat.completion.chunk");
    json["choices"] = Json::array({{{"index", choice},
                                    {"delta", std::move(delta)},
                                    {"logprobs", std::move(logprobs)},
                                    {"finish_reason", std::move(finish_reason)}}});
    if (include_usage_) json["usage"] = nullptr;
    return "data: " + dump(json) + "\n\n";
  }

  Json take_logprobs(size_t choice) {
    const auto tokens = std::exchange(tokens_[choice], {});
    return tokens.empty() ? Json(nullptr) : logprobs_json(tokens);
  }

  static Json delta(const ToolPiece& piece) {
    if (piece.kind == ToolPiece::Kind::kText) return {{"content", piece.text}};
    Json call = {{"index", piece.call}};
    if (piece.kind == ToolPiece::Kind::kCall) {
      call["id"] = random_id("call_", 24);
      call["type"] = "function";
      call["function"] = {{"name", piece.text}, {"arguments", ""}};
    } else {
      call["function"] = {{"arguments", piece.text}};
    }
    Json json;
    json["tool_calls"] = Json::array({std::move(call)});
    return json;
  }

  std::vector<std::vector<TokenLogprob>> tokens_;  // of each choice, not sent yet
};

class ChatWhole : public ChatWriter {
 public:
  using ChatWriter::ChatWriter;
  bool streams() const override { return false; }
  void begin() override {}

  void piece(int choice, GenerateEvent&& event) override {
    ChoiceText& text = texts_[static_cast<size_t>(choice)];
    std::string content;
    Json calls = Json::array();
    for (ToolPiece& piece : text.push(event)) {
      if (piece.kind == ToolPiece::Kind::kText) {
        content += piece.text;
      } else if (piece.kind == ToolPiece::Kind::kCall) {
        calls.push_back({{"id", random_id("call_", 24)},
                         {"type", "function"},
                         {"function", {{"name", piece.text}, {"arguments", ""}}}});
      } else {
        calls.back()["function"]["arguments"].get_ref<std::string&>() += piece.text;
      }
    }
    Json message = {{"role", "assistant"}};
    message["content"] = content.empty() && !calls.empty() ? Json(nullptr) : Json(content);
    message["refusal"] = nullptr;
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    choices_.push_back({{"index", choice},
                        {"message", std::move(message)},
                        {"logprobs", logprobs_json(event.tokens)},
                        {"finish_reason", text.finish(*event.finish)}});
  }

  void end(const Usage& usage) override {
    Json json = head("chat.completion");
    json["choices"] = std::move(choices_);
    json["usage"] = usage_json(usage);
    exchange_->send(200, dump(json));
  }

  void fail(const ApiError& error) override { exchange_->send_error(error); }

 private:
  Json choices_ = Json::array();
};

}  // namespace

std::span<const std::string_view> chat_fields() {
  return kFields;
}

std::string finish_name(Finish finish) {
  return finish == Finish::kLength ? "length" : "stop";
}

std::vector<int32_t> chat_prompt(const ServedModel& model, const Messages& messages, const std::string& param) {
  const ChatTemplate* chat = model.chat_template();
  if (!chat) {
    wrong("model", fmt::format("The model '{}' knows no turns; use /v1/completions.", model.id()), "unsupported_value");
  }
  std::vector<int32_t> prompt = chat->prompt(messages);
  if (static_cast<int64_t>(prompt.size()) >= model.context()) {
    wrong(param,
          fmt::format("This model's context is {} tokens, prompt and reply together; '{}' has {}.", model.context(),
                      param, prompt.size()),
          "context_length_exceeded");
  }
  return prompt;
}

void set_length(GenerateCall& call, ServedModel& model, int64_t max_tokens, const std::string& param) {
  // The context ends a reply that has asked for more than there is room for: finish_reason says "length".
  const int64_t room = model.context() - static_cast<int64_t>(call.prompt.size());
  call.sampling.max_tokens = max_tokens < 0 ? room : std::min(max_tokens, room);
  if (!call.grammar) return;
  const int64_t needed = model.tokens_needed(call.grammar);
  if (needed <= call.sampling.max_tokens) return;
  wrong(param,
        fmt::format("The reply may have {} tokens; the shortest one of the form that is asked for may take {}.",
                    call.sampling.max_tokens, needed),
        needed > room ? "context_length_exceeded" : "max_tokens_too_small");
}

void chat_completions(std::shared_ptr<Exchange> exchange) {
  ChatRequest request = read_request(parse_object(exchange->body()));
  const auto model = find_model(*exchange, request.model);
  exchange->set_model(model->id());
  check_biases(request.call.sampling, *model);
  GenerateCall& call = request.call;
  call.prompt = chat_prompt(*model, request.messages, "messages");
  call.tenant = exchange->caller().tenant;
  set_length(call, *model, request.max_tokens, request.length_param);
  std::unique_ptr<ReplyWriter> writer;
  if (request.stream.stream) {
    writer = std::make_unique<ChatStream>(exchange, model, request);
  } else {
    writer = std::make_unique<ChatWhole>(exchange, model, request);
  }
  Generation::start(exchange, model, {std::move(call)}, std::move(writer));
}

}  // namespace loquat::serve::api
