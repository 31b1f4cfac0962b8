// Causal attention of one segment, over the products of the including file (simd_product.h,
// inner_avx512bf16.cc, amx_tiles.h: Element, MultiplyAdd or DotPairs as Step, pack_rows, pack_columns, gather_rows,
// block_product, weight_gradient). A block of queries at a time: scores against all keys that any of them sees,
// softmax, weighted values. A query's sums run over keys counted from key 0, with exact zeros for keys it must not see,
// so that it gets the same bits alone against a cache and inside a packed batch, whatever the block.

static_assert(kKeyGrain % kPanel == 0);

// Hands out pieces of the attention scratch, each on its own cache lines.
struct Arena {
  char* next;
  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next);
    next += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
};

// The bytes of pieces of floats and of elements, and room for their alignment.
static size_t arena_bytes(int64_t floats, int64_t elements) {
  return static_cast<size_t>(floats * 4 + elements * static_cast<int64_t>(sizeof(Element)) + 16 * 64);
}

// Queries of a block: few where few keys would mostly be computed to be masked, and where a row of scores is long, so
// that the block's scores stay in the second-level cache.
static int64_t query_rows(int64_t keys) {
  return keys <= 256 ? 32 : keys <= 2048 ? 64 : 16;
}

// exp(scale score - max) of the first `seen` keys, zeros up to `padded`; returns max, and the sum in *sum. scale > 0.
// Not inlined: blocks and decoding must have the same instructions.
__attribute__((noinline)) static float softmax_row(Element* probs, const float* scores, int64_t seen, int64_t padded,
                                                   float scale, float* sum) {
  const Vec lowest = set1(-__builtin_inff());
  Vec top[2] = {lowest, lowest};
  int64_t j = 0;
  for (; j + 2 * kLanes <= seen; j += 2 * kLanes) {
    top[0] = max(top[0], load(scores + j));
    top[1] = max(top[1], load(scores + j + kLanes));
  }
  for (; j < seen; j += kLanes) top[0] = max(top[0], first_of(load(scores + j), seen - j, lowest));
  const float most = max_lanes(max(top[0], top[1])) * scale;
  const Vec m = set1(most), s = set1(scale);
  Vec total = zero();
  for (j = 0; j + kLanes <= seen; j += kLanes) {
    const Vec p = exp(load(scores + j) * s - m);
    store(probs + j, p);
    total = total + p;
  }
  if (j < seen) {
    const Vec p = keep_first(exp(load(scores + j) * s - m), seen - j);
    store(probs + j, p);
    total = total + p;
    j += kLanes;
  }
  for (; j < padded; j += kLanes) store(probs + j, zero());
  *sum = sum_lanes(total);
  return most;
}

// The first key that a query at this position sees.
static int64_t first_seen(int64_t window, int64_t position) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

static int64_t round_down(int64_t n, int64_t unit) {
  return n - n % unit;
}

// In place: cap tanh(scale score / cap), of whole Vecs.
__attribute__((noinline)) static void cap_scores(float* scores, int64_t begin, int64_t end, float scale, float cap) {
  const Vec inverse = set1(scale / cap), c = set1(cap);
  for (int64_t j = begin; j < end; j += kLanes) store(scores + j, c * tanh(load(scores + j) * inverse));
}

// softmax_row of a query that is the last to see `seen` keys, under the task's window and cap; probs from `begin` on.
// Sums begin at a whole grain of keys, so that they do not depend on how many grains before it are there.
static float seen_row(const AttentionTask& t, Element* probs, float* scores, int64_t begin, int64_t seen,
                      int64_t padded, float* sum) {
  if (t.window == 0 && t.softcap == 0) return softmax_row(probs, scores, seen, padded, t.scale, sum);
  const int64_t first = first_seen(t.window, seen - 1), from = round_down(first, kKeyGrain);
  for (int64_t j = begin; j < from; j += kLanes) store(probs + j, zero());
  if (t.softcap > 0) cap_scores(scores, from, seen, t.scale, t.softcap);
  for (int64_t j = from; j < first; ++j) scores[j] = -__builtin_inff();
  return softmax_row(probs + from, scores + from, seen - from, padded - from, t.softcap > 0 ? 1.0f : t.scale, sum);
}

