#include "base/rng.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace loquat {

uint64_t hash64(std::string_view text, uint64_t seed) {
  uint64_t h = 0xcbf29ce484222325ull ^ mix64(seed);
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3ull;
  return mix64(h);
}

uint64_t Rng::below(uint64_t n) {
  CHECK(n > 0);
  const uint64_t limit = ~0ull - ~0ull % n;
  uint64_t x = next();
  while (x >= limit) x = next();
  return x % n;
}

double Rng::normal() {
  const double u = 1.0 - uniform();  // (0, 1]: its logarithm is finite
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

size_t Rng::weighted(std::span<const double> weights) {
  double total = 0;
  for (double w : weights) total += w;
  CHECK(total > 0, "no weight above zero among {}", weights.size());
  double x = uniform() * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (x < weights[i]) return i;
    x -= weights[i];
  }
  for (size_t i = weights.size(); i-- > 0;)
    if (weights[i] > 0) return i;
  return 0;
}

}  // namespace loquat
