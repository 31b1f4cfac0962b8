// Causal attention of one key-value head of one segment, over the Vec of the including file. Keys are turned to
// [key block][D][kLanes] once, so that scores of kLanes keys are one chain of FMAs over D; a query's maximum, sum and
// weighted values run over whole key blocks counted from key 0, with exact zeros for keys it must not see. So a query
// gets the same bits alone against a cache and inside a packed batch.

constexpr int kQueries = 4;  // rows taken together

LOQUAT_INLINE int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// Hands out pieces of the attention scratch, each on its own cache lines.
struct Arena {
  char* next;
  float* take(int64_t floats) {
    float* piece = reinterpret_cast<float*>(next);
    next += round_up(floats * 4, 64);
    return piece;
  }
};

// `keys` rows of x (T, D wide) as [block][D][kLanes]; zeros past the last key.
template <typename T>
static void transpose_keys(float* out, const T* x, int64_t stride, int64_t keys, int64_t d) {
  for (int64_t j = 0; j < keys; j += kLanes) {
    for (int64_t c = 0; c < d; c += kLanes) {
      const int64_t width = d - c < kLanes ? d - c : kLanes;
      Vec rows[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const T* in = x + (j + i) * stride + c;
        rows[i] = j + i >= keys ? zero() : width == kLanes ? load(in) : load_part(in, width);
      }
      transpose(rows);
      for (int i = 0; i < width; ++i) store(out + (j * d) + (c + i) * kLanes, rows[i]);
    }
  }
}

template <typename T>
LOQUAT_INLINE void widen_rows(float* out, const T* x, int64_t stride, int64_t rows, int64_t d, int64_t padded,
                              float scale) {
  for (int64_t r = 0; r < rows; ++r) widen_row(out + r * padded, x + r * stride, d, padded, set1(scale));
}

static void widen_view(float* out, View x, int64_t row, int64_t col, int64_t rows, int64_t d, int64_t padded,
                       float scale) {
  with_type(x, [&](auto* data) { widen_rows(out, data + row * x.stride + col, x.stride, rows, d, padded, scale); });
}

static void transpose_view(float* out, View x, int64_t keys, int64_t d) {
  with_type(x, [&](auto* data) { transpose_keys(out, data, x.stride, keys, d); });
}

