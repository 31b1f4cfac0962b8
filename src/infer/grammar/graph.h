// A language over bytes as a recursive transition network: nodes and rules; a rule may call any rule, itself too.
// It is built from the end to the start: a piece is given the node that follows it and returns the node that begins
// it. Size is bounded: past the bound every piece is empty and over() says so, so that builders need no error path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace loquat::grammar {

using NodeId = uint32_t;
using RuleId = uint32_t;

struct Edge {
  uint8_t low = 0, high = 0;  // inclusive
  NodeId target = 0;
};

struct Node {
  enum Kind : uint8_t {
    kBytes,   // edges [a, a + b): a byte leads on; ranges do not overlap
    kSplit,   // splits [a, a + b): any of these, without a byte
    kCall,    // rule a, then node b
    kRepeat,  // repeats[a]
    kEnd      // the end of the rule
  };
  Kind kind = kBytes;
  bool nested = false;  // of kCall: the rule is a value inside an object or array (their depth is bounded)
  uint32_t a = 0, b = 0;
};

inline constexpr uint32_t kUnbounded = std::numeric_limits<uint32_t>::max();

struct Repeat {
  RuleId rule = 0;            // never empty
  uint32_t min = 0, max = 0;  // kUnbounded: no upper bound
  NodeId next = 0;
};

class Graph {
 public:
  static constexpr NodeId kEndNode = 0;
  static constexpr NodeId kDeadNode = 1;       // nothing leads on
  static constexpr size_t kMaxSize = 200'000;  // nodes and edges in all

  Graph();

  NodeId bytes(std::span<const Edge> edges) { return define_bytes(reserve(), edges); }
  NodeId byte(uint8_t value, NodeId next);
  NodeId literal(std::string_view text, NodeId next);
  NodeId split(std::span<const NodeId> ways);  // one way: that node itself
  NodeId call(RuleId rule, NodeId next, bool nested = false);
  NodeId repeat(RuleId rule, uint32_t min, uint32_t max, NodeId next);

  // For loops: a node that is named before it is built.
  NodeId reserve();
  NodeId define_bytes(NodeId node, std::span<const Edge> edges);
  NodeId define_split(NodeId node, std::span<const NodeId> ways);

  RuleId reserve_rule();
  void define_rule(RuleId rule, NodeId start) { rules_[rule] = start; }

  bool over() const { return over_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::span<const Edge> edges(const Node& node) const { return {edges_.data() + node.a, node.b}; }
  std::span<const NodeId> splits(const Node& node) const { return {splits_.data() + node.a, node.b}; }
  const Repeat& repeat(const Node& node) const { return repeats_[node.a]; }
  NodeId start(RuleId rule) const { return rules_[rule]; }

 private:
  bool room(size_t more);

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<NodeId> splits_;
  std::vector<Repeat> repeats_;
  std::vector<NodeId> rules_;
  bool over_ = false;
};

}  // namespace loquat::grammar
