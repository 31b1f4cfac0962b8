// The decoding loop (engine.h).
#include "infer/engine.h"

#include <algorithm>

#include "base/check.h"
#include "base/threads.h"
#include "infer/sampler.h"

namespace loquat {
namespace {

constexpr int64_t kWorthWaiting = 16;  // tokens that must be saved before a prompt waits for another one's computation
constexpr int64_t kSampleGrain = 4;

}  // namespace

bool has_room(const GenerationRequest& request, int64_t length) {
  CHECK(!request.prompt.empty(), "an empty prompt");
  CHECK(request.sampling.temperature >= 0 && request.sampling.top_p > 0 && request.sampling.top_k >= 0,
        "temperature {}, top_p {}, top_k {}", request.sampling.temperature, request.sampling.top_p,
        request.sampling.top_k);
  return request.sampling.max_tokens > 0 && static_cast<int64_t>(request.prompt.size()) < length;
}

Engine::Engine(Model& model, const EngineOptions& options)
    : model_(model),
      options_(options),
      cache_(model.config(), model.kernels(), model.compute(), options.slots,
             options.length > 0 ? options.length : model.config().max_positions),
      slots_(static_cast<size_t>(options.slots)) {
  if (options_.length == 0) options_.length = model.config().max_positions;
  CHECK(options_.slots >= 1 && options_.prefill_rows >= 1 && options_.length <= model.config().max_positions,
        "slots {}, prefill_rows {}, length {}", options_.slots, options_.prefill_rows, options_.length);
}

int64_t Engine::submit(GenerationRequest request, OnToken on_token, OnEnd on_end) {
  CHECK(has_room(request, options_.length), "a prompt of {} tokens in {}", request.prompt.size(), options_.length);
  line_.push_back(
      std::make_unique<Request>(Request{std::move(request), std::move(on_token), std::move(on_end), {}, submitted_}));
  return submitted_++;
}

void Engine::cancel(int64_t number) {
  const auto waiting =
      std::find_if(line_.begin(), line_.end(), [&](const auto& request) { return request->number == number; });
  if (waiting != line_.end()) {
    const std::unique_ptr<Request> request = std::move(*waiting);
    line_.erase(waiting);
    request->on_end(std::move(request->result));
    return;
  }
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (slots_[s].request && slots_[s].request->number == number) return release(static_cast<int64_t>(s));
  }
}

bool Engine::step() {
  fill_free_slots();
  if (active_ == 0) return false;
  assemble();
  const Mat hidden = model_.forward_cached(batch_, cache_, batch_slots_);
  if (!sample_rows_.empty()) sample(hidden);
  return true;
}

void Engine::fill_free_slots() {
  for (size_t s = 0; s < slots_.size() && !line_.empty(); ++s) {
    if (slots_[s].request) continue;
    slots_[s].request = std::move(line_.front());
    line_.pop_front();
    slots_[s].begun = false;
    prefill_order_.push_back(static_cast<int64_t>(s));
    ++active_;
  }
}

void Engine::assemble() {
  batch_.clear();
  batch_slots_.clear();
  sample_rows_.clear();
  sample_slots_.clear();
  const auto add = [&](int64_t s, int64_t count) {
    const int64_t length = cache_.length(s);
    batch_.add(std::span(slots_[s].tokens).subspan(length, count));
    batch_slots_.push_back(static_cast<int32_t>(s));
    if (length + count < static_cast<int64_t>(slots_[s].tokens.size())) return;
    sample_rows_.push_back(batch_.rows() - 1);
    sample_slots_.push_back(s);
  };
  for (size_t s = 0; s < slots_.size(); ++s) {
    const int64_t index = static_cast<int64_t>(s);
    if (slots_[s].request && slots_[s].begun && !in_prompt(index)) add(index, 1);
  }
  std::erase_if(prefill_order_, [&](int64_t s) { return !slots_[s].request || (slots_[s].begun && !in_prompt(s)); });
  int64_t room = options_.prefill_rows;
  for (int64_t s : prefill_order_) {
    if (room == 0) break;
    if (!slots_[s].begun && !begin(s)) continue;
    const int64_t count = std::min(room, static_cast<int64_t>(slots_[s].tokens.size()) - cache_.length(s));
    add(s, count);
    room -= count;
  }
}

