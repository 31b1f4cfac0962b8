#include "measure/stopwatch.h"

#include <algorithm>
#include <cmath>

namespace loquat::measure {
namespace {

constexpr int64_t kMarkBytes = 64;
constexpr double kLongEnough = 2e-3;  // seconds that the clock and the way to a card do not disturb
constexpr double kMostCalls = 10000;

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  const double upper = values[middle];
  if (values.size() % 2 == 1) return upper;
  return (upper + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) / 2;
}

Timing timing_of(std::vector<double> samples) {
  const double shortest = *std::min_element(samples.begin(), samples.end());
  const auto count = static_cast<int64_t>(samples.size());
  return {median(std::move(samples)), shortest, count};
}

Stopwatch::Stopwatch(const Kernels& kernels, double seconds)
    : kernels_(kernels), seconds_(seconds), mark_(kernels, kMarkBytes) {
  mark_.clear_to_zero();
}

double Stopwatch::since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void Stopwatch::wait() {
  char bytes[kMarkBytes];
  if (!kernels_.host_memory) kernels_.download(bytes, mark_.data(), kMarkBytes);
}

double Stopwatch::time_of(int64_t calls, const std::function<void()>& call) {
  const Clock::time_point begin = Clock::now();
  for (int64_t i = 0; i < calls; ++i) call();
  wait();
  return std::max(since(begin), 1e-9) / static_cast<double>(calls);
}

Timing Stopwatch::repeat(const std::function<void()>& call) {
  time_of(1, call);
  const Clock::time_point start = Clock::now();
  std::vector<double> samples;
  const double one = time_of(1, call), sample = std::min(kLongEnough, seconds_ / 4);
  const auto calls = static_cast<int64_t>(std::clamp(std::ceil(sample / one), 1.0, kMostCalls));
  if (calls == 1) samples.push_back(one);
  while (samples.empty() || since(start) < seconds_) samples.push_back(time_of(calls, call));
  return timing_of(std::move(samples));
}

std::vector<Timing> Stopwatch::repeat_parts(const std::vector<std::function<void()>>& parts) {
  for (const auto& part : parts) time_of(1, part);
  std::vector<std::vector<double>> samples(parts.size() + 1);
  const Clock::time_point start = Clock::now();
  do {
    double sum = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      samples[i].push_back(time_of(1, parts[i]));
      sum += samples[i].back();
    }
    samples.back().push_back(sum);
  } while (since(start) < seconds_);
  std::vector<Timing> timings;
  for (auto& some : samples) timings.push_back(timing_of(std::move(some)));
  return timings;
}

}  // namespace loquat::measure
