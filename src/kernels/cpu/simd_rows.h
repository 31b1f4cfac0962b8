// The layer's row-wise parts and flat vectors, over the Vec of the including file. What happens to a row depends on its
// width alone.

template <typename Y, typename X>
static void rms_norm_rows(Y* y, int64_t y_stride, const X* x, int64_t x_stride, int64_t rows, int64_t cols,
                          const float* weight, float eps, float* rstd) {
  for (int64_t t = 0; t < rows; ++t) {
    const X* in = x + t * x_stride;
    Y* out = y + t * y_stride;
    Vec squares = zero();
    for_vecs(
        cols,
        [&](int64_t c) {
          const Vec v = load(in + c);
          squares = fma(v, v, squares);
        },
        [&](int64_t c, int64_t n) {
          const Vec v = load_part(in + c, n);
          squares = fma(v, v, squares);
        });
    const float mean = sum_lanes(squares) / static_cast<float>(cols);
    const float scale = 1.0f / __builtin_sqrtf(mean + eps);
    if (rstd) rstd[t] = scale;
    const Vec s = set1(scale);
    for_vecs(
        cols, [&](int64_t c) { store(out + c, load(in + c) * s * load(weight + c)); },
        [&](int64_t c, int64_t n) { store_part(out + c, load_part(in + c, n) * s * load_part(weight + c, n), n); });
  }
}

static void rms_norm(View y, View x, int64_t rows, int64_t cols, const float* weight, float eps, float* rstd) {
  with_type(y, [&](auto* out) {
    rms_norm_rows(out, y.stride, static_cast<const float*>(x.data), x.stride, rows, cols, weight, eps, rstd);
  });
}

template <typename T>
static void rms_norm_backward_rows(float* dx, int64_t dx_stride, float* dweight, const T* dy, int64_t dy_stride,
                                   const float* x, int64_t x_stride, int64_t rows, int64_t cols, const float* weight,
                                   const float* rstd) {
  for (int64_t t = 0; t < rows; ++t) {
    const float* in = x + t * x_stride;
    const T* d = dy + t * dy_stride;
    float* out = dx + t * dx_stride;
    Vec dot = zero();
    for_vecs(
        cols, [&](int64_t c) { dot = fma(load(weight + c) * load(d + c), load(in + c), dot); },
        [&](int64_t c, int64_t n) {
          dot = fma(load_part(weight + c, n) * load_part(d + c, n), load_part(in + c, n), dot);
        });
    const float r = rstd[t];
    const Vec scale = set1(r);
    const Vec back = set1(r * r * r * sum_lanes(dot) / static_cast<float>(cols));
    const auto body = [&](Vec x, Vec g, Vec w, Vec* dx, Vec* dw) {
      *dx = fnma(x, back, fma(g * w, scale, *dx));
      *dw = fma(g * x, scale, *dw);
    };
    for_vecs(
        cols,
        [&](int64_t c) {
          Vec a = load(out + c), b = load(dweight + c);
          body(load(in + c), load(d + c), load(weight + c), &a, &b);
          store(out + c, a);
          store(dweight + c, b);
        },
        [&](int64_t c, int64_t n) {
          Vec a = load_part(out + c, n), b = load_part(dweight + c, n);
          body(load_part(in + c, n), load_part(d + c, n), load_part(weight + c, n), &a, &b);
          store_part(out + c, a, n);
          store_part(dweight + c, b, n);
        });
  }
}

static void rms_norm_backward(View dx, float* dweight, View dy, View x, int64_t rows, int64_t cols, const float* weight,
                              const float* rstd) {
  with_type(dy, [&](auto* d) {
    rms_norm_backward_rows(static_cast<float*>(dx.data), dx.stride, dweight, d, dy.stride,
                           static_cast<const float*>(x.data), x.stride, rows, cols, weight, rstd);
  });
}

