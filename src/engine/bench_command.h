// loquat bench [BENCHMARK]: how fast this machine computes the recipe's parts, beside what it could at best. For the
// program `loquat` and for `loquat-engine`, which read its arguments in their own ways.
#pragma once

#include <cstdint>
#include <string>

namespace loquat {

struct BenchArguments {
  std::string benchmark;  // empty: all
  std::string params;     // empty: each one's own
  std::string precision = "bf16";
  std::string weights = "bf16";
  int64_t batch = 0;
  int64_t prompt = 0;
  double seconds = 2;
  int threads = 0;
  uint64_t seed = 1;
  std::string moments = "f32";
  bool recompute = false;
  int64_t lora = 0;
  bool json = false;
};

// Prints what it measures; the exit status.
int run_bench(const BenchArguments& arguments);

}  // namespace loquat
