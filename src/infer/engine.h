// Continuous batching by the training layers: requests join the batch between two steps and leave it as they end; every
// step is one forward over the next token of each sequence that is generating and, beside them, up to prefill_rows
// prompt tokens of those that are not yet, so that a long prompt holds nobody up. The tokens of a request depend on its
// own prompt, parameters and seed alone, not on what else is in the batch.
//
// For one thread; SharedEngine (shared_engine.h) serves many.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "infer/generate.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace loquat {

// Whether the prompt leaves room for a token in `length`. A request that makes no sense ends the process.
bool has_room(const GenerationRequest& request, int64_t length);

struct EngineOptions {
  int64_t slots = 32;          // sequences under way at once
  int64_t length = 0;          // tokens of the longest, prompt and reply; 0: the model's context
  int64_t prefill_rows = 512;  // prompt tokens computed at once
};

class Engine {
 public:
  // Called with every new token, within step(); returns false to stop the request there.
  using OnToken = std::function<bool(int32_t token, float logprob)>;
  using OnEnd = std::function<void(Generation&& generation)>;  // within step() too, once; after it the request is gone

  Engine(Model& model, const EngineOptions& options);

  // Waits in line for a slot. The request must have room. on_token may be empty. Returns the request's number.
  int64_t submit(GenerationRequest request, OnToken on_token, OnEnd on_end);
  // Ends a request wherever it is, with the tokens that it has; nothing where it is gone.
  void cancel(int64_t number);
  // One forward; false: nothing is under way or in line.
  bool step();

 private:
  struct Request {
    GenerationRequest ask;
    OnToken on_token;
    OnEnd on_end;
    Generation result;
    int64_t number = 0;  // in the order of submission
  };
  // A slot of the cache. What it computed stays readable until it is used again, so a prompt that begins like another
  // one copies that part.
  struct Slot {
    std::unique_ptr<Request> request;  // null: free
    bool begun = false;                // `tokens` and the cache are of this request
    std::vector<int32_t> tokens;       // prompt and reply; the first cache.length(slot) are in the cache
    Rng rng{0};
  };
  struct Source {
    int64_t slot = -1;
    int64_t length = 0;  // tokens to copy
  };

  void fill_free_slots();
  void assemble();
  bool begin(int64_t slot);
  Source best_source(int64_t slot, bool* worth_waiting) const;
  void sample(Mat hidden);
  void take_token(int64_t slot, int32_t token, float logprob);
  void release(int64_t slot);
  bool in_prompt(int64_t slot) const {
    return cache_.length(slot) < static_cast<int64_t>(slots_[slot].request->ask.prompt.size());
  }

  Model& model_;
  EngineOptions options_;
  KvCache cache_;
  std::vector<Slot> slots_;
  std::vector<int64_t> prefill_order_;  // slots that are in their prompts, by request
  std::deque<std::unique_ptr<Request>> line_;
  int64_t submitted_ = 0, active_ = 0;

  // Of one step.
  Batch batch_;
  std::vector<int32_t> batch_slots_;
  std::vector<int64_t> sample_rows_, sample_slots_;
  std::vector<float> logits_, logprobs_, inv_temperatures_, lse_;
  std::vector<int32_t> sampled_;
};

}  // namespace loquat