template <typename T>
static void rope_rows(T* x, int64_t stride, int64_t rows, int64_t cols, int64_t head_dim, int64_t rotary_dim,
                      const int32_t* positions, const float* cos_sin, bool inverse) {
  const int64_t half = rotary_dim / 2;
  const Vec sign = set1(inverse ? -1.0f : 1.0f);
  for (int64_t t = 0; t < rows; ++t) {
    const float* cosine = cos_sin + positions[t] * rotary_dim;
    const float* sine = cosine + half;
    for (int64_t head = 0; head < cols; head += head_dim) {
      T* low = x + t * stride + head;
      T* high = low + half;
      for_vecs(
          half,
          [&](int64_t i) {
            const Vec a = load(low + i), b = load(high + i), c = load(cosine + i), s = load(sine + i) * sign;
            store(low + i, fnma(b, s, a * c));
            store(high + i, fma(a, s, b * c));
          },
          [&](int64_t i, int64_t n) {
            const Vec a = load_part(low + i, n), b = load_part(high + i, n);
            const Vec c = load_part(cosine + i, n), s = load_part(sine + i, n) * sign;
            store_part(low + i, fnma(b, s, a * c), n);
            store_part(high + i, fma(a, s, b * c), n);
          });
    }
  }
}

static void rope(View x, int64_t rows, int64_t cols, int64_t head_dim, int64_t rotary_dim, const int32_t* positions,
                 const float* cos_sin, bool inverse) {
  with_type(
      x, [&](auto* data) { rope_rows(data, x.stride, rows, cols, head_dim, rotary_dim, positions, cos_sin, inverse); });
}

LOQUAT_INLINE Vec sigmoid(Vec x) {
  return reciprocal(set1(1.0f) + exp(zero() - x));
}

// y = body(gate, up) of each element; gate_up holds all gates of a row, then all ups.
template <typename F>
static void gated(View y, View gate_up, int64_t rows, int64_t cols, F body) {
  with_type(y, [&](auto* data) {
    for (int64_t t = 0; t < rows; ++t) {
      auto* out = data + t * y.stride;
      const auto* gate = static_cast<decltype(data)>(gate_up.data) + t * gate_up.stride;
      for_vecs(
          cols, [&](int64_t c) { store(out + c, body(load(gate + c), load(gate + cols + c))); },
          [&](int64_t c, int64_t n) {
            store_part(out + c, body(load_part(gate + c, n), load_part(gate + cols + c, n)), n);
          });
    }
  });
}

// body(gate, up, dy, &dgate, &dup).
template <typename F>
static void gated_backward(View dgate_up, View dy, View gate_up, int64_t rows, int64_t cols, F body) {
  with_type(dy, [&](auto* data) {
    using T = decltype(data);
    for (int64_t t = 0; t < rows; ++t) {
      const auto* d = data + t * dy.stride;
      const auto* gate = static_cast<T>(gate_up.data) + t * gate_up.stride;
      auto* out = static_cast<T>(dgate_up.data) + t * dgate_up.stride;
      Vec dg, du;
      for_vecs(
          cols,
          [&](int64_t c) {
            body(load(gate + c), load(gate + cols + c), load(d + c), &dg, &du);
            store(out + c, dg);
            store(out + cols + c, du);
          },
          [&](int64_t c, int64_t n) {
            body(load_part(gate + c, n), load_part(gate + cols + c, n), load_part(d + c, n), &dg, &du);
            store_part(out + c, dg, n);
            store_part(out + cols + c, du, n);
          });
    }
  });
}

static void swiglu(View y, View gate_up, int64_t rows, int64_t cols) {
  gated(y, gate_up, rows, cols, [](Vec g, Vec u) { return g * sigmoid(g) * u; });
}

static void swiglu_backward(View dgate_up, View dy, View gate_up, int64_t rows, int64_t cols) {
  gated_backward(dgate_up, dy, gate_up, rows, cols, [](Vec g, Vec u, Vec d, Vec* dg, Vec* du) {
    const Vec s = sigmoid(g);
    const Vec silu = g * s;
    *du = d * silu;
    *dg = d * u * fma(silu, set1(1.0f) - s, s);
  });
}

