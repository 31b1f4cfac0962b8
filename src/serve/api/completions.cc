#include "serve/api/completions.h"

#include <fmt/core.h>

#include "serve/api/chat.h"
#include "serve/api/generation.h"
#include "serve/api/inputs.h"
#include "serve/api/logprobs.h"
#include "serve/api/sampling.h"

namespace loquat::serve::api {
namespace {

constexpr std::string_view kFields[] = {"model", "prompt", "n", "best_of", "echo", "max_tokens", "logprobs", "stop",
                                        "seed", "temperature", "top_p", "top_k", "min_p", "presence_penalty",
                                        "frequency_penalty", "logit_bias", "stream", "stream_options",
                                        // Accepted and ignored:
                                        "user", "store", "metadata", "service_tier"};
constexpr int kMostChoices = 2048;  // prompts times n

struct CompletionRequest {
  std::string model;
  GenerateCall call;  // without the prompt
  bool echo = false;
  StreamChoice stream;
};

CompletionRequest read_request(const Fields& body) {
  body.refuse("suffix", "these models write on from a prompt alone");
  body.only({std::begin(kFields), std::end(kFields)});
  CompletionRequest request;
  request.model = body.required_text("model");
  GenerateCall& call = request.call;
  call.sampling = read_sampling(body);
  call.sampling.max_tokens = body.integer("max_tokens", 16, 0, INT64_MAX);
  call.stop = read_stop(body);
  call.seed = read_seed(body);
  call.n = static_cast<int>(body.integer("n", 1, 1, 128));
  if (body.integer("best_of", call.n, 1, 128) != call.n) {
    wrong("best_of", "'best_of' must equal 'n': every choice that is made is given.", "unsupported_value");
  }
  request.echo = body.flag("echo", false);
  call.top_logprobs = static_cast<int>(body.integer("logprobs", -1, 0, 5));
  call.prompt_logprobs = request.echo && call.top_logprobs >= 0;
  request.stream = read_stream(body);
  body.text("user");
  return request;
}

void check_room(const std::vector<Input>& prompts, int64_t max_tokens, const ServedModel& model) {
  for (const Input& prompt : prompts) {
    const auto size = static_cast<int64_t>(prompt.tokens.size());
    const bool too_long = size >= model.context();
    if (!too_long && max_tokens <= model.context() - size) continue;
    wrong(
        too_long ? "prompt" : "max_tokens",
        fmt::format("This model's context is {} tokens, prompt and reply together; the prompt has {} and 'max_tokens' "
                    "is {}.",
                    model.context(), size, max_tokens),
        "context_length_exceeded");
  }
}

class CompletionWriter : public ReplyWriter {
 public:
  CompletionWriter(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model,
                   const CompletionRequest& request, const std::vector<Input>& prompts)
      : exchange_(std::move(exchange)),
        model_(std::move(model)),
        stream_(request.stream),
        echo_(request.echo),
        logprobs_(request.call.top_logprobs >= 0) {
    for (const Input& prompt : prompts) {
      for (int i = 0; i < request.call.n; ++i) {
        choices_.push_back({echo_ ? prompt.text : "", TokenColumns(echo_ ? 0 : characters(prompt.text)), {}});
      }
    }
  }

  bool streams() const override { return stream_.stream; }

  void begin() override {
    if (stream_.stream) exchange_->begin_events();
  }

  void piece(int index, GenerateEvent&& event) override {
    Choice& choice = choices_[static_cast<size_t>(index)];
    std::string text = std::exchange(choice.echo, {}) + event.text;
    std::vector<TokenLogprob>& tokens = choice.tokens;
    std::move(event.prompt.begin(), event.prompt.end(), std::back_inserter(tokens));
    std::move(event.tokens.begin(), event.tokens.end(), std::back_inserter(tokens));
    if (!stream_.stream) {
      whole_.push_back(choice_json(index, text, take_logprobs(choice), finish_name(*event.finish)));
      return;
    }
    std::string events;
    if (!text.empty() || (event.finish && !tokens.empty())) {
      events += chunk(choice_json(index, text, take_logprobs(choice), nullptr));
    }
    if (event.finish) events += chunk(choice_json(index, "", nullptr, finish_name(*event.finish)));
    if (!events.empty()) exchange_->write(std::move(events));
  }

  void end(const Usage& usage) override {
    if (!stream_.stream) {
      Json json = head();
      json["choices"] = std::move(whole_);
      json["usage"] = usage_json(usage);
      exchange_->send(200, dump(json));
      return;
    }
    std::string events;
    if (stream_.include_usage) {
      Json json = head();
      json["choices"] = Json::array();
      json["usage"] = usage_json(usage);
      events = "data: " + dump(json) + "\n\n";
    }
    exchange_->write(events + "data: [DONE]\n\n");
    exchange_->end_events(200);
  }

  void fail(const ApiError& error) override {
    if (!stream_.stream) {
      exchange_->send_error(error);
      return;
    }
    exchange_->write("data: " + error_json(error) + "\n\n");
    exchange_->end_events(error.status);
  }

 private:
  struct Choice {
    std::string echo;  // the prompt, until it has been sent
    TokenColumns columns;
    std::vector<TokenLogprob> tokens;  // not sent yet
  };

  Json head() const {
    return {{"id", id_}, {"object", "text_completion"}, {"created", created_}, {"model", model_->id()}};
  }

  Json take_logprobs(Choice& choice) const {
    if (!logprobs_) return nullptr;
    return choice.columns.columns(std::exchange(choice.tokens, {}), model_->tokenizer());
  }

  static Json choice_json(int index, const std::string& text, Json logprobs, Json finish_reason) {
    return {{"text", text},
            {"index", index},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", std::move(finish_reason)}};
  }

  std::string chunk(Json choice) const {
    Json json = head();
    json["choices"] = Json::array({std::move(choice)});
    if (stream_.include_usage) json["usage"] = nullptr;
    return "data: " + dump(json) + "\n\n";
  }

  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<ServedModel> model_;
  const StreamChoice stream_;
  const bool echo_, logprobs_;
  const std::string id_ = random_id("cmpl-", 29);
  const int64_t created_ = unix_now();
  std::vector<Choice> choices_;
  Json whole_ = Json::array();
};

}  // namespace

std::span<const std::string_view> completions_fields() {
  return kFields;
}

void completions(std::shared_ptr<Exchange> exchange) {
  const Json json = parse_object(exchange->body());
  const Fields body(json);
  CompletionRequest request = read_request(body);
  const auto model = find_model(*exchange, request.model);
  exchange->set_model(model->id());
  check_biases(request.call.sampling, *model);
  const std::vector<Input> prompts =
      read_inputs(body, "prompt", *model, static_cast<size_t>(kMostChoices / request.call.n));
  check_room(prompts, request.call.sampling.max_tokens, *model);
  request.call.tenant = exchange->caller().tenant;
  std::vector<GenerateCall> calls;
  for (const Input& prompt : prompts) {
    calls.push_back(request.call);
    calls.back().prompt = prompt.tokens;
  }
  auto writer = std::make_unique<CompletionWriter>(exchange, model, request, prompts);
  Generation::start(exchange, model, std::move(calls), std::move(writer));
}

}  // namespace loquat::serve::api
