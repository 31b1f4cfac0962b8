// How a product is cut: a grid of row blocks by groups of panels.
#pragma once

#include <algorithm>

#include "base/ints.h"
#include "base/threads.h"

namespace loquat::cpu {

constexpr int64_t kRowsPerPart = 128;       // with a few hundred columns they stay in the second-level cache
constexpr int64_t kGroupBytes = 512 << 10;  // of packed panels that one part walks through
constexpr int64_t kSmallProduct = 1 << 17;  // multiplications that are not worth waking a thread for

// f(first row, rows, first panel, end of panels) for each part of [rows, k] times [n, k], whose panels take
// `panel_bytes` each.
template <typename F>
void for_product_parts(int64_t rows, int64_t n, int64_t k, int64_t panel, int64_t panel_bytes, F&& f) {
  const int64_t panels = ceil_div(n, panel);
  if (rows == 0 || n == 0) return;
  if (rows * n * k < kSmallProduct || thread_count() == 1) {
    for (int64_t begin = 0; begin < rows; begin += kRowsPerPart)
      f(begin, std::min(kRowsPerPart, rows - begin), 0, panels);
    return;
  }
  const int64_t row_parts = ceil_div(rows, kRowsPerPart);
  const int64_t threads = thread_count();
  const int64_t wanted = threads * (row_parts == 1 ? 1 : 3);
  int64_t groups = std::max(ceil_div(panels * panel_bytes, kGroupBytes), ceil_div(wanted, row_parts));
  if (row_parts == 1) groups = ceil_div(groups, threads) * threads;  // the parts are few: no thread gets one more
  const int64_t group = ceil_div(panels, std::min(panels, groups));
  parallel_for(row_parts * ceil_div(panels, group), [&](int64_t part) {
    const int64_t row = part % row_parts * kRowsPerPart, first = part / row_parts * group;
    f(row, std::min(kRowsPerPart, rows - row), first, std::min(first + group, panels));
  });
}

}  // namespace loquat::cpu
