#include "base/stats.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"

namespace loquat {

Interval wilson(int64_t successes, int64_t n) {
  CHECK(successes >= 0 && successes <= n, "{} successes of {}", successes, n);
  if (n == 0) return {};
  constexpr double z = 1.959963984540054;
  const double count = static_cast<double>(n), p = static_cast<double>(successes) / count;
  const double scale = 1 + z * z / count;
  const double centre = (p + z * z / (2 * count)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / scale;
  // At the ends the bound is exactly 0 or 1, which rounding would miss.
  return {p, successes == 0 ? 0 : std::max(0.0, centre - half), successes == n ? 1 : std::min(1.0, centre + half), n};
}

Interval bootstrap(std::span<const Cluster> clusters, uint64_t seed, int64_t count, int rounds) {
  double numerator = 0, denominator = 0;
  for (const auto& c : clusters) numerator += c.numerator, denominator += c.denominator;
  if (denominator <= 0) return {};
  Interval out;
  out.value = numerator / denominator;
  out.n = count >= 0 ? count : std::llround(denominator);
  std::vector<double> draws;
  draws.reserve(static_cast<size_t>(rounds));
  Rng rng(seed, "bootstrap");
  for (int r = 0; r < rounds; ++r) {
    double a = 0, b = 0;
    for (size_t i = 0; i < clusters.size(); ++i) {
      const Cluster& c = clusters[rng.below(clusters.size())];
      a += c.numerator;
      b += c.denominator;
    }
    if (b > 0) draws.push_back(a / b);
  }
  if (draws.empty()) return out.low = out.high = out.value, out;
  std::sort(draws.begin(), draws.end());
  const auto percentile = [&](double q) {
    const double at = q * static_cast<double>(draws.size() - 1);
    const auto below = static_cast<size_t>(at);
    const size_t above = std::min(below + 1, draws.size() - 1);
    return draws[below] + (at - static_cast<double>(below)) * (draws[above] - draws[below]);
  };
  out.low = percentile(0.025);
  out.high = percentile(0.975);
  return out;
}

Interval bootstrap_mean(std::span<const double> values, uint64_t seed, int rounds) {
  std::vector<Cluster> clusters;
  clusters.reserve(values.size());
  for (double v : values) clusters.push_back({v, 1});
  return bootstrap(clusters, seed, static_cast<int64_t>(values.size()), rounds);
}

}  // namespace loquat
