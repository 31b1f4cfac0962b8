// One query of each head against a cache, over simd_attention.h: by the same chains as a block's, but keys and values
// are read as they lie in the cache, once, all heads of a row together.

constexpr int kDecodeHeads = 4;  // query heads of one key-value head that share what was read of it
constexpr int kDecodeVecs = kLanes == 16 ? 4 : 2;
constexpr int64_t kDecodeValues = 32;  // rows of values between two stores of the sums
constexpr int64_t kAhead = 16;         // rows that are asked for before they are read

// A key-value head's share of the next rows, all heads wide: the order in which heads are read is none that a processor
// foresees.
LOQUAT_INLINE void prefetch_share(const AttentionTask& t, const View& x, int64_t row, int64_t rows, int64_t g) {
  const int64_t share_end = row + (g + 1) * rows / t.kv_heads, end = share_end <= t.first ? share_end : t.first + 1;
  for (int64_t r = row + g * rows / t.kv_heads; r < end; ++r)
    prefetch(rows_at(t, x, r).data, t.kv_heads * t.head_dim * (x.bf16 ? 2 : 4));
}

// scores[h][0 ... kLanes) = q[h] · keys 0 ... of H heads; `keys` of them exist.
template <int H>
LOQUAT_INLINE void decode_scores(float* scores, int64_t stride, const Element* q, int64_t q_stride, const View& k,
                                 int64_t keys, int64_t d) {
  Vec sums[H][1];
  clear(sums);
  for (int64_t c = 0; c < d; c += kLanes * kStepLength) {
    Step::Operand tile[kLanes];
    key_tile(tile, k, 0, keys, c, d);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) sums[h][0] = Step::add(sums[h][0], q + h * q_stride + c + i * kStepLength, tile[i]);
    }
  }
  store_sums(scores, stride, sums);
}

// sums[h][...] += Σ_j probs[h][j] value j for j < count of W vectors of H heads, from column c on.
template <int H, int W>
LOQUAT_INLINE void decode_values(float* out, int64_t out_stride, const Element* probs, int64_t stride, const View& v,
                                 int64_t count, int64_t c, int64_t d) {
  Vec sums[H][W];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) sums[h][w] = load(out + h * out_stride + w * kLanes);
  }
  for (int64_t j = 0; j < count; j += kStepLength) {
    Step::Operand right[W];
    value_columns(right, v, j, count, c, d);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) sums[h][w] = Step::add(sums[h][w], probs + h * stride + j, right[w]);
    }
  }
  store_sums(out, out_stride, sums);
}

// f.operator()<H>(key-value head, first query head) for all query heads, up to kDecodeHeads at a time.
template <typename F>
LOQUAT_INLINE void for_heads(const AttentionTask& t, F&& f) {
  for (int64_t g = 0; g < t.kv_heads; ++g) {
    for (int64_t h = 0; h < t.group; h += kDecodeHeads) {
      const int64_t count = t.group - h < kDecodeHeads ? t.group - h : kDecodeHeads;
      with_count<kDecodeHeads>(count, [&]<int H>() { f.template operator()<H>(g, g * t.group + h); });
    }
  }
}

static void decode(const AttentionTask& t) {
  const int64_t d = t.head_dim, heads = t.kv_heads * t.group, keys = t.first + 1, all = round_up(keys, kKeyGrain);
  const int64_t q_stride = round_up(d, kLanes * kStepLength), width = round_up(d, kDecodeVecs * kLanes);
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, arena_bytes(heads * (all + 2 * width + 1), heads * (all + q_stride))))};
  float* scores = arena.take<float>(heads * all);
  float* sums = arena.take<float>(heads * width);
  float* out = arena.take<float>(heads * width);
  float* inverse = arena.take<float>(heads);
  Element* probs = arena.take<Element>(heads * all);
  Element* q = arena.take<Element>(heads * q_stride);
  for (int64_t h = 0; h < heads; ++h) gather_rows(q + h * q_stride, q_stride, view_from(t.q, 0, h * d), 1, d);
  for (int64_t j = 0; j < keys; j += kLanes) {
    const View k = rows_at(t, t.k, j);
    for_heads(t, [&]<int H>(int64_t g, int64_t h) {
      if (h % t.group == 0) prefetch_share(t, t.k, j + kAhead, kLanes, g);
      decode_scores<H>(scores + h * all + j, all, q + h * q_stride, q_stride, view_from(k, 0, g * d), keys - j, d);
    });
  }
  for (int64_t h = 0; h < heads; ++h) {
    float sum;
    const float top = seen_row(t, probs + h * all, scores + h * all, 0, keys, all, &sum);
    if (t.lse) t.lse[h] = top + __builtin_logf(sum);
    inverse[h] = 1.0f / sum;
  }
  constexpr int64_t kHalf = kDecodeVecs / 2 * kLanes;
  for (int64_t c = 0; c < heads * width; c += kLanes) store(sums + c, zero());
  for (int64_t j = 0; j < keys; j += kDecodeValues) {
    const int64_t count = j + kDecodeValues < keys ? kDecodeValues : keys - j;
    const View values = rows_at(t, t.v, j);
    for_heads(t, [&]<int H>(int64_t g, int64_t h) {
      if (h % t.group == 0) prefetch_share(t, t.v, j + kAhead, kDecodeValues, g);
      const View v = view_from(values, 0, g * d);
      const Element* p = probs + h * all + j;
      float* to = sums + h * width;
      int64_t c = 0;
      for (; c + kHalf < d; c += 2 * kHalf) decode_values<H, kDecodeVecs>(to + c, width, p, all, v, count, c, d);
      if (c < d) decode_values<H, kDecodeVecs / 2>(to + c, width, p, all, v, count, c, d);
    });
  }
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t c = 0; c < width; c += kDecodeVecs * kLanes) {
      Vec values[kDecodeVecs];
      for (int w = 0; w < kDecodeVecs; ++w) values[w] = load(sums + h * width + c + w * kLanes) * set1(inverse[h]);
      store_value_columns(out + h * width + c, values);
    }
    store_block(t.out, 0, h * d, out + h * width, width, 1, d, false);
  }
}
