// Drivers of the vocabulary head. Logits live in blocks of a few rows by kVocabChunk columns in a thread's scratch; the
// backward keeps dlogits of a block of rows, in the compute type.
#include <algorithm>
#include <cmath>

#include "base/ints.h"
#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kHeadRows = 64;            // rows whose logits are made together: 256 KiB
constexpr int64_t kSumRows = 4;              // of log_sum_exp that are worth a thread
constexpr int64_t kGradientBytes = 4 << 20;  // of dlogits
constexpr int64_t kKeptLogits = 256 << 10;   // floats: a megabyte, which lm_head_loss keeps in a thread's cache
constexpr LogSum kEmpty = {-INFINITY, 0, 0};

float total(const LogSum& s) {
  return s.top + std::log(s.sum);
}

// Rows a part takes: few enough that all threads have some.
int64_t head_rows(int64_t rows) {
  return std::clamp<int64_t>(ceil_div(ceil_div(rows, 2 * thread_count()), 16) * 16, 16, kHeadRows);
}

// A head's rows: as they are, or quantised where the weight is.
struct HeadRows {
  Mat x;
  QuantizedRows quantized{};

  HeadRows(const Inner& inner, Mat rows, const PackedWeight& w) : x(rows) {
    if (w.type != WeightType::kCompute) quantized = quantize_rows(inner, x, w.type, kDriverRows);
  }
};

// Logits [rows, columns] of a head's rows from vocabulary column `first` on, rows `stride` apart, not yet capped.
void raw_logits(const Inner& inner, float* logits, int64_t stride, const HeadRows& rows, const PackedWeight& w,
                int64_t first, int64_t columns) {
  if (w.type != WeightType::kCompute) {
    const QuantizedProducts& products = *inner.quantized;
    const bool int4 = w.type == WeightType::kInt4;
    const char* panels = static_cast<const char*>(w.forward) + first / products.panel * products.panel_bytes(w.k, int4);
    return products.product({logits, stride, false}, rows.quantized, 0, rows.x.rows, panels, columns, w.k, int4, 0,
                            ceil_div(columns, products.panel), false);
  }
  const Mat x = rows.x;
  const int64_t panel = inner.products->panel;
  const int64_t panel_bytes = inner.products->panel_bytes(w.k, w.dtype == DType::kBF16);
  const char* panels = static_cast<const char*>(w.forward) + first / panel * panel_bytes;
  inner.products->product({logits, stride, false}, view(x), x.rows, panels, columns, w.k, 0, ceil_div(columns, panel),
                          false);
}

void chunk_logits(const Inner& inner, float* logits, int64_t stride, const HeadRows& rows, const PackedWeight& w,
                  int64_t first, int64_t columns) {
  raw_logits(inner, logits, stride, rows, w, first, columns);
  for (int64_t t = 0; w.softcap > 0 && t < rows.x.rows; ++t)
    inner.parts->soft_cap(logits + t * stride, columns, w.softcap);
}

// A chunk of one row's logits to their gradient; `target` is the target's column in it, if it is there.
void chunk_gradient(const Inner& inner, float* logits, int64_t columns, const PackedWeight& w, int64_t target,
                    float inv_temperature, float lse, float dlogprob, float dentropy, float entropy) {
  float capped[kVocabChunk];
  if (w.softcap > 0) std::copy_n(logits, columns, capped);
  inner.rows->vocab_gradient(logits, columns, inv_temperature, lse, dlogprob, dentropy, entropy);
  if (target >= 0 && target < columns) logits[target] += dlogprob * inv_temperature;
  if (w.softcap > 0) inner.parts->soft_cap_slope(logits, capped, columns, w.softcap);
}

// f(first column, columns) for each chunk of the vocabulary, in order.
template <typename F>
void for_chunks(int64_t vocab, F&& f) {
  for (int64_t first = 0; first < vocab; first += kVocabChunk) f(first, std::min(kVocabChunk, vocab - first));
}

float* logits_scratch(int64_t floats) {
  return static_cast<float*>(scratch(kDriverLogits, sizeof(float) * static_cast<size_t>(floats)));
}

// What a row of the head has summed so far.
struct RowSums {
  LogSum sum = kEmpty;
  float target_logit = 0;

  void add(const Inner& inner, const float* logits, int64_t first, int64_t columns, int32_t target,
           float inv_temperature, bool entropy) {
    inner.rows->log_sum(&sum, logits, columns, inv_temperature, entropy);
    if (target >= first && target < first + columns) target_logit = logits[target - first];
  }
  void finish(float inv_temperature, float* logprob, float* lse) const {
    *lse = total(sum);
    *logprob = target_logit * inv_temperature - *lse;
  }
};

void check_head(Mat x, const PackedWeight& w, const int32_t* targets) {
  CHECK(x.cols == w.k && x.dtype == w.dtype, "the head: x [{}, {}] times W [{}, {}]", x.rows, x.cols, w.n, w.k);
  for (int64_t t = 0; t < x.rows; ++t) {
    CHECK(targets[t] >= 0 && targets[t] < w.n, "target {} of a vocabulary of {}", targets[t], w.n);
  }
}

}  // namespace

void log_sum_exp(const Inner& inner, Mat logits, const float* inv_temperature, float* lse) {
  parallel_blocks(logits.rows, kSumRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float* row = logits.row_range(t, t + 1).f32();
      LogSum sum = kEmpty;
      for (int64_t first = 0; first < logits.cols; first += kVocabChunk) {
        inner.rows->log_sum(&sum, row + first, std::min(kVocabChunk, logits.cols - first), inv_temperature[t], false);
      }
      lse[t] = total(sum);
    }
  });
}

