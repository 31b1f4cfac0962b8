// The decoding loop (engine.h).
#include "infer/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/ints.h"
#include "base/threads.h"
#include "infer/sampler.h"

namespace loquat {
namespace {

constexpr int64_t kPageTokens = 32;    // what attention reads at once
constexpr int64_t kWorthWaiting = 16;  // tokens that must be saved before a prompt waits for another one's computation
constexpr int64_t kMostWaiting = 64;   // requests in line that are looked at for that, in one step
constexpr int64_t kPromptRows = 64;    // of a prompt, whose logits are made at once
// Guessing pays while a step's time is that of reading the weights.
constexpr int64_t kDraftingSequences = 4;
constexpr int64_t kDraftContext = 3;  // tokens that must have stood in the text before
constexpr int64_t kDraftPause = 16;   // steps without guesses after some that were wrong
constexpr int64_t kDraftFailures = 3;

int64_t size_of(const std::vector<int32_t>& v) {
  return static_cast<int64_t>(v.size());
}

// The context at which a row's attention, at half the products' speed, takes as long as its products.
double even_context(const ModelConfig& c) {
  const int64_t heads = c.num_heads * c.head_dim;
  const int64_t products = c.hidden_size * (c.qkv_dim() + heads + 3 * c.intermediate_size);
  return static_cast<double>(products) / static_cast<double>(4 * heads);
}

}  // namespace

struct Engine::Sequence {
  Sequence(int64_t n, Adapter& a, GenerationRequest&& request, EngineListener&& l)
      : number(n),
        adapter(a),
        ask(std::move(request)),
        listener(std::move(l)),
        tokens(ask.prompt),
        rng(ask.seed, "generate"),
        matcher(std::move(ask.matcher)) {}

  int64_t number;  // in the order of submission
  Adapter& adapter;
  GenerationRequest ask;
  EngineListener listener;
  Generation result;
  std::vector<int32_t> tokens;  // prompt and reply
  int64_t length = 0;           // of them in the cache
  std::vector<PageTree::Page*> pages;
  std::vector<int32_t> page_ids;
  Rng rng;
  std::unordered_map<int32_t, int32_t> used;  // how often each token of the reply occurs; where penalties want it
  std::vector<TokenLogprob> prompt;           // with prompt_logprobs: of the tokens computed so far
  bool begun_before = false, prompt_read = false;

  std::optional<Matcher> matcher;
  std::vector<uint64_t> allowed;  // with a matcher: next tokens, the end of turn where the reply may end
  bool complete = false;          // nothing more may come

  int64_t draft_length = 2, draft_failures = 0, draft_pause = 0;
  std::vector<int32_t> draft;

  // Of one step.
  int64_t first_row = 0, rows = 0;
  int64_t first_sample = -1;  // of its rows that are sampled; -1: none
  std::vector<int32_t> chosen;
  std::vector<float> chosen_logprobs;
  std::vector<TokenLogprob> chosen_details;

