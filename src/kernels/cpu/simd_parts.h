// Row-wise parts that some architectures alone have, over simd_rows.h: layer norm, biases, norms of heads, GELU in its
// tanh form, soft caps. What happens to a row depends on its width alone.

static Vec sum_of(const float* x, int64_t n) {
  Vec sum = zero();
  for_vecs(
      n, [&](int64_t c) { sum = sum + load(x + c); }, [&](int64_t c, int64_t m) { sum = sum + load_part(x + c, m); });
  return sum;
}

template <typename Y>
static void layer_norm_rows(Y* y, int64_t y_stride, const float* x, int64_t x_stride, int64_t rows, int64_t cols,
                            const float* weight, const float* bias, float eps, float* rstd) {
  const float n = static_cast<float>(cols);
  for (int64_t t = 0; t < rows; ++t) {
    const float* in = x + t * x_stride;
    Y* out = y + t * y_stride;
    const Vec mean = set1(sum_lanes(sum_of(in, cols)) / n);
    Vec squares = zero();
    for_vecs(
        cols,
        [&](int64_t c) {
          const Vec v = load(in + c) - mean;
          squares = fma(v, v, squares);
        },
        [&](int64_t c, int64_t m) {
          const Vec v = keep_first(load_part(in + c, m) - mean, m);
          squares = fma(v, v, squares);
        });
    const float scale = 1.0f / __builtin_sqrtf(sum_lanes(squares) / n + eps);
    if (rstd) rstd[t] = scale;
    const Vec s = set1(scale);
    for_vecs(
        cols, [&](int64_t c) { store(out + c, fma((load(in + c) - mean) * s, load(weight + c), load(bias + c))); },
        [&](int64_t c, int64_t m) {
          store_part(out + c, fma((load_part(in + c, m) - mean) * s, load_part(weight + c, m), load_part(bias + c, m)),
                     m);
        });
  }
}

static void layer_norm(View y, View x, int64_t rows, int64_t cols, const float* weight, const float* bias, float eps,
                       float* rstd) {
  with_type(y, [&](auto* out) {
    layer_norm_rows(out, y.stride, static_cast<const float*>(x.data), x.stride, rows, cols, weight, bias, eps, rstd);
  });
}

template <typename T>
static void layer_norm_backward_rows(float* dx, int64_t dx_stride, float* dweight, float* dbias, const T* dy,
                                     int64_t dy_stride, const float* x, int64_t x_stride, int64_t rows, int64_t cols,
                                     const float* weight, const float* rstd) {
  const float n = static_cast<float>(cols);
  for (int64_t t = 0; t < rows; ++t) {
    const float* in = x + t * x_stride;
    const T* d = dy + t * dy_stride;
    float* out = dx + t * dx_stride;
    const Vec mean = set1(sum_lanes(sum_of(in, cols)) / n), scale = set1(rstd[t]);
    Vec sum = zero(), dot = zero();
    const auto add = [&](Vec g, Vec x) {
      sum = sum + g;
      dot = fma(g, (x - mean) * scale, dot);
    };
    for_vecs(
        cols, [&](int64_t c) { add(load(weight + c) * load(d + c), load(in + c)); },
        [&](int64_t c, int64_t m) { add(load_part(weight + c, m) * load_part(d + c, m), load_part(in + c, m)); });
    const Vec g_mean = set1(sum_lanes(sum) / n), dot_mean = set1(sum_lanes(dot) / n);
    const auto body = [&](Vec x, Vec dy, Vec w, Vec* dx, Vec* dw, Vec* db) {
      const Vec xhat = (x - mean) * scale;
      *dx = fma(scale, fnma(xhat, dot_mean, dy * w - g_mean), *dx);
      *dw = fma(dy, xhat, *dw);
      *db = *db + dy;
    };
    for_vecs(
        cols,
        [&](int64_t c) {
          Vec a = load(out + c), w = load(dweight + c), b = load(dbias + c);
          body(load(in + c), load(d + c), load(weight + c), &a, &w, &b);
          store(out + c, a);
          store(dweight + c, w);
          store(dbias + c, b);
        },
        [&](int64_t c, int64_t m) {
          Vec a = load_part(out + c, m), w = load_part(dweight + c, m), b = load_part(dbias + c, m);
          body(load_part(in + c, m), load_part(d + c, m), load_part(weight + c, m), &a, &w, &b);
          store_part(out + c, a, m);
          store_part(dweight + c, w, m);
          store_part(dbias + c, b, m);
        });
  }
}

