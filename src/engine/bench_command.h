// loquat bench [BENCHMARK]: how fast this machine computes the recipe's parts, beside what it could at best. For the
// program `loquat` and for `loquat-engine`, which read its arguments in their own ways.
#pragma once

#include <string>

#include "base/result.h"
#include "measure/bench.h"

namespace loquat {

struct BenchArguments {
  std::string benchmark;  // empty: all
  std::string precision = "bf16";
  std::string weights = "bf16";
  int threads = 0;  // 0: as many as there are cores
  bool json = false;
  measure::BenchOptions options;  // params empty: each benchmark's own; config, compute and weights: set by run_bench
};

// Prints what it measures. An error is of the arguments.
Status run_bench(const BenchArguments& arguments);

}  // namespace loquat