  int64_t pending() const { return size_of(tokens) - length; }
  bool generating() const { return pending() == 1 && !result.tokens.empty(); }
  bool wants_prompt() const { return ask.prompt_logprobs && !prompt_read; }
  float inv_temperature() const { return ask.sampling.temperature == 0 ? 1.0f : 1.0f / ask.sampling.temperature; }
  // Tokens that the reply may still have.
  int64_t left(int64_t length) const {
    const int64_t size = size_of(ask.prompt) + size_of(result.tokens) + size_of(chosen);
    return std::min(ask.sampling.max_tokens + size_of(ask.prompt), length) - size;
  }
  bool stops_at(int32_t token) const {
    const auto& stops = ask.sampling.stop_tokens;
    return std::find(stops.begin(), stops.end(), token) != stops.end();
  }
};

bool has_room(const GenerationRequest& request, int64_t length) {
  const SamplingParams& s = request.sampling;
  CHECK(!request.prompt.empty(), "an empty prompt");
  CHECK(s.temperature >= 0 && s.top_p > 0 && s.top_k >= 0 && s.min_p >= 0 && s.min_p <= 1,
        "temperature {}, top_p {}, top_k {}, min_p {}", s.temperature, s.top_p, s.top_k, s.min_p);
  if (s.max_tokens <= 0) return request.prompt_logprobs && size_of(request.prompt) <= length;
  return size_of(request.prompt) < length;
}

Engine::Engine(Model& model, const EngineOptions& options)
    : model_(model), options_(options), even_context_(even_context(model.config())) {
  const int64_t context = model.config().max_positions;
  if (options_.length == 0) options_.length = context;
  if (options_.cache_tokens == 0) options_.cache_tokens = options_.slots * options_.length;
  CHECK(options_.slots >= 1 && options_.prefill_rows >= 1 && options_.length <= context && options_.draft_tokens >= 0,
        "slots {}, prefill_rows {}, length {}, draft_tokens {}", options_.slots, options_.prefill_rows, options_.length,
        options_.draft_tokens);
  const int64_t page = model.kernels().paged_attention ? kPageTokens : options_.length;
  const int64_t pages = std::max(ceil_div(options_.cache_tokens, page), ceil_div(options_.length, page));
  cache_ = std::make_unique<KvCache>(model.config(), model.kernels(), model.compute(), pages, page);
  tree_ = std::make_unique<PageTree>(pages, page);
}

Engine::~Engine() = default;

int64_t Engine::submit(GenerationRequest request, EngineListener listener) {
  CHECK(has_room(request, options_.length), "a prompt of {} tokens in {}", request.prompt.size(), options_.length);
  Adapter& adapter = adapter_of(request.adapter);
  line_.push_back(std::make_unique<Sequence>(submitted_, adapter, std::move(request), std::move(listener)));
  return submitted_++;
}

void Engine::cancel(int64_t number) {
  const auto is_it = [&](const auto& sequence) { return sequence->number == number; };
  if (const auto at = std::find_if(line_.begin(), line_.end(), is_it); at != line_.end()) {
    std::unique_ptr<Sequence> sequence = std::move(*at);
    line_.erase(at);
    finish(std::move(sequence));
  } else if (const auto in = std::find_if(running_.begin(), running_.end(), is_it); in != running_.end()) {
    finish(remove_running(in->get()));
  }
}

Engine::Adapter& Engine::adapter_of(const std::shared_ptr<const Model>& model) {
  if (model == nullptr) return own_;
  if (const auto found = adapters_.find(model); found != adapters_.end()) return found->second;
  std::erase_if(adapters_, [](const auto& entry) { return entry.first.expired(); });
  return adapters_.try_emplace(model, Adapter{++adapters_seen_, {}}).first->second;
}

void Engine::count(const Sequence& s, int64_t EngineCounts::*what, int64_t more) {
  counts_.*what += more;
  s.adapter.counts.*what += more;
}

EngineCounts Engine::counts() const {
  EngineCounts counts = counts_;
  counts.running = static_cast<int64_t>(running_.size());
  counts.waiting = static_cast<int64_t>(line_.size());
  counts.pages = tree_->pages();
  counts.pages_used = tree_->used();
  return counts;
}

CountsByAdapter Engine::counts_by_adapter() const {
  CountsByAdapter counts;
  const auto of = [&](const auto& sequence) -> EngineCounts& { return counts[sequence->ask.adapter]; };
  counts[{}] = own_.counts;
  for (const auto& [model, adapter] : adapters_) counts[model] = adapter.counts;
  for (const auto& sequence : running_) ++of(sequence).running;
  for (const auto& sequence : line_) ++of(sequence).waiting;
  return counts;
}

bool Engine::step() {
  admit();
  if (running_.empty()) return false;
  assemble();
  const Mat hidden = model_.forward_cached(batch_, *cache_, cached_);
  read_prompts(hidden);
  sample(hidden);
  return true;
}

// --- joining and leaving -------------------------------------------------------------------------

void Engine::admit() {
  int64_t waiting = 0;
  for (size_t i = 0; i < line_.size() && waiting < kMostWaiting;) {
    if (static_cast<int64_t>(running_.size()) >= options_.slots) return;
    const Begun begun = begin(*line_[i]);
    if (begun == Begun::kNoRoom) {
      CHECK(!running_.empty(), "{} pages do not hold a sequence of {} tokens", tree_->pages(), line_[i]->tokens.size());
      return;
    }
    if (begun == Begun::kLater) {
      ++waiting, ++i;
      continue;
    }
    std::unique_ptr<Sequence> sequence = std::move(line_[i]);
    line_.erase(line_.begin() + static_cast<int64_t>(i));
    const auto after = [&](const auto& other) { return other->number > sequence->number; };
    running_.insert(std::find_if(running_.begin(), running_.end(), after), std::move(sequence));
  }
}

// Gives the sequence pages for all its tokens, with as much in them as others have computed. kLater: an earlier one is
// computing the same beginning now.
Engine::Begun Engine::begin(Sequence& s) {
  // The last token is always computed: its hidden state gives the next one.
  const int64_t readable = s.wants_prompt() ? 0 : size_of(s.tokens) - 1;
  PageTree::Page* root = tree_->root(fmt::format("{} {}", s.adapter.number, s.ask.cache_key));
  const PageTree::Match match = tree_->match(root, std::span(s.tokens).first(static_cast<size_t>(readable)));
  const int64_t page = tree_->page_tokens();
  const int64_t held = static_cast<int64_t>(match.whole.size()) * page + match.partial_tokens;
  if (match.planned >= held + kWorthWaiting) return Begun::kLater;
  for (PageTree::Page* whole : match.whole) {
    tree_->use(whole);
    s.pages.push_back(whole);
  }
  s.length = held;
  if (match.partial != nullptr && !take_partial(s, root, match)) s.length -= match.partial_tokens;
  if (!extend(s, root)) {
    release_pages(s);
    return Begun::kNoRoom;
  }
  if (!s.begun_before) {
    s.begun_before = true;
    s.result.cached_tokens = s.length;
    count(s, &EngineCounts::prompt_tokens, size_of(s.tokens));
    count(s, &EngineCounts::cached_tokens, s.length);
  }
  s.prompt.clear();
  return Begun::kYes;
}

std::span<const int32_t> Engine::tokens_of_page(const Sequence& s, int64_t index) const {
  const int64_t begin = index * tree_->page_tokens(), end = std::min(begin + tree_->page_tokens(), size_of(s.tokens));
  return std::span(s.tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

// The page after the whole ones: another one's own where it is free and all of it is wanted, else a copy. False where
// there is no page to be had.
bool Engine::take_partial(Sequence& s, PageTree::Page* root, const PageTree::Match& match) {
  const auto tokens = tokens_of_page(s, static_cast<int64_t>(s.pages.size()));
  PageTree::Page* page = nullptr;
  const auto take_over = [&] {
    page = tree_->take_over(match.partial, match.partial_tokens);
    if (page != nullptr) page->tokens.assign(tokens.begin(), tokens.end());
  };
  if (match.partial_tokens == size_of(match.partial->tokens)) take_over();
  if (page == nullptr) {
    tree_->use(match.partial);
    page = tree_->allocate(s.pages.empty() ? root : s.pages.back(), tokens);
    if (page != nullptr) {
      cache_->copy(match.partial->id, page->id, match.partial_tokens);
      page->computed = match.partial_tokens;
    }
    tree_->release(match.partial);
    if (page == nullptr) take_over();
  }
  if (page == nullptr) return false;
  s.pages.push_back(page);
  return true;
}

// Pages for all its tokens; false where there are not enough.
bool Engine::extend(Sequence& s, PageTree::Page* root) {
  const int64_t wanted = ceil_div(size_of(s.tokens), tree_->page_tokens());
  while (static_cast<int64_t>(s.pages.size()) < wanted) {
    PageTree::Page* parent = s.pages.empty() ? root : s.pages.back();
    PageTree::Page* page = tree_->allocate(parent, tokens_of_page(s, static_cast<int64_t>(s.pages.size())));
    if (page == nullptr) return false;
    s.pages.push_back(page);
  }
  s.page_ids.clear();
  for (const PageTree::Page* page : s.pages) s.page_ids.push_back(page->id);
  return true;
}

void Engine::release_pages(Sequence& s) {
  // The last one first, so that it is also the first to go.
  for (size_t i = s.pages.size(); i-- > 0;) tree_->release(s.pages[i]);
  s.pages.clear();
  s.page_ids.clear();
  s.length = 0;
}

std::unique_ptr<Engine::Sequence> Engine::remove_running(const Sequence* sequence) {
  const auto at = std::find_if(running_.begin(), running_.end(), [&](const auto& s) { return s.get() == sequence; });
  std::unique_ptr<Sequence> removed = std::move(*at);
  running_.erase(at);
  return removed;
}

// The youngest goes back into the line, with its reply so far; what it has computed stays readable while nobody needs
// the room.
void Engine::preempt_youngest() {
  std::unique_ptr<Sequence> youngest = std::move(running_.back());
  running_.pop_back();
  release_pages(*youngest);
  count(*youngest, &EngineCounts::preemptions, 1);
  const auto after = [&](const auto& other) { return other->number > youngest->number; };
  line_.insert(std::find_if(line_.begin(), line_.end(), after), std::move(youngest));
}

void Engine::finish(std::unique_ptr<Sequence> sequence) {
  release_pages(*sequence);
  if (sequence->listener.on_end) sequence->listener.on_end(std::move(sequence->result));
}

// --- one step ------------------------------------------------------------------------------------

void Engine::assemble() {
  planned_.clear();
  batch_.clear();
  batch_sequences_.clear();
  cached_.clear();
  sample_rows_.clear();
  inv_temperatures_.clear();
  int64_t generating = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& s = *running_[i];
    if (!s.generating()) continue;
    while (i < running_.size() && !extend(s, nullptr)) preempt_youngest();  // itself at last
    ++generating;
  }
  for (const auto& s : running_) {
    if (!s->generating()) continue;
    if (options_.draft_tokens > 0 && generating <= kDraftingSequences) draft(*s);
    planned_.push_back({s.get(), 1});
  }
  plan_prompts();
  // An adapter's rows stand together: its products are then one for all of them.
  std::stable_sort(planned_.begin(), planned_.end(), [](const Rows& a, const Rows& b) {
    return a.sequence->adapter.number < b.sequence->adapter.number;
  });
  for (const Rows& rows : planned_) add_rows(*rows.sequence, rows.count);
}

// Short prompts first. One that is longer than a step's rows leaves every second step to shorter ones, where there are
// any. Rows far into a text count for more, since they attend to more.
void Engine::plan_prompts() {
  std::vector<Sequence*> prompts;
  for (const auto& s : running_) {
    if (!s->generating()) prompts.push_back(s.get());
  }
  std::stable_sort(prompts.begin(), prompts.end(),
                   [](const Sequence* a, const Sequence* b) { return a->pending() < b->pending(); });
  double room = static_cast<double>(options_.prefill_rows);
  bool others = false, waited = false;
  for (Sequence* s : prompts) {
    const double cost = 1 + static_cast<double>(s->length) / even_context_;
    const int64_t fit = std::max<int64_t>(static_cast<int64_t>(room / cost), others ? 0 : 1);
    if (fit == 0) break;
    if (s->pending() > options_.prefill_rows && others && !long_prompts_waited_) {
      waited = true;
      break;
    }
    const int64_t count = std::min(fit, s->pending());
    planned_.push_back({s, count});
    room -= static_cast<double>(count) * cost;
    others = true;
  }
  long_prompts_waited_ = waited;
}

// The next `count` tokens of the sequence, and its draft behind them.
void Engine::add_rows(Sequence& s, int64_t count) {
  s.first_row = batch_.rows();
  s.first_sample = -1;
  if (s.draft.empty()) {
    batch_.add(std::span(s.tokens).subspan(static_cast<size_t>(s.length), static_cast<size_t>(count)),
               s.ask.adapter.get());
  } else {
    std::vector<int32_t> tokens = {s.tokens.back()};
    tokens.insert(tokens.end(), s.draft.begin(), s.draft.end());
    batch_.add(tokens, s.ask.adapter.get());
  }
  s.rows = batch_.rows() - s.first_row;
  batch_sequences_.push_back(&s);
  cached_.push_back({s.page_ids, s.length});
  if (count < s.pending() || s.ask.sampling.max_tokens <= 0) return;
  s.first_sample = static_cast<int64_t>(sample_rows_.size());
  for (int64_t row = s.first_row + count - 1; row < batch_.rows(); ++row) {
    sample_rows_.push_back(row);
    inv_temperatures_.push_back(s.inv_temperature());
  }
}

// Guesses that the text goes on as it did where its last tokens stood before. A wrong guess costs its rows' time and
// changes nothing.
void Engine::draft(Sequence& s) {
  s.draft.clear();
  if (s.draft_pause > 0) {
    --s.draft_pause;
    return;
  }
  const int64_t n = size_of(s.tokens), left = s.ask.sampling.max_tokens - size_of(s.result.tokens);
  const int64_t room = std::min(size_of(s.page_ids) * tree_->page_tokens(), options_.length) - n;
  const int64_t most = std::min({s.draft_length, options_.draft_tokens, room, left - 1});
  if (most <= 0 || n <= kDraftContext) return;
  const auto last = s.tokens.end() - kDraftContext;
  for (int64_t at = n - kDraftContext - 1; at >= 0; --at) {
    if (!std::equal(last, s.tokens.end(), s.tokens.begin() + at)) continue;
    const int64_t from = at + kDraftContext, to = std::min(n, from + most);
    s.draft.assign(s.tokens.begin() + from, s.tokens.begin() + to);
    return;
  }
}

// Log-probabilities of the prompts that are asked for.
void Engine::read_prompts(Mat hidden) {
  const int64_t V = model_.config().vocab_size;
  for (Sequence* s : batch_sequences_) {
    if (!s->wants_prompt()) continue;
    if (s->prompt.empty()) s->prompt.push_back({s->tokens[0], std::numeric_limits<float>::quiet_NaN(), {}});
    const int64_t last = std::min(s->rows, size_of(s->ask.prompt) - 1 - s->length);  // the last token's row is no one's
    for (int64_t begin = 0; begin < last; begin += kPromptRows) {
      std::vector<int64_t> rows;
      for (int64_t r = begin; r < std::min(begin + kPromptRows, last); ++r) rows.push_back(s->first_row + r);
      logits_.resize(rows.size() * V);
      model_.logits(hidden, rows, logits_.data());
      const size_t first = s->prompt.size();
      s->prompt.resize(first + rows.size());
      parallel_for(static_cast<int64_t>(rows.size()), [&](int64_t i) {
        const int32_t token = s->tokens[s->length + begin + i + 1];
        s->prompt[first + i] = token_logprob(std::span(logits_).subspan(static_cast<size_t>(i * V), V), token,
                                             std::max(s->ask.top_logprobs, 0));
      });
    }
    if (s->length + s->rows < size_of(s->ask.prompt)) continue;
    s->prompt_read = true;
    if (s->listener.on_prompt) s->listener.on_prompt(std::move(s->prompt));
  }
}

void Engine::sample(Mat hidden) {
  const size_t n = sample_rows_.size(), V = static_cast<size_t>(model_.config().vocab_size);
  logits_.resize(n * V);
  lse_.resize(n);
  if (n > 0) model_.logits(hidden, sample_rows_, logits_.data(), inv_temperatures_, lse_);
  const int64_t sequences = static_cast<int64_t>(batch_sequences_.size());
  parallel_blocks(sequences, std::clamp<int64_t>(sequences / (4 * thread_count()), 1, 4),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) {
                      if (batch_sequences_[i]->first_sample >= 0) choose_tokens(*batch_sequences_[i]);
                    }
                  });
  for (Sequence* s : batch_sequences_) {
    if (take_tokens(*s)) finish(remove_running(s));
  }
}

