// Reference vocabulary head: log-probabilities, log-sum-exp and entropy, and their backward, one row at a time.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/threads.h"
#include "kernels/reference.h"

namespace loquat::reference {
namespace {

std::vector<float> logits_of(Mat x, int64_t t, const PackedWeight& w) {
  std::vector<float> logits(w.n);
  linear(mat(logits.data(), 1, w.n), x.row_range(t, t + 1), w, false);
  if (w.softcap > 0) soft_cap(mat(logits.data(), 1, w.n), w.softcap);
  return logits;
}

}  // namespace

float log_sum_exp(const float* logits, int64_t n, float inv_temperature) {
  double top = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; ++i) top = std::max(top, static_cast<double>(logits[i] * inv_temperature));
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i] * inv_temperature) - top);
  return static_cast<float>(top + std::log(sum));
}

void log_sum_exp_rows(Mat logits, const float* inv_temperature, float* lse) {
  for (int64_t t = 0; t < logits.rows; ++t)
    lse[t] = log_sum_exp(static_cast<const float*>(logits.row(t)), logits.cols, inv_temperature[t]);
}

void lm_head(Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature, float* logprob, float* lse,
             float* entropy) {
  parallel_for(x.rows, [&](int64_t t) {
    const std::vector<float> logits = logits_of(x, t, w);
    const float total = log_sum_exp(logits.data(), w.n, inv_temperature);
    logprob[t] = logits[targets[t]] * inv_temperature - total;
    lse[t] = total;
    if (!entropy) return;
    double sum = 0;
    for (const float logit : logits) {
      const double lp = static_cast<double>(logit * inv_temperature) - total;
      sum -= std::exp(lp) * lp;
    }
    entropy[t] = static_cast<float>(sum);
  });
}

// With z = logits / temperature and p = softmax(z): d logprob / dz = onehot - p; d entropy / dz = -p (log p + entropy).
// A capped logit y has the slope 1 - (y / cap)².
void lm_head_backward(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, float inv_temperature,
                      const float* lse, const float* dlogprob, const float* entropy, const float* dentropy) {
  std::vector<BF16> low(x.dtype == DType::kBF16 ? w.n : 0);
  std::vector<float> full(w.n);
  for (int64_t t = 0; t < x.rows; ++t) {
    const std::vector<float> logits = logits_of(x, t, w);
    Mat dlogits = mat(full.data(), 1, w.n);
    if (x.dtype == DType::kBF16) dlogits = Mat{low.data(), 1, w.n, w.n, DType::kBF16};
    for (int64_t v = 0; v < w.n; ++v) {
      const double lp = static_cast<double>(logits[v] * inv_temperature) - lse[t];
      const double p = std::exp(lp);
      double d = dlogprob[t] * ((v == targets[t]) - p);
      if (dentropy) d -= dentropy[t] * p * (lp + entropy[t]);
      if (w.softcap > 0) d *= 1 - std::pow(static_cast<double>(logits[v]) / w.softcap, 2);
      put(dlogits, 0, v, d * inv_temperature);
    }
    linear_backward_input(dx.row_range(t, t + 1), dlogits, w, false);
    if (dw) linear_backward_weight(dw, dlogits, x.row_range(t, t + 1));
  }
}

void lm_head_loss(Mat dx, float* dw, Mat x, const PackedWeight& w, const int32_t* targets, const float* dlogprob,
                  float* logprob, float* lse) {
  lm_head(x, w, targets, 1, logprob, lse, nullptr);
  lm_head_backward(dx, dw, x, w, targets, 1, lse, dlogprob, nullptr, nullptr);
}

}  // namespace loquat::reference