// As base/rng.h's mix64, which must not be instantiated here; reference::dropout_keeps is the definition of the mask.
LOQUAT_INLINE uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// factor[i] = 1 / (1 - p) where element first + i is kept, else 0.
static void dropout_factors(float* factor, int64_t n, float p, uint64_t key, uint64_t first) {
  const float scale = 1.0f / (1.0f - p);
  for (int64_t i = 0; i < n; ++i) {
    const float u =
        static_cast<float>(static_cast<int32_t>(mix(key + first + static_cast<uint64_t>(i)) >> 40)) * 0x1.0p-24f;
    factor[i] = u >= p ? scale : 0.0f;
  }
}

// y = (keep ? y : 0) + x * factor, row by row in runs of kRun elements.
template <typename Y, typename X>
static void dropout_rows(Y* y, int64_t y_stride, const X* x, int64_t x_stride, int64_t rows, int64_t cols, float p,
                         uint64_t seed, uint64_t first, bool add) {
  constexpr int64_t kRun = 256;
  float factor[kRun];
  const uint64_t key = mix(seed);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t begin = 0; begin < cols; begin += kRun) {
      const int64_t n = cols - begin < kRun ? cols - begin : kRun;
      Y* out = y + t * y_stride + begin;
      const X* in = x + t * x_stride + begin;
      dropout_factors(factor, n, p, key, first + static_cast<uint64_t>(t * cols + begin));
      for_vecs(
          n, [&](int64_t c) { store(out + c, fma(load(in + c), load(factor + c), add ? load(out + c) : zero())); },
          [&](int64_t c, int64_t m) {
            const Vec before = add ? load_part(out + c, m) : zero();
            store_part(out + c, fma(load_part(in + c, m), load_part(factor + c, m), before), m);
          });
    }
  }
}

static void dropout_add(View y, View x, int64_t rows, int64_t cols, float p, uint64_t seed, uint64_t first) {
  with_type(x, [&](auto* in) {
    dropout_rows(static_cast<float*>(y.data), y.stride, in, x.stride, rows, cols, p, seed, first, true);
  });
}

static void dropout_backward(View dx, View dy, int64_t rows, int64_t cols, float p, uint64_t seed, uint64_t first) {
  with_type(dx, [&](auto* out) {
    with_type(dy, [&](auto* in) { dropout_rows(out, dx.stride, in, dy.stride, rows, cols, p, seed, first, false); });
  });
}

static void adamw(float* w, const float* g, float* m, float* v, int64_t n, const AdamWScalars& s) {
  const Vec scale = set1(s.grad_scale), b1 = set1(s.beta1), b2 = set1(s.beta2);
  const Vec c1 = set1(1.0f - s.beta1), c2 = set1(1.0f - s.beta2);
  const Vec r1 = set1(1.0f / s.bias_correction1), r2 = set1(1.0f / s.bias_correction2);
  const Vec eps = set1(s.eps), lr = set1(s.lr), decay = set1(s.weight_decay);
  const auto body = [&](Vec* w, Vec g, Vec* m, Vec* v) {
    g = g * scale;
    *m = fma(b1, *m, c1 * g);
    *v = fma(b2, *v, c2 * g * g);
    const Vec update = *m * r1 / (sqrt(*v * r2) + eps);
    *w = fnma(lr, fma(decay, *w, update), *w);
  };
  for_vecs(
      n,
      [&](int64_t i) {
        Vec wv = load(w + i), mv = load(m + i), vv = load(v + i);
        body(&wv, load(g + i), &mv, &vv);
        store(w + i, wv);
        store(m + i, mv);
        store(v + i, vv);
      },
      [&](int64_t i, int64_t c) {
        Vec wv = load_part(w + i, c), mv = load_part(m + i, c), vv = load_part(v + i, c);
        body(&wv, load_part(g + i, c), &mv, &vv);
        store_part(w + i, wv, c);
        store_part(m + i, mv, c);
        store_part(v + i, vv, c);
      });
}

// Runs of 1024 in float32 lanes, their sums in float64.
static double sum_of_squares(const float* x, int64_t n) {
  constexpr int64_t kRun = 1024;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kRun) {
    const int64_t count = n - begin < kRun ? n - begin : kRun;
    const float* in = x + begin;
    Vec sum = zero();
    for_vecs(
        count, [&](int64_t i) { sum = fma(load(in + i), load(in + i), sum); },
        [&](int64_t i, int64_t m) { sum = fma(load_part(in + i, m), load_part(in + i, m), sum); });
    float lanes[kLanes];
    store(lanes, sum);
    for (int i = 0; i < kLanes; ++i) total += lanes[i];
  }
  return total;
}

