#include "infer/grammar/mask.h"

#include <algorithm>
#include <array>
#include <map>

namespace loquat::grammar {
namespace {

// A deterministic automaton made on the way: most steps of a walk over a vocabulary are steps from few states.
class LazyAutomaton {
 public:
  LazyAutomaton(Machine& machine, const State& first) : machine_(machine) {
    states_.emplace_back();  // 0: dead
    memo_.emplace_back();
    memo_[0].fill(0);
    add(first);
  }

  uint32_t step(uint32_t from, uint8_t byte) {
    const int32_t known = memo_[from][byte];
    if (known >= 0) return static_cast<uint32_t>(known);
    State next = machine_.step(states_[from], byte);
    const uint32_t to = next.alive() ? add(std::move(next)) : 0;
    memo_[from][byte] = static_cast<int32_t>(to);
    return to;
  }
  int64_t to_end(uint32_t state) const { return states_[state].to_end; }

 private:
  uint32_t add(State state) {
    std::string key(1, state.ended ? 1 : 0);
    key.append(reinterpret_cast<const char*>(state.configs.data()), state.configs.size() * sizeof(Config));
    const auto [place, added] = ids_.emplace(std::move(key), static_cast<uint32_t>(states_.size()));
    if (added) {
      states_.push_back(std::move(state));
      memo_.emplace_back();
      memo_.back().fill(-1);
    }
    return place->second;
  }

  Machine& machine_;
  std::vector<State> states_;
  std::vector<std::array<int32_t, 256>> memo_;
  std::unordered_map<std::string, uint32_t> ids_;
};

}  // namespace

size_t TokenMask::bytes() const {
  size_t n = sizeof *this;
  for (const Level& level : levels) n += sizeof level + level.tokens.size() * 4 + level.bits.size() * 8;
  return n;
}

TokenMask find_tokens(const Graph& graph, const Distances& distances, const State& state,
                      const std::vector<Cell>& cells, const TokenTree& tree) {
  Machine machine(graph, distances, cells);
  LazyAutomaton automaton(machine, state);
  std::map<int64_t, std::vector<int32_t>> by_growth;
  std::vector<uint32_t> path(tree.longest() + 1);
  path[0] = 1;
  for (size_t i = 0; i < tree.size();) {
    const TokenTree::Node& node = tree.node(i);
    const uint32_t now = automaton.step(path[node.depth - 1], node.byte);
    if (now == 0) {
      i = node.end;
      continue;
    }
    path[node.depth] = now;
    if (const auto tokens = tree.tokens(i); !tokens.empty()) {
      auto& level = by_growth[automaton.to_end(now) - state.to_end];
      level.insert(level.end(), tokens.begin(), tokens.end());
    }
    ++i;
  }
  TokenMask mask;
  for (auto& [growth, tokens] : by_growth) {
    TokenMask::Level level{.growth = growth};
    if (static_cast<int64_t>(tokens.size()) * 32 < tree.vocab_size()) {
      tokens.shrink_to_fit();
      level.tokens = std::move(tokens);
    } else {
      level.bits.resize((static_cast<size_t>(tree.vocab_size()) + 63) / 64);
      for (const int32_t t : tokens) level.bits[t / 64] |= uint64_t{1} << (t % 64);
    }
    mask.levels.push_back(std::move(level));
  }
  return mask;
}

std::shared_ptr<const TokenMask> MaskCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = masks_.find(key);
  return found == masks_.end() ? nullptr : found->second;
}

void MaskCache::put(std::string key, std::shared_ptr<const TokenMask> mask) {
  const size_t more = mask->bytes() + key.size() + 128;
  const std::lock_guard lock(mutex_);
  if (bytes_ + more > kMaxBytes) {
    masks_.clear();
    bytes_ = 0;
  }
  if (masks_.emplace(std::move(key), std::move(mask)).second) bytes_ += more;
}

}  // namespace loquat::grammar
