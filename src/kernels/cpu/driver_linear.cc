// Drivers of the products.
#include <algorithm>

#include "base/ints.h"
#include "base/threads.h"
#include "kernels/cpu/drivers.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/quantize.h"

namespace loquat::cpu {
namespace {

// y [T, n] = (+=) x [T, k] times panels of [n, k].
void product(const Inner& inner, Mat y, Mat x, const void* packed, int64_t n, int64_t k, bool add) {
  CHECK(y.rows == x.rows && y.cols == n && x.cols == k, "y [{}, {}] = x [{}, {}] times W [{}, {}]", y.rows, y.cols,
        x.rows, x.cols, n, k);
  CHECK(packed != nullptr, "W [{}, {}] is not packed for this product", n, k);
  const Products& products = *inner.products;
  for_product_parts(x.rows, n, k, products.panel, products.panel_bytes(k, x.dtype == DType::kBF16),
                    [&](int64_t row, int64_t count, int64_t begin, int64_t end) {
                      products.product(view(y, row), view(x, row), count, packed, n, k, begin, end, add);
                    });
}

int64_t operand_bytes(const Inner& inner, int64_t n, int64_t k, DType dtype) {
  return ceil_div(n, inner.products->panel) * ceil_div(inner.products->panel_bytes(k, dtype == DType::kBF16), 64) * 64;
}

void pack_operand(const Inner& inner, const float* w, int64_t row_stride, int64_t col_stride, int64_t n, int64_t k,
                  bool bf16, void* out) {
  const int64_t grain = std::max<int64_t>(1, 32768 / (k * inner.products->panel + 1));
  parallel_blocks(ceil_div(n, inner.products->panel), grain, [&](int64_t begin, int64_t end) {
    inner.products->pack(w, row_stride, col_stride, n, k, bf16, out, begin, end);
  });
}

constexpr int64_t kUnpackedColumns = 256;  // whole groups

// Columns [begin, end) of a quantised W as floats, column j at out + (j - begin) * n: the panels that simd_quantized.h
// packs, read back.
void unpack_columns(const Inner& inner, const PackedWeight& w, int64_t begin, int64_t end, float* out) {
  const int64_t panel = inner.quantized->panel, lanes = panel / 2, length = group_length(w.type);
  const bool int4 = w.type == WeightType::kInt4;
  const int64_t panel_bytes = inner.quantized->panel_bytes(w.k, int4),
                group_bytes = panel_bytes / group_count(w.k, w.type);
  const int zero = zero_code(w.type);
  parallel_blocks(ceil_div(w.n, panel), 8, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const int64_t columns = std::min(panel, w.n - p * panel);
      for (int64_t j = begin; j < end; ++j) {
        const uint8_t* group = static_cast<const uint8_t*>(w.forward) + p * panel_bytes + j / length * group_bytes;
        const auto* scales = reinterpret_cast<const BF16*>(group);
        const int64_t quad = j % length / 4;
        const uint8_t* codes = group + panel * 2 + (int4 ? quad : 2 * quad) * lanes * 4 + j % 4;
        float* to = out + (j - begin) * w.n + p * panel;
        for (int64_t c = 0; c < columns; ++c) {
          const int64_t half = c / lanes, lane = c % lanes;
          const int code = int4 ? codes[lane * 4] >> (4 * half) & 15 : codes[(half * lanes + lane) * 4];
          to[c] = to_float(scales[2 * lane + half]) * static_cast<float>(code - zero);
        }
      }
    }
  });
}

// W is unpacked by blocks of its columns, which are the product's; an element's sum runs over all of n at once.
void quantized_backward_input(const Inner& inner, Mat dx, Mat dy, const PackedWeight& w, bool add) {
  for (int64_t begin = 0; begin < w.k && dy.rows > 0; begin += kUnpackedColumns) {
    const int64_t columns = std::min(kUnpackedColumns, w.k - begin);
    auto* values = static_cast<float*>(scratch(kDriverRows, sizeof(float) * static_cast<size_t>(columns * w.n)));
    void* packed = scratch(kDriverPacked, static_cast<size_t>(operand_bytes(inner, columns, w.n, dy.dtype)));
    unpack_columns(inner, w, begin, begin + columns, values);
    pack_operand(inner, values, w.n, 1, columns, w.n, dy.dtype == DType::kBF16, packed);
    product(inner, dx.col_range(begin, begin + columns), dy, packed, columns, w.n, add);
  }
}

}  // namespace