// b = 0 does not read y.
static void axpby(float* y, const float* x, int64_t n, float a, float b) {
  const Vec va = set1(a), vb = set1(b);
  if (b == 0) {
    for_vecs(
        n, [&](int64_t i) { store(y + i, va * load(x + i)); },
        [&](int64_t i, int64_t m) { store_part(y + i, va * load_part(x + i, m), m); });
    return;
  }
  for_vecs(
      n, [&](int64_t i) { store(y + i, fma(va, load(x + i), vb * load(y + i))); },
      [&](int64_t i, int64_t m) { store_part(y + i, fma(va, load_part(x + i, m), vb * load_part(y + i, m)), m); });
}

static void convert(View y, View x, int64_t rows, int64_t cols) {
  with_type(y, [&](auto* out) {
    with_type(x, [&](auto* in) {
      for (int64_t t = 0; t < rows; ++t) {
        auto* o = out + t * y.stride;
        const auto* i = in + t * x.stride;
        for_vecs(
            cols, [&](int64_t c) { store(o + c, load(i + c)); },
            [&](int64_t c, int64_t n) { store_part(o + c, load_part(i + c, n), n); });
      }
    });
  });
}

// --- vocabulary ----------------------------------------------------------------------------------

static void log_sum(LogSum* state, const float* logits, int64_t n, float inv_temperature, bool weighted) {
  const Vec scale = set1(inv_temperature);
  Vec top_lanes = set1(-__builtin_inff());
  for_vecs(
      n, [&](int64_t i) { top_lanes = max(top_lanes, load(logits + i) * scale); },
      [&](int64_t i, int64_t m) {
        for (int64_t j = i; j < i + m; ++j) top_lanes = max(top_lanes, set1(logits[j]) * scale);
      });
  const float chunk_top = max_lanes(top_lanes);
  if (chunk_top > state->top) {
    if (state->sum > 0) {
      const float shift = state->top - chunk_top;
      const float factor = exp1(shift);
      state->weighted = factor * (state->weighted + state->sum * shift);
      state->sum *= factor;
    }
    state->top = chunk_top;
  }
  const Vec top = set1(state->top == -__builtin_inff() ? 0.0f : state->top);  // all -inf so far: sums stay zero
  Vec sum = zero(), product = zero();
  const auto body = [&](Vec z, Vec e) {
    sum = sum + e;
    if (weighted) product = fma(e, max(z, set1(-1e30f)), product);
  };
  for_vecs(
      n,
      [&](int64_t i) {
        const Vec z = load(logits + i) * scale - top;
        body(z, exp(z));
      },
      [&](int64_t i, int64_t m) {
        const Vec z = load_part(logits + i, m) * scale - top;
        body(z, keep_first(exp(z), m));
      });
  state->sum += sum_lanes(sum);
  if (weighted) state->weighted += sum_lanes(product);
}

static void vocab_gradient(float* logits, int64_t n, float inv_temperature, float lse, float dlogprob, float dentropy,
                           float entropy) {
  const Vec scale = set1(inv_temperature), total = set1(lse);
  const Vec by_prob = set1(-dlogprob * inv_temperature), by_entropy = set1(-dentropy * inv_temperature);
  const Vec h = set1(entropy);
  const auto body = [&](Vec logit) {
    const Vec lp = logit * scale - total;
    return exp(lp) * fma(by_entropy, lp + h, by_prob);
  };
  for_vecs(
      n, [&](int64_t i) { store(logits + i, body(load(logits + i))); },
      [&](int64_t i, int64_t m) { store_part(logits + i, body(load_part(logits + i, m)), m); });
}

static void round_at_random(uint16_t* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof(bits));
    y[i] = bf16_at_random(bits, noise_of(seed, first + static_cast<uint64_t>(i)));
  }
}
