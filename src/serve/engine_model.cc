// Tokens in, text out (engine_model.h).
#include "serve/engine_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "base/log.h"
#include "infer/stop_filter.h"
#include "infer/stop_tokens.h"
#include "infer/thought_filter.h"
#include "infer/utf8_stream.h"
#include "store/files.h"

namespace loquat::serve {
namespace {

constexpr int64_t kEmbeddingRows = 2048;  // of one forward

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

// What the folder says, as the sentence-transformers library writes it: "mean", "last", or "" where it says nothing.
Result<std::string> folder_pooling(const std::string& folder) {
  const std::string file = folder + "/1_Pooling/config.json";
  if (!file_exists(file)) return std::string();
  TRY(const std::string text, read_file(file));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return Err("{}: this is no JSON object", file);
  const auto is_set = [&](const char* key) { return json.contains(key) && json[key] == true; };
  if (is_set("pooling_mode_mean_tokens")) return std::string("mean");
  if (is_set("pooling_mode_lasttoken")) return std::string("last");
  return Err("{}: expected pooling_mode_mean_tokens or pooling_mode_lasttoken to be true", file);
}

// All of a folder but its weights.
struct SmallFiles {
  Tokenizer tokenizer;
  std::string pooling;
  std::vector<int32_t> stop_tokens;
};

Result<SmallFiles> read_small_files(const std::string& folder) {
  TRY(Tokenizer tokenizer, Tokenizer::load(folder));
  TRY(std::string pooling, folder_pooling(folder));
  TRY(std::vector<int32_t> stop_tokens, folder_stop_tokens(folder));
  TRY(const ModelConfig config, read_model_config(folder));
  if (tokenizer.vocab_size() > config.vocab_size) {
    return Err(
        "{}/tokenizer.json: the tokenizer has {} tokens, the model's vocab_size is {}; expected the tokenizer "
        "that the model was trained with",
        folder, tokenizer.vocab_size(), config.vocab_size);
  }
  return SmallFiles{std::move(tokenizer), std::move(pooling), std::move(stop_tokens)};
}

}  // namespace

EngineModel::EngineModel(std::string id, BaseEngines::Opened opened, Tokenizer tokenizer, std::string pooling,
                         std::span<const int32_t> stop_tokens)
    : id_(std::move(id)),
      base_(std::move(opened.engine)),
      adapter_(std::move(opened.adapter)),
      tokenizer_(std::move(tokenizer)),
      pooling_(std::move(pooling)) {
  if (auto found = ChatTemplate::make(tokenizer_); found.ok()) {
    template_ = *std::move(found);
    stop_tokens_ = template_->stop_tokens();
  } else {
    log_warning("model {}: it knows no turns, only completions: {}", id_, found.error());
  }
  add_stop_tokens(stop_tokens_, std::array{tokenizer_.special(kEndOfText), config().eos_token});
  add_stop_tokens(stop_tokens_, stop_tokens);
}

Result<std::unique_ptr<EngineModel>> EngineModel::load(const std::string& id, const std::string& folder,
                                                       BaseEngines& engines, const std::string& pooling) {
  TRY(SmallFiles files, read_small_files(folder));
  TRY(BaseEngines::Opened opened, engines.open(folder));
  return std::unique_ptr<EngineModel>(new EngineModel(id, std::move(opened), std::move(files.tokenizer),
                                                      pooling.empty() ? std::move(files.pooling) : pooling,
                                                      files.stop_tokens));
}

Status EngineModel::check(const std::string& folder, const BaseEngines& engines) {
  const auto files = read_small_files(folder);
  if (!files.ok()) return Err("{}", files.error());
  return engines.check(folder);
}

GenerationRequest EngineModel::request_of(const GenerateCall& call) {
  GenerationRequest request;
  request.prompt = call.prompt;
  request.sampling = call.sampling;
  request.sampling.stop_tokens = stop_tokens_;
  request.top_logprobs = call.top_logprobs;
  request.prompt_logprobs = call.prompt_logprobs || call.sampling.max_tokens <= 0;
  request.cache_key = call.tenant;
  request.adapter = adapter_;
  if (call.grammar) request.matcher = matcher(call.grammar, call.shown);
  return request;
}

Matcher EngineModel::matcher(std::shared_ptr<const Grammar> grammar, const std::vector<int32_t>& shown) {
  std::shared_ptr<const TokenTree> tree;
  {
    std::lock_guard lock(trees_mutex_);
    auto& made = trees_[shown];
    if (!made) made = make_token_tree(tokenizer_, vocab_size(), shown);
    tree = made;
  }
  return Matcher(std::move(grammar), std::move(tree));
}

int64_t EngineModel::tokens_needed(std::shared_ptr<const Grammar> grammar) {
  return matcher(std::move(grammar), {}).tokens_to_end();
}

// All choices of one call. Events of the engine come on one thread; cancel() from any.
class EngineModel::Under : public Generating, public std::enable_shared_from_this<EngineModel::Under> {
 public:
  Under(std::shared_ptr<const EngineModel> model, const GenerateCall& call, std::function<void(GenerateEvent&&)> sink)
      : model_(std::move(model)),
        prompt_tokens_(static_cast<int64_t>(call.prompt.size())),
        wants_prompt_(call.prompt_logprobs),
        shown_(call.shown),
        sink_(std::move(sink)) {
    for (int i = 0; i < call.n; ++i) choices_.push_back(std::make_unique<Choice>(i, call));
  }

