#include "infer/grammar/graph.h"

#include <algorithm>

#include "base/check.h"

namespace loquat::grammar {

Graph::Graph() : nodes_(2) {
  nodes_[kEndNode].kind = Node::kEnd;
}

bool Graph::room(size_t more) {
  if (nodes_.size() + edges_.size() + splits_.size() + rules_.size() + more > kMaxSize) over_ = true;
  return !over_;
}

NodeId Graph::reserve() {
  if (!room(1)) return kDeadNode;
  nodes_.emplace_back();
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Graph::define_bytes(NodeId node, std::span<const Edge> edges) {
  if (!room(edges.size()) || node <= kDeadNode) return kDeadNode;
  nodes_[node] = {Node::kBytes, false, static_cast<uint32_t>(edges_.size()), static_cast<uint32_t>(edges.size())};
  edges_.insert(edges_.end(), edges.begin(), edges.end());
  const auto mine = std::span(edges_).last(edges.size());
  std::sort(mine.begin(), mine.end(), [](const Edge& x, const Edge& y) { return x.low < y.low; });
  for (size_t i = 1; i < mine.size(); ++i) CHECK(mine[i - 1].high < mine[i].low, "edges overlap");
  return node;
}

NodeId Graph::define_split(NodeId node, std::span<const NodeId> ways) {
  if (!room(ways.size()) || node <= kDeadNode) return kDeadNode;
  nodes_[node] = {Node::kSplit, false, static_cast<uint32_t>(splits_.size()), static_cast<uint32_t>(ways.size())};
  splits_.insert(splits_.end(), ways.begin(), ways.end());
  return node;
}

NodeId Graph::byte(uint8_t value, NodeId next) {
  const Edge edge{value, value, next};
  return bytes({&edge, 1});
}

NodeId Graph::literal(std::string_view text, NodeId next) {
  for (size_t i = text.size(); i-- > 0 && !over_;) next = byte(static_cast<uint8_t>(text[i]), next);
  return next;
}

NodeId Graph::split(std::span<const NodeId> ways) {
  if (ways.empty()) return kDeadNode;
  return ways.size() == 1 ? ways[0] : define_split(reserve(), ways);
}

NodeId Graph::call(RuleId rule, NodeId next, bool nested) {
  const NodeId node = reserve();
  if (node != kDeadNode) nodes_[node] = {Node::kCall, nested, rule, next};
  return node;
}

NodeId Graph::repeat(RuleId rule, uint32_t min, uint32_t max, NodeId next) {
  if (max < min) return kDeadNode;
  const NodeId node = reserve();
  if (node == kDeadNode) return node;
  nodes_[node] = {Node::kRepeat, false, static_cast<uint32_t>(repeats_.size()), 0};
  repeats_.push_back({rule, min, max, next});
  return node;
}

RuleId Graph::reserve_rule() {
  if (!room(1) && !rules_.empty()) return 0;
  rules_.push_back(kDeadNode);
  return static_cast<RuleId>(rules_.size() - 1);
}

}  // namespace loquat::grammar