static void layer_norm_backward(View dx, float* dweight, float* dbias, View dy, View x, int64_t rows, int64_t cols,
                                const float* weight, const float* rstd) {
  with_type(dy, [&](auto* d) {
    layer_norm_backward_rows(static_cast<float*>(dx.data), dx.stride, dweight, dbias, d, dy.stride,
                             static_cast<const float*>(x.data), x.stride, rows, cols, weight, rstd);
  });
}

static void add_bias(View y, int64_t rows, int64_t cols, const float* bias) {
  with_type(y, [&](auto* data) {
    for (int64_t t = 0; t < rows; ++t) {
      auto* out = data + t * y.stride;
      for_vecs(
          cols, [&](int64_t c) { store(out + c, load(out + c) + load(bias + c)); },
          [&](int64_t c, int64_t m) { store_part(out + c, load_part(out + c, m) + load_part(bias + c, m), m); });
    }
  });
}

static void add_rows(float* sum, View x, int64_t rows, int64_t cols) {
  with_type(x, [&](auto* data) {
    for (int64_t t = 0; t < rows; ++t) {
      const auto* in = data + t * x.stride;
      for_vecs(
          cols, [&](int64_t c) { store(sum + c, load(sum + c) + load(in + c)); },
          [&](int64_t c, int64_t m) { store_part(sum + c, load_part(sum + c, m) + load_part(in + c, m), m); });
    }
  });
}

static void head_norm(View y, View x, int64_t rows, int64_t heads, int64_t head_dim, const float* weight, float eps,
                      float* rstd) {
  with_type(y, [&](auto* out) {
    const auto* in = static_cast<decltype(out)>(x.data);
    for (int64_t t = 0; t < rows; ++t) {
      rms_norm_rows(out + t * y.stride, head_dim, in + t * x.stride, head_dim, heads, head_dim, weight, eps,
                    rstd ? rstd + t * heads : nullptr);
    }
  });
}

// One head: dx = rstd (w dy - xhat mean(w dy xhat)), dw += dy xhat.
template <typename T>
static void head_gradient(T* dx, float* dweight, const T* dy, const T* x, int64_t d, const float* weight, float r) {
  Vec dot = zero();
  for_vecs(
      d, [&](int64_t c) { dot = fma(load(weight + c) * load(dy + c), load(x + c), dot); },
      [&](int64_t c, int64_t m) {
        dot = fma(load_part(weight + c, m) * load_part(dy + c, m), load_part(x + c, m), dot);
      });
  const Vec scale = set1(r), back = set1(r * r * r * sum_lanes(dot) / static_cast<float>(d));
  for_vecs(
      d,
      [&](int64_t c) {
        const Vec g = load(dy + c), v = load(x + c);
        store(dweight + c, fma(g * v, scale, load(dweight + c)));
        store(dx + c, fnma(v, back, g * load(weight + c) * scale));
      },
      [&](int64_t c, int64_t m) {
        const Vec g = load_part(dy + c, m), v = load_part(x + c, m);
        store_part(dweight + c, fma(g * v, scale, load_part(dweight + c, m)), m);
        store_part(dx + c, fnma(v, back, g * load_part(weight + c, m) * scale), m);
      });
}

