#include "infer/grammar/number.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace loquat::grammar {
namespace {

constexpr size_t kMaxFractionDigits = 17;

NodeId digit(Graph& graph, NodeId next, char first = '0') {
  const Edge edge{static_cast<uint8_t>(first), '9', next};
  return graph.bytes({&edge, 1});
}

NodeId either(Graph& graph, NodeId a, NodeId b) {
  return graph.split(std::array<NodeId, 2>{a, b});
}

// Up to `count` digits.
NodeId digits(Graph& graph, size_t count, NodeId next) {
  NodeId node = next;
  for (size_t i = 0; i < count; ++i) node = either(graph, next, digit(graph, node));
  return node;
}

bool zeros(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

// Numbers without a sign from `low` to `high`. A place in the text is how many digits have been written, and whether
// they are all equal to a bound's first digits ("tight").
class Range {
 public:
  Range(Graph& graph, Bound low, Bound high, size_t fraction_digits, NodeId next)
      : graph_(graph), low_(std::move(low)), high_(std::move(high)), places_(fraction_digits), next_(next) {}

  NodeId build() {
    std::vector<NodeId> ways;
    for (size_t n = low_.value.whole.size(); n <= high_.value.whole.size(); ++n) {
      const NodeId way = whole(n, 0, n == low_.value.whole.size(), n == high_.value.whole.size());
      if (way != Graph::kDeadNode) ways.push_back(way);
    }
    return graph_.split(ways);
  }

 private:
  using Step = NodeId (Range::*)(size_t, size_t, bool, bool);

  static int digit_at(std::string_view text, size_t i) { return i < text.size() ? text[i] - '0' : 0; }

  // Edges for the next digit; `a` and `b` are the bounds' digits there.
  NodeId digit_node(int a, int b, int least, Step then, size_t n, size_t at, bool low, bool high) {
    std::vector<Edge> edges;
    for (int d = std::max(least, low ? a : 0); d <= (high ? b : 9); ++d) {
      const NodeId to = (this->*then)(n, at, low && d == a, high && d == b);
      const auto byte = static_cast<uint8_t>('0' + d);
      if (to == Graph::kDeadNode) continue;
      if (!edges.empty() && edges.back().target == to && edges.back().high + 1 == byte) {
        edges.back().high = byte;
      } else {
        edges.push_back({byte, byte, to});
      }
    }
    return edges.empty() ? Graph::kDeadNode : graph_.bytes(edges);
  }

  // `at` of `n` digits before the point are written.
  NodeId whole(size_t n, size_t at, bool low, bool high) {
    if (at == n) return fraction(0, 0, low, high);
    if (!low && !high && at > 0) at += 100 - n, n = 100;  // only how many are left matters
    const auto key = std::make_tuple(n, at, low, high);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    const NodeId node = digit_node(digit_at(low_.value.whole, at), digit_at(high_.value.whole, at),
                                   at == 0 && n > 1 ? 1 : 0, &Range::whole, n, at + 1, low, high);
    return known_[key] = node;
  }

  NodeId fraction(size_t, size_t, bool low, bool high) {
    const auto key = std::make_tuple(size_t{200}, size_t{0}, low, high);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    std::vector<NodeId> ways;
    if (may_end(0, low, high)) ways.push_back(next_);
    if (places_ > 0) {
      if (const NodeId more = place(0, low, high); more != Graph::kDeadNode) ways.push_back(graph_.byte('.', more));
    }
    return known_[key] = graph_.split(ways);
  }

  // A digit after the point, `at` of them being written.
  NodeId place(size_t at, bool low, bool high) {
    return digit_node(digit_at(low_.value.fraction, at), digit_at(high_.value.fraction, at), 0, &Range::after_place, 0,
                      at + 1, low, high);
  }

  NodeId after_place(size_t, size_t at, bool low, bool high) {
    const auto key = std::make_tuple(size_t{300}, at, low, high);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    std::vector<NodeId> ways;
    if (may_end(at, low, high)) ways.push_back(next_);
    if (at < places_) {
      if (const NodeId more = place(at, low, high); more != Graph::kDeadNode) ways.push_back(more);
    }
    return known_[key] = graph_.split(ways);
  }

  bool may_end(size_t at, bool low, bool high) const {
    const auto rest_is_zero = [&](const std::string& f) { return at >= f.size() || zeros(f.substr(at)); };
    if (low && (low_.exclusive || !rest_is_zero(low_.value.fraction))) return false;
    return !(high && high_.exclusive && rest_is_zero(high_.value.fraction));
  }

  Graph& graph_;
  Bound low_, high_;
  size_t places_;
  NodeId next_;
  std::map<std::tuple<size_t, size_t, bool, bool>, NodeId> known_;
};

NodeId between(Graph& graph, std::optional<Bound> low, std::optional<Bound> high, size_t places, NodeId next) {
  const Bound zero, greatest{{false, std::string(kMaxWholeDigits, '9'), std::string(places, '9')}, false};
  const auto negated = [](Bound bound) {
    bound.value.negative = !bound.value.negative;
    return bound;
  };
  if (!low) low = negated(greatest);
  if (!high) high = greatest;
  const int order = compare(low->value, high->value);
  if (order > 0 || (order == 0 && (low->exclusive || high->exclusive))) return Graph::kDeadNode;
  std::vector<NodeId> ways;
  if (compare(high->value, zero.value) >= 0) {
    ways.push_back(Range(graph, compare(low->value, zero.value) < 0 ? zero : *low, *high, places, next).build());
  }
  if (compare(low->value, zero.value) < 0) {
    const Bound nearest = compare(high->value, zero.value) < 0 ? negated(*high) : Bound{{}, true};
    ways.push_back(graph.byte('-', Range(graph, nearest, negated(*low), places, next).build()));
  }
  return graph.split(ways);
}

}  // namespace

Result<Decimal> parse_decimal(std::string_view text) {
  Decimal out;
  if (text.starts_with('-')) {
    out.negative = true;
    text.remove_prefix(1);
  }
  const size_t e = std::min(text.find_first_of("eE"), text.size());
  const size_t point = std::min(text.find('.'), e);
  std::string all(text.substr(0, point));
  auto whole = static_cast<int64_t>(all.size());
  if (point < e) all += text.substr(point + 1, e - point - 1);
  if (e < text.size()) {
    constexpr int kLargest = 99;
    int64_t exponent = 0;
    for (const char c : text.substr(e + 1)) {
      if (c >= '0' && c <= '9') exponent = std::min<int64_t>(exponent * 10 + (c - '0'), kLargest + 1);
    }
    if (exponent > kLargest) return Err("the exponent is past {}", kLargest);
    whole += text[e + 1] == '-' ? -exponent : exponent;
  }
  if (whole < 0) {
    all.insert(0, static_cast<size_t>(-whole), '0');
    whole = 0;
  }
  if (static_cast<size_t>(whole) > all.size()) all.append(static_cast<size_t>(whole) - all.size(), '0');
  out.whole = all.substr(0, static_cast<size_t>(whole));
  out.fraction = all.substr(static_cast<size_t>(whole));
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  if (out.whole.empty()) out.whole.assign(1, '0');
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.whole == "0" && out.fraction.empty()) out.negative = false;
  return out;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = a.whole.size() != b.whole.size() ? (a.whole.size() < b.whole.size() ? -1 : 1) : a.whole.compare(b.whole);
  if (order == 0) order = a.fraction.compare(b.fraction);
  return a.negative ? -order : order;
}

