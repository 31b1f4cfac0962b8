// Rounding float32 to bfloat16 at random, by the bits: the same on every processor and card. Free of the standard
// library and static, so that the files of one instruction set and the card's may include it.
#pragma once

#include <stdint.h>

#ifdef __CUDACC__
#define LOQUAT_ANYWHERE __host__ __device__
#else
#define LOQUAT_ANYWHERE
#endif

namespace loquat {

// 32 random bits for element i of what `seed` names (a mixer of Wellons' family).
LOQUAT_ANYWHERE static inline uint32_t noise_of(uint64_t seed, uint64_t i) {
  uint32_t x = static_cast<uint32_t>(i) * 0x9e3779b1u + static_cast<uint32_t>(i >> 32) * 0x85ebca77u +
               static_cast<uint32_t>(seed) + static_cast<uint32_t>(seed >> 32) * 0xc2b2ae3du;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// One of a float's two neighbours, each the likelier the nearer it is (by 16 random bits): right on average, so that a
// sum of many small changes is not lost. Infinities keep their bits, a NaN is made quiet.
LOQUAT_ANYWHERE static inline uint16_t bf16_at_random(uint32_t float_bits, uint32_t noise) {
  const bool finite = (float_bits & 0x7f800000u) != 0x7f800000u;
  const uint32_t quiet = (float_bits & 0x7fffffu) != 0 ? 0x400000u : 0u;
  return static_cast<uint16_t>((finite ? float_bits + (noise & 0xffffu) : float_bits | quiet) >> 16);
}

}  // namespace loquat
