// The decoding loop. A slot of the cache holds one request; every step is one forward over the next token of each
// sequence that is generating and, beside them, up to prefill_rows prompt tokens of those that are not yet. What a slot
// computed stays readable until the slot is used again, so a prompt that begins like another one copies that part.
#include "infer/generate.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/rng.h"
#include "base/threads.h"
#include "infer/sampler.h"
#include "model/kv_cache.h"

namespace loquat {
namespace {

constexpr int64_t kWorthWaiting = 16;  // tokens that must be saved before a prompt waits for another one's computation
constexpr int64_t kSampleGrain = 4;

class Decoder {
 public:
  Decoder(Model& model, std::span<const GenerationRequest> requests, const GenerateOptions& options);
  std::vector<Generation> run();

 private:
  struct Slot {
    int64_t request = -1;         // -1: free
    bool begun = false;           // `tokens` and the cache are of this request
    std::vector<int32_t> tokens;  // prompt and reply; the first cache.length(slot) are in the cache
    Rng rng{0};
  };
  struct Source {
    int64_t slot = -1;
    int64_t length = 0;  // tokens to copy
  };

  bool has_room(const GenerationRequest& request) const;
  int64_t cache_length() const;
  void fill_free_slots();
  void assemble();
  bool begin(int64_t slot);
  Source best_source(int64_t slot, bool* worth_waiting) const;
  void sample();
  void take_token(int64_t slot, int32_t token, float logprob);
  bool in_prompt(const Slot& slot, int64_t index) const {
    return cache_->length(index) < static_cast<int64_t>(requests_[slot.request].prompt.size());
  }

  Model& model_;
  std::span<const GenerationRequest> requests_;
  const GenerateOptions& options_;
  std::vector<Generation> results_;
  std::unique_ptr<KvCache> cache_;
  std::vector<Slot> slots_;
  std::vector<int64_t> prefill_order_;  // slots that are in their prompts, by request
  size_t next_request_ = 0;
  int64_t active_ = 0;

