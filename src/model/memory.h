// The memory of a model: aligned buffers, and arenas that serve one pass (a forward, a backward) and are used again for
// the next, so that a step in the steady state allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/tensor.h"

namespace loquat {

// Bytes aligned to 64 (large ones to 2 MiB, with huge pages asked for). Not cleared, not copied.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(int64_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();

  char* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  int64_t bytes() const { return bytes_; }
  void clear_to_zero();  // on all threads

 private:
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

// Hands out pieces until reset(), which makes all of them invalid. A pass that needs more than the last one gets
// another block; the next reset joins the blocks into one.
class Arena {
 public:
  void reset();
  Mat take(int64_t rows, int64_t cols, DType dtype);
  float* take_floats(int64_t n);
  int64_t bytes() const;  // held

 private:
  char* take_bytes(int64_t bytes);
  std::vector<AlignedBuffer> blocks_;
  int64_t used_ = 0;  // of the last block
};

}  // namespace loquat
