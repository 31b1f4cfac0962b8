// Vector functions that every simd_*.h uses, over the Vec of the including file.

// e^x, within 2 units in the last place; 0 below -87.3 (also for -inf), and about 2.2e38 above 88.
LOQUAT_INLINE Vec exp(Vec x) {
  const Vec low = set1(-87.3f);
  const Vec c = min(set1(88.0f), max(low, x));  // in this order a NaN stays
  const Vec n = round(c * set1(1.44269504f));
  Vec r = fnma(n, set1(0.693359375f), c);
  r = fnma(n, set1(-2.12194440e-4f), r);
  Vec p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p, r * r, r + set1(1.0f));
  return unless_less(x, low, p * exp2_whole(n));
}

// Below 0.625 by Cephes' polynomial, which keeps small values' relative precision.
LOQUAT_INLINE Vec tanh(Vec x) {
  const Vec square = x * x, size = max(x, zero() - x);
  Vec p = set1(-5.70498872745e-3f);
  p = fma(p, square, set1(2.06390887954e-2f));
  p = fma(p, square, set1(-5.37397155531e-2f));
  p = fma(p, square, set1(1.33314422036e-1f));
  p = fma(p, square, set1(-3.33332819422e-1f));
  const Vec small = fma(p * square, x, x);
  const Vec large = set1(1.0f) - set1(2.0f) / (exp(x + x) + set1(1.0f));
  constexpr float kLimit = 0.625f, kBelow = 0.62499994f;  // neighbours
  return unless_less(set1(kBelow), size, small) + unless_less(size, set1(kLimit), large);
}

LOQUAT_INLINE float exp1(float x) {
  float lanes[kLanes];
  store(lanes, exp(set1(x)));
  return lanes[0];
}

// f(element type's pointer) for a View of either type.
template <typename F>
LOQUAT_INLINE void with_type(const View& view, F&& f) {
  if (view.bf16) {
    f(static_cast<uint16_t*>(view.data));
  } else {
    f(static_cast<float*>(view.data));
  }
}

// Asks for memory to be brought to the second cache. (To the first, requests would wait for each other.)
LOQUAT_INLINE void prefetch(const void* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const char*>(from) + at, 0, 2);
}

// A View of the same rows from an element on.
LOQUAT_INLINE View view_from(View x, int64_t row, int64_t col) {
  x.data = static_cast<char*>(x.data) + (row * x.stride + col) * (x.bf16 ? 2 : 4);
  return x;
}

// body(offset, lanes): whole Vecs of [0, n), then the rest, in ascending order.
template <typename Whole, typename Part>
LOQUAT_INLINE void for_vecs(int64_t n, Whole&& whole, Part&& part) {
  int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) whole(c);
  if (c < n) part(c, n - c);
}

// Copies n elements to floats, and zeros up to `padded`.
template <typename T>
LOQUAT_INLINE void widen_row(float* out, const T* in, int64_t n, int64_t padded, Vec scale) {
  int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) store(out + c, load(in + c) * scale);
  if (c < n) {
    Vec last = load_part(in + c, n - c) * scale;
    const int64_t room = padded - c;
    if (room >= kLanes) {
      store(out + c, last);
      c += kLanes;
    } else {
      store_part(out + c, last, room);
      c = padded;
    }
  }
  for (; c + kLanes <= padded; c += kLanes) store(out + c, zero());
  if (c < padded) store_part(out + c, zero(), padded - c);
}

// y's block at (row, col) = or += c [rows, cols] (rows `c_stride` apart).
template <typename T>
LOQUAT_INLINE void store_rows(T* y, int64_t y_stride, const float* c, int64_t c_stride, int64_t rows, int64_t cols,
                              bool add) {
  for (int64_t r = 0; r < rows; ++r) {
    T* out = y + r * y_stride;
    const float* in = c + r * c_stride;
    if (add) {
      for_vecs(
          cols, [&](int64_t i) { store(out + i, load(out + i) + load(in + i)); },
          [&](int64_t i, int64_t n) { store_part(out + i, load_part(out + i, n) + load_part(in + i, n), n); });
    } else {
      for_vecs(
          cols, [&](int64_t i) { store(out + i, load(in + i)); },
          [&](int64_t i, int64_t n) { store_part(out + i, load_part(in + i, n), n); });
    }
  }
}

static void store_block(View y, int64_t row, int64_t col, const float* c, int64_t c_stride, int64_t rows, int64_t cols,
                        bool add) {
  with_type(y, [&](auto* data) { store_rows(data + row * y.stride + col, y.stride, c, c_stride, rows, cols, add); });
}