NodeId any_number(Graph& graph, NodeId next) {
  const NodeId one_more = digits(graph, 1, next);
  const NodeId unsigned_exponent = digit(graph, one_more);
  const NodeId exponent = graph.bytes(
      std::array<Edge, 3>{{{'+', '+', unsigned_exponent}, {'-', '-', unsigned_exponent}, {'0', '9', one_more}}});
  const NodeId after_fraction =
      either(graph, next, graph.bytes(std::array<Edge, 2>{{{'E', 'E', exponent}, {'e', 'e', exponent}}}));
  const NodeId fraction = digit(graph, digits(graph, kMaxFractionDigits - 1, after_fraction));
  const NodeId after_whole = either(graph, after_fraction, graph.byte('.', fraction));
  const NodeId more = digits(graph, kMaxWholeDigits - 1, after_whole);
  const NodeId whole = graph.bytes(std::array<Edge, 2>{{{'0', '0', after_whole}, {'1', '9', more}}});
  return either(graph, whole, graph.byte('-', whole));
}

NodeId integer_between(Graph& graph, std::optional<Bound> low, std::optional<Bound> high, NodeId next) {
  return between(graph, std::move(low), std::move(high), 0, next);
}

NodeId number_between(Graph& graph, std::optional<Bound> low, std::optional<Bound> high, NodeId next) {
  size_t longest = 1;
  for (const auto& bound : {low, high}) {
    if (bound) longest = std::max(longest, bound->value.whole.size());
  }
  return between(graph, std::move(low), std::move(high), kMaxBoundedDigits - std::min(longest, kMaxBoundedDigits),
                 next);
}

}  // namespace loquat::grammar
