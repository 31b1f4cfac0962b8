// Continuous batching by the training layers: requests join the batch between two steps and leave it as they end; every
// step is one forward over the next token of each sequence that is generating and, beside them, up to prefill_rows
// prompt tokens of those that are not yet, so that a long prompt holds nobody up. Keys and values lie in pages that
// sequences which begin alike share (page_tree.h); where the pages run out, the youngest sequence waits and is computed
// again later. Requests under different adapters of the model's base are computed together. The tokens of a request
// depend on its own prompt, adapter, parameters and seed alone: not on what else is in the batch, on what was computed
// before, on waiting, or on speculation.
//
// For one thread; SharedEngine (shared_engine.h) serves many.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/rng.h"
#include "infer/generate.h"
#include "infer/page_tree.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace loquat {

// Whether the prompt, and a token where any is wanted, fit into `length`. A request that makes no sense ends the
// process.
bool has_room(const GenerationRequest& request, int64_t length);

struct EngineOptions {
  int64_t slots = 32;          // sequences under way at once
  int64_t length = 0;          // tokens of the longest, prompt and reply; 0: the model's context
  int64_t prefill_rows = 512;  // prompt tokens computed at once, at the beginning of a text; fewer far into one
  int64_t cache_tokens = 0;    // room for keys and values; at least `length`; 0: slots * length
  int64_t draft_tokens = 0;    // at most so many tokens are guessed from the text itself, while few sequences generate
};

// What an engine does, in the order of its steps; each may be empty.
struct EngineListener {
  // Returns false to stop the request there. `logprob` where the request asked for it, else null.
  std::function<bool(int32_t token, const TokenLogprob* logprob)> on_token;
  std::function<void(std::vector<TokenLogprob>&& prompt)> on_prompt;  // once, with prompt_logprobs
  std::function<void(Generation&& generation)> on_end;                // once; after it the request is gone
};

struct EngineCounts {
  int64_t running = 0, waiting = 0;              // sequences
  int64_t pages = 0, pages_used = 0;             // used by sequences under way; not counted by adapter
  int64_t prompt_tokens = 0, cached_tokens = 0;  // so far
  int64_t generated_tokens = 0, drafted_tokens = 0, accepted_tokens = 0;
  int64_t preemptions = 0;
};

// Of each adapter that has had requests and that somebody holds yet; an empty pointer's: of the model's own.
using CountsByAdapter = std::map<std::weak_ptr<const Model>, EngineCounts, std::owner_less<>>;

class Engine {
 public:
  Engine(Model& model, const EngineOptions& options);
  ~Engine();

  // Waits in line until there is room. The request must have room. Returns the request's number.
  int64_t submit(GenerationRequest request, EngineListener listener);
  // Ends a request wherever it is, with the tokens that it has; nothing where it is gone.
  void cancel(int64_t number);
  // One forward; false: nothing is under way or in line.
  bool step();

  EngineCounts counts() const;
  CountsByAdapter counts_by_adapter() const;
  const EngineOptions& options() const { return options_; }

 private:
  struct Sequence;
  struct Adapter {
    int64_t number = 0;  // never given again: what the pages hold of one that is gone is nobody's
    EngineCounts counts;
  };

  Adapter& adapter_of(const std::shared_ptr<const Model>& model);
  void count(const Sequence& sequence, int64_t EngineCounts::*what, int64_t more);

  enum class Begun { kYes, kLater, kNoRoom };
  void admit();
  Begun begin(Sequence& sequence);
  bool take_partial(Sequence& sequence, PageTree::Page* root, const PageTree::Match& match);
  bool extend(Sequence& sequence, PageTree::Page* root);
  std::span<const int32_t> tokens_of_page(const Sequence& sequence, int64_t index) const;
  void release_pages(Sequence& sequence);
  std::unique_ptr<Sequence> remove_running(const Sequence* sequence);
  void preempt_youngest();
  void finish(std::unique_ptr<Sequence> sequence);

  void assemble();
  void plan_prompts();
  void add_rows(Sequence& sequence, int64_t count);
  void draft(Sequence& sequence);
  void read_prompts(Mat hidden);
  void sample(Mat hidden);
  void choose_tokens(Sequence& sequence);
  void find_allowed(Sequence& sequence) const;
  bool take_tokens(Sequence& sequence);
  void advance(Sequence& sequence, int64_t length);

  Model& model_;
  EngineOptions options_;
  const double even_context_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<PageTree> tree_;
  std::vector<std::unique_ptr<Sequence>> running_;  // by number
  std::deque<std::unique_ptr<Sequence>> line_;      // by number
  int64_t submitted_ = 0, adapters_seen_ = 0;
  Adapter own_;
  std::map<std::weak_ptr<const Model>, Adapter, std::owner_less<>> adapters_;
  bool long_prompts_waited_ = false;  // in the last step
  EngineCounts counts_;

  // Of one step.
  struct Rows {
    Sequence* sequence = nullptr;
    int64_t count = 0;
  };
  std::vector<Rows> planned_;
  Batch batch_;
  std::vector<Sequence*> batch_sequences_;
  std::vector<CachedSequence> cached_;
  std::vector<int64_t> sample_rows_;
  std::vector<float> logits_, inv_temperatures_, lse_;
};

}  // namespace loquat
