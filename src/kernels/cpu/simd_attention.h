// Causal attention of one segment, over the products of the including file (simd_product.h,
// inner_avx512bf16.cc, amx_tiles.h: Element, MultiplyAdd or DotPairs as Step, pack_rows, pack_columns, gather_rows,
// block_product, weight_gradient). A block of queries at a time: scores against all keys that any of them sees,
// softmax, weighted values. A query's sums run over keys counted from key 0, with exact zeros for keys it must not see,
// so that it gets the same bits alone against a cache and inside a packed batch, whatever the block.

constexpr int64_t kKeyGrain = 32;  // keys are taken in wholes of this many; a multiple of kPanel

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
      gather_rows(q, q_stride, view_from(t.q, i, head * d), rows, d);
      block_product(scores, stride, q, q_stride, rows, k, depth, seen, depth);
      for (int64_t r = 0; r < rows; ++r) {
        float sum;
        const float top =
            softmax_row(probs + r * stride, scores + r * stride, t.first + i + r + 1, seen, t.scale, &sum);
        if (t.lse) t.lse[(i + r) * t.lse_stride + head] = top + __builtin_logf(sum);
        inverse[r] = 1.0f / sum;
      }
      block_product(out, width, probs, stride, rows, v, all, d, seen);
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

// One query's p = exp(scale s - lse) and ds = p (dp - dout · out), zeros from `seen` to `padded`.
LOQUAT_INLINE void gradient_row(Element* probs, Element* dscores, const float* scores, const float* dprobs,
                                const Element* dout, const Element* out, int64_t depth, int64_t seen, int64_t padded,
                                float scale, float lse) {
  Vec dot = zero();
  for (int64_t c = 0; c < depth; c += kLanes) dot = fma(load(dout + c), load(out + c), dot);
  const Vec delta = set1(sum_lanes(dot)), l = set1(lse), s = set1(scale);
  int64_t j = 0;
  for (; j < seen; j += kLanes) {
    const Vec p = keep_first(exp(load(scores + j) * s - l), seen - j);
    store(probs + j, p);
    store(dscores + j, p * (load(dprobs + j) - delta));
  }
  for (; j < padded; j += kLanes) {
    store(probs + j, zero());
    store(dscores + j, zero());
  }
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
      gather_rows(q, q_stride, view_from(t.q, i, head * d), rows, d);
      gather_rows(dout, q_stride, view_from(t.dout, i, head * d), rows, d);
      gather_rows(out, q_stride, view_from(t.out, i, head * d), rows, d);
      block_product(scores, stride, q, q_stride, rows, k_across, depth, seen, depth);
      block_product(dprobs, stride, dout, q_stride, rows, v_across, depth, seen, depth);
      for (int64_t r = 0; r < rows; ++r) {
        gradient_row(probs + r * stride, dscores + r * stride, scores + r * stride, dprobs + r * stride,
                     dout + r * q_stride, out + r * q_stride, q_stride, t.prefix + i + r + 1, seen, t.scale,
                     t.lse[(i + r) * t.lse_stride + head]);
      }
      block_product(dq, dq_width, dscores, stride, rows, k_along, all, d, seen);
      scale_floats(dq, rows * dq_width, t.scale);
      store_block(t.dq, i, head * d, dq, dq_width, rows, d, false);
      weight_gradient(dv, width, elements(probs, stride), elements(dout, q_stride), rows, seen, d);
      weight_gradient(dk, width, elements(dscores, stride), elements(q, q_stride), rows, seen, d);
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