int64_t packed_bytes(const Inner& inner, int64_t n, int64_t k, DType dtype) {
  return std::max(operand_bytes(inner, n, k, dtype), operand_bytes(inner, k, n, dtype));
}

void pack(const Inner& inner, const float* w, int64_t n, int64_t k, DType dtype, void* forward, void* backward) {
  pack_operand(inner, w, k, 1, n, k, dtype == DType::kBF16, forward);
  if (backward) pack_operand(inner, w, 1, k, k, n, dtype == DType::kBF16, backward);
}

void linear(const Inner& inner, Mat y, Mat x, const PackedWeight& w, bool add) {
  CHECK(x.dtype == w.dtype, "x and W [{}, {}] have different types", w.n, w.k);
  if (w.type != WeightType::kCompute) return quantized_linear(inner, y, x, w, add);
  product(inner, y, x, w.forward, w.n, w.k, add);
}

void linear_backward_input(const Inner& inner, Mat dx, Mat dy, const PackedWeight& w, bool add) {
  CHECK(dy.dtype == w.dtype, "dy and W [{}, {}] have different types", w.n, w.k);
  CHECK(dx.rows == dy.rows && dx.cols == w.k && dy.cols == w.n, "dx [{}, {}] = dy [{}, {}] times W [{}, {}]", dx.rows,
        dx.cols, dy.rows, dy.cols, w.n, w.k);
  if (w.type != WeightType::kCompute) return quantized_backward_input(inner, dx, dy, w, add);
  product(inner, dx, dy, w.backward, w.k, w.n, add);
}

// Cut along the larger side of dw, so that little is rearranged twice; never along the tokens.
void linear_backward_weight(const Inner& inner, float* dw, Mat dy, Mat x) {
  CHECK(dy.rows == x.rows && dy.dtype == x.dtype, "dy has {} rows, x {}, or their types differ", dy.rows, x.rows);
  const int64_t n = dy.cols, k = x.cols, tokens = x.rows;
  const int64_t threads = tokens * n * k < kSmallProduct ? 1 : thread_count();
  const bool by_rows = n >= k;
  const int64_t larger = std::max(n, k);
  const int64_t parts = threads * ceil_div(larger, threads * 512);
  const int64_t chunk = ceil_div(ceil_div(larger, parts), 32) * 32;
  parallel_blocks(larger, chunk, [&](int64_t begin, int64_t end) {
    if (by_rows) {
      inner.products->weight_gradient(dw + begin * k, k, view(dy, 0, begin), view(x), tokens, end - begin, k);
    } else {
      inner.products->weight_gradient(dw + begin, k, view(dy), view(x, 0, begin), tokens, n, end - begin);
    }
  });
}

void matmul(const Inner& inner, float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
            bool transpose_a, bool transpose_b) {
  if (m == 0 || n == 0) return;
  void* packed = scratch(kDriverPacked, static_cast<size_t>(operand_bytes(inner, n, k, DType::kF32)));
  pack_operand(inner, b, transpose_b ? k : 1, transpose_b ? 1 : n, n, k, false, packed);
  if (transpose_a) {
    float* turned = static_cast<float*>(scratch(kDriverRows, sizeof(float) * static_cast<size_t>(m * k)));
    parallel_blocks(m, 32, [&](int64_t begin, int64_t end) {
      for (int64_t s = 0; s < k; ++s) {
        for (int64_t i = begin; i < end; ++i) turned[i * k + s] = a[s * m + i];
      }
    });
    a = turned;
  }
  product(inner, mat(c, m, n), mat(const_cast<float*>(a), m, k), packed, n, k, false);
}

}  // namespace loquat::cpu
