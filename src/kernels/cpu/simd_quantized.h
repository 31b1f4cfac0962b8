// Products by weights of 8 and 4 bits, over the Vec of the including file and what it says of its integers:
//   Ints                      kLanes int32
//   Codes, load_codes(p)      four codes of k for each of kLanes columns
//   low_nibbles, high_nibbles(Codes)
//   Dot<kInt4>                the sum of one group's products: `Sum start(int32)`, `Sum add(Sum, Codes, const int8_t*)`
//                             with four values of a row, `Ints finish(Sum, int32)`, exact whatever the values are
//   Scales, scales_of(p, Vec&, Vec&)
//   quantize_group
// A panel is two Vecs of columns; for each group it holds the columns' scales (bfloat16, column i beside i + kLanes),
// then for every four of k the codes of both Vecs: two loads, or, with 4 bits, one load of both in a byte's halves. A
// panel is read in one line, which the processor sees by itself: asking for it beforehand made one row slower.

constexpr int64_t kPanel = 2 * kLanes;
constexpr int64_t kQuad = 4;                     // values of k that one step multiplies
constexpr int64_t kCodesBytes = kLanes * kQuad;  // one step of one Vec of columns
constexpr int64_t kScalesBytes = kPanel * 2;

constexpr int64_t length_of(bool int4) {
  return int4 ? 32 : 64;
}
constexpr int64_t group_bytes(bool int4) {
  return kScalesBytes + length_of(int4) / kQuad * kCodesBytes * (int4 ? 1 : 2);
}
static int64_t groups_of(int64_t k, bool int4) {
  return (k + length_of(int4) - 1) / length_of(int4);
}

static int64_t panel_bytes(int64_t k, bool int4) {
  return groups_of(k, int4) * group_bytes(int4);
}

static void pack(const uint8_t* codes, const uint16_t* scales, int64_t n, int64_t k, bool int4, void* packed,
                 int64_t begin, int64_t end) {
  const int64_t groups = groups_of(k, int4), length = length_of(int4);
  for (int64_t p = begin; p < end; ++p) {
    uint8_t* out = static_cast<uint8_t*>(packed) + p * panel_bytes(k, int4);
    for (int64_t g = 0; g < groups; ++g, out += group_bytes(int4)) {
      for (int64_t i = 0; i < group_bytes(int4); ++i) out[i] = 0;
      for (int64_t c = 0; c < kPanel && p * kPanel + c < n; ++c) {
        const int64_t column = p * kPanel + c, half = c / kLanes, lane = c % kLanes;
        __builtin_memcpy(out + (2 * lane + half) * 2, scales + column * groups + g, 2);
        for (int64_t j = 0; j < length && g * length + j < k; ++j) {
          const uint8_t code = codes[column * k + g * length + j];
          uint8_t* to = out + kScalesBytes + lane * kQuad + j % kQuad;
          if (int4) {
            to[j / kQuad * kCodesBytes] |= static_cast<uint8_t>(code << (4 * half));
          } else {
            to[(j / kQuad * 2 + half) * kCodesBytes] = code;
          }
        }
      }
    }
  }
}

// --- rows ----------------------------------------------------------------------------------------

static void quantize_rows(const QuantizedRows& out, View x, int64_t k, bool int4, int64_t begin, int64_t end) {
  const int64_t length = length_of(int4);
  with_type(x, [&](auto* data) {
    for (int64_t r = begin; r < end; ++r) {
      const auto* row = data + r * x.stride;
      for (int64_t g = 0; g < out.groups; ++g) {
        const int64_t left = k - g * length;
        Vec values[64 / kLanes];
        Vec most = zero();
        for (int64_t v = 0; v < length / kLanes; ++v) {
          const auto* from = row + g * length + v * kLanes;
          const int64_t n = left - v * kLanes;
          values[v] = n >= kLanes ? load(from) : n > 0 ? load_part(from, n) : zero();
          most = max(max(values[v], zero() - values[v]), most);
        }
        float top = max_lanes(most);
        if (top < 1e-30f) top = 0;  // 127 / top would be infinite
        const Vec inverse = top == 0 ? zero() : set1(127.0f) / set1(top);
        const int32_t sum = store_rounded(out.values + r * out.stride + g * length, values, inverse, length / kLanes);
        out.scales[r * out.groups + g] = top * (1 / 127.0f);
        out.starts[r * out.groups + g] = (int4 ? -8 : -128) * sum;
      }
    }
  });
}

// --- products ------------------------------------------------------------------------------------

// Where a step's codes come from: both Vecs side by side, or in the halves of the same bytes.
struct Bytes {
  static constexpr int64_t kStep = 2 * kCodesBytes;
  static LOQUAT_ALWAYS void read(const uint8_t* p, Codes& first, Codes& second) {
    first = load_codes(p);
    second = load_codes(p + kCodesBytes);
  }
};
struct Nibbles {
  static constexpr int64_t kStep = kCodesBytes;
  static LOQUAT_ALWAYS void read(const uint8_t* p, Codes& first, Codes& second) {
    const Codes both = load_codes(p);
    first = low_nibbles(both);
    second = high_nibbles(both);
  }
};