// A token for each sampled row, up to the first that the draft did not foresee or that ends the reply.
void Engine::choose_tokens(Sequence& s) {
  const SamplingParams& params = s.ask.sampling;
  const size_t V = static_cast<size_t>(model_.config().vocab_size);
  const bool penalties = params.presence_penalty != 0 || params.frequency_penalty != 0;
  s.chosen.clear();
  s.chosen_logprobs.clear();
  s.chosen_details.clear();
  for (int64_t i = 0; i <= size_of(s.draft); ++i) {
    const std::span<const float> logits(logits_.data() + (s.first_sample + i) * V, V);
    const float lse = lse_[s.first_sample + i];
    if (s.matcher && s.allowed.empty()) find_allowed(s);
    if (s.complete) break;  // no room for what the grammar wants
    const int32_t token =
        sample_token(logits, lse, params, s.rng.uniform(), {penalties ? &s.used : nullptr, s.allowed});
    s.chosen.push_back(token);
    s.chosen_logprobs.push_back(logits[token] * s.inv_temperature() - lse);  // as lm_head computes it
    if (s.ask.top_logprobs >= 0) s.chosen_details.push_back(token_logprob(logits, token, s.ask.top_logprobs));
    if (penalties) ++s.used[token];
    if (s.matcher && !s.stops_at(token)) {
      CHECK(s.matcher->accept(token), "token {} was drawn and is not allowed", token);
      find_allowed(s);
    }
    if (s.complete || s.stops_at(token) || i == size_of(s.draft) || token != s.draft[i]) break;
  }
}

