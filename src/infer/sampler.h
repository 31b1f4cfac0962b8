// Draws one token from one row of logits. The probabilities are those of softmax(logits / temperature); top-k and top-p
// then leave the likeliest tokens alone. Ties go to the smaller token. The same row, parameters and random number give
// the same token on every machine and thread.
#pragma once

#include <cstdint>
#include <span>

#include "infer/generate.h"

namespace loquat {

// `uniform` in [0, 1). `scratch`: V floats of the caller's.
int32_t sample_token(std::span<const float> logits, const SamplingParams& params, double uniform,
                     std::span<float> scratch);

}  // namespace loquat
