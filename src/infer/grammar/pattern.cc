#include "infer/grammar/pattern.h"

#include <algorithm>
#include <map>
#include <string>

#include "infer/grammar/pattern_parse.h"

namespace loquat::grammar {
namespace {

constexpr size_t kMaxStates = 2'000;
constexpr size_t kMaxSetSizes = 500'000;  // of all states together

// Thompson's construction, from the end to the start.
class Nfa {
 public:
  struct State {
    int32_t set = -1;  // a character of sets[set], then next[0]; -1: any of next
    std::vector<uint32_t> next;
  };

  explicit Nfa(const PatternTree& tree) : tree_(tree) {
    accept = add({});
    // From here on anything may follow: the rest of the text does not matter.
    absorb = add({});
    states[absorb].next = {add({set({{0, kMaxCodePoint}}), {absorb}}), accept};
    std::vector<uint32_t> starts;
    for (const auto& branch : tree.branches) {
      uint32_t first = build(branch.body, branch.to_end ? accept : absorb);
      if (!branch.from_start) {
        const uint32_t before = add({});
        states[before].next = {add({set({{0, kMaxCodePoint}}), {before}}), first};
        first = before;
      }
      starts.push_back(first);
    }
    start = add({-1, starts});
  }

  std::vector<State> states;
  std::vector<CodeSet> sets;
  uint32_t start = 0, accept = 0, absorb = 0;

 private:
  uint32_t add(State state) {
    states.push_back(std::move(state));
    return static_cast<uint32_t>(states.size() - 1);
  }
  int32_t set(CodeSet set) {
    for (size_t i = 0; i < sets.size(); ++i) {
      if (sets[i] == set) return static_cast<int32_t>(i);
    }
    sets.push_back(std::move(set));
    return static_cast<int32_t>(sets.size() - 1);
  }

  uint32_t build(uint32_t id, uint32_t next) {
    const PatternNode& node = tree_.nodes[id];
    switch (node.kind) {
      case PatternNode::kEmpty:
        return next;
      case PatternNode::kSet:
        return add({set(node.set), {next}});
      case PatternNode::kAll:
        for (size_t i = node.kids.size(); i-- > 0;) next = build(node.kids[i], next);
        return next;
      case PatternNode::kAny: {
        std::vector<uint32_t> ways;
        for (const uint32_t kid : node.kids) ways.push_back(build(kid, next));
        return add({-1, ways});
      }
      case PatternNode::kRepeat:
        return build_repeat(node, next);
    }
    return next;
  }

  uint32_t build_repeat(const PatternNode& node, uint32_t next) {
    uint32_t first = next;
    if (node.max == kUnbounded) {
      first = add({});
      const uint32_t body = build(node.kids[0], first);
      states[first].next = {body, next};
    } else {
      for (uint32_t i = node.min; i < node.max; ++i) first = add({-1, {build(node.kids[0], first), next}});
    }
    for (uint32_t i = 0; i < node.min; ++i) first = build(node.kids[0], first);
    return first;
  }

