#include "infer/grammar/chars.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace loquat::grammar {
namespace {

constexpr std::array<std::pair<char, char>, 7> kShortEscapes = {
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'}, {'\r', 'r'}}};

// What of `spans` lies in [low, high].
std::vector<Span> clip(const std::vector<Span>& spans, uint32_t low, uint32_t high) {
  std::vector<Span> out;
  auto span = std::partition_point(spans.begin(), spans.end(), [&](const Span& s) { return s.high < low; });
  for (; span != spans.end() && span->low <= high; ++span) {
    out.push_back({std::max(span->low, low), std::min(span->high, high), span->target});
  }
  return out;
}

void append(std::vector<Span>& to, const std::vector<Span>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void add_edge(std::vector<Edge>& edges, uint8_t byte, NodeId target) {
  if (!edges.empty() && edges.back().target == target && edges.back().high + 1 == byte) {
    edges.back().high = byte;
  } else {
    edges.push_back({byte, byte, target});
  }
}

}  // namespace

std::vector<Edge> Chars::lead(std::vector<Span> spans, int length, uint32_t origin, uint8_t first, uint8_t last) {
  std::vector<Edge> edges;
  if (spans.empty()) return edges;
  const uint32_t width = 1u << (6 * length);
  for (int byte = first; byte <= last; ++byte) {
    const uint32_t low = origin + (byte - first) * width;
    const auto part = clip(spans, low, low + width - 1);
    if (part.empty()) continue;
    add_edge(edges, static_cast<uint8_t>(byte), length == 0 ? part[0].target : tail(part, length, low));
  }
  return edges;
}

// `length` more bytes, for the code points from `origin`.
NodeId Chars::tail(const std::vector<Span>& spans, int length, uint32_t origin) {
  std::string key(1, static_cast<char>(length));
  for (const Span& span : spans) {
    for (const uint32_t part : {span.low - origin, span.high - origin, span.target}) {
      key.append(reinterpret_cast<const char*>(&part), sizeof part);
    }
  }
  if (const auto known = tails_.find(key); known != tails_.end()) return known->second;
  const NodeId node = graph_.bytes(lead(spans, length - 1, origin, 0x80, 0xBF));
  tails_.emplace(std::move(key), node);
  return node;
}

std::vector<Edge> Chars::utf8(const std::vector<Span>& spans) {
  std::vector<Edge> edges;
  for (const Span& span : clip(spans, 0, 0x7F)) {
    edges.push_back({static_cast<uint8_t>(span.low), static_cast<uint8_t>(span.high), span.target});
  }
  auto three = clip(spans, 0x800, 0xD7FF);
  append(three, clip(spans, 0xE000, 0xFFFF));
  for (const auto& more : {lead(clip(spans, 0x80, 0x7FF), 1, 0x80, 0xC2, 0xDF), lead(three, 2, 0, 0xE0, 0xEF),
                           lead(clip(spans, 0x10000, kMaxCodePoint), 3, 0, 0xF0, 0xF4)}) {
    edges.insert(edges.end(), more.begin(), more.end());
  }
  return edges;
}

std::vector<Edge> Chars::one_spelling(const std::vector<Span>& spans) {
  std::vector<Span> plain = clip(spans, 0x20, '"' - 1);
  append(plain, clip(spans, '"' + 1, '\\' - 1));
  append(plain, clip(spans, '\\' + 1, kMaxCodePoint));
  std::vector<Edge> edges = utf8(plain);

  std::vector<Edge> escapes;
  std::vector<Edge> high[2];  // the last digit of \u000X and \u001X
  for (uint32_t c = 0; c <= '\\'; c = c == 0x1F ? '"' : c == '"' ? '\\' : c + 1) {
    const auto span = clip(spans, c, c);
    if (span.empty()) continue;
    const auto* known = std::find_if(kShortEscapes.begin(), kShortEscapes.end(),
                                     [&](const auto& e) { return static_cast<uint32_t>(e.first) == c; });
    if (known != kShortEscapes.end()) {
      const auto letter = static_cast<uint8_t>(known->second);
      escapes.push_back({letter, letter, span[0].target});
    } else {
      const auto digit = static_cast<uint8_t>("0123456789abcdef"[c % 16]);
      high[c / 16].push_back({digit, digit, span[0].target});
    }
  }
  std::vector<Edge> third;
  for (uint8_t i = 0; i < 2; ++i) {
    const auto digit = static_cast<uint8_t>('0' + i);
    if (!high[i].empty()) third.push_back({digit, digit, graph_.bytes(high[i])});
  }
  if (!third.empty()) escapes.push_back({'u', 'u', graph_.literal("00", graph_.bytes(third))});
  if (!escapes.empty()) edges.push_back({'\\', '\\', graph_.bytes(escapes)});
  return edges;
}

NodeId Chars::hex(int digits, NodeId next) {
  for (; digits > 0; --digits) {
    next = graph_.bytes(std::array<Edge, 3>{{{'0', '9', next}, {'A', 'F', next}, {'a', 'f', next}}});
  }
  return next;
}

// After the backslash.
NodeId Chars::escape(NodeId target) {
  const NodeId two = hex(2, target);
  const NodeId three = hex(1, two);
  const NodeId low = graph_.bytes(std::array<Edge, 2>{{{'C', 'F', two}, {'c', 'f', two}}});
  const NodeId pair = graph_.literal("\\u", graph_.bytes(std::array<Edge, 2>{{{'D', 'D', low}, {'d', 'd', low}}}));
  const NodeId high = hex(2, pair);
  const NodeId surrogate =
      graph_.bytes(std::array<Edge, 4>{{{'0', '7', two}, {'8', '9', high}, {'A', 'B', high}, {'a', 'b', high}}});
  const NodeId code = graph_.bytes(std::array<Edge, 7>{{{'0', '9', three},
                                                        {'A', 'C', three},
                                                        {'D', 'D', surrogate},
                                                        {'E', 'F', three},
                                                        {'a', 'c', three},
                                                        {'d', 'd', surrogate},
                                                        {'e', 'f', three}}});
  std::vector<Edge> edges = {{'u', 'u', code}, {'/', '/', target}};
  for (const auto& [c, letter] : kShortEscapes) {
    edges.push_back({static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), target});
  }
  return graph_.bytes(edges);
}

std::vector<Edge> Chars::any_spelling(NodeId target) {
  std::vector<Edge> edges =
      utf8({{0x20, '"' - 1, target}, {'"' + 1, '\\' - 1, target}, {'\\' + 1, kMaxCodePoint, target}});
  edges.push_back({'\\', '\\', escape(target)});
  return edges;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto* known =
        std::find_if(kShortEscapes.begin(), kShortEscapes.end(), [&](const auto& e) { return e.first == c; });
    if (known != kShortEscapes.end()) {
      out += '\\';
      out += known->second;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Trie::Trie(std::vector<std::string> texts) : nodes_(1) {
  std::sort(texts.begin(), texts.end());
  for (const std::string& text : texts) {
    uint32_t at = 0;
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      if (nodes_[at].children.empty() || nodes_[at].children.back().first != byte) {
        nodes_[at].children.emplace_back(byte, static_cast<uint32_t>(nodes_.size()));
        nodes_.emplace_back();
      }
      at = nodes_[at].children.back().second;
    }
    nodes_[at].terminal = true;
  }
}

NodeId one_of(Graph& graph, const Trie& trie, NodeId next) {
  std::vector<NodeId> made(trie.nodes().size(), Graph::kDeadNode);
  for (size_t i = trie.nodes().size(); i-- > 0 && !graph.over();) {
    const Trie::Node& node = trie.nodes()[i];
    std::vector<Edge> edges;
    for (const auto& [byte, child] : node.children) edges.push_back({byte, byte, made[child]});
    if (edges.empty()) {
      made[i] = node.terminal ? next : Graph::kDeadNode;
    } else {
      made[i] = graph.bytes(edges);
      if (node.terminal) made[i] = graph.split(std::array<NodeId, 2>{next, made[i]});
    }
  }
  return made[0];
}

NodeId any_but(Graph& graph, Chars& chars, const std::vector<std::string>& others, NodeId next) {
  const NodeId anything = graph.reserve();
  std::vector<Edge> free = chars.one_spelling({{0, kMaxCodePoint, anything}});
  free.push_back({'"', '"', next});
  graph.define_bytes(anything, free);
  if (others.empty()) return anything;

  std::vector<std::string> inside;
  for (const std::string& text : others) {
    const std::string spelled = json_quoted(text);
    inside.push_back(spelled.substr(1, spelled.size() - 2));
  }
  const Trie trie(std::move(inside));
  // Along the trie each node is one of the free text's nodes too: what leaves the trie goes on there.
  std::vector<NodeId> twin(trie.nodes().size(), anything);
  const auto leads_to = [&](NodeId node, uint8_t byte) {
    for (const Edge& edge : graph.edges(graph.nodes()[node])) {
      if (edge.low <= byte && byte <= edge.high) return edge.target;
    }
    return Graph::kDeadNode;
  };
  for (size_t i = 0; i < trie.nodes().size(); ++i) {
    for (const auto& [byte, child] : trie.nodes()[i].children) twin[child] = leads_to(twin[i], byte);
  }
  std::vector<NodeId> made(trie.nodes().size(), Graph::kDeadNode);
  for (size_t i = trie.nodes().size(); i-- > 0 && !graph.over();) {
    const Trie::Node& node = trie.nodes()[i];
    std::array<NodeId, 256> to;
    to.fill(Graph::kDeadNode);
    for (const Edge& edge : graph.edges(graph.nodes()[twin[i]])) {
      for (int b = edge.low; b <= edge.high; ++b) to[b] = edge.target;
    }
    for (const auto& [byte, child] : node.children) to[byte] = made[child];
    if (node.terminal) to['"'] = Graph::kDeadNode;  // that text itself
    std::vector<Edge> edges;
    for (int b = 0; b < 256; ++b) {
      if (to[b] != Graph::kDeadNode) add_edge(edges, static_cast<uint8_t>(b), to[b]);
    }
    made[i] = graph.bytes(edges);
  }
  return made[0];
}

std::vector<Span> but_for(std::vector<std::pair<uint32_t, NodeId>> special, NodeId usual) {
  std::sort(special.begin(), special.end());
  std::vector<Span> spans;
  uint32_t next = 0;
  for (const auto& [c, target] : special) {
    if (c > next) spans.push_back({next, c - 1, usual});
    spans.push_back({c, c, target});
    next = c + 1;
  }
  spans.push_back({next, kMaxCodePoint, usual});
  return spans;
}

std::vector<NodeId> free_text(Graph& graph, std::string_view mark, NodeId then, bool may_end) {
  Chars chars(graph);
  std::vector<NodeId> after(mark.size() + 1);
  for (size_t i = 0; i < mark.size(); ++i) after[i] = graph.reserve();
  after[mark.size()] = then;
  for (size_t i = 0; i < mark.size(); ++i) {
    // A mark's first byte stands nowhere else in it: a text that leaves it can only be at its start again.
    std::vector<std::pair<uint32_t, NodeId>> special = {{static_cast<uint8_t>(mark[i]), after[i + 1]}};
    if (i > 0) special.emplace_back(static_cast<uint8_t>(mark[0]), after[1]);
    const NodeId next = graph.bytes(chars.utf8(but_for(special, after[0])));
    if (may_end) {
      graph.define_split(after[i], std::array<NodeId, 2>{Graph::kEndNode, next});
    } else {
      graph.define_split(after[i], std::array<NodeId, 1>{next});
    }
  }
  return after;
}

}  // namespace loquat::grammar