static void scale_floats(float* x, int64_t n, float scale) {
  for (int64_t c = 0; c < n; c += kLanes) store(x + c, load(x + c) * set1(scale));
}

// Row `row` of keys or values, and those after it that lie in its page (all, where there are no pages).
LOQUAT_INLINE View rows_at(const AttentionTask& t, const View& x, int64_t row) {
  if (!t.pages) return view_from(x, row, 0);
  return view_from(x, row & ((int64_t{1} << t.page_shift) - 1), t.pages[row >> t.page_shift] * t.page_stride);
}

static void decode(const AttentionTask& t);  // one query: simd_decode.h, or the including file's own

// --- blocks of queries ---------------------------------------------------------------------------

// Elements of keys' rows [keys][padded_stride(D)], for what joins rows that lie apart.
static int64_t joined_elements(bool apart, int64_t keys, int64_t d) {
  return apart ? keys * padded_stride(d) : 0;
}

// Keys (or values) one after the other: `rest` itself where there is no prefix, else both copied to `out`.
static View join_rows(Element* out, const View& before, int64_t prefix, const View& rest, int64_t keys, int64_t d) {
  if (prefix == 0) return rest;
  const int64_t stride = padded_stride(d);
  gather_rows(out, stride, before, prefix, d);
  gather_rows(out + prefix * stride, stride, rest, keys - prefix, d);
  return {out, stride, sizeof(Element) == 2};
}

// A key-value head's column of keys or values, one after the other.
static View head_rows(Element* out, const AttentionTask& t, const View& before, const View& rest, int64_t col) {
  const int64_t keys = t.first + t.rows, d = t.head_dim, page = int64_t{1} << t.page_shift;
  if (!t.pages)
    return join_rows(out, t.prefix ? view_from(before, 0, col) : before, t.prefix, view_from(rest, 0, col), keys, d);
  const int64_t stride = padded_stride(d);
  for (int64_t j = 0; j < keys; j += page) {
    gather_rows(out + j * stride, stride, view_from(rows_at(t, rest, j), 0, col), keys - j < page ? keys - j : page, d);
  }
  return {out, stride, sizeof(Element) == 2};
}

// The query heads that read one of the task's key-value heads.
static void attend(const AttentionTask& t, int64_t kv_head) {
  const int64_t d = t.head_dim, depth = round_up(d, kDepth), width = round_up(d, kPanel);
  const int64_t keys = t.first + t.rows, all = round_up(keys, kKeyGrain), most = query_rows(keys);
  const int64_t stride = all + kKeyGrain, q_stride = padded_stride(depth);
  const int64_t across = operand_elements(all, depth), along = operand_elements(d, all);
  const int64_t joined = joined_elements(t.prefix > 0 || t.pages, keys, d);
  Arena arena{
      static_cast<char*>(scratch(kInnerAttention, arena_bytes(most * (stride + width + 1),
                                                              across + along + joined + most * (stride + q_stride))))};
  Element* k = arena.take<Element>(across);
  Element* v = arena.take<Element>(along);
  Element* q = arena.take<Element>(most * q_stride);
  Element* probs = arena.take<Element>(most * stride);
  float* scores = arena.take<float>(most * stride);
  float* out = arena.take<float>(most * width);
  float* inverse = arena.take<float>(most);
  Element* both = arena.take<Element>(joined);
  pack_rows(k, head_rows(both, t, t.prefix_k, t.k, kv_head * d), keys, all, d);
  pack_columns(v, head_rows(both, t, t.prefix_v, t.v, kv_head * d), d, all, keys);
  for (int64_t head = kv_head * t.group; head < (kv_head + 1) * t.group; ++head) {
    for (int64_t i = 0; i < t.rows; i += most) {
      const int64_t rows = t.rows - i < most ? t.rows - i : most;
      const int64_t seen = round_up(t.first + i + rows, kKeyGrain);
      const int64_t begin = round_down(first_seen(t.window, t.first + i), kKeyGrain);
      gather_rows(q, q_stride, view_from(t.q, i, head * d), rows, d);
      block_product(scores + begin, stride, q, q_stride, rows, k + begin * depth, depth, seen - begin, depth);
      for (int64_t r = 0; r < rows; ++r) {
        float sum;
        const float top = seen_row(t, probs + r * stride, scores + r * stride, begin, t.first + i + r + 1, seen, &sum);
        if (t.lse) t.lse[(i + r) * t.lse_stride + head] = top + __builtin_logf(sum);
        inverse[r] = 1.0f / sum;
      }
      block_product(out, width, probs + begin, stride, rows, v + begin * kPanel, all, d, seen - begin);
      for (int64_t r = 0; r < rows; ++r) scale_floats(out + r * width, width, inverse[r]);
      store_block(t.out, i, head * d, out, width, rows, d, false);
    }
  }
}