  void cancel() override {
    cancelled_ = true;
    std::vector<int64_t> numbers;
    {
      std::lock_guard lock(mutex_);
      numbers = numbers_;
    }
    for (const int64_t number : numbers) model_->base_->engine.cancel(number);
  }

  // False where the engine's line is full: then nothing more reaches the sink.
  bool start(const GenerationRequest& request, uint64_t seed) {
    for (auto& choice : choices_) {
      GenerationRequest one = request;
      one.seed = choice_seed(seed, static_cast<uint64_t>(choice->index));
      const auto number = model_->base_->engine.submit(
          std::move(one),
          [self = shared_from_this(), c = choice.get()](EngineEvent&& event) { self->take(*c, event); });
      if (!number) {
        refused_ = true;
        cancel();
        return false;
      }
      std::lock_guard lock(mutex_);
      numbers_.push_back(*number);
    }
    if (cancelled_) cancel();
    return true;
  }

 private:
  struct Choice {
    Choice(int i, const GenerateCall& call) : index(i), thoughts(call.thoughts), filter(call.stop) {}
    const int index;
    Utf8Stream utf8;
    ThoughtFilter thoughts;
    StopFilter filter;
    struct Held {
      TokenLogprob logprob;
      size_t begin;  // of its text in the reply
    };
    std::vector<Held> held;         // whose text may become thoughts or be a stop sequence's
    size_t written = 0, shown = 0;  // bytes of the reply that the model has written, that have passed the filter
    int64_t tokens = 0, reasoning_tokens = 0;
    bool done = false;
  };

  void take(Choice& choice, EngineEvent& event) {
    if (choice.done || refused_) return;
    GenerateEvent out;
    out.choice = choice.index;
    if (wants_prompt_ && choice.index == 0) out.prompt = std::move(event.prompt);
    for (size_t i = 0; i < event.tokens.size() && !choice.filter.stopped(); ++i) {
      take_token(choice, event.tokens[i], i < event.logprobs.size() ? &event.logprobs[i] : nullptr, out);
    }
    if (event.end && !choice.filter.stopped()) {
      add_text(choice, choice.thoughts.push(choice.utf8.finish()), out);
      add_text(choice, choice.thoughts.finish(), out);
      out.text += choice.filter.finish();
      choice.shown = std::string::npos;
    }
    if (choice.thoughts.state() == ThoughtFilter::State::kText || event.end) show_logprobs(choice, out);
    if (choice.filter.stopped() && !event.end) stop_engine(choice);  // its end comes, with the count of cached tokens
    if (event.end) {
      out.finish = choice.filter.stopped() || event.end->ended ? Finish::kStop
                   : event.late                                ? Finish::kDeadline
                   : cancelled_                                ? Finish::kCancelled
                                                               : Finish::kLength;
      if (choice.index == 0) cached_tokens_ = event.end->cached_tokens;
      choice.done = true;
      out.usage = {prompt_tokens_, cached_tokens_, choice.tokens, choice.reasoning_tokens};
    }
    if (!out.prompt.empty() || !out.reasoning.empty() || !out.text.empty() || !out.tokens.empty() || out.finish)
      sink_(std::move(out));
  }

