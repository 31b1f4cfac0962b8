// Drivers of the vocabulary head. Logits live in blocks of a few rows by kVocabChunk columns in a thread's scratch; the
// backward keeps dlogits of a block of rows, in the compute type.
#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kHeadRows = 64;            // rows whose logits are made together: 256 KiB
constexpr int64_t kSumRows = 4;              // of log_sum_exp that are worth a thread
constexpr int64_t kGradientBytes = 4 << 20;  // of dlogits
constexpr LogSum kEmpty = {-INFINITY, 0, 0};

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

float total(const LogSum& s) {
  return s.top + std::log(s.sum);
}

// Rows a part takes: few enough that all threads have some.
int64_t head_rows(int64_t rows) {
  return std::clamp<int64_t>(ceil_div(ceil_div(rows, 2 * thread_count()), 16) * 16, 16, kHeadRows);
}

// f(first column, columns, logits [rows, kVocabChunk]) for each chunk of the vocabulary, in order.
template <typename F>
void for_chunks(const Inner& inner, Mat x, const PackedWeight& w, F&& f) {
  float* logits =
      static_cast<float*>(scratch(kDriverLogits, sizeof(float) * static_cast<size_t>(x.rows * kVocabChunk)));
  const int64_t panel = inner.products->panel;
  const int64_t panel_bytes = inner.products->panel_bytes(w.k, w.dtype == DType::kBF16);
  for (int64_t first = 0; first < w.n; first += kVocabChunk) {
    const int64_t columns = std::min(kVocabChunk, w.n - first);
    const char* panels = static_cast<const char*>(w.forward) + first / panel * panel_bytes;
    inner.products->product({logits, kVocabChunk, false}, view(x), x.rows, panels, columns, w.k, 0,
                            ceil_div(columns, panel), false);
    f(first, columns, logits);
  }
}

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
    LogSum sums[kHeadRows];
    float target_logit[kHeadRows] = {};
    std::fill_n(sums, end - begin, kEmpty);
    for_chunks(inner, x.row_range(begin, end), w, [&](int64_t first, int64_t columns, const float* logits) {
      for (int64_t t = begin; t < end; ++t) {
        const float* row = logits + (t - begin) * kVocabChunk;
        inner.rows->log_sum(&sums[t - begin], row, columns, inv_temperature, entropy != nullptr);
        const int64_t column = targets[t] - first;
        if (column >= 0 && column < columns) target_logit[t - begin] = row[column];
      }
    });
    for (int64_t t = begin; t < end; ++t) {
      const LogSum& s = sums[t - begin];
      lse[t] = total(s);
      logprob[t] = target_logit[t - begin] * inv_temperature - lse[t];
      if (entropy) entropy[t] = std::log(s.sum) - s.weighted / s.sum;
    }
  });
}

void lm_head_backward(const Inner& inner, Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets,
                      float inv_temperature, const float* lse, const float* dlogprob, const float* entropy,
                      const float* dentropy) {
  check_head(x, w, targets);
  CHECK(dx.rows == x.rows && dx.cols == x.cols, "dx [{}, {}] of x [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
  CHECK(!dentropy || entropy, "lm_head_backward: dentropy without entropy");
  const int64_t size = bytes_of(x.dtype);
  // Depends on V alone, so that dw's sums do too.
  const int64_t rows = std::clamp<int64_t>(kGradientBytes / (w.n * size) / kHeadRows * kHeadRows, kHeadRows, 1024);
  for (int64_t top = 0; top < x.rows; top += rows) {
    const int64_t bottom = std::min(top + rows, x.rows);
    const Mat block = x.row_range(top, bottom);
    void* data = scratch(kDriverRows, static_cast<size_t>(block.rows * w.n * size));
    const Mat dlogits = {data, block.rows, w.n, w.n, x.dtype};
    parallel_blocks(block.rows, head_rows(block.rows), [&](int64_t begin, int64_t end) {
      for_chunks(inner, block.row_range(begin, end), w, [&](int64_t first, int64_t columns, float* logits) {
        for (int64_t t = begin; t < end; ++t) {
          const int64_t row = top + t, column = targets[row] - first;
          float* values = logits + (t - begin) * kVocabChunk;
          inner.rows->vocab_gradient(values, columns, inv_temperature, lse[row], dlogprob[row],
                                     dentropy ? dentropy[row] : 0.0f, dentropy ? entropy[row] : 0.0f);
          if (column >= 0 && column < columns) values[column] += dlogprob[row] * inv_temperature;
        }
        inner.rows->convert(view(dlogits, begin, first), {logits, kVocabChunk, false}, end - begin, columns);
      });
    });
    linear_backward_input(inner, dx.row_range(top, bottom), dlogits, w, false);
    if (dw) linear_backward_weight(inner, dw, dlogits, block);
  }
}

}  // namespace loquat::cpu