static void attention(const AttentionTask& t) {
  if (t.rows == 1 && t.prefix == 0) return decode(t);
  for (int64_t g = 0; g < t.kv_heads; ++g) attend(t, g);
}

// --- backward ------------------------------------------------------------------------------------

// One query's p = exp(scale s - lse) and ds = p (dp - dout · out), zeros from `seen` to `padded`. With a cap, s is
// capped and ds gets the cap's slope.
template <bool kCapped>
LOQUAT_INLINE void gradient_row(Element* probs, Element* dscores, const float* scores, const float* dprobs,
                                const Element* dout, const Element* out, int64_t depth, int64_t seen, int64_t padded,
                                float scale, float lse, float cap) {
  Vec dot = zero();
  for (int64_t c = 0; c < depth; c += kLanes) dot = fma(load(dout + c), load(out + c), dot);
  const Vec delta = set1(sum_lanes(dot)), l = set1(lse), s = set1(scale);
  int64_t j = 0;
  for (; j < seen; j += kLanes) {
    const Vec p = keep_first(exp(load(scores + j) * s - l), seen - j);
    store(probs + j, p);
    Vec d = p * (load(dprobs + j) - delta);
    if constexpr (kCapped) {
      const Vec part = load(scores + j) * set1(1.0f / cap);
      d = d * fnma(part, part, set1(1.0f));
    }
    store(dscores + j, d);
  }
  for (; j < padded; j += kLanes) {
    store(probs + j, zero());
    store(dscores + j, zero());
  }
}

// A query's row of the task, of keys `begin` ... `padded`, of which it sees the first `seen` that its window reaches.
static void seen_gradient_row(const AttentionBackwardTask& t, Element* probs, Element* dscores, float* scores,
                              const float* dprobs, const Element* dout, const Element* out, int64_t depth,
                              int64_t begin, int64_t seen, int64_t padded, float lse) {
  const int64_t first = first_seen(t.window, seen - 1);
  if (t.softcap > 0) {
    cap_scores(scores, begin, seen, t.scale, t.softcap);
    for (int64_t j = begin; j < first; ++j) scores[j] = -1e15f;  // p is zero, and the cap's slope finite
    return gradient_row<true>(probs + begin, dscores + begin, scores + begin, dprobs + begin, dout, out, depth,
                              seen - begin, padded - begin, 1, lse, t.softcap);
  }
  for (int64_t j = begin; j < first; ++j) scores[j] = -__builtin_inff();
  gradient_row<false>(probs + begin, dscores + begin, scores + begin, dprobs + begin, dout, out, depth, seen - begin,
                      padded - begin, t.scale, lse, 0);
}

