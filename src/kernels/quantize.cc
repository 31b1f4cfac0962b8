#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/threads.h"

namespace loquat {
namespace {

constexpr int64_t kGrain = 1 << 14;  // values that are worth a thread

// The group's codes by this scale; returns the squared error.
float encode(const float* w, int64_t n, float scale, int zero, uint8_t* codes) {
  const float inverse = std::abs(scale) < 1e-30f ? 0 : 1 / scale;
  const auto low = static_cast<float>(-zero), high = static_cast<float>(zero - 1);
  float error = 0;
  for (int64_t i = 0; i < n; ++i) {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const float value = std::min(high, std::max(low, (w[i] * inverse + kRound) - kRound));
    const float off = w[i] - scale * value;
    error += off * off;
    codes[i] = static_cast<uint8_t>(static_cast<int>(value) + zero);
  }
  return error;
}

// The scale that fits these codes best.
float fitting_scale(const float* w, const uint8_t* codes, int64_t n, int zero) {
  float products = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto code = static_cast<float>(codes[i] - zero);
    products += w[i] * code;
    squares += code * code;
  }
  return squares == 0 ? 0 : products / squares;
}

// The value that is farthest from zero goes to the end of the codes' range, or a little past it; both signs of the
// scale are tried, since the range has one code more below zero than above.
BF16 quantize_group(const float* w, int64_t n, WeightType type, uint8_t* codes) {
  const int zero = zero_code(type);
  float farthest = 0;
  for (int64_t i = 0; i < n; ++i) farthest = std::abs(w[i]) > std::abs(farthest) ? w[i] : farthest;
  BF16 best{};
  float least = INFINITY;
  uint8_t tried[group_length(WeightType::kInt8)];
  std::fill_n(codes, n, static_cast<uint8_t>(0));
  const auto attempt = [&](float scale) {
    const BF16 rounded = to_bf16(scale);
    const float error = encode(w, n, to_float(rounded), zero, tried);
    if (!(error < least)) return;
    least = error;
    best = rounded;
    std::copy_n(tried, n, codes);
  };
  if (type == WeightType::kInt8) {
    attempt(farthest / -127.5f);
  } else {
    for (const float end : {-8.0f, -7.75f, -8.4f, -7.4f, -7.0f, 7.0f, 7.4f, -6.5f}) attempt(farthest / end);
    for (int round = 0; round < 2; ++round) attempt(fitting_scale(w, codes, n, zero));
  }
  return least == INFINITY ? to_bf16(NAN) : best;  // what is not finite stays so
}

}  // namespace

void quantize_weight(const float* w, int64_t n, int64_t k, WeightType type, uint8_t* codes, BF16* scales) {
  const int64_t length = group_length(type), groups = group_count(k, type);
  parallel_blocks(n, kGrain / k + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = i * k + g * length;
        scales[i * groups + g] = quantize_group(w + at, std::min(length, k - g * length), type, codes + at);
      }
    }
  });
}

void dequantize_weight(const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type, float* w) {
  const int64_t length = group_length(type), groups = group_count(k, type);
  parallel_blocks(n, kGrain / k + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < k; ++j)
        w[i * k + j] = to_float(scales[i * groups + j / length]) *
                       static_cast<float>(static_cast<int>(codes[i * k + j]) - zero_code(type));
    }
  });
}

}  // namespace loquat
