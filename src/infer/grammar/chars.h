// Pieces of a graph for characters: UTF-8, and how JSON strings spell them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "infer/grammar/graph.h"

namespace loquat::grammar {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

struct Span {  // code points, inclusive
  uint32_t low = 0, high = 0;
  NodeId target = 0;
};

class Chars {
 public:
  explicit Chars(Graph& graph) : graph_(graph) {}

  // The edges of a node from which each span's characters, in UTF-8, lead to its target. Spans: sorted, not
  // overlapping; surrogates in them are left out.
  std::vector<Edge> utf8(const std::vector<Span>& spans);
  // The same inside a JSON string, each character in one spelling alone: escaped where JSON demands it.
  std::vector<Edge> one_spelling(const std::vector<Span>& spans);
  // Any character inside a JSON string in any of its spellings, \u escapes too (surrogates only in pairs).
  std::vector<Edge> any_spelling(NodeId target);

 private:
  std::vector<Edge> lead(std::vector<Span> spans, int tail, uint32_t origin, uint8_t first, uint8_t last);
  NodeId tail(const std::vector<Span>& spans, int length, uint32_t origin);
  NodeId hex(int digits, NodeId next);
  NodeId escape(NodeId target);

  Graph& graph_;
  std::map<std::string, NodeId> tails_;  // what is equal is built once
};

// `text` in JSON's quotes, in the one spelling that one_spelling() knows.
std::string json_quoted(std::string_view text);

// Texts that share their beginnings.
class Trie {
 public:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;  // ascending; each after its parent
    bool terminal = false;
  };
  explicit Trie(std::vector<std::string> texts);
  const std::vector<Node>& nodes() const { return nodes_; }  // the root is 0

 private:
  std::vector<Node> nodes_;
};

// One of the texts, then `next`.
NodeId one_of(Graph& graph, const Trie& trie, NodeId next);

// The inside of a JSON string and its closing quote, where the text is none of those (unquoted) of `others`.
NodeId any_but(Graph& graph, Chars& chars, const std::vector<std::string>& others, NodeId next);

// Every character leads to `usual`, but for these.
std::vector<Span> but_for(std::vector<std::pair<uint32_t, NodeId>> special, NodeId usual);

// Any text that does not contain `mark`, whose first byte stands nowhere else in it; `then` follows where the mark has
// come, and where `may_end` the text may end anywhere. Node i of those returned: i bytes of the mark have come.
std::vector<NodeId> free_text(Graph& graph, std::string_view mark, NodeId then, bool may_end);

}  // namespace loquat::grammar