void lm_head(const Inner& inner, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
             float* logprob, float* lse, float* entropy) {
  check_head(x, w, targets);
  parallel_blocks(x.rows, head_rows(x.rows), [&](int64_t begin, int64_t end) {
    RowSums rows[kHeadRows];
    float* logits = logits_scratch((end - begin) * kVocabChunk);
    const HeadRows head_rows(inner, x.row_range(begin, end), w);
    for_chunks(w.n, [&](int64_t first, int64_t columns) {
      chunk_logits(inner, logits, kVocabChunk, head_rows, w, first, columns);
      for (int64_t t = begin; t < end; ++t) {
        rows[t - begin].add(inner, logits + (t - begin) * kVocabChunk, first, columns, targets[t], inv_temperature,
                            entropy != nullptr);
      }
    });
    for (int64_t t = begin; t < end; ++t) {
      const LogSum& s = rows[t - begin].sum;
      rows[t - begin].finish(inv_temperature, &logprob[t], &lse[t]);
      if (entropy) entropy[t] = std::log(s.sum) - s.weighted / s.sum;
    }
  });
}

namespace {

// dx and dw of blocks of rows: fill(dlogits, first row of the block, begin, end) makes rows [begin, end) of a block's
// dlogits, on any thread, at most `part` rows. How many rows a block has depends on V and the type alone, so that dw's
// sums do too.
template <typename F>
void backward_by_blocks(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, int64_t part, F&& fill) {
  CHECK(dx.rows == x.rows && dx.cols == x.cols, "dx [{}, {}] of x [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
  CHECK(w.backward != nullptr, "W [{}, {}] is not packed for a backward", w.n, w.k);
  const int64_t size = bytes_of(x.dtype);
  const int64_t rows = std::clamp<int64_t>(kGradientBytes / (w.n * size) / kHeadRows * kHeadRows, kHeadRows, 1024);
  for (int64_t top = 0; top < x.rows; top += rows) {
    const int64_t bottom = std::min(top + rows, x.rows);
    const Mat block = x.row_range(top, bottom);
    void* data = scratch(kDriverRows, static_cast<size_t>(block.rows * w.n * size));
    const Mat dlogits = {data, block.rows, w.n, w.n, x.dtype};
    parallel_blocks(block.rows, std::min(part, head_rows(block.rows)),
                    [&](int64_t begin, int64_t end) { fill(dlogits, top, begin, end); });
    linear_backward_input(inner, dx.row_range(top, bottom), dlogits, w, false);
    if (dw) linear_backward_weight(inner, dw, dlogits, block);
  }
}

}  // namespace

void lm_head_backward(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                      float inv_temperature, const float* lse, const float* dlogprob, const float* entropy,
                      const float* dentropy) {
  check_head(x, w, targets);
  CHECK(!dentropy || entropy, "lm_head_backward: dentropy without entropy");
  backward_by_blocks(inner, dx, dw, x, w, kHeadRows, [&](Mat dlogits, int64_t top, int64_t begin, int64_t end) {
    float* logits = logits_scratch((end - begin) * kVocabChunk);
    const HeadRows head_rows(inner, x.row_range(top + begin, top + end), w);
    for_chunks(w.n, [&](int64_t first, int64_t columns) {
      chunk_logits(inner, logits, kVocabChunk, head_rows, w, first, columns);
      for (int64_t t = begin; t < end; ++t) {
        const int64_t row = top + t;
        chunk_gradient(inner, logits + (t - begin) * kVocabChunk, columns, w, targets[row] - first, inv_temperature,
                       lse[row], dlogprob[row], dentropy ? dentropy[row] : 0.0f, dentropy ? entropy[row] : 0.0f);
      }
      inner.rows->convert(view(dlogits, begin, first), {logits, kVocabChunk, false}, end - begin, columns);
    });
  });
}

void lm_head_loss(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                  const float* dlogprob, float* logprob, float* lse) {
  const int64_t part = std::min(kKeptLogits / w.n / 16 * 16, kHeadRows);
  if (part == 0) {  // too many to keep
    lm_head(inner, x, w, targets, 1, logprob, lse, nullptr);
    return lm_head_backward(inner, dx, dw, x, w, targets, 1, lse, dlogprob, nullptr, nullptr);
  }
  check_head(x, w, targets);
  backward_by_blocks(inner, dx, dw, x, w, part, [&](Mat dlogits, int64_t top, int64_t begin, int64_t end) {
    RowSums rows[kHeadRows];
    const int64_t stride = ceil_div(w.n, 16) * 16;
    float* logits = logits_scratch((end - begin) * stride);
    const HeadRows head_rows(inner, x.row_range(top + begin, top + end), w);
    for_chunks(w.n, [&](int64_t first, int64_t columns) {
      chunk_logits(inner, logits + first, stride, head_rows, w, first, columns);
      for (int64_t t = begin; t < end; ++t)
        rows[t - begin].add(inner, logits + (t - begin) * stride + first, first, columns, targets[top + t], 1, false);
    });
    for (int64_t t = begin; t < end; ++t) {
      const int64_t row = top + t;
      float* values = logits + (t - begin) * stride;
      rows[t - begin].finish(1, &logprob[row], &lse[row]);
      for_chunks(w.n, [&](int64_t first, int64_t columns) {
        chunk_gradient(inner, values + first, columns, w, targets[row] - first, 1, lse[row], dlogprob[row], 0, 0);
      });
    }
    inner.rows->convert(view(dlogits, begin), {logits, stride, false}, end - begin, w.n);
  });
}

}  // namespace loquat::cpu
