// Weights in 8 and 4 bits: W [n, k] is cut along k into groups, each with one bfloat16 scale. A value is
// scale * (code - zero), a code an unsigned number of that many bits and zero the middle of its range. What a table
// packs (pack_quantized) and what a model folder holds are these codes and scales.
//
// A product takes the rows of x in 8 bits too, by the same groups, each with a float32 scale of its own (x = scale *
// value, |value| <= 127): a group's sum of products is then exact in integers, and groups are added up in float32, in
// ascending order.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/kernels.h"

namespace loquat {

// "int8", "int4"; any other name ("bf16") is the type that is computed in.
constexpr WeightType weight_type(std::string_view name) {
  return name == "int8" ? WeightType::kInt8 : name == "int4" ? WeightType::kInt4 : WeightType::kCompute;
}

// Values of a group: along k, the last one of a row may be shorter.
constexpr int64_t group_length(WeightType type) {
  return type == WeightType::kInt4 ? 32 : 64;
}
constexpr int64_t group_count(int64_t k, WeightType type) {
  return (k + group_length(type) - 1) / group_length(type);
}
constexpr int zero_code(WeightType type) {
  return type == WeightType::kInt4 ? 8 : 128;
}
constexpr int bits_of(WeightType type) {
  return type == WeightType::kInt4 ? 4 : 8;
}

// What a weight with rows of k values is quantised to where `wanted` is asked for. 4 bits cost short rows too much: few
// errors cancel out in their sums, and little memory is saved.
constexpr int64_t kFewestInt4 = 128;
constexpr WeightType type_for_rows(int64_t k, WeightType wanted) {
  return wanted == WeightType::kInt4 && k < kFewestInt4 ? WeightType::kInt8 : wanted;
}

// Quantises W [n, k]: codes [n, k], scales [n, group_count]. Each value is rounded by its group's scale as it is kept,
// which is chosen for the least squared error. The scale of a group with an infinity or a NaN is a NaN.
void quantize_weight(const float* w, int64_t n, int64_t k, WeightType type, uint8_t* codes, BF16* scales);

// The values that codes and scales stand for.
void dequantize_weight(const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type, float* w);

}  // namespace loquat
