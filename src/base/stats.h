// Intervals for what is measured. Nothing here knows what a task is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loquat {

// A measured value with its 95 % interval. n = 0: there was nothing to measure (null in reports).
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;
  int64_t n = 0;
  bool operator==(const Interval&) const = default;
};

// A share: Wilson's score interval.
Interval wilson(int64_t successes, int64_t n);

// One prompt's part of a ratio: bytes and bits, pairs and those ordered rightly.
struct Cluster {
  double numerator = 0;
  double denominator = 0;
};
// Sum of numerators / sum of denominators; the interval by drawing whole clusters again (percentiles of `rounds`
// draws). n is the sum of denominators, rounded, unless `count` is given.
Interval bootstrap(std::span<const Cluster> clusters, uint64_t seed, int64_t count = -1, int rounds = 1000);
// The mean of values, each a cluster of its own.
Interval bootstrap_mean(std::span<const double> values, uint64_t seed, int rounds = 1000);

}  // namespace loquat