// Makes the slot this request's, with as much of the prompt as another slot (or this one's past) has. False where it is
// better to wait for an earlier request that is computing the same beginning now.
bool Engine::begin(int64_t s) {
  bool worth_waiting = false;
  const Source source = best_source(s, &worth_waiting);
  if (worth_waiting) return false;
  Slot& slot = slots_[s];
  const GenerationRequest& request = slot.request->ask;
  if (source.slot >= 0 && source.slot != s) {
    cache_.copy_prefix(source.slot, s, source.length);
  } else {
    cache_.truncate(s, source.length);
  }
  slot.begun = true;
  slot.tokens = request.prompt;
  slot.rng = Rng(request.seed, "generate");
  return true;
}

Engine::Source Engine::best_source(int64_t s, bool* worth_waiting) const {
  const int64_t number = slots_[s].request->number;
  const std::vector<int32_t>& prompt = slots_[s].request->ask.prompt;
  Source best;
  int64_t planned = 0;
  for (size_t o = 0; o < slots_.size(); ++o) {
    const Slot& other = slots_[o];
    const int64_t computed = cache_.length(static_cast<int64_t>(o));
    const bool computing = other.begun && other.request && other.request->number < number;
    // The last prompt token is always computed: its hidden state gives the first token.
    const size_t readable = computing ? other.tokens.size() : static_cast<size_t>(computed);
    const size_t limit = std::min(prompt.size() - 1, readable);
    const auto end = std::mismatch(prompt.begin(), prompt.begin() + limit, other.tokens.begin()).first;
    const int64_t common = end - prompt.begin();
    if (computing) planned = std::max(planned, common);
    if (std::min(common, computed) > best.length) best = {static_cast<int64_t>(o), std::min(common, computed)};
  }
  *worth_waiting = planned >= best.length + kWorthWaiting;
  return best;
}

void Engine::sample(Mat hidden) {
  logits_.resize(sample_rows_.size() * model_.config().vocab_size);
  lse_.resize(sample_rows_.size());
  inv_temperatures_.clear();
  for (const int64_t s : sample_slots_) {
    const float temperature = slots_[s].request->ask.sampling.temperature;
    inv_temperatures_.push_back(temperature == 0 ? 1.0f : 1.0f / temperature);
  }
  model_.logits(hidden, sample_rows_, logits_.data(), inv_temperatures_, lse_);
  const int64_t n = static_cast<int64_t>(sample_rows_.size()), V = model_.config().vocab_size;
  sampled_.resize(n);
  logprobs_.resize(n);
  parallel_blocks(n, kSampleGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Slot& slot = slots_[sample_slots_[i]];
      const SamplingParams& params = slot.request->ask.sampling;
      const std::span<const float> logits(logits_.data() + i * V, V);
      sampled_[i] = sample_token(logits, lse_[i], params, slot.rng.uniform());
      logprobs_[i] = logits[sampled_[i]] * inv_temperatures_[i] - lse_[i];  // as lm_head computes it
    }
  });
  for (int64_t i = 0; i < n; ++i) take_token(sample_slots_[i], sampled_[i], logprobs_[i]);
}

void Engine::take_token(int64_t s, int32_t token, float logprob) {
  Slot& slot = slots_[s];
  Request& request = *slot.request;
  Generation& result = request.result;
  result.tokens.push_back(token);
  result.logprobs.push_back(logprob);
  slot.tokens.push_back(token);
  const auto& stops = request.ask.sampling.stop_tokens;
  result.ended = std::find(stops.begin(), stops.end(), token) != stops.end();
  const bool goes_on = !request.on_token || request.on_token(token, logprob);
  const bool full = static_cast<int64_t>(slot.tokens.size()) >= options_.length;
  if (!result.ended && !full && goes_on && static_cast<int64_t>(result.tokens.size()) < request.ask.sampling.max_tokens)
    return;
  release(s);
}

void Engine::release(int64_t s) {
  const std::unique_ptr<Request> done = std::move(slots_[s].request);  // its tokens and cache stay readable
  std::erase(prefill_order_, s);  // a first token that ends the reply: the slot may be filled before the next step
  --active_;
  done->on_end(std::move(done->result));
}

}  // namespace loquat
