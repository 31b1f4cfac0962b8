// Reference kernels of the parts that some architectures alone have.
#include <cmath>
#include <vector>

#include "kernels/reference.h"

namespace loquat::reference {
namespace {

constexpr double kGeluScale = 0.7978845608028654;  // sqrt(2 / pi)
constexpr double kGeluCube = 0.044715;

double gelu_of(double x) {
  return 0.5 * x * (1 + std::tanh(kGeluScale * (x + kGeluCube * x * x * x)));
}

double gelu_slope(double x) {
  const double t = std::tanh(kGeluScale * (x + kGeluCube * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kGeluScale * (1 + 3 * kGeluCube * x * x);
}

double mean_of(Mat x, int64_t t) {
  double sum = 0;
  for (int64_t c = 0; c < x.cols; ++c) sum += get(x, t, c);
  return sum / static_cast<double>(x.cols);
}

}  // namespace

void layer_norm(Mat y, Mat x, const float* weight, const float* bias, float eps, float* rstd) {
  for (int64_t t = 0; t < x.rows; ++t) {
    const double mean = mean_of(x, t);
    double squares = 0;
    for (int64_t c = 0; c < x.cols; ++c) squares += (get(x, t, c) - mean) * (get(x, t, c) - mean);
    const double r = 1 / std::sqrt(squares / static_cast<double>(x.cols) + eps);
    for (int64_t c = 0; c < x.cols; ++c) put(y, t, c, (get(x, t, c) - mean) * r * weight[c] + bias[c]);
    if (rstd) rstd[t] = static_cast<float>(r);
  }
}

// With xhat = (x - mean) rstd: dx += rstd (w dy - mean(w dy) - xhat mean(w dy xhat)); dw += Σ dy xhat; db += Σ dy.
void layer_norm_backward(Mat dx, float* dweight, float* dbias, Mat dy, Mat x, const float* weight, const float* rstd) {
  std::vector<double> dw(static_cast<size_t>(x.cols)), db(dw.size());
  for (int64_t t = 0; t < x.rows; ++t) {
    const double mean = mean_of(x, t), r = rstd[t], n = static_cast<double>(x.cols);
    double sum = 0, dot = 0;
    const auto xhat = [&](int64_t c) { return (get(x, t, c) - mean) * r; };
    const auto g = [&](int64_t c) { return static_cast<double>(weight[c]) * get(dy, t, c); };
    for (int64_t c = 0; c < x.cols; ++c) {
      sum += g(c);
      dot += g(c) * xhat(c);
      dw[static_cast<size_t>(c)] += get(dy, t, c) * xhat(c);
      db[static_cast<size_t>(c)] += get(dy, t, c);
    }
    for (int64_t c = 0; c < x.cols; ++c) put(dx, t, c, get(dx, t, c) + r * (g(c) - sum / n - xhat(c) * dot / n));
  }
  for (int64_t c = 0; c < x.cols; ++c) {
    if (dweight) dweight[c] += static_cast<float>(dw[static_cast<size_t>(c)]);
    if (dbias) dbias[c] += static_cast<float>(db[static_cast<size_t>(c)]);
  }
}

void add_bias(Mat y, const float* bias) {
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t c = 0; c < y.cols; ++c) put(y, t, c, static_cast<double>(get(y, t, c)) + bias[c]);
  }
}

void bias_backward(float* dbias, Mat dy) {
  for (int64_t c = 0; c < dy.cols; ++c) {
    double sum = 0;
    for (int64_t t = 0; t < dy.rows; ++t) sum += get(dy, t, c);
    dbias[c] += static_cast<float>(sum);
  }
}

void head_norm(Mat y, Mat x, int64_t head_dim, const float* weight, float eps, float* rstd) {
  const int64_t heads = x.cols / head_dim;
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      double squares = 0;
      for (int64_t c = h * head_dim; c < (h + 1) * head_dim; ++c)
        squares += static_cast<double>(get(x, t, c)) * get(x, t, c);
      const double r = 1 / std::sqrt(squares / static_cast<double>(head_dim) + eps);
      for (int64_t c = 0; c < head_dim; ++c) put(y, t, h * head_dim + c, get(x, t, h * head_dim + c) * r * weight[c]);
      if (rstd) rstd[t * heads + h] = static_cast<float>(r);
    }
  }
}

void head_norm_backward(Mat dx, float* dweight, Mat dy, Mat x, int64_t head_dim, const float* weight,
                        const float* rstd) {
  const int64_t heads = x.cols / head_dim;
  std::vector<double> dw(static_cast<size_t>(head_dim));
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      const double r = rstd[t * heads + h];
      const auto at = [&](Mat m, int64_t c) { return static_cast<double>(get(m, t, h * head_dim + c)); };
      double mean = 0;
      for (int64_t c = 0; c < head_dim; ++c) {
        mean += weight[c] * at(dy, c) * at(x, c) * r / static_cast<double>(head_dim);
        dw[static_cast<size_t>(c)] += at(dy, c) * at(x, c) * r;
      }
      for (int64_t c = 0; c < head_dim; ++c)
        put(dx, t, h * head_dim + c, r * (weight[c] * at(dy, c) - at(x, c) * r * mean));
    }
  }
  for (int64_t c = 0; dweight && c < head_dim; ++c) dweight[c] += static_cast<float>(dw[static_cast<size_t>(c)]);
}

void geglu(Mat y, Mat gate_up) {
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t f = 0; f < y.cols; ++f) put(y, t, f, gelu_of(get(gate_up, t, f)) * get(gate_up, t, y.cols + f));
  }
}

void geglu_backward(Mat dgate_up, Mat dy, Mat gate_up) {
  for (int64_t t = 0; t < dy.rows; ++t) {
    for (int64_t f = 0; f < dy.cols; ++f) {
      const double gate = get(gate_up, t, f), up = get(gate_up, t, dy.cols + f), d = get(dy, t, f);
      put(dgate_up, t, f, d * up * gelu_slope(gate));
      put(dgate_up, t, dy.cols + f, d * gelu_of(gate));
    }
  }
}

void gelu(Mat y, Mat x) {
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t f = 0; f < y.cols; ++f) put(y, t, f, gelu_of(get(x, t, f)));
  }
}

void gelu_backward(Mat dx, Mat dy, Mat x) {
  for (int64_t t = 0; t < dy.rows; ++t) {
    for (int64_t f = 0; f < dy.cols; ++f) put(dx, t, f, get(dy, t, f) * gelu_slope(get(x, t, f)));
  }
}

void soft_cap(Mat x, float cap) {
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t c = 0; c < x.cols; ++c) put(x, t, c, cap * std::tanh(static_cast<double>(get(x, t, c)) / cap));
  }
}

}  // namespace loquat::reference