// With s = scale q · k, p = exp(s - lse): dv += pᵀ dout; dp = dout vᵀ; ds = p (dp - dout · out); dq = scale ds k;
// dk += scale dsᵀ q.
static void attention_backward(const AttentionBackwardTask& t) {
  const int64_t d = t.head_dim, depth = round_up(d, kDepth), width = padded_head(d), keys = t.prefix + t.rows;
  const int64_t all = round_up(keys, kKeyGrain), most = query_rows(keys);
  const int64_t joined = joined_elements(t.prefix > 0, keys, d);
  const int64_t stride = all + kKeyGrain, q_stride = padded_stride(depth), dq_width = round_up(d, kPanel);
  const int64_t across = operand_elements(all, depth), along = operand_elements(d, all);
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, arena_bytes(2 * all * width + most * (2 * stride + width),
                                           2 * across + along + joined + most * (2 * stride + 3 * q_stride))))};
  float* dk = arena.take<float>(all * width);
  float* dv = arena.take<float>(all * width);
  float* scores = arena.take<float>(most * stride);
  float* dprobs = arena.take<float>(most * stride);
  float* dq = arena.take<float>(most * width);
  Element* k_across = arena.take<Element>(across);
  Element* v_across = arena.take<Element>(across);
  Element* k_along = arena.take<Element>(along);
  Element* probs = arena.take<Element>(most * stride);
  Element* dscores = arena.take<Element>(most * stride);
  Element* q = arena.take<Element>(most * q_stride);
  Element* dout = arena.take<Element>(most * q_stride);
  Element* out = arena.take<Element>(most * q_stride);
  Element* both = arena.take<Element>(joined);
  pack_rows(v_across, join_rows(both, t.prefix_v, t.prefix, t.v, keys, d), keys, all, d);
  const View k = join_rows(both, t.prefix_k, t.prefix, t.k, keys, d);
  pack_rows(k_across, k, keys, all, d);
  pack_columns(k_along, k, d, all, keys);
  for (int64_t c = 0; c < all * width; c += kLanes) {
    store(dk + c, zero());
    store(dv + c, zero());
  }
  const auto elements = [](Element* data, int64_t of) { return View{data, of, sizeof(Element) == 2}; };
  for (int64_t head = 0; head < t.group; ++head) {
    for (int64_t i = 0; i < t.rows; i += most) {
      const int64_t rows = t.rows - i < most ? t.rows - i : most, seen = round_up(t.prefix + i + rows, kKeyGrain);
      const int64_t begin = round_down(first_seen(t.window, t.prefix + i), kKeyGrain), span = seen - begin;
      gather_rows(q, q_stride, view_from(t.q, i, head * d), rows, d);
      gather_rows(dout, q_stride, view_from(t.dout, i, head * d), rows, d);
      gather_rows(out, q_stride, view_from(t.out, i, head * d), rows, d);
      block_product(scores + begin, stride, q, q_stride, rows, k_across + begin * depth, depth, span, depth);
      block_product(dprobs + begin, stride, dout, q_stride, rows, v_across + begin * depth, depth, span, depth);
      for (int64_t r = 0; r < rows; ++r) {
        seen_gradient_row(t, probs + r * stride, dscores + r * stride, scores + r * stride, dprobs + r * stride,
                          dout + r * q_stride, out + r * q_stride, q_stride, begin, t.prefix + i + r + 1, seen,
                          t.lse[(i + r) * t.lse_stride + head]);
      }
      block_product(dq, dq_width, dscores + begin, stride, rows, k_along + begin * kPanel, all, d, span);
      scale_floats(dq, rows * dq_width, t.scale);
      store_block(t.dq, i, head * d, dq, dq_width, rows, d, false);
      weight_gradient(dv + begin * width, width, elements(probs + begin, stride), elements(dout, q_stride), rows, span,
                      d);
      weight_gradient(dk + begin * width, width, elements(dscores + begin, stride), elements(q, q_stride), rows, span,
                      d);
    }
  }
  scale_floats(dk, all * width, t.scale);
  const auto finish = [&](View to, float* own, float* shared) {
    if (shared && t.prefix > 0) {
      store_rows(shared, width, own, width, t.prefix, width, true);
    } else if (shared) {
      store_rows(own, width, shared, width, t.rows, width, true);
    }
    store_block(to, 0, 0, own + t.prefix * width, width, t.rows, d, false);
  };
  finish(t.dk, dk, t.shared_dk);
  finish(t.dv, dv, t.shared_dv);
}
