#include "data/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace loquat {

Mixture::Mixture(std::vector<int64_t> sizes, const std::vector<double>& weights, uint64_t seed)
    : sizes_(std::move(sizes)), seed_(seed) {
  CHECK(!sizes_.empty() && sizes_.size() == weights.size(), "{} sources, {} weights", sizes_.size(), weights.size());
  const int64_t total = std::accumulate(sizes_.begin(), sizes_.end(), int64_t{0});
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  // Shares are rounded down; what is left goes to the largest remainders.
  std::vector<std::pair<double, size_t>> remainders;
  for (size_t i = 0; i < sizes_.size(); ++i) {
    CHECK(sizes_[i] > 0 && weights[i] > 0, "source {}: {} items of weight {}", i, sizes_[i], weights[i]);
    const double exact = static_cast<double>(total) * (weights[i] / sum);
    shares_.push_back(static_cast<int64_t>(exact));
    remainders.emplace_back(std::floor(exact) - exact, i);
  }
  std::sort(remainders.begin(), remainders.end());
  int64_t left = total - std::accumulate(shares_.begin(), shares_.end(), int64_t{0});
  for (size_t i = 0; left > 0 && i < remainders.size(); ++i, --left) ++shares_[remainders[i].second];
  for (int64_t& share : shares_) share = std::max<int64_t>(share, 1);
  epoch_size_ = std::accumulate(shares_.begin(), shares_.end(), int64_t{0});
}

void Mixture::order_epoch(int64_t epoch) {
  if (epoch == epoch_) return;
  order_.clear();
  order_.reserve(static_cast<size_t>(epoch_size_));
  for (size_t i = 0; i < shares_.size(); ++i)
    for (int64_t k = 0; k < shares_[i]; ++k) order_.push_back({static_cast<int32_t>(i), 0});
  Rng(seed_, fmt::format("mixture epoch {}", epoch)).shuffle(order_);
  std::vector<int64_t> number(shares_.size());
  for (size_t i = 0; i < shares_.size(); ++i) number[i] = epoch * shares_[i];
  for (Draw& draw : order_) draw.number = number[static_cast<size_t>(draw.source)]++;
  epoch_ = epoch;
}

Mixture::Draw Mixture::at(int64_t draw) {
  order_epoch(draw / epoch_size_);
  return order_[static_cast<size_t>(draw % epoch_size_)];
}

double Mixture::passes(int32_t source, int64_t draws) {
  const int64_t epoch = draws / epoch_size_, within = draws % epoch_size_;
  int64_t taken = epoch * share(source);
  if (within > 0) {
    order_epoch(epoch);
    taken += std::count_if(order_.begin(), order_.begin() + within, [&](const Draw& d) { return d.source == source; });
  }
  return static_cast<double>(taken) / static_cast<double>(sizes_[static_cast<size_t>(source)]);
}

}  // namespace loquat
