// One query of each head against a cache, over simd_attention.h: keys and values are multiplied as they lie in the
// cache, by the same chains as a block's.

constexpr int kDecodeHeads = 4;
constexpr int kDecodeVecs = kLanes == 16 ? 4 : 2;

// scores[h][j] = q[h] · key j for H heads and all keys: by the same chains as block_product.
template <int H>
static void decode_scores(float* scores, int64_t stride, const Element* q, int64_t q_stride, const View& k,
                          int64_t keys, int64_t d) {
  for (int64_t j = 0; j < keys; j += kLanes) {
    Vec sums[H][1];
    clear(sums);
    for (int64_t c = 0; c < d; c += kLanes * kGroup) {
      Step::Operand tile[kLanes];
      key_tile(tile, k, j, keys, c, d);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
#pragma GCC unroll 4
        for (int h = 0; h < H; ++h) sums[h][0] = Step::add(sums[h][0], q + h * q_stride + c + i * kGroup, tile[i]);
      }
    }
    store_sums(scores + j, stride, sums);
  }
}

// out[h][...] = Σ_j probs[h][j] value j of kDecodeVecs vectors of the head, from column c on.
template <int H>
static void decode_values(float* out, int64_t out_stride, const Element* probs, int64_t stride, const View& v,
                          int64_t keys, int64_t c, int64_t d) {
  Vec sums[H][kDecodeVecs];
  clear(sums);
  for (int64_t j = 0; j < keys; j += kGroup) {
    Step::Operand right[kDecodeVecs];
    value_columns(right, v, j, keys, c, d);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
      for (int w = 0; w < kDecodeVecs; ++w) sums[h][w] = Step::add(sums[h][w], probs + h * stride + j, right[w]);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) store_value_columns(out + h * out_stride + c, sums[h]);
}

static void decode(const AttentionTask& t) {
  const int64_t d = t.head_dim, keys = t.first + 1, all = round_up(keys, kKeyGrain);
  const int64_t q_stride = round_up(d, kLanes * kGroup), width = round_up(d, kDecodeVecs * kLanes);
  Arena arena{static_cast<char*>(
      scratch(kInnerAttention, arena_bytes(kDecodeHeads * (all + width), kDecodeHeads * (all + q_stride))))};
  float* scores = arena.take<float>(kDecodeHeads * all);
  float* out = arena.take<float>(kDecodeHeads * width);
  Element* probs = arena.take<Element>(kDecodeHeads * all);
  Element* q = arena.take<Element>(kDecodeHeads * q_stride);
  for (int64_t first = 0; first < t.group; first += kDecodeHeads) {
    const int64_t heads = t.group - first < kDecodeHeads ? t.group - first : kDecodeHeads;
    for (int64_t h = 0; h < heads; ++h) {
      gather_rows(q + h * q_stride, q_stride, columns_from(t.q, 0, (first + h) * d), 1, d);
    }
    with_rows<kDecodeHeads>(heads, [&]<int H>() { decode_scores<H>(scores, all, q, q_stride, t.k, keys, d); });
    float sums[kDecodeHeads];
    for (int64_t h = 0; h < heads; ++h) {
      const float top = softmax_row(probs + h * all, scores + h * all, keys, all, t.scale, &sums[h]);
      if (t.lse) t.lse[first + h] = top + __builtin_logf(sums[h]);
    }
    with_rows<kDecodeHeads>(heads, [&]<int H>() {
      for (int64_t c = 0; c < d; c += kDecodeVecs * kLanes) decode_values<H>(out, width, probs, all, t.v, keys, c, d);
    });
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t c = 0; c < width; c += kLanes)
        store(out + h * width + c, load(out + h * width + c) * set1(1.0f / sums[h]));
      store_block(t.out, 0, (first + h) * d, out + h * width, width, 1, d, false);
    }
  }
}
