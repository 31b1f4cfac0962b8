#include "measure/probe.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/threads.h"

namespace loquat::measure {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kSmallestClass = kMiB;
constexpr int64_t kMemoryClass = 256 * kMiB;       // larger than a processor's caches
constexpr int64_t kCardMemoryClass = 1024 * kMiB;  // and a card's, which is slow to start on little
constexpr double kLoopSeconds = 2e-4;              // of one part
constexpr int64_t kRowFloats = 1024;
constexpr std::string_view kRead = "read";

}  // namespace

Probe::Probe(const Kernels& kernels, DType compute, double seconds, WeightType weights)
    : kernels_(kernels),
      compute_(compute),
      weights_(weights),
      sample_seconds_(std::clamp(seconds / 20, 2e-3, 0.1)),
      watch_(kernels, sample_seconds_),
      loop_(peak_loop(kernels.name, compute, weights)) {
  if (std::string_view(kernels.name) == "reference") {
    add_product(32, 64, 128);
  } else if (kernels.host_memory) {
    add_product(256, 512, 512);
    add_product(1024, 512, 512);
    add_product(512, 1024, 512);
  } else {
    add_product(2048, 2048, 2048);
    add_product(4096, 4096, 4096);
    add_product(8192, 8192, 8192);
  }
  product_rates_.resize(products_.size());
  sample_peak();
  sample_bandwidth(static_cast<double>(kCardMemoryClass));
}

void Probe::add_product(int64_t rows, int64_t n, int64_t k) {
  Product product{random_tensor(kernels_, rows, k, compute_, 1), empty_tensor(kernels_, rows, n, compute_),
                  random_weight(kernels_, n, k, compute_, false, 2, weights_), 2.0 * static_cast<double>(rows * n * k),
                  fmt::format("product {} x {} x {}", rows, n, k)};
  products_.push_back(std::move(product));
}

void Probe::sample_peak() {
  if (loop_.run != nullptr) {
    // As many rounds as take the time of a part; more parts than threads, so that none has nothing to do.
    int64_t rounds = 1000;
    const auto time_rounds = [&] {
      const auto begin = Stopwatch::Clock::now();
      loop_.run(rounds);
      return std::max(1e-9, Stopwatch::since(begin));
    };
    time_rounds();
    rounds = std::max<int64_t>(1, static_cast<int64_t>(1000 * kLoopSeconds / time_rounds()));
    const int64_t parts = 4 * thread_count();
    const double operations = loop_.operations * static_cast<double>(rounds * parts);
    const auto start = Stopwatch::Clock::now();
    do {
      const auto begin = Stopwatch::Clock::now();
      parallel_for(parts, [&](int64_t) { loop_.run(rounds); });
      loop_rates_.push_back(operations / Stopwatch::since(begin));
    } while (Stopwatch::since(start) < sample_seconds_);
  }
  for (size_t i = 0; i < products_.size(); ++i) {
    const Product& p = products_[i];
    const Timing timing = watch_.repeat([&] { kernels_.linear(p.y.mat, p.x.mat, p.weight.packed, false); });
    product_rates_[i].push_back(p.operations / timing.shortest);
  }
}

int64_t Probe::class_of(double working_set) const {
  if (!kernels_.host_memory) return kCardMemoryClass;
  int64_t size = kSmallestClass;
  while (size < kMemoryClass && static_cast<double>(size) < working_set) size *= 2;
  return size;
}

void Probe::sample_bandwidth(double working_set) {
  const int64_t bytes = class_of(working_set), floats = bytes / 4, half = floats / 2;
  const Buffer buffer = zeros(kernels_, floats);
  float* x = buffer.floats();
  float* y = x + half;
  Bandwidth& entry = bandwidths_[bytes];
  entry.working_set = bytes;
  const auto sample = [&](std::string_view what, double moved, const std::function<void()>& call) {
    const double rate = moved / watch_.repeat(call).shortest;
    if (what == kRead) entry.read_per_second = std::max(entry.read_per_second, rate);
    if (rate <= entry.bytes_per_second) return;
    entry.bytes_per_second = rate;
    entry.what = what;
  };
  const auto all = static_cast<double>(bytes);
  sample(kRead, all, [&] { kernels_.sum_of_squares(x, floats); });
  if (const ReadLoop read = read_loop(kernels_.name)) {  // every thread a stretch of its own, as weights are read
    const int64_t parts = thread_count(), each = floats / parts / 128 * 128;
    sample(kRead, all, [&] { parallel_for(parts, [&](int64_t part) { read(x + part * each, 4 * each); }); });
  }
  sample("copy", all,
         [&] { kernels_.convert(mat(y, half / kRowFloats, kRowFloats), mat(x, half / kRowFloats, kRowFloats)); });
  sample("add", 1.5 * all, [&] { kernels_.axpby(y, x, half, 1, 0.5f); });
}

Rate Probe::best_product() const {
  Rate rate;
  for (size_t i = 0; i < products_.size(); ++i) {
    const double best = *std::max_element(product_rates_[i].begin(), product_rates_[i].end());
    if (best > rate.best) rate = {best, median(product_rates_[i]), products_[i].what};
  }
  return rate;
}

Rate Probe::peak() const {
  const Rate product = best_product();
  if (loop_rates_.empty()) return product;
  const double best = *std::max_element(loop_rates_.begin(), loop_rates_.end());
  // A product that beats the loop shows that the loop was disturbed.
  return best < product.best ? product : Rate{best, median(loop_rates_), loop_.what};
}

std::vector<Bandwidth> Probe::bandwidths() const {
  std::vector<Bandwidth> all;
  for (const auto& [size, entry] : bandwidths_) all.push_back(entry);
  return all;
}

// What is smaller is at least as fast as what is larger.
double Probe::bandwidth(double working_set, bool reads_only) const {
  double best = 0;
  for (auto at = bandwidths_.lower_bound(class_of(working_set)); at != bandwidths_.end(); ++at)
    best = std::max(best, reads_only ? at->second.read_per_second : at->second.bytes_per_second);
  return best;
}

Floors Probe::floors(const Work& work) const {
  return {work.operations / peak().best, work.bytes / bandwidth(work.working_set, work.reads_only)};
}

}  // namespace loquat::measure
