// Products by fused multiply-add, for float32 and (expanded to float32) bfloat16, over the Vec of the including file.
// The right operand lies in panels of kPanel columns, [k][kPanel]; rows of the left one are widened, a few at a time.
// Every element of the result is one chain of FMAs in ascending k, whatever the number of rows.

constexpr int64_t kPanel = 2 * kLanes;
constexpr int64_t kWidenedBytes = 256 << 10;  // of the left operand's rows that one pass over the panels multiplies

// What attention is written over: the operands' element, elements that one step of a sum takes, and the multiple that a
// sum's length is padded to.
using Element = float;
using Step = MultiplyAdd<float>;
constexpr int kStepLength = 1;
constexpr int64_t kDepth = 1;

static int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// Elements from one row of a left operand to the next: rows that are a multiple of 1 KiB apart would share the cache's
// few places.
static int64_t padded_stride(int64_t k) {
  const int64_t stride = round_up(k, kLanes);
  return stride % 256 == 0 ? stride + kLanes : stride;
}

// c [rows, kPanel] (rows `c_stride` apart) = a [rows, depth] times one panel.
template <typename B>
static void panel_product(float* c, int64_t c_stride, const float* a, int64_t a_stride, int64_t rows, const B* panel,
                          int64_t depth) {
  for (int64_t row = 0; row < rows; row += kTileRows) {
    with_count<kTileRows>(rows - row < kTileRows ? rows - row : kTileRows, [&]<int R>() {
      Vec sums[R][2];
      clear(sums);
      add_products<MultiplyAdd<B>, R, 2>(sums, a + row * a_stride, a_stride, 1, panel, kLanes, kPanel, depth);
      store_sums(c + row * c_stride, c_stride, sums);
    });
  }
}

static int64_t panel_bytes(int64_t k, bool bf16) {
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

static void pack(const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k, bool bf16, void* packed,
                 int64_t begin, int64_t end) {
  with_type(View{packed, 0, bf16}, [&](auto* out) { pack_panels(w, row_stride, col_stride, n, k, out, begin, end); });
}

// bfloat16 panels are widened once for several tiles of rows.
template <typename T>
static void product_of(View y, const T* x, int64_t x_stride, int64_t rows, const T* packed, int64_t n, int64_t k,
                       int64_t begin, int64_t end, bool add) {
  const int64_t stride = padded_stride(k);
  int64_t block = kWidenedBytes / (4 * stride) / kTileRows * kTileRows;
  block = block < kTileRows ? kTileRows : block;
  block = block < rows ? block : rows;
  constexpr bool kNarrow = sizeof(T) < sizeof(float);
  float* a = static_cast<float*>(scratch(kInnerA, sizeof(float) * block * stride));
  float* c = static_cast<float*>(scratch(kInnerB, sizeof(float) * (block + (kNarrow ? k : 0)) * kPanel));
  float* wide = c + block * kPanel;
  for (int64_t row = 0; row < rows; row += block) {
    const int64_t count = rows - row < block ? rows - row : block;
    for (int64_t r = 0; r < count; ++r)
      widen_row(a + r * stride, x + (row + r) * x_stride, k, round_up(k, kLanes), set1(1.0f));
    for (int64_t p = begin; p < end; ++p) {
      const T* panel = packed + p * k * kPanel;
      if (kNarrow && count > 2 * kTileRows) {
        for (int64_t i = 0; i < k * kPanel; i += kLanes) store(wide + i, load(panel + i));
        panel_product(c, kPanel, a, stride, count, wide, k);
      } else {
        panel_product(c, kPanel, a, stride, count, panel, k);
      }
      const int64_t columns = n - p * kPanel < kPanel ? n - p * kPanel : kPanel;
      store_block(y, row, p * kPanel, c, kPanel, count, columns, add);
    }
  }
}

static void product(View y, View x, int64_t rows, const void* packed, int64_t n, int64_t k, int64_t begin, int64_t end,
                    bool add) {
  if (rows == 0) return;
  with_type(x, [&](auto* data) {
    product_of(y, data, x.stride, rows, static_cast<decltype(data)>(const_cast<void*>(packed)), n, k, begin, end, add);
  });
}

// --- weight gradient -----------------------------------------------------------------------------

// Rows t ... of x [.., cols] as floats in columns of kLanes: [cols / kLanes][tokens][kLanes], zeros past the last.
static void widen_columns(float* out, View x, int64_t row, int64_t tokens, int64_t cols) {
  with_type(x, [&](auto* data) {
    for (int64_t t = 0; t < tokens; ++t) {
      const auto* in = data + (row + t) * x.stride;
      float* to = out + t * kLanes;
      for_vecs(
          cols, [&](int64_t c) { store(to + c * tokens, load(in + c)); },
          [&](int64_t c, int64_t n) { store(to + c * tokens, load_part(in + c, n)); });
    }
  });
}

// Tokens in blocks, whose operands' columns stay in the caches; dw is loaded and stored by tile.
static void weight_gradient(float* dw, int64_t dw_stride, View dy, View x, int64_t tokens, int64_t n, int64_t k) {
  constexpr int64_t kBlock = 128, kRows = kLanes / 2, kWidth = 3 * kLanes;
  const int64_t most = tokens < kBlock ? tokens : kBlock;
  float* a = static_cast<float*>(scratch(kInnerA, sizeof(float) * most * round_up(n, kLanes)));
  float* b = static_cast<float*>(scratch(kInnerB, sizeof(float) * most * round_up(k, kLanes)));
  for (int64_t begin = 0; begin < tokens; begin += kBlock) {
    const int64_t count = tokens - begin < kBlock ? tokens - begin : kBlock, step = count * kLanes;
    widen_columns(a, dy, begin, count, n);
    widen_columns(b, x, begin, count, k);
    for (int64_t j = 0; j < k; j += kWidth) {
      const int64_t cols = k - j, tiles = cols > 2 * kLanes ? 3 : cols > kLanes ? 2 : 1;
      for (int64_t i = 0; i < n; i += kRows) {
        const float* left = a + i / kLanes * step + i % kLanes;
        with_count<3>(tiles, [&]<int W>() {
          gradient_tile<MultiplyAdd<float>, kRows, W>(dw + i * dw_stride + j, dw_stride, n - i, cols, left, 1, kLanes,
                                                      b + j * count, step, kLanes, count);
        });
      }
    }
  }
}

// --- small products of attention -----------------------------------------------------------------

// kLanes rows by kLanes columns of x, turned: vector i holds column c + i; zeros outside [rows, cols].
LOQUAT_INLINE void key_tile(Vec (&tile)[kLanes], const View& x, int64_t row, int64_t rows, int64_t c, int64_t cols) {
  const int64_t width = cols - c < kLanes ? cols - c : kLanes;
  with_type(x, [&](auto* data) {
    for (int i = 0; i < kLanes; ++i) {
      const auto* in = data + (row + i) * x.stride + c;
      tile[i] = row + i >= rows ? zero() : width == kLanes ? load(in) : load_part(in, width);
    }
  });
  transpose(tile);
}

// The step's operands of row `row` of x, W vectors from column c on; zeros from `cols` on.
template <int W>
LOQUAT_INLINE void value_columns(Vec (&out)[W], const View& x, int64_t row, int64_t, int64_t c, int64_t cols) {
  with_type(x, [&](auto* data) {
    const auto* in = data + row * x.stride + c;
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) {
      const int64_t left = cols - c - w * kLanes;
      out[w] = left >= kLanes ? load(in + w * kLanes) : left > 0 ? load_part(in + w * kLanes, left) : zero();
    }
  });
}

