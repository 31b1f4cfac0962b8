// The one source of randomness. A stream is named by (seed, name): the same pair gives the same numbers on every machine,
// whatever other streams were drawn from. Its state is two numbers, so a checkpoint holds it exactly.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

// A 64-bit mix (the finalizer of SplitMix64): also the hash of dropout masks and data shuffles.
inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

uint64_t hash64(std::string_view text, uint64_t seed = 0);  // FNV-1a, then mixed

class Rng {
 public:
  struct State {
    uint64_t key = 0;
    uint64_t counter = 0;
    bool operator==(const State&) const = default;
  };

  explicit Rng(uint64_t seed, std::string_view stream = "") : state_{hash64(stream, seed), 0} {}
  explicit Rng(State state) : state_(state) {}
  const State& state() const { return state_; }

  uint64_t next() { return mix64(state_.key ^ mix64(state_.counter++)); }
  // Uniform in [0, n), n > 0, without bias.
  uint64_t below(uint64_t n);
  int64_t between(int64_t low, int64_t high) { return low + static_cast<int64_t>(below(high - low + 1)); }  // inclusive
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }                                // [0, 1)
  bool chance(double p) { return uniform() < p; }
  double normal();  // mean 0, standard deviation 1 (Box-Muller; draws two numbers each time)

  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  template <typename C>
  const auto& pick(const C& items) {
    return std::data(items)[below(std::size(items))];
  }
  // Index drawn with probability proportional to weights (all >= 0, some > 0).
  size_t weighted(std::span<const double> weights);
  // An independent stream; this stream does not move.
  Rng fork(std::string_view stream) const { return Rng(State{hash64(stream, state_.key ^ mix64(state_.counter)), 0}); }

 private:
  State state_;
};

}  // namespace loquat
