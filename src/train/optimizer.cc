// AdamW and Muon over flat buffers (optimizer.h).
#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace loquat {
namespace {

// A table of vectors and a head of one row are no maps between spaces of features: Muon leaves them to AdamW.
bool suits_muon(const Param& p) {
  return p.is_matrix && p.shape.size() == 2 && p.shape[0] > 1 && p.shape[1] > 1 &&
         p.name.find("embed") == std::string::npos && p.name.find("lm_head") == std::string::npos;
}

}  // namespace

Optimizer::Optimizer(Model& model, const OptimizerOptions& options) : model_(model), options_(options) {
  CHECK(options.kind == "adamw" || options.kind == "muon", "no optimizer is called {}", options.kind);
  CHECK(!model.grads().empty(), "the optimizer's model was made without gradients");
  const float* base = model.values().data();
  model.for_each_param([&](const Param& p) {
    Run run{p.value - base, p.size, 0, 0, p.is_matrix};
    if (options.kind == "muon" && suits_muon(p)) {
      run.rows = p.shape[0];
      run.cols = p.shape[1];
    }
    // Without weight decay all parameters of AdamW are one run; the update is elementwise, so cuts change nothing.
    if (options.weight_decay == 0) run.decay = false;
    if (!runs_.empty() && run.rows == 0) {
      Run& last = runs_.back();
      if (last.rows == 0 && last.decay == run.decay && last.begin + last.size == run.begin) {
        last.size += run.size;
        return;
      }
    }
    runs_.push_back(run);
  });
  m_.assign(model.values().size(), 0.0f);
  v_.assign(model.values().size(), 0.0f);
}

double Optimizer::step(double lr) {
  const auto values = model_.values();
  const auto grads = model_.grads();
  const Kernels& kernels = model_.kernels();
  const double norm = std::sqrt(kernels.sum_of_squares(grads.data(), static_cast<int64_t>(grads.size())));
  if (!std::isfinite(norm)) {
    model_.zero_grads();
    return norm;
  }
  const float grad_scale = options_.clip > 0 && norm > options_.clip ? static_cast<float>(options_.clip / norm) : 1.0f;
  ++steps_;
  AdamWStep adam{};
  adam.lr = static_cast<float>(lr);
  adam.beta1 = static_cast<float>(options_.beta1);
  adam.beta2 = static_cast<float>(options_.beta2);
  adam.eps = static_cast<float>(options_.eps);
  adam.bias_correction1 = static_cast<float>(1 - std::pow(options_.beta1, static_cast<double>(steps_)));
  adam.bias_correction2 = static_cast<float>(1 - std::pow(options_.beta2, static_cast<double>(steps_)));
  adam.grad_scale = grad_scale;
  for (const Run& run : runs_) {
    if (run.rows > 0) {
      muon(run, lr, grad_scale);
      continue;
    }
    adam.weight_decay = run.decay ? static_cast<float>(options_.weight_decay) : 0.0f;
    kernels.adamw(values.data() + run.begin, grads.data() + run.begin, m_.data() + run.begin, v_.data() + run.begin,
                  run.size, adam);
  }
  model_.refresh();
  model_.zero_grads();
  return norm;
}

void Optimizer::muon(const Run& run, double lr, float grad_scale) {
  float* w = model_.values().data() + run.begin;
  const float* g = model_.grads().data() + run.begin;
  float* m = m_.data() + run.begin;
  const float mu = static_cast<float>(options_.muon_momentum);
  update_.resize(static_cast<size_t>(run.size));
  for (int64_t i = 0; i < run.size; ++i) {
    const float gradient = g[i] * grad_scale;
    m[i] = mu * m[i] + gradient;
    update_[static_cast<size_t>(i)] = gradient + mu * m[i];  // Nesterov
  }
  newton_schulz(model_.kernels(), update_, run.rows, run.cols, gram_, gram2_, product_);
  // 0.2 sqrt(max(rows, cols)) gives the update the root mean square of AdamW's, so that one rate serves both (Liu et
  // al. 2025, "Muon is scalable for LLM training").
  const float scale = static_cast<float>(lr * 0.2 * std::sqrt(static_cast<double>(std::max(run.rows, run.cols))));
  const float keep = static_cast<float>(1 - lr * (run.decay ? options_.weight_decay : 0.0));
  model_.kernels().axpby(w, update_.data(), run.size, -scale, keep);
}

void newton_schulz(const Kernels& kernels, std::vector<float>& x, int64_t rows, int64_t cols, std::vector<float>& gram,
                   std::vector<float>& gram2, std::vector<float>& product) {
  const int64_t size = rows * cols;
  CHECK(static_cast<int64_t>(x.size()) == size, "{} values are no [{}, {}] matrix", x.size(), rows, cols);
  const double norm = std::sqrt(kernels.sum_of_squares(x.data(), size));
  if (!(norm > 0)) return;
  const float inverse = static_cast<float>(1 / (norm + 1e-7));
  for (float& value : x) value *= inverse;
  const bool wide = rows <= cols;  // the Gram matrix is taken on the short side
  const int64_t n = std::min(rows, cols);
  gram.resize(static_cast<size_t>(n * n));
  gram2.resize(static_cast<size_t>(n * n));
  product.resize(static_cast<size_t>(size));
  constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
  for (int iteration = 0; iteration < 5; ++iteration) {
    kernels.matmul(gram.data(), x.data(), x.data(), n, n, wide ? cols : rows, !wide, wide);
    kernels.matmul(gram2.data(), gram.data(), gram.data(), n, n, n, false, false);
    kernels.axpby(gram2.data(), gram.data(), n * n, kB, kC);  // kB G + kC G G
    if (wide) {
      kernels.matmul(product.data(), gram2.data(), x.data(), rows, cols, n, false, false);
    } else {
      kernels.matmul(product.data(), x.data(), gram2.data(), rows, cols, n, false, false);
    }
    kernels.axpby(x.data(), product.data(), size, 1.0f, kA);
  }
}

void Optimizer::save(CheckpointState& state, const std::string& prefix) const {
  state.tensors[prefix + ".m"] = m_;
  state.tensors[prefix + ".v"] = v_;
  state.texts[prefix + ".steps"] = std::to_string(steps_);
}

Status Optimizer::load(const CheckpointState& state, const std::string& prefix) {
  TRY_STATUS(load_tensor(state, prefix + ".m", m_));
  TRY_STATUS(load_tensor(state, prefix + ".v", v_));
  const auto steps = state.texts.find(prefix + ".steps");
  if (steps == state.texts.end()) return Err("the checkpoint lacks {}.steps", prefix);
  steps_ = std::atoll(steps->second.c_str());
  return {};
}

Status load_tensor(const CheckpointState& state, const std::string& name, std::span<float> into) {
  const auto found = state.tensors.find(name);
  if (found == state.tensors.end()) return Err("the checkpoint lacks the tensor {}", name);
  if (found->second.size() != into.size()) {
    return Err("the checkpoint's tensor {} has {} values, expected {}", name, found->second.size(), into.size());
  }
  std::copy(found->second.begin(), found->second.end(), into.begin());
  return {};
}

}  // namespace loquat
