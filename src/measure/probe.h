// The ceilings that times are laid beside, measured in the same run: how fast the multiply units multiply, and how fast
// memory is read and written. Both are sampled again and again between the measurements, since a shared machine is not
// equally fast at all times; a floor takes the best sample.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "measure/flops.h"
#include "measure/noise.h"
#include "measure/peak.h"
#include "measure/stopwatch.h"

namespace loquat::measure {

struct Rate {
  double best = 0;  // a second
  double median = 0;
  std::string what;  // was measured, for people
};

struct Bandwidth {
  int64_t working_set = 0;  // bytes of the buffers
  double bytes_per_second = 0;
  std::string what;
  double read_per_second = 0;  // by reading alone
};

struct Floors {
  double compute = 0;  // seconds
  double memory = 0;
  double longer() const { return compute > memory ? compute : memory; }
};

class Probe {
 public:
  // `seconds`: of a measurement; a sample takes a small part of it.
  Probe(const Kernels& kernels, DType compute, double seconds, WeightType weights = WeightType::kCompute);

  void sample_peak();
  // Samples the memory that a working set of so many bytes lies in: what stays in a cache is read faster than the rest.
  void sample_bandwidth(double working_set);

  // Of the multiply units: a loop that only multiplies, where the table's unit has one, or the fastest product.
  Rate peak() const;
  Rate best_product() const;                   // of `linear`, at shapes that stay in the caches
  std::vector<Bandwidth> bandwidths() const;   // the last is that of memory
  double bandwidth(double working_set, bool reads_only = false) const;  // bytes a second
  Floors floors(const Work& work) const;

 private:
  struct Product {
    Tensor x, y;
    Weight weight;
    double operations = 0;
    std::string what;
  };
  int64_t class_of(double working_set) const;
  void add_product(int64_t rows, int64_t n, int64_t k);

  const Kernels& kernels_;
  DType compute_;
  WeightType weights_;
  double sample_seconds_;
  Stopwatch watch_;
  PeakLoop loop_;
  std::vector<Product> products_;
  std::vector<double> loop_rates_;
  std::vector<std::vector<double>> product_rates_;  // of each product
  std::map<int64_t, Bandwidth> bandwidths_;         // by size class
};

}  // namespace loquat::measure