void Engine::find_allowed(Sequence& s) const {
  const int64_t left = s.left(options_.length);
  s.allowed.assign(static_cast<size_t>(ceil_div(model_.config().vocab_size, 64)), 0);
  if (left > 0) s.matcher->allowed(left, s.allowed);
  const bool more = std::any_of(s.allowed.begin(), s.allowed.end(), [](uint64_t word) { return word != 0; });
  s.complete = !more;
  if (!s.matcher->can_end()) return;
  for (const int32_t stop : s.ask.sampling.stop_tokens) s.allowed[stop / 64] |= uint64_t{1} << (stop % 64);
}

// What this step computed counts, and its tokens are the sequence's. True where it has ended.
bool Engine::take_tokens(Sequence& s) {
  if (s.first_sample < 0) {
    advance(s, s.length + s.rows);
    return s.ask.sampling.max_tokens <= 0 && s.length == size_of(s.tokens);
  }
  const int64_t page = tree_->page_tokens(), guessed = size_of(s.draft);
  const int64_t before = s.length + s.rows - guessed;  // computed, up to the token that was known
  bool ended = s.chosen.empty();
  int64_t taken = 0;
  for (; taken < size_of(s.chosen) && !ended; ++taken) {
    const int32_t token = s.chosen[taken];
    const int64_t at = size_of(s.tokens) / page;
    if (at < static_cast<int64_t>(s.pages.size())) s.pages[at]->tokens.push_back(token);
    s.tokens.push_back(token);
    s.result.tokens.push_back(token);
    s.result.logprobs.push_back(s.chosen_logprobs[taken]);
    const bool last = taken + 1 == size_of(s.chosen);
    s.result.ended = s.stops_at(token) || (last && s.complete && s.matcher->can_end());
    const TokenLogprob* details = s.chosen_details.empty() ? nullptr : &s.chosen_details[taken];
    const bool wanted = !s.listener.on_token || s.listener.on_token(token, details);
    ended = s.result.ended || (last && s.complete) || !wanted || size_of(s.tokens) >= options_.length ||
            size_of(s.result.tokens) >= s.ask.sampling.max_tokens;
  }
  advance(s, before + std::max<int64_t>(taken, 1) - 1);
  count(s, &EngineCounts::generated_tokens, taken);
  count(s, &EngineCounts::drafted_tokens, guessed);
  count(s, &EngineCounts::accepted_tokens, std::max<int64_t>(taken, 1) - 1);
  if (guessed > 0) {
    if (taken <= 1) {
      s.draft_length = std::max<int64_t>(1, s.draft_length / 2);
      if (++s.draft_failures >= kDraftFailures) s.draft_pause = kDraftPause, s.draft_failures = 0;
    } else {
      s.draft_failures = 0;
      if (taken == guessed + 1) s.draft_length = std::min(options_.draft_tokens, 2 * s.draft_length);
    }
    s.draft.clear();
  }
  return ended;
}

void Engine::advance(Sequence& s, int64_t length) {
  const int64_t page = tree_->page_tokens();
  for (int64_t i = s.length / page; i * page < length; ++i) s.pages[i]->computed = std::min(page, length - i * page);
  s.length = length;
}

}  // namespace loquat
