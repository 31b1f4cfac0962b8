// Keys and values of tokens whose attention goes on: pages of `page_tokens` tokens in all layers, in the compute type.
// Which tokens a page holds, and whose it is, is the caller's business (infer/page_tree.h); Model::forward_cached reads
// and fills them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/tensor.h"
#include "model/config.h"
#include "model/memory.h"

namespace loquat {

class KvCache {
 public:
  // A table without paged attention has one page for each sequence: page_tokens is then any number, else a power of two
  // of at least 32.
  KvCache(const ModelConfig& config, const Kernels& kernels, DType compute, int64_t pages, int64_t page_tokens);

  // Of that many tokens in all layers.
  static int64_t bytes(const ModelConfig& config, DType compute, int64_t tokens);

  int64_t pages() const { return pages_; }
  int64_t page_tokens() const { return page_tokens_; }
  // The first `count` tokens of page `from` into page `to`.
  void copy(int32_t from, int32_t to, int64_t count);

  // For the model: a page's rows of a layer [page_tokens, G * D]; the next page's lie page_stride() elements on.
  Mat keys(int64_t layer, int32_t page) const { return rows(layer, page, 0); }
  Mat values(int64_t layer, int32_t page) const { return rows(layer, page, 1); }
  int64_t page_stride() const { return 2 * layers_ * page_tokens_ * width_; }

 private:
  Mat rows(int64_t layer, int32_t page, int64_t which) const;

  const Kernels& kernels_;
  int64_t layers_, width_, pages_, page_tokens_;
  DType dtype_;
  Buffer memory_;  // [pages][layers][keys, values][page_tokens][G * D]
};

// A sequence that a forward goes on with: its first `length` tokens are in the pages, the new ones are written behind
// them (no page that is written may be another sequence's too).
struct CachedSequence {
  std::span<const int32_t> pages;  // enough for the new tokens too
  int64_t length = 0;
};

}  // namespace loquat
