// Times: what is measured is repeated until its time is over, and the median counts. Work on a graphics card is waited
// for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/memory.h"

namespace loquat::measure {

struct Timing {
  double seconds = 0;   // median of the repetitions
  double shortest = 0;  // of them
  int64_t repetitions = 0;
};

Timing timing_of(std::vector<double> samples);  // at least one
double median(std::vector<double> values);      // 0 of none

class Stopwatch {
 public:
  using Clock = std::chrono::steady_clock;

  // `seconds`: how long each measurement takes, give or take one repetition.
  Stopwatch(const Kernels& kernels, double seconds);
  double seconds() const { return seconds_; }
  void wait();  // until all that the table was asked to do is done
  static double since(Clock::time_point start);

  // Of one call. The first, which takes memory and fills caches, does not count; calls that are over in no time are
  // timed several at once.
  Timing repeat(const std::function<void()>& call);
  // Of calls that follow one another; the last Timing is of all together.
  std::vector<Timing> repeat_parts(const std::vector<std::function<void()>>& parts);

 private:
  double time_of(int64_t calls, const std::function<void()>& call);

  const Kernels& kernels_;
  double seconds_;
  Buffer mark_;
};

}  // namespace loquat::measure
