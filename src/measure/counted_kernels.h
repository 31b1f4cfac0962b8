// A kernel table that counts the memory taken from it, so that a benchmark can say what a model's parts and arenas
// hold.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace loquat::measure {

// At most one at a time: the table's functions are plain pointers and know of no object. Must outlive all memory that
// was taken through it.
class CountedKernels {
 public:
  explicit CountedKernels(const Kernels& kernels);
  ~CountedKernels();
  CountedKernels(const CountedKernels&) = delete;
  CountedKernels& operator=(const CountedKernels&) = delete;

  const Kernels& table() const { return table_; }
  int64_t held() const;  // bytes
  int64_t most() const;  // that were held at once

 private:
  Kernels table_;
};

}  // namespace loquat::measure
