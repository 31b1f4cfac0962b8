// The Transformer once more, for tests: written from the definition (Hugging Face's Llama), a token and a sum at a
// time, as a template over the scalar. With std::complex<double> the imaginary part of f(x + ih) / h is the derivative
// to full double precision (the complex step), for any parameter.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace loquat {

template <typename S>
class ReferenceModel {
 public:
  using Row = std::vector<S>;
  using Rows = std::vector<Row>;

  explicit ReferenceModel(const Model& model) : config_(model.config()) {
    model.for_each_param([&](const Param& p) { params_[p.name] = std::vector<S>(p.value, p.value + p.size); });
  }

  std::vector<S>& param(const std::string& name) { return params_.at(name); }

  // Hidden states after the last norm.
  Rows forward(const Batch& batch) const {
    Rows x;
    for (int32_t token : batch.tokens) x.push_back(table_row(params_.at("model.embed_tokens.weight"), token));
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
      const std::string name = "model.layers." + std::to_string(layer) + ".";
      add(x, attention(name + "self_attn.", norm(name + "input_layernorm.weight", x), batch));
      add(x, mlp(name + "mlp.", norm(name + "post_attention_layernorm.weight", x)));
    }
    return norm("model.norm.weight", x);
  }

  // log softmax(logits / temperature).
  Row log_softmax(const Row& hidden, double temperature) const {
    const auto& w = params_.at(config_.tie_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
    Row logits = times(w, hidden, config_.vocab_size);
    S sum = 0;
    for (S& l : logits) sum += exp(l = l / temperature);
    for (S& l : logits) l -= log(sum);
    return logits;
  }

  S score(const Row& hidden) const { return times(params_.at("score.weight"), hidden, 1)[0]; }

 private:
  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t i = 0; i < x[t].size(); ++i) x[t][i] += y[t][i];
    }
  }

  Row table_row(const std::vector<S>& table, int64_t row) const {
    const auto begin = table.begin() + row * config_.hidden_size;
    return Row(begin, begin + config_.hidden_size);
  }

  static Row times(const std::vector<S>& w, const Row& x, int64_t n) {
    Row y(n, S(0));
    for (int64_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < x.size(); ++j) y[i] += w[i * x.size() + j] * x[j];
    }
    return y;
  }

  Rows project(const std::string& name, const Rows& x, int64_t n) const {
    Rows y;
    for (const Row& row : x) y.push_back(times(params_.at(name), row, n));
    return y;
  }

  Rows norm(const std::string& name, const Rows& x) const {
    const auto& w = params_.at(name);
    Rows y = x;
    for (Row& row : y) {
      S square = 0;
      for (const S& v : row) square += v * v;
      const S scale = 1.0 / sqrt(square / static_cast<double>(row.size()) + static_cast<double>(config_.rms_norm_eps));
      for (size_t i = 0; i < row.size(); ++i) row[i] *= scale * w[i];
    }
    return y;
  }

  // One head of one row, at `position`.
  Row rotated(const Row& row, int64_t head, int64_t position) const {
    const int64_t D = config_.head_dim, half = D / 2;
    Row out(D);
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(position) / std::pow(static_cast<double>(config_.rope_theta), 2.0 * i / D);
      const S a = row[head * D + i], b = row[head * D + half + i];
      out[i] = a * std::cos(angle) - b * std::sin(angle);
      out[half + i] = b * std::cos(angle) + a * std::sin(angle);
    }
    return out;
  }

  Rows attention(const std::string& name, const Rows& x, const Batch& batch) const {
    const int64_t H = config_.num_heads, G = config_.num_kv_heads, D = config_.head_dim;
    const Rows q = project(name + "q_proj.weight", x, H * D), k = project(name + "k_proj.weight", x, G * D),
               v = project(name + "v_proj.weight", x, G * D);
    Rows out(x.size(), Row(H * D, S(0)));
    for (int64_t b = 0; b < batch.sequences(); ++b) {
      for (int64_t t = batch.starts[b]; t < batch.starts[b + 1]; ++t) {
        for (int64_t h = 0; h < H; ++h) {
          const int64_t g = h / (H / G);
          const Row query = rotated(q[t], h, batch.positions[t]);
          Row weights;
          S sum = 0;
          for (int64_t u = batch.starts[b]; u <= t; ++u) {
            const Row key = rotated(k[u], g, batch.positions[u]);
            S dot = 0;
            for (int64_t i = 0; i < D; ++i) dot += query[i] * key[i];
            weights.push_back(exp(dot / std::sqrt(static_cast<double>(D))));
            sum += weights.back();
          }
          for (size_t u = 0; u < weights.size(); ++u) {
            for (int64_t i = 0; i < D; ++i) out[t][h * D + i] += weights[u] / sum * v[batch.starts[b] + u][g * D + i];
          }
        }
      }
    }
    return project(name + "o_proj.weight", out, config_.hidden_size);
  }

  Rows mlp(const std::string& name, const Rows& x) const {
    Rows gate = project(name + "gate_proj.weight", x, config_.intermediate_size);
    const Rows up = project(name + "up_proj.weight", x, config_.intermediate_size);
    for (size_t t = 0; t < gate.size(); ++t) {
      for (size_t i = 0; i < gate[t].size(); ++i) gate[t][i] = gate[t][i] / (1.0 + exp(-gate[t][i])) * up[t][i];
    }
    return project(name + "down_proj.weight", gate, config_.hidden_size);
  }

  ModelConfig config_;
  std::map<std::string, std::vector<S>> params_;
};

}  // namespace loquat
