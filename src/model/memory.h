// The memory of a model, all of it a kernel table's own: buffers, and arenas that serve one pass (a forward, a
// backward) and are used again for the next, so that a step in the steady state allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace loquat {

// Memory of `kernels`, which must outlive it. Not cleared, not copied. Too little memory ends the process, saying how
// much was wanted.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Kernels& kernels, int64_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  char* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  int64_t bytes() const { return bytes_; }
  void clear_to_zero();

 private:
  const Kernels* kernels_ = nullptr;
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

// A buffer of zeros, or of the values given.
Buffer zeros(const Kernels& kernels, int64_t floats);
Buffer floats_of(const Kernels& kernels, std::span<const float> values);
// Copies of floats in a table's memory, into ordinary memory and back.
std::vector<float> to_host(const Kernels& kernels, const float* values, int64_t n);

// Hands out pieces until reset(), which makes all of them invalid. A pass that needs more than the last one gets
// another block; the next reset joins the blocks into one.
class Arena {
 public:
  explicit Arena(const Kernels& kernels) : kernels_(&kernels) {}
  void reset();
  Mat take(int64_t rows, int64_t cols, DType dtype);
  float* take_floats(int64_t n);
  int64_t bytes() const;  // held

 private:
  char* take_bytes(int64_t bytes);
  const Kernels* kernels_;
  std::vector<Buffer> blocks_;
  int64_t used_ = 0;  // of the last block
};

}  // namespace loquat
