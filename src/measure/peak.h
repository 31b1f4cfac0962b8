// Loops that do nothing but multiply, from registers (what the multiply units reach when no byte is moved), or nothing
// but read.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernels.h"

namespace loquat::measure {

struct PeakLoop {
  const char* what = nullptr;             // for people
  double operations = 0;                  // of a round
  void (*run)(int64_t rounds) = nullptr;  // in the calling thread; null: there is none for this table
};

// The loop of the unit that a table's products run on. The table must be one that this machine runs.
PeakLoop peak_loop(const std::string& table, DType compute, WeightType weights);

// Reads `bytes` (a multiple of 512) in one line by the widest loads that the table has; null: there is none for it.
using ReadLoop = void (*)(const void* memory, int64_t bytes);
ReadLoop read_loop(const std::string& table);

}  // namespace loquat::measure
