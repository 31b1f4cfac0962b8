// Draws one token from one row of logits. Biases and penalties change the logits; the probabilities are those of
// softmax(logits / temperature); top-k, top-p and min-p then leave the likeliest tokens alone. Ties go to the smaller
// token. The same row, parameters and random number give the same token on every machine and thread.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "infer/generate.h"

namespace loquat {

// `uniform` in [0, 1). lse: log-sum-exp of logits / temperature, which the caller needs anyway (unused when greedy).
struct SamplingState {
  const std::unordered_map<int32_t, int32_t>* used = nullptr;  // how often each token occurs in the reply so far, for
                                                               // the penalties; null: there are none
  std::span<const uint64_t> allowed;  // bit t % 64 of word t / 64: token t may come; empty: all
};
int32_t sample_token(std::span<const float> logits, float lse, const SamplingParams& params, double uniform,
                     const SamplingState& state = {});

// Of one token, with `top` of the likeliest (ties go to the smaller token).
TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top);

}  // namespace loquat
