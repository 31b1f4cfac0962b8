// Reference causal attention by segment, and its backward.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/threads.h"
#include "kernels/reference.h"

namespace loquat::reference {
namespace {

// The first key that a query at this position sees.
int64_t first_seen(const AttentionShape& shape, int64_t position) {
  return shape.window > 0 ? std::max<int64_t>(0, position - shape.window + 1) : 0;
}

// The score that a softmax is over.
double score_of(const AttentionShape& shape, double dot) {
  const double scaled = dot * shape.scale;
  return shape.softcap > 0 ? shape.softcap * std::tanh(scaled / shape.softcap) : scaled;
}

}  // namespace

void attention(Mat out, Mat q, std::span<const AttentionSegment> segments, const AttentionShape& shape, float* lse) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (const AttentionSegment& s : segments) {
    parallel_for(s.q_len, [&](int64_t i) {
      const int64_t row = s.q_begin + i, keys = s.kv_len - s.q_len + i + 1, first = first_seen(shape, keys - 1);
      std::vector<double> p(keys), sum_v(d);
      const auto at = [&](const void* own, const void* prefix, int64_t j, int64_t col) {
        if (s.pages) {
          const int64_t page = s.pages[j / s.page_len] * s.page_stride;
          return load(own, page + j % s.page_len * s.kv_stride + col, q.dtype);
        }
        return j < s.prefix_len ? load(prefix, j * s.kv_stride + col, q.dtype)
                                : load(own, (j - s.prefix_len) * s.kv_stride + col, q.dtype);
      };
      for (int64_t h = 0; h < shape.heads; ++h) {
        const int64_t kv_col = h / group * d;
        double top = -std::numeric_limits<double>::infinity();
        for (int64_t j = first; j < keys; ++j) {
          double dot = 0;
          for (int64_t c = 0; c < d; ++c) {
            dot += get(q, row, h * d + c) * at(s.k, s.prefix_k, j, kv_col + c);
          }
          p[j] = score_of(shape, dot);
          top = std::max(top, p[j]);
        }
        double sum = 0;
        sum_v.assign(d, 0);
        for (int64_t j = first; j < keys; ++j) {
          const double e = std::exp(p[j] - top);
          sum += e;
          for (int64_t c = 0; c < d; ++c) sum_v[c] += e * at(s.v, s.prefix_v, j, kv_col + c);
        }
        for (int64_t c = 0; c < d; ++c) put(out, row, h * d + c, sum_v[c] / sum);
        if (lse) lse[row * shape.heads + h] = static_cast<float>(top + std::log(sum));
      }
    });
  }
}

// p = exp(s - lse); dv = pᵀ dout; dp = dout vᵀ; ds = p (dp - dout · out) scale; dq = ds k; dk = dsᵀ q.
void attention_backward(Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v, const float* lse,
                        std::span<const AttentionSegment> segments, const AttentionShape& shape) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  parallel_for(shape.kv_heads, [&](int64_t g) {
    std::vector<double> key_grad(k.rows * d), value_grad(k.rows * d), query_grad(d);
    const auto query = [&](const AttentionSegment& s, int64_t i, int64_t h) {
      const int64_t row = s.q_begin + i;
      double delta = 0;
      for (int64_t c = 0; c < d; ++c)
        delta += static_cast<double>(get(dout, row, h * d + c)) * get(out, row, h * d + c);
      query_grad.assign(d, 0);
      for (int64_t j = first_seen(shape, s.prefix_len + i); j <= s.prefix_len + i; ++j) {
        const int64_t key = j < s.prefix_len ? s.prefix_begin + j : s.q_begin + j - s.prefix_len;
        double dot = 0, dp = 0;
        for (int64_t c = 0; c < d; ++c) {
          dot += static_cast<double>(get(q, row, h * d + c)) * get(k, key, g * d + c);
          dp += static_cast<double>(get(dout, row, h * d + c)) * get(v, key, g * d + c);
        }
        const double score = score_of(shape, dot), p = std::exp(score - lse[row * shape.heads + h]);
        double ds = p * (dp - delta) * shape.scale;
        if (shape.softcap > 0) ds *= 1 - score / shape.softcap * (score / shape.softcap);
        for (int64_t c = 0; c < d; ++c) {
          query_grad[c] += ds * get(k, key, g * d + c);
          key_grad[key * d + c] += ds * get(q, row, h * d + c);
          value_grad[key * d + c] += p * get(dout, row, h * d + c);
        }
      }
      for (int64_t c = 0; c < d; ++c) put(dq, row, h * d + c, query_grad[c]);
    };
    for (const AttentionSegment& s : segments) {
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        for (int64_t i = 0; i < s.q_len; ++i) query(s, i, h);
      }
    }
    for (const AttentionSegment& s : segments) {
      for (int64_t key = s.q_begin; key < s.q_begin + s.q_len; ++key) {
        for (int64_t c = 0; c < d; ++c) {
          put(dk, key, g * d + c, key_grad[key * d + c]);
          put(dv, key, g * d + c, value_grad[key * d + c]);
        }
      }
    }
  });
}

}  // namespace loquat::reference
