// Keys and values of sequences that are being generated: `slots` sequences of at most `max_length` tokens, in the
// compute type. Of one slot and layer, the rows of all positions are contiguous: that is what attention reads.
// Model::forward_cached appends.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/tensor.h"
#include "model/config.h"
#include "model/memory.h"

namespace loquat {

class KvCache {
 public:
  KvCache(const ModelConfig& config, const Kernels& kernels, DType compute, int64_t slots, int64_t max_length);

  // Of that many tokens in all layers.
  static int64_t bytes(const ModelConfig& config, DType compute, int64_t tokens);

  int64_t slots() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t max_length() const { return max_length_; }
  int64_t length(int64_t slot) const { return lengths_[slot]; }
  // Forgets what follows the first `length` tokens.
  void truncate(int64_t slot, int64_t length);
  void reset(int64_t slot) { truncate(slot, 0); }
  // Slot `to` becomes the first `length` tokens of slot `from`.
  void copy_prefix(int64_t from, int64_t to, int64_t length);

  // For the model: all rows of a slot and layer [max_length, G * D], and to make the rows that it has written count.
  Mat keys(int64_t layer, int64_t slot) const { return rows(layer, slot, 0); }
  Mat values(int64_t layer, int64_t slot) const { return rows(layer, slot, 1); }
  void append(int64_t slot, int64_t count);

 private:
  Mat rows(int64_t layer, int64_t slot, int64_t which) const;

  const Kernels& kernels_;
  int64_t layers_, width_, max_length_;
  DType dtype_;
  std::vector<int64_t> lengths_;
  Buffer memory_;  // [slots][layers][keys, values][max_length][G * D]
};

}  // namespace loquat
