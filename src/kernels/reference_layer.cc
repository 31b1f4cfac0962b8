// Reference kernels of the layer's smaller parts, and of flat vectors.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "kernels/random_rounding.h"
#include "kernels/reference.h"

namespace loquat::reference {

bool dropout_keeps(uint64_t seed, uint64_t index, float p) {
  const uint64_t h = mix64(mix64(seed) + index);
  return static_cast<float>(h >> 40) * 0x1.0p-24f >= p;
}

void embedding(Mat x, const float* table, const int32_t* tokens) {
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t c = 0; c < x.cols; ++c) put(x, t, c, table[tokens[t] * x.cols + c]);
  }
}

void embedding_backward(float* dtable, int64_t vocab, Mat dx, const int32_t* tokens) {
  for (int64_t t = 0; t < dx.rows; ++t) {
    CHECK(tokens[t] >= 0 && tokens[t] < vocab, "token {} of a vocabulary of {}", tokens[t], vocab);
    for (int64_t c = 0; c < dx.cols; ++c) dtable[tokens[t] * dx.cols + c] += get(dx, t, c);
  }
}

void rms_norm(Mat y, Mat x, const float* weight, float eps, float* rstd) {
  for (int64_t t = 0; t < x.rows; ++t) {
    double squares = 0;
    for (int64_t c = 0; c < x.cols; ++c) squares += static_cast<double>(get(x, t, c)) * get(x, t, c);
    const double r = 1 / std::sqrt(squares / x.cols + eps);
    for (int64_t c = 0; c < x.cols; ++c) put(y, t, c, get(x, t, c) * r * weight[c]);
    if (rstd) rstd[t] = static_cast<float>(r);
  }
}

// With xhat = x rstd: dx += rstd (w dy - xhat mean(w dy xhat)); dw += Σ dy xhat.
void rms_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, const float* weight, const float* rstd) {
  for (int64_t t = 0; t < x.rows; ++t) {
    const double r = rstd[t];
    double mean = 0;
    for (int64_t c = 0; c < x.cols; ++c) mean += static_cast<double>(weight[c]) * get(dy, t, c) * get(x, t, c) * r;
    mean /= static_cast<double>(x.cols);
    for (int64_t c = 0; c < x.cols; ++c) {
      const double xhat = get(x, t, c) * r;
      put(dx, t, c, get(dx, t, c) + r * (static_cast<double>(weight[c]) * get(dy, t, c) - xhat * mean));
    }
  }
  for (int64_t c = 0; c < x.cols && dweight != nullptr; ++c) {
    double sum = 0;
    for (int64_t t = 0; t < x.rows; ++t) sum += static_cast<double>(get(dy, t, c)) * get(x, t, c) * rstd[t];
    dweight[c] += static_cast<float>(sum);
  }
}

void rope(Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions, const float* cos_sin, bool inverse) {
  const int64_t half = rotary_dim / 2;
  for (int64_t t = 0; t < x.rows; ++t) {
    const float* cosine = cos_sin + positions[t] * rotary_dim;
    for (int64_t head = 0; head < x.cols; head += head_dim) {
      for (int64_t i = 0; i < half; ++i) {
        const double c = cosine[i], s = inverse ? -cosine[half + i] : cosine[half + i];
        const double a = get(x, t, head + i), b = get(x, t, head + half + i);
        put(x, t, head + i, a * c - b * s);
        put(x, t, head + half + i, b * c + a * s);
      }
    }
  }
}

void swiglu(Mat y, Mat gate_up) {
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t f = 0; f < y.cols; ++f) {
      const double gate = get(gate_up, t, f);
      put(y, t, f, gate / (1 + std::exp(-gate)) * get(gate_up, t, y.cols + f));
    }
  }
}

void swiglu_backward(Mat dgate_up, Mat dy, Mat gate_up) {
  for (int64_t t = 0; t < dy.rows; ++t) {
    for (int64_t f = 0; f < dy.cols; ++f) {
      const double gate = get(gate_up, t, f), up = get(gate_up, t, dy.cols + f), d = get(dy, t, f);
      const double sigmoid = 1 / (1 + std::exp(-gate));
      put(dgate_up, t, f, d * up * sigmoid * (1 + gate * (1 - sigmoid)));
      put(dgate_up, t, dy.cols + f, d * gate * sigmoid);
    }
  }
}

void dropout_add(Mat y, Mat x, float p, uint64_t seed) {
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t c = 0; c < y.cols; ++c) {
      if (dropout_keeps(seed, t * y.cols + c, p)) put(y, t, c, get(y, t, c) + get(x, t, c) / (1 - p));
    }
  }
}

void dropout_backward(Mat dx, Mat dy, float p, uint64_t seed) {
  for (int64_t t = 0; t < dx.rows; ++t) {
    for (int64_t c = 0; c < dx.cols; ++c) {
      put(dx, t, c, dropout_keeps(seed, t * dx.cols + c, p) ? get(dy, t, c) / (1 - p) : 0.0f);
    }
  }
}

// Decoupled weight decay (Loshchilov and Hutter 2019).
void adamw(float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step) {
  for (int64_t i = 0; i < n; ++i) {
    const double grad = static_cast<double>(g[i]) * step.grad_scale;
    m[i] = static_cast<float>(step.beta1 * static_cast<double>(m[i]) + (1.0 - step.beta1) * grad);
    v[i] = static_cast<float>(step.beta2 * static_cast<double>(v[i]) + (1.0 - step.beta2) * grad * grad);
    const double update = m[i] / step.bias_correction1 / (std::sqrt(v[i] / step.bias_correction2) + step.eps);
    w[i] = static_cast<float>(w[i] - step.lr * (update + static_cast<double>(step.weight_decay) * w[i]));
  }
}

double sum_of_squares(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

void axpby(float* y, const float* x, int64_t n, float a, float b) {
  for (int64_t i = 0; i < n; ++i)
    y[i] = b == 0 ? a * x[i] : static_cast<float>(static_cast<double>(a) * x[i] + b * y[i]);
}

void convert(Mat y, Mat x) {
  CHECK(y.rows == x.rows && y.cols == x.cols, "[{}, {}] into [{}, {}]", x.rows, x.cols, y.rows, y.cols);
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t c = 0; c < y.cols; ++c) put(y, t, c, get(x, t, c));
  }
}

void round_at_random(BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof(bits));
    y[i] = BF16{bf16_at_random(bits, noise_of(seed, first + static_cast<uint64_t>(i)))};
  }
}

}  // namespace loquat::reference
