// Draws one token from one row of logits. The probabilities are those of softmax(logits / temperature); top-k and top-p
// then leave the likeliest tokens alone. Ties go to the smaller token. The same row, parameters and random number give
// the same token on every machine and thread.
#pragma once

#include <cstdint>
#include <span>

#include "infer/generate.h"

namespace loquat {

// `uniform` in [0, 1). lse: log-sum-exp of logits / temperature, which the caller needs anyway (unused when greedy).
int32_t sample_token(std::span<const float> logits, float lse, const SamplingParams& params, double uniform);

}  // namespace loquat
