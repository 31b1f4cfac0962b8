// How many bytes complete a rule from each of its nodes, written with the bytes that a vocabulary has.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "infer/grammar/graph.h"

namespace loquat::grammar {

using ByteSet = std::bitset<256>;

inline constexpr int64_t kNever = int64_t{1} << 50;
inline constexpr uint32_t kMaxNesting = 64;  // objects and arrays inside one another, in a text

// Adds up to kNever at most.
inline int64_t add_distance(int64_t a, int64_t b) {
  return a + b < kNever ? a + b : kNever;
}
inline int64_t times_distance(int64_t count, int64_t each) {
  return count == 0 ? 0 : each >= kNever / count ? kNever : count * each;
}

struct Distances {
  ByteSet available;
  std::vector<int64_t> to_end;  // of each node, to the end of its rule; kNever: no text completes it
  // How deep values inside objects and arrays nest on one way of that length: a node is entered only where its way fits
  // under kMaxNesting, and all along that way it goes on fitting.
  std::vector<uint32_t> need;
};

// Knuth's generalization of Dijkstra's algorithm (Information Processing Letters 6(1), 1977).
Distances shortest_ends(const Graph& graph, const ByteSet& available);

}  // namespace loquat::grammar
