#include "train/mixed_batches.h"

#include <algorithm>

#include "base/check.h"
#include "base/rng.h"

namespace loquat {

MixedBatches::MixedBatches(const std::vector<int32_t>& source_of, const std::vector<double>& weights, int64_t batch,
                           uint64_t seed, const std::string& stream)
    : plain_(source_of.size(), batch, seed, stream), batch_(batch) {
  if (weights.empty()) return;
  std::vector<std::vector<size_t>> items(weights.size());
  for (size_t i = 0; i < source_of.size(); ++i) items[static_cast<size_t>(source_of[i])].push_back(i);
  std::vector<int64_t> sizes;
  std::vector<double> kept;
  for (size_t s = 0; s < items.size(); ++s) {
    if (items[s].empty()) continue;
    const auto n = static_cast<int64_t>(items[s].size());
    const uint64_t source_seed = hash64(fmt::format("{} source {}", stream, s), seed);
    sources_.push_back({static_cast<int32_t>(s), std::move(items[s]), ShuffledIndex(n, source_seed)});
    sizes.push_back(n);
    kept.push_back(weights[s]);
  }
  CHECK(!sources_.empty(), "nothing to draw from");
  mixture_ = Mixture(std::move(sizes), kept, hash64(stream, seed));
}

int64_t MixedBatches::steps_per_epoch() const {
  return sources_.empty() ? plain_.steps_per_epoch() : (mixture_.epoch_size() + batch_ - 1) / batch_;
}

std::span<const size_t> MixedBatches::at(int64_t step) {
  if (sources_.empty()) return plain_.at(step);
  const int64_t epoch = step / steps_per_epoch();
  const int64_t begin = (step % steps_per_epoch()) * batch_;
  drawn_.clear();
  for (int64_t k = begin; k < std::min(begin + batch_, mixture_.epoch_size()); ++k) {
    const Mixture::Draw draw = mixture_.at(epoch * mixture_.epoch_size() + k);
    Source& source = sources_[static_cast<size_t>(draw.source)];
    source.order.seek(draw.number);
    drawn_.push_back(source.items[static_cast<size_t>(source.order.next())]);
  }
  return drawn_;
}

std::map<std::string, double> MixedBatches::passes(int64_t steps) {
  std::map<std::string, double> out;
  if (sources_.empty()) return out;
  const int64_t within = std::min(steps % steps_per_epoch() * batch_, mixture_.epoch_size());
  const int64_t draws = steps / steps_per_epoch() * mixture_.epoch_size() + within;
  for (size_t s = 0; s < sources_.size(); ++s)
    out[fmt::format("source_{:02}_epochs", sources_[s].number + 1)] = mixture_.passes(static_cast<int32_t>(s), draws);
  return out;
}

}  // namespace loquat
