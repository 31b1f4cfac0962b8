// Sampling by inversion: exponentials of the row in one vectorized sweep, then a walk over block sums to the drawn
// token.
#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"

namespace loquat {
namespace {

constexpr int64_t kBlock = 64;

// Vectors of the compiler's own kind, for the widest instructions that the machine has: a function for each.
constexpr int64_t kWidth = 16;
#define LOQUAT_FOR_EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
typedef float Floats __attribute__((vector_size(kWidth * 4)));
typedef int32_t Ints __attribute__((vector_size(kWidth * 4)));

// x = exp(x) for x <= 0 (or a rounding above), relative error below 3e-7: 2^n by its exponent bits, the rest by a
// polynomial.
__attribute__((always_inline)) inline void exp_negative(Floats& x) {
  const Ints counts = x > -87.0f;  // false for NaN too, which must not reach the conversion
  x = counts ? x : Floats{} - 87.0f;
  const Floats n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // rounded to an integer
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  p *= reinterpret_cast<Floats>(power);
  x = counts ? p : Floats{};
}

int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
}

// The first `bytes` of a vector.
__attribute__((always_inline)) inline void weigh(const float* logits, size_t bytes, float inv_temperature, float lse,
                                                 float* weights) {
  Floats x = {};
  std::memcpy(&x, logits, bytes);
  x = x * inv_temperature - lse;
  exp_negative(x);
  std::memcpy(weights, &x, bytes);
}

// weights[i] = exp(logits[i] / temperature - lse): the softmax's probabilities, up to rounding.
LOQUAT_FOR_EACH_ISA void probabilities(const float* logits, int64_t n, float inv_temperature, float lse,
                                       float* weights) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) weigh(logits + i, sizeof(Floats), inv_temperature, lse, weights + i);
  if (i < n) weigh(logits + i, static_cast<size_t>(n - i) * sizeof(float), inv_temperature, lse, weights + i);
}

LOQUAT_FOR_EACH_ISA double sum_of(const float* weights, int64_t n) {
  Floats lanes = {};
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    Floats x;
    std::memcpy(&x, weights + i, sizeof(x));
    lanes += x;
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(weights[i]);
  for (int64_t j = 0; j < kWidth; ++j) sum += static_cast<double>(lanes[j]);
  return sum;
}

// The token at which the running sum of the weights passes `target`; where rounding leaves something over at the end,
// the last one that has a weight. block_at(begin, count) gives the weights in pieces, so that those past the token are
// never computed.
template <typename F>
int32_t invert(int64_t n, double target, F&& block_at) {
  int64_t last = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = std::min(kBlock, n - begin);
    const float* weights = block_at(begin, count);
    const double sum = sum_of(weights, count);
    if (!(sum > 0)) continue;
    const bool inside = target < sum;
    for (int64_t i = 0; inside && i < count; ++i) {
      if (weights[i] > 0) last = begin + i;
      target -= static_cast<double>(weights[i]);
      if (target < 0) return static_cast<int32_t>(begin + i);
    }
    if (inside) return static_cast<int32_t>(last);  // the two ways of summing differ by rounding
    target -= sum;
    for (int64_t i = count - 1; i >= 0; --i) {
      if (weights[i] <= 0) continue;
      last = begin + i;
      break;
    }
  }
  return static_cast<int32_t>(last);
}

