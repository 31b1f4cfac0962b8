// Replies and text scores of one model folder.
#include "infer/chat_engine.h"

#include <algorithm>
#include <numeric>

#include "base/log.h"
#include "infer/stop_tokens.h"
#include "infer/utf8_stream.h"

namespace loquat {
namespace {

constexpr int64_t kMostReplies = 64;               // computed together; others wait in line
constexpr int64_t kCacheBytes = int64_t{1} << 30;  // of their keys and values
constexpr int64_t kDraftTokens = 8;
constexpr int64_t kScoreRows = 4096;  // of one forward

// A piece of one text that is computed in one sequence: tokens [begin, end), of which the first `known` only give
// context.
struct Window {
  size_t text;
  std::vector<int32_t> tokens;
  int64_t known;
};

std::vector<Window> windows_of(size_t text, const std::vector<int32_t>& tokens, int64_t context) {
  std::vector<Window> windows;
  const int64_t n = static_cast<int64_t>(tokens.size());
  for (int64_t scored = 1; scored < n;) {
    const int64_t begin = std::max<int64_t>(0, scored == 1 ? 0 : scored - context / 2);
    const int64_t end = std::min(n, begin + context);
    windows.push_back({text, {tokens.begin() + begin, tokens.begin() + end}, scored - begin});
    scored = end;
  }
  return windows;
}

}  // namespace

ChatModel::ChatModel(std::unique_ptr<Model> owned, Model* model, Tokenizer tokenizer, ChatTemplate chat_template,
                     std::vector<int32_t> stop_tokens, int32_t end_of_text)
    : owned_(std::move(owned)),
      model_(model),
      tokenizer_(std::move(tokenizer)),
      template_(std::move(chat_template)),
      stop_tokens_(std::move(stop_tokens)),
      end_of_text_(end_of_text) {}

Result<std::unique_ptr<ChatModel>> ChatModel::make(std::unique_ptr<Model> owned, Model* model,
                                                   const Tokenizer& tokenizer, const std::string& name,
                                                   const std::vector<int32_t>& more_stops) {
  if (tokenizer.vocab_size() > model->config().vocab_size) {
    return Err("{}: the tokenizer has {} tokens, the model's vocab_size is {}", name, tokenizer.vocab_size(),
               model->config().vocab_size);
  }
  auto chat_template = ChatTemplate::make(tokenizer);
  if (!chat_template.ok()) return Err("{}: {}", name, chat_template.error());
  std::vector<int32_t> stops = chat_template->stop_tokens();
  add_stop_tokens(stops, more_stops);
  // What a text that is scored begins after: other models have a token of their own for it.
  int32_t end_of_text = tokenizer.special(kEndOfText);
  for (const int32_t other : {model->config().bos_token, model->config().eos_token, chat_template->end_of_turn()}) {
    if (end_of_text < 0) end_of_text = other;
  }
  return std::unique_ptr<ChatModel>(
      new ChatModel(std::move(owned), model, tokenizer, *std::move(chat_template), std::move(stops), end_of_text));
}

Result<std::unique_ptr<ChatModel>> ChatModel::load(const std::string& folder, const Kernels& kernels, DType compute,
                                                   WeightType weights) {
  TRY(Tokenizer tokenizer, Tokenizer::load(folder));
  TRY(const std::vector<int32_t> stops, folder_stop_tokens(folder));
  TRY(auto model, load_model(folder, kernels, {.compute = compute, .serving_only = true, .weights = weights}));
  Model* plain = model.get();
  return make(std::move(model), plain, tokenizer, folder, stops);
}

Result<std::unique_ptr<ChatModel>> ChatModel::wrap(Model& model, const Tokenizer& tokenizer) {
  return make(nullptr, &model, tokenizer, "model", {});
}

GenerationRequest ChatModel::request(std::vector<int32_t> prompt, const ReplyParams& params,
                                     std::span<const int32_t> stop_tokens, uint64_t index) const {
  GenerationRequest out;
  out.prompt = std::move(prompt);
  out.sampling.temperature = params.temperature;
  out.sampling.top_p = params.top_p;
  out.sampling.top_k = params.top_k;
  out.sampling.max_tokens = params.max_tokens;
  out.sampling.stop_tokens.assign(stop_tokens.begin(), stop_tokens.end());
  out.seed = choice_seed(params.seed, index);
  return out;
}

std::string_view ChatModel::text_of(int32_t token) const {
  return tokenizer_.is_special(token) ? std::string_view() : tokenizer_.token_bytes(token);
}

ReplyText ChatModel::as_text(const GenerationRequest& request, const Generation& generation) const {
  ReplyText reply;
  Utf8Stream stream;
  for (int32_t token : generation.tokens) reply.text += stream.push(text_of(token));
  reply.text += stream.finish();
  reply.tokens = static_cast<int64_t>(generation.tokens.size());
  reply.ended = generation.ended;
  reply.prompt_fits = static_cast<int64_t>(request.prompt.size()) < config().max_positions;
  return reply;
}

Result<ReplyText> ChatModel::reply(const Messages& messages, const ReplyParams& params,
                                   const std::function<bool(std::string_view)>& on_text) {
  TRY(std::vector<int32_t> prompt, template_.prompt(messages));
  const GenerationRequest one = request(std::move(prompt), params, stop_tokens_, 0);
  if (static_cast<int64_t>(one.prompt.size()) >= config().max_positions) {
    return Err("the conversation has {} tokens, the model's context {}: shorten it or begin a new one",
               one.prompt.size(), config().max_positions);
  }
  if (params.max_tokens <= 0) return as_text(one, {});
  Utf8Stream stream;
  bool wanted = true;
  const auto on_token = [&](int32_t token) {
    const std::string piece = stream.push(text_of(token));
    wanted = !on_text || piece.empty() || on_text(piece);
    return wanted;
  };
  const Generation generation = engine().generate(one, on_token, [&] { return wanted = !on_text || on_text(""); });
  if (const std::string rest = stream.finish(); on_text && wanted && !rest.empty()) on_text(rest);
  return as_text(one, generation);
}

SharedEngine& ChatModel::engine() {
  std::call_once(engine_made_, [&] {
    SharedEngineOptions options;
    options.engine.slots = kMostReplies;
    options.engine.cache_tokens =
        std::min(kMostReplies * config().max_positions, kCacheBytes / KvCache::bytes(config(), model_->compute(), 1));
    options.engine.draft_tokens = kDraftTokens;
    engine_ = std::make_unique<SharedEngine>(*model_, options, mutex_);
  });
  return *engine_;
}

std::vector<ReplyText> ChatModel::replies(std::span<const Messages> conversations, const ReplyParams& params) {
  // A conversation that the template refuses has no reply; the others keep their places.
  std::vector<ReplyText> out(conversations.size());
  std::vector<GenerationRequest> requests;
  std::vector<size_t> places;
  for (size_t i = 0; i < conversations.size(); ++i) {
    auto prompt = template_.prompt(conversations[i]);
    if (!prompt.ok()) {
      out[i].error = prompt.error();
      continue;
    }
    requests.push_back(request(*std::move(prompt), params, stop_tokens_, i));
    places.push_back(i);
  }
  if (requests.size() < out.size()) {
    const auto refused = std::find_if(out.begin(), out.end(), [](const ReplyText& r) { return !r.error.empty(); });
    log_warning("{} of {} conversations get no reply: {}", out.size() - requests.size(), out.size(), refused->error);
  }
  std::lock_guard lock(mutex_);
  const auto generations = generate(*model_, requests);
  for (size_t i = 0; i < requests.size(); ++i) out[places[i]] = as_text(requests[i], generations[i]);
  return out;
}

std::vector<ReplyText> ChatModel::complete(std::span<const std::vector<int32_t>> prompts, const ReplyParams& params,
                                           std::span<const int32_t> stop_tokens) {
  std::vector<GenerationRequest> requests;
  for (size_t i = 0; i < prompts.size(); ++i) requests.push_back(request(prompts[i], params, stop_tokens, i));
  std::lock_guard lock(mutex_);
  const auto generations = generate(*model_, requests);
  std::vector<ReplyText> out;
  for (size_t i = 0; i < requests.size(); ++i) out.push_back(as_text(requests[i], generations[i]));
  return out;
}

std::vector<TextLogProb> ChatModel::score(std::span<const std::string> texts) {
  std::vector<TextLogProb> out(texts.size());
  std::vector<Window> windows;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> tokens = {end_of_text_};
    const auto ids = tokenizer_.encode(texts[i]);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    out[i].bytes = static_cast<int64_t>(texts[i].size());
    out[i].tokens = static_cast<int64_t>(ids.size());
    for (auto& window : windows_of(i, tokens, config().max_positions)) windows.push_back(std::move(window));
  }
  std::lock_guard lock(mutex_);
  for (size_t next = 0; next < windows.size();) {
    Batch batch;
    std::vector<int64_t> rows;
    std::vector<int32_t> targets;
    std::vector<size_t> owners;
    for (; next < windows.size() && (batch.rows() == 0 || batch.rows() < kScoreRows); ++next) {
      const Window& window = windows[next];
      for (size_t t = window.known; t < window.tokens.size(); ++t) {
        rows.push_back(batch.rows() + static_cast<int64_t>(t) - 1);
        targets.push_back(window.tokens[t]);
        owners.push_back(window.text);
      }
      batch.add(window.tokens);
    }
    const auto result = model_->log_probs(model_->forward(batch), rows, targets);
    for (size_t i = 0; i < rows.size(); ++i) out[owners[i]].logprob += static_cast<double>(result.logprob[i]);
  }
  return out;
}

}  // namespace loquat
