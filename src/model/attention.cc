// Grouped-query causal attention over packed sequences, or over a cache that these rows extend.
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

AttentionShape shape_of(const ModelConfig& c, const LayerFeatures& layer) {
  return {c.num_heads, c.num_kv_heads, c.head_dim, c.attention_scale(), layer.window, c.attention_softcap};
}

void rotate(const LayerContext& context, const LayerFeatures& layer, Mat x, const Sequences& sequences, bool inverse) {
  if (layer.rope == LayerRope::kNone) return;
  const ModelConfig& c = *context.config;
  context.kernels->rope(x, c.head_dim, c.rotary_dim(), sequences.positions.data(),
                        layer.rope == LayerRope::kLocal ? context.local_cos_sin : context.cos_sin, inverse);
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
  qkv.forward(context, saved.qkv, x, false);
  const Parts parts = parts_of(config, saved.qkv);
  if (q_norm.weight != nullptr) {
    Mat q = parts.q, k = parts.k;  // normed where they lie, unless a backward reads them
    if (saved.raw.data != nullptr) {
      kernels.convert(saved.raw, parts.rotated);
      q = saved.raw.col_range(0, parts.q.cols);
      k = saved.raw.col_range(parts.q.cols, saved.raw.cols);
    }
    kernels.head_norm(parts.q, q, config.head_dim, q_norm.weight, config.rms_norm_eps, saved.q_rstd);
    kernels.head_norm(parts.k, k, config.head_dim, k_norm.weight, config.rms_norm_eps, saved.k_rstd);
  }
  rotate(context, features, parts.rotated, sequences, false);
  if (sequences.cache != nullptr) append_to_cache(kernels, sequences, parts, index);
  const auto segments =
      sequences.cache != nullptr ? cached_segments(sequences, index) : packed_segments(sequences, parts);
  kernels.attention(saved.out, parts.q, segments, shape_of(config, features), saved.lse);
}

void Attention::backward(const LayerContext& context, Mat dx, Mat dout, Mat dqkv, Mat x, const Sequences& sequences,
                         const Saved& saved) const {
  const Kernels& kernels = *context.kernels;
  const ModelConfig& config = *context.config;
  const Parts parts = parts_of(config, saved.qkv), d = parts_of(config, dqkv);
  kernels.attention_backward(d.q, d.k, d.v, dout, saved.out, parts.q, parts.k, parts.v, saved.lse,
                             packed_segments(sequences, parts), shape_of(config, features));
  rotate(context, features, d.rotated, sequences, true);
  if (q_norm.weight != nullptr) {
    const Mat q = saved.raw.col_range(0, d.q.cols), k = saved.raw.col_range(d.q.cols, saved.raw.cols);
    kernels.head_norm_backward(d.q, q_norm.gradient, d.q, q, config.head_dim, q_norm.weight, saved.q_rstd);
    kernels.head_norm_backward(d.k, k_norm.gradient, d.k, k, config.head_dim, k_norm.weight, saved.k_rstd);
  }
  qkv.backward(context, dx, dqkv, x);
}

}  // namespace loquat
