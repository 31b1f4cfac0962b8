// The two 16-bit floats that files hold, as their bits: IEEE half precision and bfloat16. To 16 bits they round to the
// nearest, ties to even; what is too large becomes infinity; NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace loquat {

inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float size = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -size : size;
}

inline uint16_t float_to_f16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00 | (size >> 13 & 0x1ff));
  if (size >= 0x47800000u) return sign | 0x7c00;  // 65536 and above
  if (size < 0x38800000u) {                       // below 2^-14: adding 0.5 leaves the value in units of 2^-24, rounded
    const float shifted = std::bit_cast<float>(size) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | ((size + 0xfffu + (size >> 13 & 1) - 0x38000000u) >> 13));
}

inline float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t float_to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace loquat
