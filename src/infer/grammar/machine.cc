#include "infer/grammar/machine.h"

#include <algorithm>

#include "base/rng.h"

namespace loquat::grammar {
namespace {

// Bounds on the ways followed at once: only a schema made for it has more, and then those that are longest to complete
// are dropped. (An object's optional members, and alternatives, make one way each.)
constexpr size_t kMaxConfigs = 2048;
constexpr size_t kMaxStacks = 256;

uint64_t hash(const Cell& cell) {
  return mix64(cell.parent ^ mix64(cell.node ^ mix64((uint64_t{cell.count} << 32) ^ cell.depth)));
}

}  // namespace

Machine::Machine(const Graph& graph, const Distances& distances, const std::vector<Cell>& cells)
    : graph_(graph), distances_(distances), table_(64), visited_(64), visited_step_(64) {
  cells_.push_back({});
  for (size_t i = 1; i < cells.size(); ++i) intern(cells[i]);
}

uint32_t Machine::intern(const Cell& cell) {
  if (cells_.size() * 2 >= table_.size()) {
    table_.assign(table_.size() * 2, 0);
    for (uint32_t i = 1; i < cells_.size(); ++i) {
      size_t at = hash(cells_[i]) & (table_.size() - 1);
      while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = i;
    }
  }
  size_t at = hash(cell) & (table_.size() - 1);
  for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1)) {
    if (cells_[table_[at]] == cell) return table_[at];
  }
  cells_.push_back(cell);
  return table_[at] = static_cast<uint32_t>(cells_.size() - 1);
}

bool Machine::push(uint32_t parent, NodeId node, uint32_t count, bool nested, uint32_t* cell) {
  const Cell& under = cells_[parent];
  int64_t rest;
  uint32_t need;
  if (count == Cell::kCall) {
    rest = distances_.to_end[node];
    need = distances_.need[node];
  } else {
    const Repeat& repeat = graph_.repeat(graph_.nodes()[node]);
    const NodeId item = graph_.start(repeat.rule);
    const uint32_t more = repeat.min > count + 1 ? repeat.min - count - 1 : 0;
    rest = add_distance(times_distance(more, distances_.to_end[item]), distances_.to_end[repeat.next]);
    need = std::max(more > 0 ? distances_.need[item] : 0, distances_.need[repeat.next]);
  }
  rest = add_distance(rest, under.below);
  if (rest >= kNever || under.depth + need >= kMaxNesting) return false;
  *cell = intern({parent, node, count, under.depth + nested, rest});
  return true;
}

bool Machine::first_visit(NodeId node, uint32_t cell) {
  if (visited_count_ * 2 >= visited_.size()) grow_visited();
  const uint64_t key = (uint64_t{node} << 32) | cell;
  size_t at = mix64(key) & (visited_.size() - 1);
  for (; visited_step_[at] == step_; at = (at + 1) & (visited_.size() - 1)) {
    if (visited_[at] == key) return false;
  }
  visited_[at] = key;
  visited_step_[at] = step_;
  ++visited_count_;
  return true;
}

void Machine::grow_visited() {
  std::vector<uint64_t> old(visited_.size() * 2);
  std::vector<uint32_t> old_step(visited_.size() * 2);
  old.swap(visited_);
  old_step.swap(visited_step_);
  for (size_t i = 0; i < old.size(); ++i) {
    if (old_step[i] != step_) continue;
    size_t at = mix64(old[i]) & (visited_.size() - 1);
    while (visited_step_[at] == step_) at = (at + 1) & (visited_.size() - 1);
    visited_[at] = old[i];
    visited_step_[at] = step_;
  }
}

void Machine::enter(NodeId node, uint32_t cell) {
  const Cell& top = cells_[cell];
  if (add_distance(distances_.to_end[node], top.below) >= kNever) return;
  if (top.depth + distances_.need[node] >= kMaxNesting) return;
  if (first_visit(node, cell)) work_.push_back({node, cell});
}

void Machine::begin_repeat(NodeId node, uint32_t count, uint32_t parent) {
  const Repeat& repeat = graph_.repeat(graph_.nodes()[node]);
  uint32_t cell;
  if (count < repeat.max && push(parent, node, count, false, &cell)) enter(graph_.start(repeat.rule), cell);
  if (count >= repeat.min) enter(repeat.next, parent);
}

void Machine::end_rule(uint32_t cell, State& state) {
  if (cell == 0) {
    state.ended = true;
    return;
  }
  const Cell top = cells_[cell];
  if (top.count == Cell::kCall) return enter(top.node, top.parent);
  const Repeat& repeat = graph_.repeat(graph_.nodes()[top.node]);
  const uint32_t done = top.count + 1;
  begin_repeat(top.node, repeat.max == kUnbounded ? std::min(done, repeat.min) : done, top.parent);
}

