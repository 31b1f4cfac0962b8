// Sampling by inversion: exponentials of the row in one vectorized sweep, then a walk over block sums to the drawn
// token.
#include "infer/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace loquat {
namespace {

constexpr int64_t kLanes = 16;

// exp for x <= 0, relative error below 3e-7: 2^n by its exponent bits, the rest by a polynomial. Only adds and
// multiplies of floats, so that every instruction set gives the same bits.
inline float exp_negative(float exponent) {
  const float x = exponent > -87.0f ? exponent : -87.0f;          // NaN too: it must not reach the cast
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // rounded to an integer
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return exponent > -87.0f ? p * power : 0.0f;
}

int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
}

// weights[i] = exp((logits[i] - max) / temperature).
void exponentials(std::span<const float> logits, float inv_temperature, std::span<float> weights) {
  const size_t n = logits.size(), whole = n / kLanes * kLanes;
  float top[kLanes];
  std::fill(top, top + kLanes, logits[0]);
  for (size_t i = 0; i < whole; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) top[j] = top[j] < logits[i + j] ? logits[i + j] : top[j];
  }
  float highest = *std::max_element(top, top + kLanes);
  for (size_t i = whole; i < n; ++i) highest = std::max(highest, logits[i]);
  for (size_t i = 0; i < whole; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) weights[i + j] = exp_negative((logits[i + j] - highest) * inv_temperature);
  }
  for (size_t i = whole; i < n; ++i) weights[i] = exp_negative((logits[i] - highest) * inv_temperature);
}

// The token at which the running sum passes uniform * total.
int32_t invert(std::span<const float> weights, double uniform) {
  constexpr size_t kBlock = 64;
  const size_t n = weights.size();
  const auto block_sum = [&](size_t begin) {
    float lanes[kLanes] = {};
    const size_t end = std::min(begin + kBlock, n);
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) lanes[j] += weights[i + j];
    }
    float rest = 0;
    for (; i < end; ++i) rest += weights[i];
    double sum = rest;
    for (float lane : lanes) sum += static_cast<double>(lane);
    return sum;
  };
  double total = 0;
  for (size_t b = 0; b < n; b += kBlock) total += block_sum(b);
  double left = uniform * total;
  size_t last = 0;  // the last token that could be drawn, where rounding leaves something over
  for (size_t b = 0; b < n; b += kBlock) {
    const double sum = block_sum(b);
    if (left >= sum && b + kBlock < n) {
      left -= sum;
      continue;
    }
    for (size_t i = b; i < std::min(b + kBlock, n); ++i) {
      if (weights[i] > 0) last = i;
      left -= static_cast<double>(weights[i]);
      if (left < 0) return static_cast<int32_t>(i);
    }
  }
  return static_cast<int32_t>(last);
}

// Sets the weights of all but the likeliest tokens to zero: at most k of them, and no more than hold the share p. Sorts
// only as many as it takes.
void keep_likeliest(std::span<float> weights, int32_t k, float p) {
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
}

}  // namespace

int32_t sample_token(std::span<const float> logits, const SamplingParams& params, double uniform,
                     std::span<float> scratch) {
  CHECK(!logits.empty() && scratch.size() >= logits.size(), "{} logits, room for {}", logits.size(), scratch.size());
  if (params.temperature == 0 || params.top_k == 1) return argmax(logits);
  const std::span<float> weights = scratch.first(logits.size());
  exponentials(logits, 1.0f / params.temperature, weights);
  if (params.top_k > 0 || params.top_p < 1) keep_likeliest(weights, params.top_k, params.top_p);
  return invert(weights, uniform);
}

}  // namespace loquat
