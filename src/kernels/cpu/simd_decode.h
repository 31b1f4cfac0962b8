// One query of each head against a cache, over simd_attention.h: by the same chains as a block's, but keys and values
// are read as they lie in the cache, once, all heads of a row together. In three steps (DecodeTask), so that several
// threads can share a long cache: how it is cut changes no element's chain.

constexpr int kDecodeHeads = 4;  // query heads of one key-value head that share what was read of it
constexpr int kDecodeVecs = kLanes == 16 ? 4 : 2;
constexpr int64_t kDecodeSlice = kDecodeVecs / 2 * kLanes;
constexpr int64_t kDecodeValues = 32;  // rows of values between two stores of the sums
constexpr int64_t kAhead = 16;         // rows that are asked for before they are read

// scores[h][0 ... kLanes) = q[h] · keys 0 ... of H heads; `keys` of them exist.
template <int H>
LOQUAT_INLINE void score_keys(float* scores, int64_t stride, const Element* q, int64_t q_stride, const View& k,
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
LOQUAT_INLINE void add_values(float* out, int64_t out_stride, const Element* probs, int64_t stride, const View& v,
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

// Share `part` of `parts` of columns [from, to) of rows [row, row + rows) before `end`: the next rows are asked for a
// little with every step, since the order in which heads are read is none that a processor foresees.
LOQUAT_INLINE void prefetch_share(const AttentionTask& t, const View& x, int64_t row, int64_t rows, int64_t end,
                                  int64_t from, int64_t to, int64_t part, int64_t parts) {
  const int64_t share_end = row + (part + 1) * rows / parts, stop = share_end < end ? share_end : end;
  for (int64_t r = row + part * rows / parts; r < stop; ++r)
    prefetch(view_from(rows_at(t, x, r), 0, from).data, (to - from) * (x.bf16 ? 2 : 4));
}

// f.operator()<H>(first query head) for the query heads of a key-value head, up to kDecodeHeads at a time.
template <typename F>
LOQUAT_INLINE void for_group(const AttentionTask& t, int64_t kv_head, F&& f) {
  for (int64_t h = 0; h < t.group; h += kDecodeHeads) {
    const int64_t count = t.group - h < kDecodeHeads ? t.group - h : kDecodeHeads;
    with_count<kDecodeHeads>(count, [&]<int H>() { f.template operator()<H>(kv_head * t.group + h); });
  }
}

// `begin` is a multiple of kLanes.
static void decode_scores(const DecodeTask& task, int64_t begin, int64_t end) {
  const AttentionTask& t = task.task;
  const int64_t d = t.head_dim, heads = t.kv_heads * t.group, q_stride = round_up(d, kLanes * kStepLength);
  Element* q = static_cast<Element*>(scratch(kInnerAttention, arena_bytes(0, heads * q_stride)));
  for (int64_t h = 0; h < heads; ++h) gather_rows(q + h * q_stride, q_stride, view_from(t.q, 0, h * d), 1, d);
  for (int64_t j = begin; j < end; j += kLanes) {
    const View k = rows_at(t, t.k, j);
    for (int64_t g = 0; g < t.kv_heads; ++g) {
      prefetch_share(t, t.k, j + kAhead, kLanes, end, 0, t.kv_heads * d, g, t.kv_heads);
      for_group(t, g, [&]<int H>(int64_t h) {
        score_keys<H>(task.scores + h * task.stride + j, task.stride, q + h * q_stride, q_stride,
                      view_from(k, 0, g * d), end - j, d);
      });
    }
  }
}

static void decode_softmax(const DecodeTask& task, int64_t begin, int64_t end) {
  const AttentionTask& t = task.task;
  for (int64_t h = begin; h < end; ++h) {
    float sum;
    const float top = seen_row(t, static_cast<Element*>(task.probs) + h * task.stride, task.scores + h * task.stride, 0,
                               t.first + 1, task.stride, &sum);
    if (t.lse) t.lse[h] = top + __builtin_logf(sum);
    task.inverse[h] = 1.0f / sum;
  }
}

// Slices [begin, end) of the key-value heads' columns.
static void decode_values(const DecodeTask& task, int64_t begin, int64_t end) {
  const AttentionTask& t = task.task;
  const int64_t d = t.head_dim, keys = t.first + 1, slices = (d + kDecodeSlice - 1) / kDecodeSlice;
  const int64_t width = slices * kDecodeSlice, first = begin / slices, last = (end + slices - 1) / slices;
  const auto column = [&](int64_t slice, int64_t g) {
    const int64_t c = (slice - g * slices) * kDecodeSlice;
    return c < 0 ? 0 : c < d ? c : d;
  };
  const auto place = [&](int64_t h) { return (h - first * t.group) * width; };
  const int64_t floats = place(last * t.group);
  float* sums = static_cast<float*>(scratch(kInnerAttention, arena_bytes(floats + width, 0)));
  float* out = sums + floats;
  for (int64_t c = 0; c < floats; c += kLanes) store(sums + c, zero());
  for (int64_t j = 0; j < keys; j += kDecodeValues) {
    const int64_t count = j + kDecodeValues < keys ? kDecodeValues : keys - j;
    const View values = rows_at(t, t.v, j);
    for (int64_t g = first; g < last; ++g) {
      const int64_t from = column(begin, g), to = column(end, g);
      prefetch_share(t, t.v, j + kAhead, kDecodeValues, keys, first * d + column(begin, first),
                     (last - 1) * d + column(end, last - 1), g - first, last - first);
      for_group(t, g, [&]<int H>(int64_t h) {
        const View v = view_from(values, 0, g * d);
        const Element* p = static_cast<const Element*>(task.probs) + h * task.stride + j;
        float* sum = sums + place(h);
        int64_t c = from;
        for (; c + kDecodeSlice < to; c += 2 * kDecodeSlice)
          add_values<H, kDecodeVecs>(sum + c, width, p, task.stride, v, count, c, d);
        if (c < to) add_values<H, kDecodeVecs / 2>(sum + c, width, p, task.stride, v, count, c, d);
      });
    }
  }
  for (int64_t h = first * t.group; h < last * t.group; ++h) {
    const int64_t from = column(begin, h / t.group), to = column(end, h / t.group);
    for (int64_t c = from; c < to; c += kDecodeSlice) {
      Vec values[kDecodeVecs / 2];
      for (int w = 0; w < kDecodeVecs / 2; ++w)
        values[w] = load(sums + place(h) + c + w * kLanes) * set1(task.inverse[h]);
      store_value_columns(out + c, values);
    }
    store_block(t.out, 0, h * d + from, out + from, width, 1, to - from, false);
  }
}

static void decode(const AttentionTask& t) {
  const int64_t heads = t.kv_heads * t.group, keys = t.first + 1, all = round_up(keys, kKeyGrain);
  Arena arena{static_cast<char*>(scratch(kInnerDecode, arena_bytes(heads * (all + 1), heads * all)))};
  const DecodeTask task = {
      .task = t,
      .scores = arena.take<float>(heads * all),
      .probs = arena.take<Element>(heads * all),
      .inverse = arena.take<float>(heads),
      .stride = all,
  };
  decode_scores(task, 0, keys);
  decode_softmax(task, 0, heads);
  decode_values(task, 0, t.kv_heads * ((t.head_dim + kDecodeSlice - 1) / kDecodeSlice));
}
