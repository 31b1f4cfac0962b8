// A vocabulary as a tree of bytes, in preorder: a walk that leaves out a node jumps over all below it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "infer/grammar/distance.h"
#include "infer/grammar/grammar.h"

namespace loquat {

class TokenTree {
 public:
  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;        // the root's children have 1
    uint32_t end = 0;          // the first node after all below this one
    uint32_t first_token = 0;  // tokens_[first_token .. the next node's)
  };

  TokenTree(std::vector<std::pair<std::string_view, int32_t>> tokens, int64_t vocab_size);

  uint64_t id() const { return id_; }  // no other tree of this process has it
  int64_t vocab_size() const { return vocab_size_; }
  uint32_t longest() const { return longest_; }               // bytes
  const grammar::ByteSet& single() const { return single_; }  // bytes that are a token of their own
  size_t size() const { return nodes_.size() - 1; }
  const Node& node(size_t i) const { return nodes_[i]; }
  std::span<const int32_t> tokens(size_t i) const {
    return {tokens_.data() + nodes_[i].first_token, nodes_[i + 1].first_token - nodes_[i].first_token};
  }
  std::string_view bytes(int32_t token) const;  // "" : not in the tree

 private:
  uint64_t id_;
  int64_t vocab_size_;
  uint32_t longest_ = 0;
  grammar::ByteSet single_;
  std::vector<Node> nodes_;  // and one that ends the last
  std::vector<int32_t> tokens_;
  std::string text_;
  std::vector<std::pair<uint32_t, uint32_t>> place_;  // of a token: where in text_, and how long
};

}  // namespace loquat
