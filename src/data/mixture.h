// Weighted mixing of sources: which source each draw takes, a function of (sizes, weights, seed, number of the draw)
// alone, so that a cursor is the whole state. An epoch of the mixture is as many draws as all sources have items; of
// them each source gets its weight's share, the same number in every epoch and at least one, in an order drawn for each
// epoch. A source whose share is larger than its size is gone through more than once in an epoch, one that is smaller
// in parts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loquat {

class Mixture {
 public:
  Mixture() = default;
  // sizes: items of each source, more than 0; weights: as many, more than 0.
  Mixture(std::vector<int64_t> sizes, const std::vector<double>& weights, uint64_t seed);

  struct Draw {
    int32_t source = 0;
    int64_t number = 0;  // of this source's draws, from 0: an order of its own says which item that is
  };
  Draw at(int64_t draw);
  int64_t epoch_size() const { return epoch_size_; }
  int64_t share(int32_t source) const { return shares_[static_cast<size_t>(source)]; }  // draws of an epoch
  // How often a source has been gone through after so many draws of the mixture.
  double passes(int32_t source, int64_t draws);

 private:
  void order_epoch(int64_t epoch);

  std::vector<int64_t> sizes_, shares_;
  uint64_t seed_ = 0;
  int64_t epoch_size_ = 0;
  int64_t epoch_ = -1;
  std::vector<Draw> order_;  // of this epoch
};

}  // namespace loquat
