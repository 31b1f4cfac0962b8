// The Transformer once more, for tests: written from the definitions (Hugging Face's models), a token and a sum at a
// time, as a template over the scalar. With std::complex<double> the imaginary part of f(x + ih) / h is the derivative
// to full double precision (the complex step), for any parameter.
#pragma once

#include <algorithm>
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
    for (size_t t = 0; t < x.size(); ++t) {
      if (config_.features.scaled_embedding) {
        for (S& v : x[t]) v *= std::sqrt(static_cast<double>(config_.hidden_size));
      }
      if (config_.features.learned_positions)
        add(x[t], table_row(params_.at("model.embed_positions.weight"), batch.positions[t]));
    }
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
      const std::string name = "model.layers." + std::to_string(layer) + ".";
      Rows branch = attention(name + "self_attn.", norm(name + "input_layernorm", x), batch, config_.layer(layer));
      const bool post = config_.features.post_norms;
      add(x, post ? norm(name + "post_attention_layernorm", branch) : branch);
      branch = mlp(name + "mlp.", norm(name + (post ? "pre_feedforward_layernorm" : "post_attention_layernorm"), x));
      add(x, post ? norm(name + "post_feedforward_layernorm", branch) : branch);
    }
    return norm("model.norm", x);
  }

  // log softmax(logits / temperature).
  Row log_softmax(const Row& hidden, double temperature) const {
    const auto& w = params_.at(config_.tie_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
    Row logits = times(w, hidden, config_.vocab_size);
    S sum = 0;
    for (S& l : logits) l = capped(l, config_.final_softcap);
    for (S& l : logits) sum += exp(l = l / temperature);
    for (S& l : logits) l -= log(sum);
    return logits;
  }

  S score(const Row& hidden) const { return times(params_.at("score.weight"), hidden, 1)[0]; }

 private:
  static void add(Row& x, const Row& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t) add(x[t], y[t]);
  }

  static S capped(const S& x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

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
    for (const Row& row : x) y.push_back(times(params_.at(name + ".weight"), row, n));
    if (params_.contains(name + ".bias")) {
      for (Row& row : y) add(row, params_.at(name + ".bias"));
    }
    return y;
  }

  Rows norm(const std::string& name, const Rows& x) const {
    Rows y = x;
    for (Row& row : y) norm_part(name, row, 0, row.size());
    return y;
  }

  // Elements [begin, end) of a row.
  void norm_part(const std::string& name, Row& row, size_t begin, size_t end) const {
    const auto& w = params_.at(name + ".weight");
    const bool layer_norm = config_.features.norm == NormKind::kLayer;
    const double n = static_cast<double>(end - begin);
    S mean = 0, square = 0;
    for (size_t i = begin; layer_norm && i < end; ++i) mean += row[i] / n;
    for (size_t i = begin; i < end; ++i) square += (row[i] - mean) * (row[i] - mean);
    const S scale = 1.0 / sqrt(square / n + static_cast<double>(config_.rms_norm_eps));
    for (size_t i = begin; i < end; ++i) {
      row[i] = (row[i] - mean) * scale * (w[i - begin] + (config_.features.norm_adds_one ? 1.0 : 0.0));
      if (layer_norm) row[i] += params_.at(name + ".bias")[i - begin];
    }
  }

  // What the angle of pair i grows by from one position to the next. Scalings are written by wave lengths here.
  double frequency(int64_t i, LayerRope kind) const {
    const double R = static_cast<double>(config_.rotary_dim());
    if (kind == LayerRope::kLocal) return std::pow(double{config_.local_rope_theta}, -2.0 * static_cast<double>(i) / R);
    const RopeScaling& s = config_.rope_scaling;
    const double plain = std::pow(double{config_.rope_theta}, -2.0 * static_cast<double>(i) / R);
    const double original = static_cast<double>(s.original_positions), length = 2 * std::acos(-1.0) / plain;
    if (s.kind == RopeScalingKind::kLinear) return plain / s.factor;
    if (s.kind == RopeScalingKind::kLongRope)
      return plain / (config_.max_positions > s.original_positions ? s.long_factors : s.short_factors)[i];
    if (s.kind == RopeScalingKind::kYarn) {
      // The pairs whose waves fit beta_fast and beta_slow times into the original context, as numbers of pairs.
      const auto pair = [&](double waves) {
        return R / 2 * std::log(original / (2 * std::acos(-1.0) * waves)) / std::log(double{config_.rope_theta});
      };
      const double first = std::max(std::floor(pair(s.beta_fast)), 0.0),
                   last = std::min(std::ceil(pair(s.beta_slow)), R - 1);
      const double kept = static_cast<double>(i) <= first  ? 1
                          : static_cast<double>(i) >= last ? 0
                                                           : (last - static_cast<double>(i)) / (last - first);
      return plain * kept + plain / s.factor * (1 - kept);
    }
    if (s.kind != RopeScalingKind::kLlama3) return plain;
    if (length > original / s.low_freq_factor) return plain / s.factor;
    if (length < original / s.high_freq_factor) return plain;
    const double part = (original / length - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    return ((1 - part) / s.factor + part) * plain;
  }

  double rotation_size() const {
    const RopeScaling& s = config_.rope_scaling;
    if (s.kind == RopeScalingKind::kYarn) return 0.1 * std::log(double{s.factor}) + 1;
    if (s.kind != RopeScalingKind::kLongRope || config_.max_positions <= s.original_positions) return 1;
    const double longer = static_cast<double>(config_.max_positions) / static_cast<double>(s.original_positions);
    return std::sqrt(1 + std::log(longer) / std::log(static_cast<double>(s.original_positions)));
  }

  // One head of one row, at `position`.
  Row rotated(const Row& row, int64_t head, int64_t position, LayerRope kind) const {
    const int64_t D = config_.head_dim, half = config_.rotary_dim() / 2;
    Row out(row.begin() + head * D, row.begin() + (head + 1) * D);
    if (kind == LayerRope::kNone) return out;
    const double size = rotation_size();
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) * frequency(i, kind);
      const S a = row[head * D + i], b = row[head * D + half + i];
      out[i] = size * (a * std::cos(angle) - b * std::sin(angle));
      out[half + i] = size * (b * std::cos(angle) + a * std::sin(angle));
    }
    return out;
  }

  Rows attention(const std::string& name, const Rows& x, const Batch& batch, const LayerFeatures& layer) const {
    const int64_t H = config_.num_heads, G = config_.num_kv_heads, D = config_.head_dim;
    Rows q = project(name + "q_proj", x, H * D), k = project(name + "k_proj", x, G * D);
    const Rows v = project(name + "v_proj", x, G * D);
    for (size_t t = 0; config_.features.qk_norm && t < x.size(); ++t) {
      for (int64_t h = 0; h < H; ++h) norm_part(name + "q_norm", q[t], h * D, (h + 1) * D);
      for (int64_t g = 0; g < G; ++g) norm_part(name + "k_norm", k[t], g * D, (g + 1) * D);
    }
    const double scalar = config_.query_scale > 0 ? config_.query_scale : static_cast<double>(D);
    Rows out(x.size(), Row(H * D, S(0)));
    for (int64_t b = 0; b < batch.sequences(); ++b) {
      for (int64_t t = batch.starts[b]; t < batch.starts[b + 1]; ++t) {
        for (int64_t h = 0; h < H; ++h) {
          const int64_t g = h / (H / G);
          const Row query = rotated(q[t], h, batch.positions[t], layer.rope);
          Row weights;
          S sum = 0;
          int64_t first = batch.starts[b];
          while (layer.window > 0 && t - first >= layer.window) ++first;
          for (int64_t u = first; u <= t; ++u) {
            const Row key = rotated(k[u], g, batch.positions[u], layer.rope);
            S dot = 0;
            for (int64_t i = 0; i < D; ++i) dot += query[i] * key[i];
            weights.push_back(exp(capped(dot / std::sqrt(scalar), config_.attention_softcap)));
            sum += weights.back();
          }
          for (size_t u = 0; u < weights.size(); ++u) {
            for (int64_t i = 0; i < D; ++i) out[t][h * D + i] += weights[u] / sum * v[first + u][g * D + i];
          }
        }
      }
    }
    return project(name + "o_proj", out, config_.hidden_size);
  }

  Rows mlp(const std::string& name, const Rows& x) const {
    const bool gated = config_.features.gated_mlp;
    Rows y = project(name + (gated ? "gate_proj" : "up_proj"), x, config_.intermediate_size);
    for (Row& row : y) {
      for (S& v : row) {
        v = config_.features.activation == Activation::kSilu
                ? v / (1.0 + exp(-v))
                : 0.5 * v * (1.0 + tanh(std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v)));
      }
    }
    if (gated) {
      const Rows up = project(name + "up_proj", x, config_.intermediate_size);
      for (size_t t = 0; t < y.size(); ++t) {
        for (size_t i = 0; i < y[t].size(); ++i) y[t][i] *= up[t][i];
      }
    }
    return project(name + "down_proj", y, config_.hidden_size);
  }

  ModelConfig config_;
  std::map<std::string, std::vector<S>> params_;
};

}  // namespace loquat
