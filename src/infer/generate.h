// Batched generation by the training layers: hundreds of sequences at once, a finished one's place taken by the next
// prompt at once. The text of a request depends on its own prompt, parameters and seed alone, not on what else is in
// the batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "infer/grammar/grammar.h"
#include "model/model.h"

namespace loquat {

struct SamplingParams {
  float temperature = 1;  // 0: greedy
  float top_p = 1;        // 1: off
  int32_t top_k = 0;      // 0: off
  float min_p = 0;        // tokens less likely than this share of the likeliest are left out; 0: off
  // What is taken off the logits of tokens of the reply so far: once where it occurs, and for each time.
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;  // token, added to its logit
  int64_t max_tokens = 64;
  std::vector<int32_t> stop_tokens;  // generation ends with, and includes, the first of these
};

struct GenerationRequest {
  std::vector<int32_t> prompt;  // not empty
  SamplingParams sampling;
  uint64_t seed = 0;             // the whole source of this request's randomness
  int64_t tag = 0;               // the caller's
  int top_logprobs = -1;         // at least 0: each token comes with its TokenLogprob, with that many of the likeliest
  bool prompt_logprobs = false;  // the prompt's tokens too, all of which are then computed; max_tokens may be 0
  std::optional<Matcher> matcher;  // what the reply may be (a new one's state); it ends where nothing more may come
  std::string cache_key;           // requests with another one share no computed prompts with this one
  // A model over the generating model's base, whose adapter (or none) this request has in place of that model's own;
  // null: its own. Held until the request ends.
  std::shared_ptr<const Model> adapter;
};

// The seed of choice `index` of a call with that seed.
uint64_t choice_seed(uint64_t seed, uint64_t index);

// Natural log-probabilities of the model itself: at temperature 1, before penalties, biases and cuts.
struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;                           // NaN: none (the first token of a prompt)
  std::vector<std::pair<int32_t, float>> top;  // likeliest first
};

struct Generation {
  std::vector<int32_t> tokens;  // with the stop token, if it came
  std::vector<float> logprobs;  // of each token, from the FULL softmax at the sampling temperature (1 when greedy):
                                // bit-equal to Model::log_probs on prompt + tokens
  bool ended = false;           // a stop token came
  int64_t cached_tokens = 0;    // of the prompt, that were not computed for this request
};

struct GenerateOptions {
  int64_t batch = 256;         // sequences decoded at once
  int64_t prefill_rows = 512;  // prompt tokens computed at once
  // Called for every new token of every request, in the calling thread; returns false to stop that request.
  std::function<bool(size_t request, int32_t token)> on_token;
};

// Requests with equal prompts next to one another share the prompt's computation. A prompt that leaves no room in the
// context gets an empty Generation with ended = false; generation also stops when the context is full.
std::vector<Generation> generate(Model& model, std::span<const GenerationRequest> requests,
                                 const GenerateOptions& options = {});

}  // namespace loquat