void Machine::expand(NodeId id, uint32_t cell, State& state) {
  const Node& node = graph_.nodes()[id];
  switch (node.kind) {
    case Node::kBytes:
      state.configs.push_back({id, cell});
      break;
    case Node::kSplit: {
      const auto ways = graph_.splits(node);
      for (size_t i = ways.size(); i-- > 0;) enter(ways[i], cell);  // the first way comes first off work_
      break;
    }
    case Node::kCall: {
      // A call that ends its rule needs no frame: a chain of alternatives does not grow the stack.
      uint32_t frame = cell;
      if ((node.b == Graph::kEndNode && !node.nested) || push(cell, node.b, Cell::kCall, node.nested, &frame)) {
        enter(graph_.start(node.a), frame);
      }
      break;
    }
    case Node::kRepeat:
      begin_repeat(id, 0, cell);
      break;
    case Node::kEnd:
      end_rule(cell, state);
      break;
  }
}

// Follows everything in work_ that needs no byte.
void Machine::close(State& state) {
  while (!work_.empty()) {
    const Config next = work_.back();
    work_.pop_back();
    expand(next.node, next.cell, state);
  }
  prune(state);
  state.to_end = state.ended ? 0 : kNever;
  for (const Config& config : state.configs) {
    state.to_end = std::min(state.to_end, distances_.to_end[config.node] + cells_[config.cell].below);
  }
}

void Machine::prune(State& state) const {
  if (state.configs.size() <= kMaxStacks) return;
  std::vector<uint32_t> stacks;
  for (const Config& config : state.configs) stacks.push_back(config.cell);
  std::sort(stacks.begin(), stacks.end());
  const auto distinct = std::unique(stacks.begin(), stacks.end()) - stacks.begin();
  if (state.configs.size() <= kMaxConfigs && static_cast<size_t>(distinct) <= kMaxStacks) return;
  std::stable_sort(state.configs.begin(), state.configs.end(), [&](const Config& a, const Config& b) {
    return distances_.to_end[a.node] + cells_[a.cell].below < distances_.to_end[b.node] + cells_[b.cell].below;
  });
  std::vector<Config> kept;
  std::vector<uint32_t> used;
  for (const Config& config : state.configs) {
    if (kept.size() == kMaxConfigs) break;
    if (std::find(used.begin(), used.end(), config.cell) == used.end()) {
      if (used.size() == kMaxStacks) continue;
      used.push_back(config.cell);
    }
    kept.push_back(config);
  }
  state.configs = std::move(kept);
}

State Machine::start(NodeId node) {
  State state;
  ++step_;
  visited_count_ = 0;
  enter(node, 0);
  close(state);
  return state;
}

State Machine::step(const State& state, uint8_t byte) {
  State next;
  ++step_;
  visited_count_ = 0;
  for (const Config& config : state.configs) {
    const auto edges = graph_.edges(graph_.nodes()[config.node]);
    const auto edge = std::partition_point(edges.begin(), edges.end(), [&](const Edge& e) { return e.high < byte; });
    if (edge != edges.end() && edge->low <= byte) enter(edge->target, config.cell);
  }
  std::reverse(work_.begin(), work_.end());
  close(next);
  return next;
}

std::vector<Cell> Machine::pack(State& state) const {
  std::vector<Cell> packed(1);
  std::vector<uint32_t> place(cells_.size(), 0);
  std::vector<uint32_t> chain;
  for (Config& config : state.configs) {
    for (uint32_t c = config.cell; c != 0 && place[c] == 0; c = cells_[c].parent) chain.push_back(c);
    for (; !chain.empty(); chain.pop_back()) {
      Cell cell = cells_[chain.back()];
      cell.parent = place[cell.parent];
      place[chain.back()] = static_cast<uint32_t>(packed.size());
      packed.push_back(cell);
    }
    config.cell = place[config.cell];
  }
  return packed;
}

namespace {

void put(std::string& out, uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::string state_key(const Graph& graph, const State& state, const std::vector<Cell>& packed, uint32_t reach) {
  std::string key;
  key.reserve(packed.size() * 16 + state.configs.size() * 8 + 1);
  key.push_back(state.ended ? 1 : 0);
  const auto near = [&](uint32_t value) { return std::min(value, reach + 1); };
  for (size_t i = 1; i < packed.size(); ++i) {
    const Cell& cell = packed[i];
    put(key, cell.parent);
    put(key, cell.node);
    if (cell.count == Cell::kCall) {
      put(key, Cell::kCall);
    } else {
      const Repeat& repeat = graph.repeat(graph.nodes()[cell.node]);
      put(key, near(repeat.min > cell.count ? repeat.min - cell.count : 0));
      put(key, repeat.max == kUnbounded ? kUnbounded - 1 : near(repeat.max - cell.count));
    }
    put(key, cell.depth);
  }
  put(key, kUnbounded);
  const int64_t base = state.configs.empty() ? 0 : packed[state.configs[0].cell].below;
  for (const Config& config : state.configs) {
    put(key, config.node);
    put(key, config.cell);
    // Which way is the shortest to complete.
    const int64_t offset = packed[config.cell].below - base;
    put(key, static_cast<uint32_t>(offset));
    put(key, static_cast<uint32_t>(static_cast<uint64_t>(offset) >> 32));
  }
  return key;
}

}  // namespace loquat::grammar