  // Of one step.
  Batch batch_;
  std::vector<int32_t> batch_slots_;
  std::vector<int64_t> sample_rows_, sample_slots_;
  std::vector<float> logits_, logprobs_, inv_temperatures_, lse_;
  std::vector<int32_t> sampled_;
};

Decoder::Decoder(Model& model, std::span<const GenerationRequest> requests, const GenerateOptions& options)
    : model_(model), requests_(requests), options_(options), results_(requests.size()) {
  CHECK(options.batch >= 1 && options.prefill_rows >= 1, "batch {}, prefill_rows {}", options.batch,
        options.prefill_rows);
  const int64_t usable = std::count_if(requests.begin(), requests.end(), [&](const auto& r) { return has_room(r); });
  if (usable == 0) return;
  slots_.resize(std::min(options.batch, usable));
  cache_ = std::make_unique<KvCache>(model.config(), model.kernels(), model.compute(),
                                     static_cast<int64_t>(slots_.size()), cache_length());
}

bool Decoder::has_room(const GenerationRequest& request) const {
  CHECK(!request.prompt.empty(), "an empty prompt");
  CHECK(request.sampling.temperature >= 0 && request.sampling.top_p > 0 && request.sampling.top_k >= 0,
        "temperature {}, top_p {}, top_k {}", request.sampling.temperature, request.sampling.top_p,
        request.sampling.top_k);
  return request.sampling.max_tokens > 0 && static_cast<int64_t>(request.prompt.size()) < model_.config().max_positions;
}

int64_t Decoder::cache_length() const {
  int64_t longest = 1;
  for (const auto& r : requests_) {
    if (has_room(r)) longest = std::max(longest, static_cast<int64_t>(r.prompt.size()) + r.sampling.max_tokens);
  }
  return std::min(longest, model_.config().max_positions);
}

std::vector<Generation> Decoder::run() {
  if (slots_.empty()) return std::move(results_);
  for (fill_free_slots(); active_ > 0; fill_free_slots()) {
    assemble();
    const Mat hidden = model_.forward_cached(batch_, *cache_, batch_slots_);
    if (sample_rows_.empty()) continue;
    logits_.resize(sample_rows_.size() * model_.config().vocab_size);
    lse_.resize(sample_rows_.size());
    inv_temperatures_.clear();
    for (const int64_t s : sample_slots_) {
      const float temperature = requests_[slots_[s].request].sampling.temperature;
      inv_temperatures_.push_back(temperature == 0 ? 1.0f : 1.0f / temperature);
    }
    model_.logits(hidden, sample_rows_, logits_.data(), inv_temperatures_, lse_);
    sample();
  }
  return std::move(results_);
}

void Decoder::fill_free_slots() {
  for (size_t s = 0; s < slots_.size() && next_request_ < requests_.size(); ++s) {
    if (slots_[s].request >= 0) continue;
    while (next_request_ < requests_.size() && !has_room(requests_[next_request_])) ++next_request_;
    if (next_request_ == requests_.size()) return;
    slots_[s].request = static_cast<int64_t>(next_request_++);
    slots_[s].begun = false;
    prefill_order_.push_back(static_cast<int64_t>(s));
    ++active_;
  }
}

void Decoder::assemble() {
  batch_.clear();
  batch_slots_.clear();
  sample_rows_.clear();
  sample_slots_.clear();
  const auto add = [&](int64_t s, int64_t count) {
    const int64_t length = cache_->length(s);
    batch_.add(std::span(slots_[s].tokens).subspan(length, count));
    batch_slots_.push_back(static_cast<int32_t>(s));
    if (length + count < static_cast<int64_t>(slots_[s].tokens.size())) return;
    sample_rows_.push_back(batch_.rows() - 1);
    sample_slots_.push_back(s);
  };
  for (size_t s = 0; s < slots_.size(); ++s) {
    const int64_t index = static_cast<int64_t>(s);
    if (slots_[s].request >= 0 && slots_[s].begun && !in_prompt(slots_[s], index)) add(index, 1);
  }
  std::erase_if(prefill_order_,
                [&](int64_t s) { return slots_[s].request < 0 || (slots_[s].begun && !in_prompt(slots_[s], s)); });
  int64_t room = options_.prefill_rows;
  for (int64_t s : prefill_order_) {
    if (room == 0) break;
    if (!slots_[s].begun && !begin(s)) continue;
    const int64_t count = std::min(room, static_cast<int64_t>(slots_[s].tokens.size()) - cache_->length(s));
    add(s, count);
    room -= count;
  }
}

// Makes the slot this request's, with as much of the prompt as another slot (or this one's past) has. False where it is
// better to wait for an earlier request that is computing the same beginning now.
bool Decoder::begin(int64_t s) {
  bool worth_waiting = false;
  const Source source = best_source(s, &worth_waiting);
  if (worth_waiting) return false;
  Slot& slot = slots_[s];
  const GenerationRequest& request = requests_[slot.request];
  if (source.slot >= 0 && source.slot != s) {
    cache_->copy_prefix(source.slot, s, source.length);
  } else {
    cache_->truncate(s, source.length);
  }
  slot.begun = true;
  slot.tokens = request.prompt;
  slot.rng = Rng(request.seed, "generate");
  return true;
}

Decoder::Source Decoder::best_source(int64_t s, bool* worth_waiting) const {
  const int64_t request = slots_[s].request;
  const std::vector<int32_t>& prompt = requests_[request].prompt;
  Source best;
  int64_t planned = 0;
  for (size_t o = 0; o < slots_.size(); ++o) {
    const Slot& other = slots_[o];
    const int64_t computed = cache_->length(static_cast<int64_t>(o));
    const bool computing = other.begun && other.request >= 0 && other.request < request;
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

void Decoder::sample() {
  const int64_t n = static_cast<int64_t>(sample_rows_.size()), V = model_.config().vocab_size;
  sampled_.resize(n);
  logprobs_.resize(n);
  parallel_blocks(n, kSampleGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Slot& slot = slots_[sample_slots_[i]];
      const SamplingParams& params = requests_[slot.request].sampling;
      const std::span<const float> logits(logits_.data() + i * V, V);
      sampled_[i] = sample_token(logits, lse_[i], params, slot.rng.uniform());
      logprobs_[i] = logits[sampled_[i]] * inv_temperatures_[i] - lse_[i];  // as lm_head computes it
    }
  });
  for (int64_t i = 0; i < n; ++i) take_token(sample_slots_[i], sampled_[i], logprobs_[i]);
}

void Decoder::take_token(int64_t s, int32_t token, float logprob) {
  Slot& slot = slots_[s];
  const GenerationRequest& request = requests_[slot.request];
  Generation& result = results_[slot.request];
  result.tokens.push_back(token);
  result.logprobs.push_back(logprob);
  slot.tokens.push_back(token);
  const auto& stops = request.sampling.stop_tokens;
  result.ended = std::find(stops.begin(), stops.end(), token) != stops.end();
  const bool goes_on = !options_.on_token || options_.on_token(static_cast<size_t>(slot.request), token);
  const bool full = static_cast<int64_t>(slot.tokens.size()) >= model_.config().max_positions;
  if (result.ended || full || !goes_on || static_cast<int64_t>(result.tokens.size()) >= request.sampling.max_tokens) {
    slot.request = -1;              // its tokens and cache stay readable until the slot is used again
    std::erase(prefill_order_, s);  // a first token that ends the reply: the slot may be filled before the next step
    --active_;
  }
}

}  // namespace

std::vector<Generation> generate(Model& model, std::span<const GenerationRequest> requests,
                                 const GenerateOptions& options) {
  return Decoder(model, requests, options).run();
}

}  // namespace loquat
