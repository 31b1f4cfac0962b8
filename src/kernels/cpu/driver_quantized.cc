// Drivers of the products by quantised weights. A call's rows are quantised once, before the work is cut.
#include <algorithm>

#include "base/ints.h"
#include "base/threads.h"
#include "kernels/cpu/drivers.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/quantize.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kRowGrain = 16;  // rows to quantise that are worth a thread

const uint16_t* bits_of_scales(const BF16* scales) {
  return reinterpret_cast<const uint16_t*>(scales);
}

}  // namespace

int64_t quantized_bytes(const Inner& inner, int64_t n, int64_t k, WeightType type) {
  const QuantizedProducts& products = *inner.quantized;
  return ceil_div(ceil_div(n, products.panel) * products.panel_bytes(k, type == WeightType::kInt4), 64) * 64;
}

void pack_quantized(const Inner& inner, const uint8_t* codes, const BF16* scales, int64_t n, int64_t k, WeightType type,
                    void* forward) {
  const QuantizedProducts& products = *inner.quantized;
  const int64_t grain = std::max<int64_t>(1, 32768 / (k * products.panel + 1));
  parallel_blocks(ceil_div(n, products.panel), grain, [&](int64_t begin, int64_t end) {
    products.pack(codes, bits_of_scales(scales), n, k, type == WeightType::kInt4, forward, begin, end);
  });
}

QuantizedRows quantize_rows(const Inner& inner, Mat x, WeightType type, ScratchSlot slot) {
  const bool int4 = type == WeightType::kInt4;
  QuantizedRows out;
  out.groups = group_count(x.cols, type);
  out.stride = ceil_div(out.groups * group_length(type), 64) * 64;
  if (out.stride % 1024 == 0) out.stride += 64;  // such rows would share the cache's few places
  const int64_t values = x.rows * out.stride, scales = x.rows * out.groups;
  char* memory = static_cast<char*>(scratch(slot, static_cast<size_t>(values + 8 * scales)));
  out.values = reinterpret_cast<int8_t*>(memory);
  out.scales = reinterpret_cast<float*>(memory + values);
  out.starts = reinterpret_cast<int32_t*>(out.scales + scales);
  parallel_blocks(x.rows, kRowGrain, [&](int64_t begin, int64_t end) {
    inner.quantized->quantize_rows(out, view(x), x.cols, int4, begin, end);
  });
  return out;
}

void quantized_linear(const Inner& inner, Mat y, Mat x, const PackedWeight& w, bool add) {
  CHECK(y.rows == x.rows && y.cols == w.n && x.cols == w.k, "y [{}, {}] = x [{}, {}] times W [{}, {}]", y.rows, y.cols,
        x.rows, x.cols, w.n, w.k);
  const QuantizedProducts& products = *inner.quantized;
  const bool int4 = w.type == WeightType::kInt4;
  const QuantizedRows rows = quantize_rows(inner, x, w.type, kDriverRows);
  for_product_parts(x.rows, w.n, w.k, products.panel, products.panel_bytes(w.k, int4),
                    [&](int64_t row, int64_t count, int64_t begin, int64_t end) {
                      products.product(view(y, row), rows, row, count, w.forward, w.n, w.k, int4, begin, end, add);
                    });
}

}  // namespace loquat::cpu
