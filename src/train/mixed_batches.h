// The batches of a stage whose items come from several sources: with weights, each source has its share of every epoch
// (data/mixture.h); without, every item comes once an epoch (EpochBatches). What a step gets follows from its number
// alone.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/mixture.h"
#include "train/batches.h"

namespace loquat {

class MixedBatches {
 public:
  MixedBatches() = default;
  // source_of[i]: of item i; weights: of the sources, empty: none has one. A source without items is left out.
  MixedBatches(const std::vector<int32_t>& source_of, const std::vector<double>& weights, int64_t batch, uint64_t seed,
               const std::string& stream);
  int64_t steps_per_epoch() const;
  std::span<const size_t> at(int64_t step);  // the items' numbers; valid until the next call
  // "source_01_epochs", ...: how often each source has been gone through after so many steps; nothing without weights.
  std::map<std::string, double> passes(int64_t steps);

 private:
  struct Source {
    int32_t number = 0;  // as its weight stands
    std::vector<size_t> items;
    ShuffledIndex order;
  };

  EpochBatches plain_;
  Mixture mixture_;
  std::vector<Source> sources_;  // none without weights
  int64_t batch_ = 1;
  std::vector<size_t> drawn_;
};

}  // namespace loquat