// dots[r][j] = q[r] · key j for R queries and `blocks` key blocks.
template <int R, int W>
LOQUAT_INLINE void dot_blocks(float* dots, int64_t dots_stride, const float* q, int64_t q_stride, const float* turned,
                              int64_t d) {
  Vec acc[R][W];
  for (int r = 0; r < R; ++r) {
    for (int w = 0; w < W; ++w) acc[r][w] = zero();
  }
  for (int64_t c = 0; c < d; ++c) {
    Vec key[W];
    for (int w = 0; w < W; ++w) key[w] = load(turned + (w * d + c) * kLanes);
    for (int r = 0; r < R; ++r) {
      const Vec x = set1(q[r * q_stride + c]);
      for (int w = 0; w < W; ++w) acc[r][w] = fma(x, key[w], acc[r][w]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int w = 0; w < W; ++w) store(dots + r * dots_stride + w * kLanes, acc[r][w]);
  }
}

template <int R>
static void dot_keys(float* dots, int64_t dots_stride, const float* q, int64_t q_stride, const float* turned, int64_t d,
                     int64_t blocks) {
  int64_t b = 0;
  for (; b + 2 <= blocks; b += 2) {
    dot_blocks<R, 2>(dots + b * kLanes, dots_stride, q, q_stride, turned + b * d * kLanes, d);
  }
  if (b < blocks) dot_blocks<R, 1>(dots + b * kLanes, dots_stride, q, q_stride, turned + b * d * kLanes, d);
}

// out[r][...] = Σ_j weight[r][j] rows[j][...] for R queries and W Vecs of the head.
template <int R, int W>
LOQUAT_INLINE void weigh_vecs(float* out, int64_t out_stride, const float* weight, int64_t weight_stride,
                              const float* rows, int64_t padded, int64_t keys) {
  Vec acc[R][W];
  for (int r = 0; r < R; ++r) {
    for (int w = 0; w < W; ++w) acc[r][w] = zero();
  }
  for (int64_t j = 0; j < keys; ++j) {
    Vec value[W];
    for (int w = 0; w < W; ++w) value[w] = load(rows + j * padded + w * kLanes);
    for (int r = 0; r < R; ++r) {
      const Vec x = set1(weight[r * weight_stride + j]);
      for (int w = 0; w < W; ++w) acc[r][w] = fma(x, value[w], acc[r][w]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int w = 0; w < W; ++w) store(out + r * out_stride + w * kLanes, acc[r][w]);
  }
}

template <int R>
static void weigh_rows(float* out, const float* weight, int64_t weight_stride, const float* rows, int64_t padded,
                       int64_t keys) {
  int64_t c = 0;
  for (; c + kAttentionVecs * kLanes <= padded; c += kAttentionVecs * kLanes) {
    weigh_vecs<R, kAttentionVecs>(out + c, padded, weight, weight_stride, rows + c, padded, keys);
  }
  for (; c + 2 * kLanes <= padded; c += 2 * kLanes) {
    weigh_vecs<R, 2>(out + c, padded, weight, weight_stride, rows + c, padded, keys);
  }
  if (c < padded) weigh_vecs<R, 1>(out + c, padded, weight, weight_stride, rows + c, padded, keys);
}

// acc[j][...] += Σ_r weight[r][j] x[r][...] for W Vecs of the head.
template <int R, int W>
LOQUAT_INLINE void spread_vecs(float* acc, int64_t padded, const float* weight, int64_t weight_stride, const float* x,
                               int64_t keys) {
  Vec row[R][W];
  for (int r = 0; r < R; ++r) {
    for (int w = 0; w < W; ++w) row[r][w] = load(x + r * padded + w * kLanes);
  }
  for (int64_t j = 0; j < keys; ++j) {
    Vec sum[W];
    for (int w = 0; w < W; ++w) sum[w] = load(acc + j * padded + w * kLanes);
    for (int r = 0; r < R; ++r) {
      const Vec p = set1(weight[r * weight_stride + j]);
      for (int w = 0; w < W; ++w) sum[w] = fma(p, row[r][w], sum[w]);
    }
    for (int w = 0; w < W; ++w) store(acc + j * padded + w * kLanes, sum[w]);
  }
}

template <int R>
static void spread_rows(float* acc, int64_t padded, const float* weight, int64_t weight_stride, const float* x,
                        int64_t keys) {
  int64_t c = 0;
  for (; c + kAttentionVecs * kLanes <= padded; c += kAttentionVecs * kLanes) {
    spread_vecs<R, kAttentionVecs>(acc + c, padded, weight, weight_stride, x + c, keys);
  }
  for (; c + 2 * kLanes <= padded; c += 2 * kLanes) {
    spread_vecs<R, 2>(acc + c, padded, weight, weight_stride, x + c, keys);
  }
  if (c < padded) spread_vecs<R, 1>(acc + c, padded, weight, weight_stride, x + c, keys);
}

// Scores of the first `seen` keys to exp(score - max), zeros after; the sum in *sum. `blocks` key blocks in all.
LOQUAT_INLINE float softmax_row(float* scores, int64_t seen, int64_t blocks, float* sum) {
  Vec top = set1(-__builtin_inff());
  const int64_t whole = seen / kLanes;
  for (int64_t b = 0; b < whole; ++b) top = max(top, load(scores + b * kLanes));
  for (int64_t j = whole * kLanes; j < seen; ++j) top = max(top, set1(scores[j]));
  const float most = max_lanes(top);
  const Vec m = set1(most);
  Vec total = zero();
  for (int64_t b = 0; b < blocks; ++b) {
    const Vec p = keep_first(exp(load(scores + b * kLanes) - m), seen - b * kLanes);
    store(scores + b * kLanes, p);
    total = total + p;
  }
  *sum = sum_lanes(total);
  return most;
}

// Queries i ... i + R - 1 of one head.
template <int R>
static void attend(const AttentionTask& t, int64_t i, int64_t head, const float* turned, const float* values, float* q,
                   float* scores, int64_t stride, float* out) {
  const int64_t d = t.head_dim, padded = round_up(d, kLanes);
  const int64_t keys = t.first + i + R, blocks = (keys + kLanes - 1) / kLanes;
  widen_view(q, t.q, i, head * d, R, d, padded, t.scale);
  dot_keys<R>(scores, stride, q, padded, turned, d, blocks);
  float inverse[R];
  for (int r = 0; r < R; ++r) {
    float sum;
    const float top = softmax_row(scores + r * stride, t.first + i + r + 1, blocks, &sum);
    inverse[r] = 1.0f / sum;
    if (t.lse) t.lse[(i + r) * t.lse_stride + head] = top + __builtin_logf(sum);
  }
  weigh_rows<R>(out, scores, stride, values, padded, keys);
  for (int r = 0; r < R; ++r) {
    float* row = out + r * padded;
    for (int64_t c = 0; c < padded; c += kLanes) store(row + c, load(row + c) * set1(inverse[r]));
  }
  store_block(t.out, i, head * d, out, padded, R, d, false);
}

static void attention(const AttentionTask& t) {
  const int64_t d = t.head_dim, padded = round_up(d, kLanes);
  const int64_t keys = t.first + t.rows, all = round_up(keys, kLanes);
  Arena arena{static_cast<char*>(scratch(
      kInnerAttention, sizeof(float) * static_cast<size_t>(all * (d + padded) + kQueries * (all + 2 * padded)) + 512))};
  float* turned = arena.take(all * d);
  float* values = arena.take(all * padded);
  float* scores = arena.take(kQueries * all);
  float* q = arena.take(kQueries * padded);
  float* out = arena.take(kQueries * padded);
  transpose_view(turned, t.k, keys, d);
  widen_view(values, t.v, 0, 0, keys, d, padded, 1.0f);
  for (int64_t head = 0; head < t.group; ++head) {
    int64_t i = 0;
    for (; i + kQueries <= t.rows; i += kQueries) attend<kQueries>(t, i, head, turned, values, q, scores, all, out);
    for (; i < t.rows; ++i) attend<1>(t, i, head, turned, values, q, scores, all, out);
  }
}

// What the backward of one key-value head keeps in scratch.
struct BackwardBuffers {
  float *turned_k, *turned_v, *k, *dk, *dv;  // of all keys
  float *q, *dout, *dq, *probs, *dscores;    // of kQueries queries
  int64_t stride;                            // of probs and dscores
};

// With s = scale q · k, p = exp(s - lse): dv += pᵀ dout; dp = dout vᵀ; ds = p (dp - dout · out); dq = scale ds k;
// dk += dsᵀ (scale q).
template <int R>
static void attend_backward(const AttentionBackwardTask& t, int64_t i, int64_t head, const BackwardBuffers& b) {
  const int64_t d = t.head_dim, padded = round_up(d, kLanes);
  const int64_t keys = i + R, blocks = (keys + kLanes - 1) / kLanes;
  widen_view(b.dq, t.out, i, head * d, R, d, padded, 1.0f);
  widen_view(b.dout, t.dout, i, head * d, R, d, padded, 1.0f);
  widen_view(b.q, t.q, i, head * d, R, d, padded, t.scale);
  dot_keys<R>(b.probs, b.stride, b.q, padded, b.turned_k, d, blocks);
  dot_keys<R>(b.dscores, b.stride, b.dout, padded, b.turned_v, d, blocks);
  for (int r = 0; r < R; ++r) {
    Vec dot = zero();
    for (int64_t c = 0; c < padded; c += kLanes)
      dot = fma(load(b.dq + r * padded + c), load(b.dout + r * padded + c), dot);
    const Vec delta = set1(sum_lanes(dot));
    const Vec lse = set1(t.lse[(i + r) * t.lse_stride + head]);
    for (int64_t k = 0; k < blocks; ++k) {
      float* probs = b.probs + r * b.stride + k * kLanes;
      float* dscores = b.dscores + r * b.stride + k * kLanes;
      const Vec p = keep_first(exp(load(probs) - lse), i + r + 1 - k * kLanes);
      store(probs, p);
      store(dscores, p * (load(dscores) - delta));
    }
  }
  weigh_rows<R>(b.dq, b.dscores, b.stride, b.k, padded, keys);
  for (int64_t c = 0; c < R * padded; c += kLanes) store(b.dq + c, load(b.dq + c) * set1(t.scale));
  store_block(t.dq, i, head * d, b.dq, padded, R, d, false);
  spread_rows<R>(b.dk, padded, b.dscores, b.stride, b.q, keys);
  spread_rows<R>(b.dv, padded, b.probs, b.stride, b.dout, keys);
}

static void attention_backward(const AttentionBackwardTask& t) {
  const int64_t d = t.head_dim, padded = round_up(d, kLanes), all = round_up(t.rows, kLanes);
  Arena arena{static_cast<char*>(scratch(
      kInnerAttention,
      sizeof(float) * static_cast<size_t>(all * (2 * d + 3 * padded) + kQueries * (2 * all + 3 * padded)) + 1024))};
  BackwardBuffers b;
  b.turned_k = arena.take(all * d);
  b.turned_v = arena.take(all * d);
  b.k = arena.take(all * padded);
  b.dk = arena.take(all * padded);
  b.dv = arena.take(all * padded);
  b.q = arena.take(kQueries * padded);
  b.dout = arena.take(kQueries * padded);
  b.dq = arena.take(kQueries * padded);
  b.probs = arena.take(kQueries * all);
  b.dscores = arena.take(kQueries * all);
  b.stride = all;
  transpose_view(b.turned_k, t.k, t.rows, d);
  transpose_view(b.turned_v, t.v, t.rows, d);
  widen_view(b.k, t.k, 0, 0, t.rows, d, padded, 1.0f);
  for (int64_t c = 0; c < all * padded; c += kLanes) {
    store(b.dk + c, zero());
    store(b.dv + c, zero());
  }
  for (int64_t head = 0; head < t.group; ++head) {
    int64_t i = 0;
    for (; i + kQueries <= t.rows; i += kQueries) attend_backward<kQueries>(t, i, head, b);
    for (; i < t.rows; ++i) attend_backward<1>(t, i, head, b);
  }
  store_block(t.dk, 0, 0, b.dk, padded, t.rows, d, false);
  store_block(t.dv, 0, 0, b.dv, padded, t.rows, d, false);
}
