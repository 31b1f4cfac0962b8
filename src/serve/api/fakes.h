// For tests and the fuzzer: models that say what a test wants, and a reply that keeps what it is given.
#pragma once

#include <atomic>
#include <cmath>
#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "serve/api/api.h"
#include "store/test_folder.h"

namespace loquat::serve::api {

// A tokenizer of bytes: a token for each, after the control tokens.
inline const Tokenizer& byte_tokenizer() {
  static const Tokenizer kTokenizer = [] {
    const std::vector<std::string> texts = {"x"};
    auto made = Tokenizer::train(texts, {262, loquat_special_tokens(), ""});
    CHECK(made.ok());
    return *std::move(made);
  }();
  return kTokenizer;
}

// One of bytes too, whose folder brings a chat template.
inline Tokenizer tokenizer_with(const std::string& jinja, const std::vector<std::string>& special) {
  const std::vector<std::string> texts = {"x"};
  auto made = Tokenizer::train(texts, {static_cast<int64_t>(256 + special.size()), special, ""});
  CHECK(made.ok());
  const TestFolder folder;
  CHECK(made->save(folder.path()).ok());
  put_bytes(folder / "tokenizer_config.json", nlohmann::json{{"eos_token", special[0]}}.dump());
  put_bytes(folder / "chat_template.jinja", jinja);
  auto loaded = Tokenizer::load(folder.path());
  CHECK(loaded.ok());
  return *std::move(loaded);
}

class FakeGenerating : public Generating {
 public:
  void cancel() override {
    if (cancels++ == 0 && on_cancel) on_cancel();
  }
  std::atomic<int> cancels{0};
  std::function<void()> on_cancel;
};

class FakeModel : public ServedModel {
 public:
  struct Call {
    GenerateCall call;
    std::function<void(GenerateEvent&&)> sink;
    std::shared_ptr<FakeGenerating> generating = std::make_shared<FakeGenerating>();
  };

  explicit FakeModel(std::string id) : id_(std::move(id)) { use(byte_tokenizer()); }
  void use(const Tokenizer& tokenizer) {
    auto made = ChatTemplate::make(tokenizer);
    CHECK(made.ok(), "{}", made.error());
    tokenizer_ = tokenizer;
    template_ = std::make_unique<ChatTemplate>(*std::move(made));
  }

