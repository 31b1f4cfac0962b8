#include "infer/grammar/distance.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace loquat::grammar {
namespace {

class Solver {
 public:
  Solver(const Graph& graph, const ByteSet& available) : graph_(graph) {
    const size_t n = graph.nodes().size();
    out_.available = available;
    out_.to_end.assign(n, kNever);
    out_.need.assign(n, 0);
    final_.assign(n, false);
    for (int b = 0; b < 256; ++b) count_[b + 1] = count_[b] + (available[b] ? 1 : 0);
    collect_users();
  }

  Distances run() {
    offer(Graph::kEndNode, 0, 0);
    while (!queue_.empty()) {
      const auto [distance, node] = queue_.top();
      queue_.pop();
      if (final_[node]) continue;
      final_[node] = true;
      for (uint32_t i = first_user_[node]; i < first_user_[node + 1]; ++i) relax(users_[i], node);
    }
    for (size_t i = 0; i < final_.size(); ++i) {
      if (!final_[i]) out_.to_end[i] = kNever;
    }
    return std::move(out_);
  }

 private:
  bool usable(const Edge& edge) const { return count_[edge.high + 1] > count_[edge.low]; }

  template <typename F>
  void for_each_used(const Node& node, F f) const {
    switch (node.kind) {
      case Node::kBytes:
        for (const Edge& edge : graph_.edges(node)) {
          if (usable(edge)) f(edge.target);
        }
        break;
      case Node::kSplit:
        for (const NodeId way : graph_.splits(node)) f(way);
        break;
      case Node::kCall:
        f(graph_.start(node.a));
        f(node.b);
        break;
      case Node::kRepeat:
        f(graph_.start(graph_.repeat(node).rule));
        f(graph_.repeat(node).next);
        break;
      case Node::kEnd:
        break;
    }
  }

  void collect_users() {
    const auto& nodes = graph_.nodes();
    first_user_.assign(nodes.size() + 1, 0);
    for (const Node& node : nodes) for_each_used(node, [&](NodeId used) { ++first_user_[used + 1]; });
    for (size_t i = 1; i < first_user_.size(); ++i) first_user_[i] += first_user_[i - 1];
    users_.resize(first_user_.back());
    std::vector<uint32_t> place(first_user_.begin(), first_user_.end() - 1);
    for (NodeId node = 0; node < nodes.size(); ++node) {
      for_each_used(nodes[node], [&](NodeId used) { users_[place[used]++] = node; });
    }
  }

  void offer(NodeId node, int64_t distance, uint32_t need) {
    if (final_[node] || distance >= out_.to_end[node]) return;
    out_.to_end[node] = distance;
    out_.need[node] = need;
    queue_.push({distance, node});
  }

  // `used` has just become final.
  void relax(NodeId user, NodeId used) {
    const Node& node = graph_.nodes()[user];
    const auto& d = out_.to_end;
    const auto& need = out_.need;
    if (node.kind == Node::kBytes) return offer(user, add_distance(d[used], 1), need[used]);
    if (node.kind == Node::kSplit) return offer(user, d[used], need[used]);
    if (node.kind == Node::kCall) {
      const NodeId start = graph_.start(node.a);
      if (!final_[start] || !final_[node.b]) return;
      return offer(user, add_distance(d[start], d[node.b]), std::max(need[start] + node.nested, need[node.b]));
    }
    const Repeat& repeat = graph_.repeat(node);
    const NodeId start = graph_.start(repeat.rule);
    if (!final_[repeat.next] || (repeat.min > 0 && !final_[start])) return;
    if (repeat.min == 0) return offer(user, d[repeat.next], need[repeat.next]);
    offer(user, add_distance(times_distance(repeat.min, d[start]), d[repeat.next]),
          std::max(need[start], need[repeat.next]));
  }

  using Item = std::pair<int64_t, NodeId>;
  const Graph& graph_;
  Distances out_;
  std::vector<bool> final_;
  int count_[257] = {};  // available bytes below b
  std::vector<uint32_t> first_user_;
  std::vector<NodeId> users_;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue_;
};

}  // namespace

Distances shortest_ends(const Graph& graph, const ByteSet& available) {
  return Solver(graph, available).run();
}

}  // namespace loquat::grammar