  void take_token(Choice& choice, int32_t token, TokenLogprob* logprob, GenerateEvent& out) {
    using State = ThoughtFilter::State;
    const bool hidden =
        model_->tokenizer_.is_special(token) && std::find(shown_.begin(), shown_.end(), token) == shown_.end();
    const State before = choice.thoughts.state();
    const size_t begin = choice.written;
    ++choice.tokens;
    if (!hidden) {
      add_text(choice, choice.thoughts.push(choice.utf8.push(model_->tokenizer_.token_bytes(token))), out);
    }
    if (logprob && !hidden && !is_stop(token)) choice.held.push_back({std::move(*logprob), begin});
    if (before == State::kThoughts || choice.thoughts.state() == State::kThoughts) {
      choice.reasoning_tokens = choice.tokens;
      choice.held.clear();
    }
  }

  static void add_text(Choice& choice, const ThoughtFilter::Piece& piece, GenerateEvent& out) {
    const std::string text = choice.filter.push(piece.text);
    choice.written += piece.text.size();
    choice.shown += text.size();
    out.reasoning += piece.thoughts;
    out.text += text;
  }

  // Of the tokens whose text is shown, or has begun to be.
  static void show_logprobs(Choice& choice, GenerateEvent& out) {
    size_t count = 0;
    for (; count < choice.held.size() && choice.held[count].begin < choice.shown; ++count)
      out.tokens.push_back(std::move(choice.held[count].logprob));
    choice.held.erase(choice.held.begin(), choice.held.begin() + static_cast<std::ptrdiff_t>(count));
  }

  bool is_stop(int32_t token) const {
    return std::find(model_->stop_tokens_.begin(), model_->stop_tokens_.end(), token) != model_->stop_tokens_.end();
  }

  void stop_engine(const Choice& choice) {
    std::lock_guard lock(mutex_);
    if (static_cast<size_t>(choice.index) < numbers_.size()) model_->base_->engine.cancel(numbers_[choice.index]);
  }

  const std::shared_ptr<const EngineModel> model_;
  const int64_t prompt_tokens_;
  const bool wants_prompt_;
  const std::vector<int32_t> shown_;
  const std::function<void(GenerateEvent&&)> sink_;
  std::vector<std::unique_ptr<Choice>> choices_;
  int64_t cached_tokens_ = 0;
  std::atomic<bool> cancelled_{false}, refused_{false};
  std::mutex mutex_;  // of numbers_
  std::vector<int64_t> numbers_;
};

std::variant<std::shared_ptr<Generating>, ApiError> EngineModel::generate(
    GenerateCall call, std::function<void(GenerateEvent&& event)> sink) {
  const auto under = std::make_shared<Under>(shared_from_this(), call, std::move(sink));
  if (!under->start(request_of(call), call.seed ? *call.seed : random_seed())) {
    return server_is_busy();
  }
  return std::shared_ptr<Generating>(under);
}

// Hidden states after the last norm: their mean, or the last token's; of unit length.
std::vector<std::vector<float>> EngineModel::embed(const std::vector<std::vector<int32_t>>& inputs) {
  const int64_t C = config().hidden_size;
  const Kernels& kernels = base_->model.kernels();
  std::vector<std::vector<float>> out;
  for (size_t next = 0; next < inputs.size();) {
    Batch batch;
    for (; next < inputs.size() && (batch.rows() == 0 || batch.rows() < kEmbeddingRows); ++next)
      batch.add(inputs[next], adapter_.get());
    std::vector<float> hidden;
    {
      std::lock_guard lock(base_->mutex);
      const Mat states = base_->model.forward(batch);
      const Buffer floats(kernels, batch.rows() * C * 4);
      kernels.convert(mat(floats.floats(), batch.rows(), C), states);
      hidden = to_host(kernels, floats.floats(), batch.rows() * C);
    }
    for (int64_t b = 0; b < batch.sequences(); ++b) {
      const int64_t end = batch.starts[b + 1], begin = pooling_ == "last" ? end - 1 : batch.starts[b];
      std::vector<double> sum(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t c = 0; c < C; ++c) sum[c] += static_cast<double>(hidden[row * C + c]);
      }
      double square = 0;
      for (const double x : sum) square += x * x;
      const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
      auto& vector = out.emplace_back();
      for (const double x : sum) vector.push_back(static_cast<float>(x * scale));
    }
  }
  return out;
}

}  // namespace loquat::serve
