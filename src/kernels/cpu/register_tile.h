// A tile of a product in registers, over the Vec of the including file: the vector products of every instruction set
// end here (AMX has tiles of its own). A Step says what is added for one step of the summed dimension: MultiplyAdd
// below (one element), or a pair of bfloat16 elements (inner_avx512bf16.cc).

// float32; the right operand may be bfloat16, widened as it is read.
template <typename B>
struct MultiplyAdd {
  using Left = float;
  using Right = B;
  using Operand = Vec;
  LOQUAT_INLINE Operand right(const B* b) { return load(b); }
  LOQUAT_INLINE Vec add(Vec sum, const float* a, Operand b) { return fma(set1(*a), b, sum); }
};

// sums[r][w] += Σ_s a[r * a_row + s * a_step] b[w * b_vec + s * b_step ...], one chain for each element, s ascending.
template <typename Step, int R, int W>
LOQUAT_INLINE void add_products(Vec (&sums)[R][W], const typename Step::Left* a, int64_t a_row, int64_t a_step,
                                const typename Step::Right* b, int64_t b_vec, int64_t b_step, int64_t steps) {
  for (int64_t s = 0; s < steps; ++s, a += a_step, b += b_step) {
    typename Step::Operand right[W];
#pragma GCC unroll 16
    for (int w = 0; w < W; ++w) right[w] = Step::right(b + w * b_vec);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int w = 0; w < W; ++w) sums[r][w] = Step::add(sums[r][w], a + r * a_row, right[w]);
    }
  }
}

template <int R, int W>
LOQUAT_INLINE void clear(Vec (&sums)[R][W]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int w = 0; w < W; ++w) sums[r][w] = zero();
  }
}

template <int R, int W>
LOQUAT_INLINE void store_sums(float* c, int64_t stride, const Vec (&sums)[R][W]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int w = 0; w < W; ++w) store(c + r * stride + w * kLanes, sums[r][w]);
  }
}

// f.operator()<N>() for N = count, 1 ... Most.
template <int Most, typename F>
LOQUAT_INLINE void with_count(int64_t count, F&& f) {
  if constexpr (Most > 0) {
    if (count == Most) {
      f.template operator()<Most>();
    } else {
      with_count<Most - 1>(count, f);
    }
  }
}

// dw's block of `rows` (at most R) rows and `cols` columns += over `steps`. a: the left operand from the block's first
// row, `a_step` elements from step to step; b: W vectors of the right one, `b_vec` apart.
template <typename Step, int R, int W>
static void gradient_tile(float* dw, int64_t stride, int64_t rows, int64_t cols, const typename Step::Left* a,
                          int64_t a_row, int64_t a_step, const typename Step::Right* b, int64_t b_vec, int64_t b_step,
                          int64_t steps) {
  Vec sums[R][W];
  const bool whole = rows >= R && cols >= W * kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int w = 0; w < W; ++w) {
      const int64_t left = r < rows ? cols - w * kLanes : 0;
      const float* from = dw + r * stride + w * kLanes;
      sums[r][w] = whole || left >= kLanes ? load(from) : left > 0 ? load_part(from, left) : zero();
    }
  }
  add_products<Step, R, W>(sums, a, a_row, a_step, b, b_vec, b_step, steps);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int w = 0; w < W; ++w) {
      const int64_t left = r < rows ? cols - w * kLanes : 0;
      float* to = dw + r * stride + w * kLanes;
      if (whole || left >= kLanes) {
        store(to, sums[r][w]);
      } else if (left > 0) {
        store_part(to, sums[r][w], left);
      }
    }
  }
}