static void head_norm_backward(View dx, float* dweight, View dy, View x, int64_t rows, int64_t heads, int64_t head_dim,
                               const float* weight, const float* rstd) {
  with_type(dx, [&](auto* out) {
    const auto* d = static_cast<decltype(out)>(dy.data);
    const auto* in = static_cast<decltype(out)>(x.data);
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t col = h * head_dim;
        head_gradient(out + t * dx.stride + col, dweight, d + t * dy.stride + col, in + t * x.stride + col, head_dim,
                      weight, rstd[t * heads + h]);
      }
    }
  });
}

// gelu(x) = x s(k(x)), with the logistic function s and k(x) = 2 sqrt(2 / pi) (x + 0.044715 x³).
constexpr float kGeluLinear = 1.5957691216f, kGeluCubic = 0.0713548163f;

LOQUAT_INLINE Vec gelu_gate(Vec x) {
  return sigmoid(x * fma(x * x, set1(kGeluCubic), set1(kGeluLinear)));
}

LOQUAT_INLINE Vec gelu_slope(Vec x, Vec gate) {
  const Vec inner = fma(x * x, set1(3 * kGeluCubic), set1(kGeluLinear));
  return fma(x * gate * (set1(1.0f) - gate), inner, gate);
}

static void geglu(View y, View gate_up, int64_t rows, int64_t cols) {
  gated(y, gate_up, rows, cols, [](Vec g, Vec u) { return g * gelu_gate(g) * u; });
}

static void geglu_backward(View dgate_up, View dy, View gate_up, int64_t rows, int64_t cols) {
  gated_backward(dgate_up, dy, gate_up, rows, cols, [](Vec g, Vec u, Vec d, Vec* dg, Vec* du) {
    const Vec s = gelu_gate(g);
    *du = d * (g * s);
    *dg = d * u * gelu_slope(g, s);
  });
}

static void gelu(View y, View x, int64_t rows, int64_t cols) {
  with_type(y, [&](auto* data) {
    for (int64_t t = 0; t < rows; ++t) {
      auto* out = data + t * y.stride;
      const auto* in = static_cast<decltype(data)>(x.data) + t * x.stride;
      const auto body = [](Vec v) { return v * gelu_gate(v); };
      for_vecs(
          cols, [&](int64_t c) { store(out + c, body(load(in + c))); },
          [&](int64_t c, int64_t m) { store_part(out + c, body(load_part(in + c, m)), m); });
    }
  });
}

static void gelu_backward(View dx, View dy, View x, int64_t rows, int64_t cols) {
  with_type(dy, [&](auto* data) {
    using T = decltype(data);
    for (int64_t t = 0; t < rows; ++t) {
      const auto* d = data + t * dy.stride;
      const auto* in = static_cast<T>(x.data) + t * x.stride;
      auto* out = static_cast<T>(dx.data) + t * dx.stride;
      const auto body = [](Vec v, Vec d) { return d * gelu_slope(v, gelu_gate(v)); };
      for_vecs(
          cols, [&](int64_t c) { store(out + c, body(load(in + c), load(d + c))); },
          [&](int64_t c, int64_t m) { store_part(out + c, body(load_part(in + c, m), load_part(d + c, m)), m); });
    }
  });
}

static void soft_cap(float* x, int64_t n, float cap) {
  const Vec inverse = set1(1.0f / cap), c = set1(cap);
  for_vecs(
      n, [&](int64_t i) { store(x + i, c * tanh(load(x + i) * inverse)); },
      [&](int64_t i, int64_t m) { store_part(x + i, c * tanh(load_part(x + i, m) * inverse), m); });
}

static void soft_cap_slope(float* d, const float* capped, int64_t n, float cap) {
  const Vec inverse = set1(1.0f / cap), one = set1(1.0f);
  const auto body = [&](Vec d, Vec y) {
    const Vec part = y * inverse;
    return d * fnma(part, part, one);
  };
  for_vecs(
      n, [&](int64_t i) { store(d + i, body(load(d + i), load(capped + i))); },
      [&](int64_t i, int64_t m) { store_part(d + i, body(load_part(d + i, m), load_part(capped + i, m)), m); });
}
