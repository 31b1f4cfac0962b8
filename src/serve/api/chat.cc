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
    "stream_options", "response_format", "tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs",
    "enable_thinking", "reasoning_effort",
    // Accepted and ignored:
    "user", "store", "metadata", "service_tier", "prediction", "modalities", "verbosity", "safety_identifier",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"};

// Of OpenAI's API, and refused with a word on what to do: never silently left out.
constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"functions", "use tools"},
    {"function_call", "use tool_choice"},
    {"audio", "these models write text"},
    {"web_search_options", "this server does not search the web"},
    {"moderation", "this server does not moderate"}};

struct ChatRequest {
  std::string model;
  ChatInput input;
  GenerateCall call;         // without the prompt
  int64_t max_tokens = -1;   // -1: as many as there is room for
  std::string length_param;  // the field that says so
  StreamChoice stream;
};

ChatRequest read_request(const Json& json) {
  const Fields body(json);
  for (const auto& [name, why] : kRefused) body.refuse(name, std::string(why));
  body.only({std::begin(kFields), std::end(kFields)});
  ChatRequest request;
  request.model = body.required_text("model");
  const ToolSet tools = read_tools(body, ToolShape::kNested);
  request.input = {read_messages(body), tools, read_chat_options(body, tools), "messages"};
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

class ChatWriter : public ReplyWriter {
 public:
  ChatWriter(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model, const ChatRequest& request)
      : exchange_(std::move(exchange)),
        model_(std::move(model)),
        logprobs_(request.call.top_logprobs >= 0),
        include_usage_(request.stream.include_usage),
        readers_(make_readers(*model_, request)) {}

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

  std::string finish_reason(size_t choice, Finish how) const {
    return readers_[choice].any_call() && how == Finish::kStop ? "tool_calls" : finish_name(how);
  }
  Json call_json(const std::string& name) const {
    return {{"id", new_call_id(tool_family(*model_))},
            {"type", "function"},
            {"function", {{"name", name}, {"arguments", ""}}}};
  }

  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<ServedModel> model_;
  const bool logprobs_, include_usage_;
  const std::string id_ = random_id("chatcmpl-", 29);
  const int64_t created_ = unix_now();
  std::vector<ReplyReader> readers_;  // of the choices

 private:
  static std::vector<ReplyReader> make_readers(const ServedModel& model, const ChatRequest& request) {
    std::vector<ReplyReader> readers;
    for (int i = 0; i < request.call.n; ++i) readers.emplace_back(model, request.input.tools);
    return readers;
  }
};

class ChatStream : public ChatWriter {
 public:
  ChatStream(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model, const ChatRequest& request)
      : ChatWriter(std::move(exchange), std::move(model), request), tokens_(readers_.size()) {}

  bool streams() const override { return true; }

  void begin() override {
    exchange_->begin_events();
    std::string events;
    for (size_t i = 0; i < readers_.size(); ++i) {
      events += chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    }
    exchange_->write(std::move(events));
  }

  void piece(int choice, GenerateEvent&& event) override {
    const auto i = static_cast<size_t>(choice);
    std::string events;
    // A token whose text is still to come waits for it.
    std::move(event.tokens.begin(), event.tokens.end(), std::back_inserter(tokens_[i]));
    for (ToolPiece& piece : readers_[i].push(event)) {
      events += chunk(i, delta(piece), take_logprobs(i), nullptr);
    }
    if (event.finish) {
      if (!tokens_[i].empty()) events += chunk(i, {{"content", ""}}, take_logprobs(i), nullptr);
      events += chunk(i, Json::object(), nullptr, finish_reason(i, *event.finish));
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

  Json delta(const ToolPiece& piece) const {
    if (piece.kind == ToolPiece::Kind::kText) return {{"content", piece.text}};
    if (piece.kind == ToolPiece::Kind::kReasoning) return {{"reasoning_content", piece.text}};
    Json call = {{"index", piece.call}};
    if (piece.kind == ToolPiece::Kind::kCall) {
      call.update(call_json(piece.text));
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
    const auto i = static_cast<size_t>(choice);
    std::string content, reasoning;
    Json calls = Json::array();
    for (ToolPiece& piece : readers_[i].push(event)) {
      switch (piece.kind) {
        case ToolPiece::Kind::kText:
          content += piece.text;
          break;
        case ToolPiece::Kind::kReasoning:
          reasoning += piece.text;
          break;
        case ToolPiece::Kind::kCall:
          calls.push_back(call_json(piece.text));
          break;
        case ToolPiece::Kind::kArguments:
          calls.back()["function"]["arguments"].get_ref<std::string&>() += piece.text;
      }
    }
    Json message = {{"role", "assistant"}};
    message["content"] = content.empty() && !calls.empty() ? Json(nullptr) : Json(content);
    message["refusal"] = nullptr;
    if (!reasoning.empty()) message["reasoning_content"] = std::move(reasoning);
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    choices_.push_back({{"index", choice},
                        {"message", std::move(message)},
                        {"logprobs", logprobs_json(event.tokens)},
                        {"finish_reason", finish_reason(i, *event.finish)}});
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

void set_prompt(GenerateCall& call, const ServedModel& model, const ChatInput& input) {
  const ChatTemplate* chat = model.chat_template();
  if (!chat) {
    wrong("model", fmt::format("The model '{}' knows no turns; use /v1/completions.", model.id()), "unsupported_value");
  }
  auto opened = chat->open_reply(input.messages, input.options);
  if (!opened.ok()) {
    wrong(input.param, fmt::format("'{}': the model's chat template: {}", input.param, opened.error()),
          "invalid_value");
  }
  if (static_cast<int64_t>(opened->tokens.size()) >= model.context()) {
    wrong(input.param,
          fmt::format("This model's context is {} tokens, prompt and reply together; '{}' has {}.", model.context(),
                      input.param, opened->tokens.size()),
          "context_length_exceeded");
  }
  call.prompt = std::move(opened->tokens);
  call.thoughts = opened->thinking ? ThoughtFilter::Begin::kOpen : ThoughtFilter::Begin::kPerhaps;
  call.shown = chat->reply_marks(input.tools.active());
  if (input.tools.active()) call.grammar = tool_grammar(input.tools, chat->tool_family());
  if (opened->thinking && call.grammar) call.grammar = after_thoughts(call.grammar);
}

ToolFamily tool_family(const ServedModel& model) {
  const ChatTemplate* chat = model.chat_template();
  return chat ? chat->tool_family() : ToolFamily::kHermes;
}

ReplyReader::ReplyReader(const ServedModel& model, const ToolSet& tools)
    : calls_(tools.active() ? ToolCallReader::make(tool_family(model), tools.tools) : nullptr) {}

std::vector<ToolPiece> ReplyReader::push(const GenerateEvent& event) {
  std::vector<ToolPiece> pieces;
  if (!event.reasoning.empty()) pieces.push_back({ToolPiece::Kind::kReasoning, event.reasoning});
  if (calls_) {
    for (ToolPiece& piece : calls_->push(event.text, event.finish.has_value())) pieces.push_back(std::move(piece));
  } else if (!event.text.empty()) {
    pieces.push_back({ToolPiece::Kind::kText, event.text});
  }
  return pieces;
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
  set_prompt(call, *model, request.input);
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