LOQUAT_INLINE Vec add_group(Vec sum, Ints products, Vec scales, float row_scale) {
  return fma(to_floats(products), scales * set1(row_scale), sum);
}

// c [R, kPanel] = rows `row` ... of x times one panel. `scales` are those of the panel's first group, `codes` its
// codes, each `scale_step` and `code_step` bytes from one group to the next.
template <int R, bool kInt4, typename Source>
static void tile(float* c, const QuantizedRows& x, int64_t row, const uint8_t* scales, int64_t scale_step,
                 const uint8_t* codes, int64_t code_step) {
  using D = Dot<kInt4>;
  constexpr int64_t kLength = length_of(kInt4);
  Vec sums[R][2];
  clear(sums);
  const int8_t* a = x.values + row * x.stride;
  const float* row_scales = x.scales + row * x.groups;
  const int32_t* starts = x.starts + row * x.groups;
  for (int64_t g = 0; g < x.groups; ++g, a += kLength, scales += scale_step, codes += code_step) {
    typename D::Sum products[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) products[r][0] = products[r][1] = D::start(starts[r * x.groups + g]);
#pragma GCC unroll 8
    for (int64_t q = 0; q < kLength / kQuad; ++q) {
      Codes first, second;
      Source::read(codes + q * Source::kStep, first, second);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const int8_t* values = a + r * x.stride + q * kQuad;
        products[r][0] = D::add(products[r][0], first, values);
        products[r][1] = D::add(products[r][1], second, values);
      }
    }
    Vec first, second;
    read_scales(scales, first, second);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const int32_t start = starts[r * x.groups + g];
      const float row_scale = row_scales[r * x.groups + g];
      sums[r][0] = add_group(sums[r][0], D::finish(products[r][0], start), first, row_scale);
      sums[r][1] = add_group(sums[r][1], D::finish(products[r][1], start), second, row_scale);
    }
  }
  store_sums(c, kPanel, sums);
}

// c [rows, kPanel] = rows `row` ... of x times one panel.
template <bool kInt4, typename Source>
static void panel_product(float* c, const QuantizedRows& x, int64_t row, int64_t rows, const uint8_t* scales,
                          int64_t scale_step, const uint8_t* codes, int64_t code_step) {
  for (int64_t r = 0; r < rows; r += kQuantizedRows) {
    with_count<kQuantizedRows>(rows - r < kQuantizedRows ? rows - r : kQuantizedRows, [&]<int R>() {
      tile<R, kInt4, Source>(c + r * kPanel, x, row + r, scales, scale_step, codes, code_step);
    });
  }
}

// A panel's codes of 4 bits, a byte each, without the scales.
static void unpack_panel(uint8_t* out, const uint8_t* panel, int64_t groups) {
  constexpr int64_t kSteps = length_of(true) / kQuad;
  for (int64_t g = 0; g < groups; ++g, panel += group_bytes(true)) {
    for (int64_t q = 0; q < kSteps; ++q, out += 2 * kCodesBytes) {
      Codes first, second;
      Nibbles::read(panel + kScalesBytes + q * kCodesBytes, first, second);
      store_codes(out, first);
      store_codes(out + kCodesBytes, second);
    }
  }
}

static void product(View y, const QuantizedRows& x, int64_t first, int64_t rows, const void* packed, int64_t n,
                    int64_t k, bool int4, int64_t begin, int64_t end, bool add) {
  if (rows == 0) return;
  const int64_t wide_step = length_of(true) / kQuad * 2 * kCodesBytes;
  const bool unpacked = int4 && rows > 2 * kQuantizedRows;
  float* c = static_cast<float*>(
      scratch(kInnerB, static_cast<size_t>(rows * kPanel * 4 + (unpacked ? x.groups * wide_step : 0))));
  uint8_t* wide = reinterpret_cast<uint8_t*>(c + rows * kPanel);
  for (int64_t p = begin; p < end; ++p) {
    const uint8_t* panel = static_cast<const uint8_t*>(packed) + p * panel_bytes(k, int4);
    const uint8_t* codes = panel + kScalesBytes;
    if (unpacked) {
      unpack_panel(wide, panel, x.groups);
      panel_product<true, Bytes>(c, x, first, rows, panel, group_bytes(true), wide, wide_step);
    } else if (int4) {
      panel_product<true, Nibbles>(c, x, first, rows, panel, group_bytes(true), codes, group_bytes(true));
    } else {
      panel_product<false, Bytes>(c, x, first, rows, panel, group_bytes(false), codes, group_bytes(false));
    }
    store_block(y, 0, p * kPanel, c, kPanel, rows, n - p * kPanel < kPanel ? n - p * kPanel : kPanel, add);
  }
}