// Sums over value_columns, in the columns' order.
template <int W>
LOQUAT_INLINE void store_value_columns(float* out, const Vec (&sums)[W]) {
  for (int w = 0; w < W; ++w) store(out + w * kLanes, sums[w]);
}

// Elements that a right operand [n, depth] takes for block_product.
static int64_t operand_elements(int64_t n, int64_t depth) {
  return round_up(n, kPanel) * depth;
}

// W [n, cols] from its rows, of which `rows` exist; zeros for the others.
static void pack_rows(Element* out, View w, int64_t rows, int64_t n, int64_t cols) {
  for (int64_t j = 0; j < round_up(n, kPanel); j += kLanes) {
    Element* to = out + j / kPanel * kPanel * cols + j % kPanel;
    for (int64_t c = 0; c < cols; c += kLanes) {
      Vec tile[kLanes];
      key_tile(tile, w, j, rows, c, cols);
      for (int i = 0; i < kLanes && c + i < cols; ++i) store(to + (c + i) * kPanel, tile[i]);
    }
  }
}

// W [n, depth] from its columns: `depth` rows of w with n columns, of which `rows` exist.
static void pack_columns(Element* out, View w, int64_t n, int64_t depth, int64_t rows) {
  with_type(w, [&](auto* data) {
    for (int64_t j = 0; j < round_up(n, kPanel); j += kLanes) {
      Element* to = out + j / kPanel * kPanel * depth + j % kPanel;
      const int64_t width = n - j < kLanes ? n - j : kLanes;
      for (int64_t t = 0; t < depth; ++t) {
        const auto* in = data + t * w.stride + j;
        store(to + t * kPanel, t >= rows || width <= 0 ? zero() : width == kLanes ? load(in) : load_part(in, width));
      }
    }
  });
}

// A left operand's rows [rows, depth], zeros from `cols` on.
static void gather_rows(Element* out, int64_t stride, View x, int64_t rows, int64_t cols) {
  with_type(x, [&](auto* data) {
    for (int64_t r = 0; r < rows; ++r) widen_row(out + r * stride, data + r * x.stride, cols, stride, set1(1.0f));
  });
}

// c [rows, n] (rounded up to whole panels) = a [rows, depth] times an operand packed with `packed_depth` >= depth.
static void block_product(float* c, int64_t c_stride, const Element* a, int64_t a_stride, int64_t rows,
                          const Element* packed, int64_t packed_depth, int64_t n, int64_t depth) {
  for (int64_t j = 0; j < n; j += kPanel) {
    panel_product(c + j, c_stride, a, a_stride, rows, packed + j * packed_depth, depth);
  }
}
