// Grouped-query causal attention over packed sequences, or over a cache that these rows extend.
#include <cmath>

#include "model/layer.h"

namespace loquat {
namespace {

struct Parts {
  Mat q, k, v;
  Mat rotated;  // q and k, neighbours in a row
};

Parts parts_of(const ModelConfig& c, Mat qkv) {
  const int64_t q_end = c.num_heads * c.head_dim, k_end = q_end + c.num_kv_heads * c.head_dim;
  return {qkv.col_range(0, q_end), qkv.col_range(q_end, k_end), qkv.col_range(k_end, c.qkv_dim()),
          qkv.col_range(0, k_end)};
}

AttentionShape shape_of(const ModelConfig& c) {
  return {c.num_heads, c.num_kv_heads, c.head_dim, 1.0f / std::sqrt(static_cast<float>(c.head_dim))};
}

// Segments over the rows' own keys and values. The vector is the thread's own, so that a step allocates nothing.
std::span<const AttentionSegment> packed_segments(const Sequences& sequences, const Parts& parts) {
  thread_local std::vector<AttentionSegment> segments;
  segments.clear();
  for (size_t b = 0; b + 1 < sequences.starts.size(); ++b) {
    const int64_t begin = sequences.starts[b], length = sequences.starts[b + 1] - begin;
    AttentionSegment s{begin, length, parts.k.row(begin), parts.v.row(begin), length, parts.k.stride};
    const int64_t from = sequences.prefix.empty() ? -1 : sequences.prefix[b];
    if (from >= 0) {
      s.prefix_begin = sequences.starts[from];
      s.prefix_len = sequences.starts[from + 1] - s.prefix_begin;
      s.prefix_k = parts.k.row(s.prefix_begin);
      s.prefix_v = parts.v.row(s.prefix_begin);
      s.kv_len += s.prefix_len;
    }
    segments.push_back(s);
  }
  return segments;
}

void append_to_cache(const Kernels& kernels, const Sequences& sequences, const Parts& parts, int64_t layer) {
  const KvCache& cache = *sequences.cache;
  const int64_t page_tokens = cache.page_tokens();
  thread_local std::vector<RowCopy> copies;
  copies.clear();
  for (size_t b = 0; b < sequences.cached.size(); ++b) {
    int64_t at = sequences.cached[b].length;
    for (int64_t row = sequences.starts[b]; row < sequences.starts[b + 1]; ++row, ++at) {
      const int32_t page = sequences.cached[b].pages[at / page_tokens];
      copies.push_back({cache.keys(layer, page).row(at % page_tokens), parts.k.row(row)});
      copies.push_back({cache.values(layer, page).row(at % page_tokens), parts.v.row(row)});
    }
  }
  kernels.copy_rows(copies, parts.k.cols * bytes_of(parts.k.dtype));
}

std::span<const AttentionSegment> cached_segments(const Sequences& sequences, int64_t layer) {
  const KvCache& cache = *sequences.cache;
  thread_local std::vector<AttentionSegment> segments;
  segments.clear();
  for (size_t b = 0; b < sequences.cached.size(); ++b) {
    const CachedSequence& cached = sequences.cached[b];
    const int64_t begin = sequences.starts[b], count = sequences.starts[b + 1] - begin;
    const int32_t first = cached.pages.size() == 1 ? cached.pages[0] : 0;
    AttentionSegment s{begin,
                       count,
                       cache.keys(layer, first).data,
                       cache.values(layer, first).data,
                       cached.length + count,
                       cache.keys(layer, first).stride};
    if (cached.pages.size() > 1) {
      s.pages = cached.pages.data();
      s.page_len = cache.page_tokens();
      s.page_stride = cache.page_stride();
    }
    segments.push_back(s);
  }
  return segments;
}

}  // namespace

void Attention::forward(const LayerContext& context, Mat x, const Sequences& sequences, Saved& saved) const {
  const Kernels& kernels = *context.kernels;
  const ModelConfig& config = *context.config;
  qkv.forward(kernels, saved.qkv, x, false);
  const Parts parts = parts_of(config, saved.qkv);
  kernels.rope(parts.rotated, config.head_dim, sequences.positions.data(), context.cos_sin, false);
  if (sequences.cache != nullptr) append_to_cache(kernels, sequences, parts, index);
  const auto segments =
      sequences.cache != nullptr ? cached_segments(sequences, index) : packed_segments(sequences, parts);
  kernels.attention(saved.out, parts.q, segments, shape_of(config), saved.lse);
}

void Attention::backward(const LayerContext& context, Mat dx, Mat dout, Mat dqkv, Mat x, const Sequences& sequences,
                         const Saved& saved) const {
  const Kernels& kernels = *context.kernels;
  const ModelConfig& config = *context.config;
  const Parts parts = parts_of(config, saved.qkv), d = parts_of(config, dqkv);
  kernels.attention_backward(d.q, d.k, d.v, dout, saved.out, parts.q, parts.k, parts.v, saved.lse,
                             packed_segments(sequences, parts), shape_of(config));
  kernels.rope(d.rotated, config.head_dim, sequences.positions.data(), context.cos_sin, true);
  qkv.backward(kernels, dx, dqkv, x);
}

}  // namespace loquat
