// Reference products by quantised weights. "Packed" is the codes [n, k], then, aligned, the scales [n, groups].
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "kernels/reference.h"

namespace loquat::reference {
namespace {

int64_t code_bytes(int64_t n, int64_t k) {
  return (n * k + 63) / 64 * 64;
}

// One group of a row of x in 8 bits; returns its scale.
float quantize_group(Mat x, int64_t t, int64_t begin, int64_t end, int8_t* out) {
  float most = 0;
  for (int64_t j = begin; j < end; ++j) most = std::max(most, std::abs(get(x, t, j)));
  if (most < 1e-30f) most = 0;  // 127 / most would be infinite
  const float inverse = most == 0 ? 0 : 127 / most;
  for (int64_t j = begin; j < end; ++j) out[j - begin] = static_cast<int8_t>(std::nearbyint(get(x, t, j) * inverse));
  return most * (1 / 127.0f);
}

}  // namespace

int64_t quantized_bytes(int64_t n, int64_t k, WeightType type) {
  return (code_bytes(n, k) + n * group_count(k, type) * 2 + 63) / 64 * 64;
}

void pack_quantized(const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type, void* forward) {
  std::memcpy(forward, codes, n * k);
  std::memcpy(static_cast<char*>(forward) + code_bytes(n, k), scales, n * group_count(k, type) * 2);
}

void quantized_linear(Mat y, Mat x, const PackedWeight& w, bool add) {
  CHECK(y.rows == x.rows && y.cols == w.n && x.cols == w.k, "y [{}, {}] = x [{}, {}] times W [{}, {}]", y.rows, y.cols,
        x.rows, x.cols, w.n, w.k);
  const int64_t length = group_length(w.type), groups = group_count(w.k, w.type);
  const auto* codes = static_cast<const uint8_t*>(w.forward);
  const auto* scales = reinterpret_cast<const BF16*>(codes + code_bytes(w.n, w.k));
  parallel_for(x.rows, [&](int64_t t) {
    std::vector<int8_t> row(static_cast<size_t>(w.k));
    std::vector<float> row_scales(static_cast<size_t>(groups));
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * length;
      row_scales[g] = quantize_group(x, t, begin, std::min(begin + length, w.k), row.data() + begin);
    }
    for (int64_t i = 0; i < w.n; ++i) {
      double sum = 0;
      for (int64_t g = 0; g < groups; ++g) {
        int32_t products = 0;
        for (int64_t j = g * length; j < std::min((g + 1) * length, w.k); ++j)
          products += row[j] * (codes[i * w.k + j] - zero_code(w.type));
        sum += static_cast<double>(products) * row_scales[g] * to_float(scales[i * groups + g]);
      }
      put(y, t, i, add ? get(y, t, i) + static_cast<float>(sum) : sum);
    }
  });
}

void quantized_backward_input(Mat dx, Mat dy, const PackedWeight& w, bool add) {
  std::vector<float> values(static_cast<size_t>(w.n * w.k));
  const auto* codes = static_cast<const uint8_t*>(w.forward);
  const auto* scales = reinterpret_cast<const BF16*>(codes + code_bytes(w.n, w.k));
  dequantize_weight(codes, scales, w.n, w.k, w.type, values.data());
  parallel_for(dy.rows, [&](int64_t t) {
    for (int64_t j = 0; j < w.k; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < w.n; ++i) {
        const float value = values[i * w.k + j];
        sum += get(dy, t, i) * (dy.dtype == DType::kBF16 ? to_float(to_bf16(value)) : value);
      }
      put(dx, t, j, add ? get(dx, t, j) + static_cast<float>(sum) : sum);
    }
  });
}

}  // namespace loquat::reference
