// Runs a graph over bytes: all the ways at once that a text so far can be read (never backtracking), each with a stack
// of what follows when its rule ends. Ways that can no longer be completed, or nest too deep, are dropped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "infer/grammar/distance.h"
#include "infer/grammar/graph.h"

namespace loquat::grammar {

// A frame of a stack; stacks share their lower frames. Frame 0 is the bottom.
struct Cell {
  static constexpr uint32_t kCall = kUnbounded;
  uint32_t parent = 0;
  NodeId node = 0;     // of a call: where to go on; of a repetition: its node
  uint32_t count = 0;  // kCall, or how often the repetition's rule has been completed
  uint32_t depth = 0;  // nested calls, this one and those below
  int64_t below = 0;   // bytes that complete this frame and those below it
  bool operator==(const Cell&) const = default;
};

struct Config {
  NodeId node = 0;  // of kind kBytes
  uint32_t cell = 0;
  bool operator==(const Config&) const = default;
};

struct State {
  std::vector<Config> configs;  // in an order that the text alone decides
  bool ended = false;           // the text so far is complete
  int64_t to_end = kNever;      // bytes that complete it
  bool alive() const { return ended || !configs.empty(); }
};

class Machine {
 public:
  // `cells`: what an earlier machine's pack() kept; empty for a new text.
  Machine(const Graph& graph, const Distances& distances, const std::vector<Cell>& cells = {});

  State start(NodeId node);
  State step(const State& state, uint8_t byte);
  const std::vector<Cell>& cells() const { return cells_; }
  // Renumbers the cells that `state` uses (parents first) and returns them alone.
  std::vector<Cell> pack(State& state) const;

 private:
  void close(State& state);
  void enter(NodeId node, uint32_t cell);
  void expand(NodeId node, uint32_t cell, State& state);
  void end_rule(uint32_t cell, State& state);
  void begin_repeat(NodeId node, uint32_t count, uint32_t parent);
  void prune(State& state) const;
  // False where it cannot be completed, or nests too deep.
  bool push(uint32_t parent, NodeId node, uint32_t count, bool nested, uint32_t* cell);
  uint32_t intern(const Cell& cell);
  bool first_visit(NodeId node, uint32_t cell);
  void grow_visited();

  const Graph& graph_;
  const Distances& distances_;
  std::vector<Cell> cells_;
  std::vector<uint32_t> table_;  // open addressing over cells_; 0: empty
  std::vector<Config> work_;
  std::vector<uint64_t> visited_;  // open addressing; of this step
  std::vector<uint32_t> visited_step_;
  uint32_t step_ = 0;
  size_t visited_count_ = 0;
};

// What decides every further step over at most `reach` bytes: equal keys, equal masks.
std::string state_key(const Graph& graph, const State& state, const std::vector<Cell>& packed, uint32_t reach);

}  // namespace loquat::grammar