  const std::string& id() const override { return id_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const ChatTemplate* chat_template() const override { return knows_turns ? template_.get() : nullptr; }
  int64_t context() const override { return context_tokens; }
  int64_t vocab_size() const override { return tokenizer_.vocab_size(); }
  int64_t tokens_needed(std::shared_ptr<const Grammar> grammar) override {
    return Matcher(std::move(grammar), make_token_tree(tokenizer_, vocab_size())).tokens_to_end();
  }

  std::variant<std::shared_ptr<Generating>, ApiError> generate(
      GenerateCall call, std::function<void(GenerateEvent&& event)> sink) override {
    CHECK(!call.prompt.empty() && static_cast<int64_t>(call.prompt.size()) < context_tokens);
    if (refuse_from >= 0 && static_cast<int>(calls.size()) >= refuse_from) return refusal;
    calls.push_back({std::move(call), std::move(sink)});
    if (!by_hand) play(calls.back());
    return std::static_pointer_cast<Generating>(calls.back().generating);
  }

  int64_t embedding_dimensions() const override { return dimensions; }
  std::string embedding_pooling() const override { return "mean"; }
  std::vector<std::vector<float>> embed(const std::vector<std::vector<int32_t>>& inputs) override {
    std::vector<std::vector<float>> vectors;
    for (const auto& input : inputs) {
      std::vector<float> vector(static_cast<size_t>(dimensions), 0.0f);
      vector[0] = 0.6f;
      vector[input.size() % 2 + 1] = 0.8f;
      vectors.push_back(vector);
    }
    return vectors;
  }

  TokenLogprob logprob(int32_t token, int top) const {
    TokenLogprob out{token, -0.5f, {}};
    for (int i = 0; i < top; ++i) out.top.emplace_back(token + i, -0.5f - static_cast<float>(i));
    return out;
  }

  // Says `pieces`, as far as max_tokens allow.
  void play(Call& made) {
    const GenerateCall& call = made.call;
    for (int choice = 0; choice < call.n; ++choice) {
      Usage usage{static_cast<int64_t>(call.prompt.size()), cached, 0};
      if (call.prompt_logprobs) {
        GenerateEvent event;
        event.choice = choice;
        for (const int32_t token : call.prompt) event.prompt.push_back(logprob(token, call.top_logprobs));
        event.prompt[0].logprob = NAN;
        event.prompt[0].top.clear();
        made.sink(std::move(event));
      }
      Finish how = finish;
      if (!thoughts.empty()) {
        GenerateEvent event;
        event.choice = choice;
        event.reasoning = thoughts;
        usage.completion_tokens = usage.reasoning_tokens = static_cast<int64_t>(thoughts.size());
        made.sink(std::move(event));
      }
      for (const std::string& piece : pieces) {
        GenerateEvent event;
        event.choice = choice;
        event.text = piece.substr(0, static_cast<size_t>(call.sampling.max_tokens - usage.completion_tokens));
        if (event.text.size() < piece.size()) how = Finish::kLength;
        usage.completion_tokens += static_cast<int64_t>(event.text.size());
        if (call.top_logprobs >= 0) {
          for (const int32_t token : tokenizer_.encode(event.text)) {
            event.tokens.push_back(logprob(token, call.top_logprobs));
          }
        }
        made.sink(std::move(event));
        if (how == Finish::kLength) break;
      }
      end(made, choice, how, usage);
    }
  }

  static void say(Call& made, const std::string& text, int choice = 0) {
    GenerateEvent event;
    event.choice = choice;
    event.text = text;
    made.sink(std::move(event));
  }
  static void end(Call& made, int choice, Finish how, const Usage& usage) {
    GenerateEvent event;
    event.choice = choice;
    event.finish = how;
    event.usage = usage;
    made.sink(std::move(event));
  }

  std::string thoughts;  // come first
  std::vector<std::string> pieces = {"Hel", "lo."};
  Finish finish = Finish::kStop;
  bool by_hand = false;  // events come by say() and end() alone
  bool knows_turns = true;
  int64_t context_tokens = 4096, cached = 3, dimensions = 0;
  int refuse_from = -1;  // generate() refuses from this call on
  ApiError refusal{429, "The queue is full.", "rate_limit_exceeded", "", "queue_full", 1.5};
  std::deque<Call> calls;

 private:
  std::string id_;
  Tokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> template_;
};

class FakeBackend : public Backend {
 public:
  FakeBackend() { embedder->dimensions = 4; }
  std::vector<ModelInfo> models() override { return {{"talker", 100, true}, {"team/embedder", 200, false}}; }
  std::variant<std::shared_ptr<ServedModel>, ApiError> model(const std::string& id) override {
    if (id == "talker") return std::static_pointer_cast<ServedModel>(talker);
    if (id == "team/embedder") return std::static_pointer_cast<ServedModel>(embedder);
    return ApiError{404, "The model '" + id + "' does not exist.", "invalid_request_error", "model", "model_not_found"};
  }
  bool must_load(const std::string&) override { return unloaded; }
  bool unload(const std::string& id) override { return id == "talker"; }

  bool unloaded = false;

  std::shared_ptr<FakeModel> talker = std::make_shared<FakeModel>("talker");
  std::shared_ptr<FakeModel> embedder = std::make_shared<FakeModel>("team/embedder");
};

class FakeReply : public http::Reply {
 public:
  void send(http::Response response) override {
    CHECK(!ended && !begun);
    status = response.status;
    headers = std::move(response.headers);
    body = std::move(response.body);
    ended = true;
  }
  void begin(int with_status, http::Headers with_headers) override {
    CHECK(!ended && !begun);
    begun = true;
    status = with_status;
    headers = std::move(with_headers);
  }
  bool write(std::string bytes) override {
    CHECK(begun && !ended);
    body += bytes;
    ++writes;
    return !left;
  }
  void end() override {
    CHECK(begun && !ended);
    ended = true;
  }
  size_t waiting() const override { return waiting_bytes; }
  bool gone() const override { return left; }
  void on_gone(std::function<void()> f) override {
    if (left)
      f();
    else
      when_gone = std::move(f);
  }
  void leave() {
    left = true;
    if (when_gone) when_gone();
  }
  std::string header(const std::string& name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }

  int status = 0, writes = 0;
  bool begun = false, ended = false;
  std::atomic<bool> left{false};
  std::atomic<size_t> waiting_bytes{0};
  http::Headers headers;
  std::string body;
  std::function<void()> when_gone;
};

}  // namespace loquat::serve::api
