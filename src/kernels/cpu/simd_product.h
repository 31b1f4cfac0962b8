// Products by fused multiply-add, for float32 and (expanded to float32 on the fly) bfloat16, over the Vec of the
// including file. The right operand lies in panels of kPanel columns, [k][kPanel]; the left one is rearranged, a few
// rows at a time, to [k][rows]. Every element of the result is one chain of FMAs in ascending k, whatever the number of
// rows.

constexpr int64_t kPanel = 2 * kLanes;

// c [R, kPanel] = (+= with `accumulate`) Σ_s a[s * a_step + r] b[s * b_step + j].
template <int R, typename B>
static void fma_tile(float* c, bool accumulate, const float* a, int64_t a_step, const B* b, int64_t b_step,
                     int64_t steps) {
  Vec acc[R][2];
  for (int r = 0; r < R; ++r) {
    acc[r][0] = accumulate ? load(c + r * kPanel) : zero();
    acc[r][1] = accumulate ? load(c + r * kPanel + kLanes) : zero();
  }
  for (int64_t s = 0; s < steps; ++s) {
    const Vec b0 = load(b), b1 = load(b + kLanes);
    for (int r = 0; r < R; ++r) {
      const Vec x = set1(a[r]);
      acc[r][0] = fma(x, b0, acc[r][0]);
      acc[r][1] = fma(x, b1, acc[r][1]);
    }
    a += a_step;
    b += b_step;
  }
  for (int r = 0; r < R; ++r) {
    store(c + r * kPanel, acc[r][0]);
    store(c + r * kPanel + kLanes, acc[r][1]);
  }
}

template <typename B, int R = kTileRows>
LOQUAT_INLINE void fma_rows(int64_t rows, float* c, bool accumulate, const float* a, int64_t a_step, const B* b,
                            int64_t b_step, int64_t steps) {
  if constexpr (R > 0) {
    if (rows == R) {
      fma_tile<R>(c, accumulate, a, a_step, b, b_step, steps);
    } else {
      fma_rows<B, R - 1>(rows, c, accumulate, a, a_step, b, b_step, steps);
    }
  }
}

static int64_t fma_panel_bytes(int64_t k, bool bf16) {
  return k * kPanel * (bf16 ? 2 : 4);
}

template <typename T>
static void pack_panels(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, T* packed,
                        int64_t begin, int64_t end) {
  for (int64_t p = begin; p < end; ++p) {
    T* out = packed + p * k * kPanel;
    const float* from = w + p * kPanel * row_stride;
    const int64_t columns = n - p * kPanel < kPanel ? n - p * kPanel : kPanel;
    for (int64_t j = 0; j < k; ++j) {
      float row[kPanel] = {};
      for (int64_t i = 0; i < columns; ++i) row[i] = from[i * row_stride + j * col_stride];
      store(out + j * kPanel, load(row));
      store(out + j * kPanel + kLanes, load(row + kLanes));
    }
  }
}

static void fma_pack(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, bool bf16,
                     void* packed, int64_t begin, int64_t end) {
  with_type(View{packed, 0, bf16}, [&](auto* out) { pack_panels(w, row_stride, col_stride, n, k, out, begin, end); });
}

// `rows` rows of x as floats, [k][rows].
template <typename T>
LOQUAT_INLINE void gather_rows(float* out, const T* x, int64_t stride, int64_t rows, int64_t k) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* in = x + r * stride;
    float lanes[kLanes];
    for_vecs(
        k,
        [&](int64_t c) {
          store(lanes, load(in + c));
          for (int i = 0; i < kLanes; ++i) out[(c + i) * rows + r] = lanes[i];
        },
        [&](int64_t c, int64_t n) {
          store(lanes, load_part(in + c, n));
          for (int64_t i = 0; i < n; ++i) out[(c + i) * rows + r] = lanes[i];
        });
  }
}

static void fma_product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin,
                        int64_t end, bool add) {
  float* a = static_cast<float*>(scratch(kInnerA, sizeof(float) * kTileRows * (k + 1)));
  alignas(64) float c[kTileRows * kPanel];
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t count = rows - row < kTileRows ? rows - row : kTileRows;
    with_type(x, [&](auto* data) {
      gather_rows(a, data + row * x.stride, x.stride, count, k);
      auto* panels = static_cast<decltype(data)>(const_cast<void*>(packed));
      for (int64_t p = begin; p < end; ++p) {
        fma_rows(count, c, false, a, count, panels + p * k * kPanel, kPanel, k);
        const int64_t columns = n - p * kPanel < kPanel ? n - p * kPanel : kPanel;
        store_block(y, row, p * kPanel, c, kPanel, count, columns, add);
      }
    });
  }
}

// Tokens in blocks: dy's block as floats [tokens][n], x's in panels [k / kPanel][tokens][kPanel], dw loaded and stored
// by tile.
static void fma_weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  constexpr int64_t kBlock = 128;
  const int64_t panels = (k + kPanel - 1) / kPanel;
  float* a = static_cast<float*>(scratch(kInnerA, sizeof(float) * kBlock * n));
  float* b = static_cast<float*>(scratch(kInnerB, sizeof(float) * kBlock * panels * kPanel));
  alignas(64) float c[kTileRows * kPanel];
  for (int64_t begin = 0; begin < tokens; begin += kBlock) {
    const int64_t count = tokens - begin < kBlock ? tokens - begin : kBlock;
    for (int64_t t = 0; t < count; ++t) {
      with_type(dy, [&](auto* data) { widen_row(a + t * n, data + (begin + t) * dy.stride, n, n, set1(1.0f)); });
      with_type(x, [&](auto* data) {
        for (int64_t p = 0; p < panels; ++p) {
          const int64_t columns = k - p * kPanel < kPanel ? k - p * kPanel : kPanel;
          widen_row(b + (p * count + t) * kPanel, data + (begin + t) * x.stride + p * kPanel, columns, kPanel,
                    set1(1.0f));
        }
      });
    }
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t columns = k - p * kPanel < kPanel ? k - p * kPanel : kPanel;
      for (int64_t i = 0; i < n; i += kTileRows) {
        const int64_t height = n - i < kTileRows ? n - i : kTileRows;
        float* out = dw + i * dw_stride + p * kPanel;
        for (int64_t r = 0; r < height; ++r)
          widen_row(c + r * kPanel, out + r * dw_stride, columns, kPanel, set1(1.0f));
        fma_rows(height, c, true, a + i, n, b + p * count * kPanel, kPanel, count);
        store_rows(out, dw_stride, c, kPanel, height, columns, false);
      }
    }
  }
}