// Sets the weights of all but the likeliest tokens to zero: at most k of them, no more than hold the share p, and none
// below the share min_p of the likeliest's. Sorts only as many as it takes. Returns the sum of what is left.
double keep_likeliest(std::span<float> weights, int32_t k, float p, float min_p) {
  thread_local std::vector<int32_t> order;
  order.resize(weights.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto likelier = [&](int32_t a, int32_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  };
  const size_t limit = k > 0 ? std::min<size_t>(k, weights.size()) : weights.size();
  double total = 0;  // of what top-k leaves
  size_t sorted = 0, kept = limit;
  const auto sort_to = [&](size_t n) {
    n = std::min(n, order.size());
    if (n > sorted) std::partial_sort(order.begin() + sorted, order.begin() + n, order.end(), likelier), sorted = n;
  };
  if (limit < weights.size()) {
    sort_to(limit);
    for (size_t i = 0; i < limit; ++i) total += static_cast<double>(weights[order[i]]);
  } else {
    for (float w : weights) total += static_cast<double>(w);
  }
  if (p < 1) {
    double sum = 0;
    for (kept = 0; kept < limit && sum < static_cast<double>(p) * total; ++kept) {
      if (kept == sorted) sort_to(std::max<size_t>(64, 4 * sorted));
      sum += static_cast<double>(weights[order[kept]]);
    }
    kept = std::max<size_t>(kept, 1);
    sort_to(kept);
  }
  for (size_t i = kept; i < order.size(); ++i) weights[order[i]] = 0;
  if (min_p > 0) {
    const float least = min_p * *std::max_element(weights.begin(), weights.end());
    for (float& w : weights) w = w < least ? 0 : w;
  }
  return sum_of(weights.data(), static_cast<int64_t>(weights.size()));
}

bool changes_logits(const SamplingParams& params, const SamplingState& state) {
  return !params.logit_bias.empty() || (state.used != nullptr && !state.used->empty()) || !state.allowed.empty();
}

void change_logits(std::span<float> logits, const SamplingParams& params, const SamplingState& state) {
  for (const auto& [token, bias] : params.logit_bias) logits[token] += bias;
  if (state.used != nullptr) {
    for (const auto& [token, count] : *state.used)
      logits[token] -= params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
  }
  for (size_t w = 0; w < state.allowed.size(); ++w) {
    const uint64_t word = state.allowed[w];
    if (word == ~uint64_t{0}) continue;
    for (size_t t = 64 * w; t < std::min(64 * (w + 1), logits.size()); ++t) {
      if ((word >> (t % 64) & 1) == 0) logits[t] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace

int32_t sample_token(std::span<const float> logits, float lse, const SamplingParams& params, double uniform,
                     const SamplingState& state) {
  CHECK(!logits.empty(), "no logits");
  thread_local std::vector<float> changed;
  if (changes_logits(params, state)) {
    changed.assign(logits.begin(), logits.end());
    change_logits(changed, params, state);
    logits = changed;
  }
  if (params.temperature == 0 || params.top_k == 1) return argmax(logits);
  const int64_t n = static_cast<int64_t>(logits.size());
  const float inv_temperature = 1.0f / params.temperature;
  if (params.top_k > 0 || params.top_p < 1 || params.min_p > 0 || logits.data() == changed.data()) {
    // The sum is taken anew, so that any shift does.
    if (logits.data() == changed.data()) lse = *std::max_element(logits.begin(), logits.end()) * inv_temperature;
    thread_local std::vector<float> weights;
    weights.resize(logits.size());
    probabilities(logits.data(), n, inv_temperature, lse, weights.data());
    const double kept = keep_likeliest(weights, params.top_k, params.top_p, params.min_p);
    return invert(n, uniform * kept, [&](int64_t begin, int64_t) { return weights.data() + begin; });
  }
  float block[kBlock];
  return invert(n, uniform, [&](int64_t begin, int64_t count) {
    probabilities(logits.data() + begin, count, inv_temperature, lse, block);
    return block;
  });
}

TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top) {
  const int64_t n = static_cast<int64_t>(logits.size());
  const float most = *std::max_element(logits.begin(), logits.end());
  thread_local std::vector<float> weights;
  weights.resize(logits.size());
  probabilities(logits.data(), n, 1.0f, most, weights.data());
  const float lse = most + static_cast<float>(std::log(sum_of(weights.data(), n)));
  TokenLogprob out{token, logits[token] - lse, {}};
  thread_local std::vector<int32_t> order;
  order.resize(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto end = order.begin() + std::min<int64_t>(top, n);
  std::partial_sort(order.begin(), end, order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  for (auto it = order.begin(); it != end; ++it) out.top.emplace_back(*it, logits[*it] - lse);
  return out;
}

}  // namespace loquat