  const PatternTree& tree_;
};

// Subset construction, with the length of the text so far as part of a state where lengths are bounded.
class Subsets {
 public:
  Subsets(const Nfa& nfa, uint32_t min_length, uint32_t max_length, int64_t& work)
      : nfa_(nfa), min_(min_length), max_(max_length), work_(work), seen_(nfa.states.size(), 0) {
    work_ -= static_cast<int64_t>(nfa.states.size());
    std::vector<uint32_t> cuts = {0};
    for (const CodeSet& set : nfa.sets) {
      for (const auto& [low, high] : set) {
        cuts.push_back(low);
        cuts.push_back(high + 1);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    while (!cuts.empty() && cuts.back() > kMaxCodePoint) cuts.pop_back();
    cuts_ = std::move(cuts);
    work_ -= static_cast<int64_t>(nfa.sets.size() * cuts_.size());
    if (work_ < 0) return;
    contains_.resize(nfa.sets.size());
    for (size_t s = 0; s < nfa.sets.size(); ++s) {
      for (const uint32_t cut : cuts_) {
        const auto& set = nfa.sets[s];
        const auto range = std::partition_point(set.begin(), set.end(), [&](const auto& r) { return r.second < cut; });
        contains_[s].push_back(range != set.end() && range->first <= cut);
      }
    }
  }

  Result<Dfa> run() {
    if (work_ < 0) return too_much();
    state_of(closure({nfa_.start}), 0);
    for (size_t i = 0; i < dfa_.states.size(); ++i) {
      if (lengths_[i] == max_) continue;
      std::vector<Span> spans;
      for (size_t k = 0; k < cuts_.size(); ++k) {
        std::vector<uint32_t> to;
        for (const uint32_t s : sets_[i]) {
          const Nfa::State& state = nfa_.states[s];
          if (state.set >= 0 && contains_[state.set][k]) to.push_back(state.next[0]);
        }
        work_ -= static_cast<int64_t>(sets_[i].size() + 1);
        if (!to.empty()) add_span(spans, k, state_of(closure(std::move(to)), lengths_[i] + 1));
        if (work_ < 0 || set_sizes_ > kMaxSetSizes || dfa_.states.size() > kMaxStates) return too_much();
      }
      dfa_.states[i].spans = std::move(spans);
    }
    return std::move(dfa_);
  }

 private:
  Error too_much() const {
    return Err("it takes too much: as an automaton, more than {} states{}, or too many steps", kMaxStates,
               min_ > 0 || max_ != kUnbounded ? " (with minLength and maxLength)" : "");
  }

  void add_span(std::vector<Span>& spans, size_t cut, uint32_t target) const {
    const uint32_t high = cut + 1 < cuts_.size() ? cuts_[cut + 1] - 1 : kMaxCodePoint;
    if (!spans.empty() && spans.back().target == target && spans.back().high + 1 == cuts_[cut]) {
      spans.back().high = high;
    } else {
      spans.push_back({cuts_[cut], high, target});
    }
  }

  // The characters that may come next, and whether the end may: sorted states of the NFA.
  std::vector<uint32_t> closure(std::vector<uint32_t> work) {
    std::vector<uint32_t> out;
    ++epoch_;
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      --work_;
      if (seen_[s] == epoch_) continue;
      seen_[s] = epoch_;
      if (s == nfa_.absorb) return absorbed();
      const Nfa::State& state = nfa_.states[s];
      if (state.set >= 0 || s == nfa_.accept) {
        out.push_back(s);
      } else {
        work.insert(work.end(), state.next.begin(), state.next.end());
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  // Nothing but "anything may follow" counts once that is reached.
  std::vector<uint32_t> absorbed() {
    if (absorbed_.empty()) {
      absorbed_ = {nfa_.states[nfa_.absorb].next[0], nfa_.accept};
      std::sort(absorbed_.begin(), absorbed_.end());
    }
    return absorbed_;
  }

  uint32_t state_of(std::vector<uint32_t> set, uint32_t length) {
    if (max_ == kUnbounded) length = std::min(length, min_);
    work_ -= static_cast<int64_t>(set.size());
    auto [place, added] = ids_.emplace(std::make_pair(length, set), static_cast<uint32_t>(sets_.size()));
    if (added) {
      const bool accepts = length >= min_ && std::binary_search(set.begin(), set.end(), nfa_.accept);
      set_sizes_ += set.size();
      dfa_.states.push_back({accepts, {}});
      lengths_.push_back(length);
      sets_.push_back(std::move(set));
    }
    return place->second;
  }

  const Nfa& nfa_;
  uint32_t min_, max_;
  int64_t& work_;
  std::vector<uint32_t> cuts_;               // where a range of characters that are alike starts
  std::vector<std::vector<bool>> contains_;  // [set][range]
  std::vector<uint32_t> seen_;
  uint32_t epoch_ = 0;
  size_t set_sizes_ = 0;
  std::vector<uint32_t> absorbed_;
  std::map<std::pair<uint32_t, std::vector<uint32_t>>, uint32_t> ids_;
  std::vector<std::vector<uint32_t>> sets_;  // of each state
  std::vector<uint32_t> lengths_;
  Dfa dfa_;
};

}  // namespace

Result<Dfa> compile_pattern(std::string_view pattern, uint32_t min_length, uint32_t max_length, int64_t& work) {
  TRY(const PatternTree tree, parse_pattern(pattern));
  const Nfa nfa(tree);
  return Subsets(nfa, min_length, max_length, work).run();
}

NodeId add_pattern(Graph& graph, Chars& chars, const Dfa& dfa, NodeId next) {
  std::vector<NodeId> nodes;
  for (size_t i = 0; i < dfa.states.size(); ++i) nodes.push_back(graph.reserve());
  for (size_t i = 0; i < dfa.states.size() && !graph.over(); ++i) {
    std::vector<Span> spans = dfa.states[i].spans;
    for (Span& span : spans) span.target = nodes[span.target];
    std::vector<Edge> edges = chars.one_spelling(spans);
    if (dfa.states[i].accepts) edges.push_back({'"', '"', next});
    graph.define_bytes(nodes[i], edges);
  }
  return nodes[0];
}

std::string_view format_pattern(std::string_view format) {
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4 BYTE "(\\." BYTE "){3}"
#define DATE                                                                                          \
  "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"           \
  "02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)" \
  "-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define H16 "[0-9A-Fa-f]{1,4}"
  static constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
      {"date", "^" DATE "$"},
      {"time", "^" TIME "$"},
      {"date-time", "^" DATE "T" TIME "$"},
      {"email", "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]{2,24}$"},
      {"uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"},
      {"ipv4", "^" IPV4 "$"},
      {"ipv6", "^(" H16 ":){7}" H16 "$|^(" H16 ":){1,7}:$|^(" H16 ":){1,6}:" H16 "$|^(" H16 ":){1,5}(:" H16 "){1,2}$|"
               "^(" H16 ":){1,4}(:" H16 "){1,3}$|^(" H16 ":){1,3}(:" H16 "){1,4}$|^(" H16 ":){1,2}(:" H16 "){1,5}$|"
               "^" H16 ":(:" H16 "){1,6}$|^:(:" H16 "){1,7}$|^::$"},
      {"uri",
       "^[A-Za-z][A-Za-z0-9+.-]*:(//([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)?"
       "([/?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*|[A-Za-z0-9]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|"
       "%[0-9A-Fa-f]{2})*)?(#([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$"},
      {"hostname", "^" LABEL "(\\." LABEL "){0,3}$"}};
#undef LABEL
#undef BYTE
#undef IPV4
#undef DATE
#undef TIME
#undef H16
  for (const auto& [name, pattern] : kFormats) {
    if (name == format) return pattern;
  }
  return {};
}

}  // namespace loquat::grammar
