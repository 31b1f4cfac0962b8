// AdamW and Muon over flat buffers (optimizer.h).
#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/threads.h"
#include "train/newton_schulz.h"

namespace loquat {
namespace {

constexpr int64_t kSmallMatrix = 1 << 18;  // elements

// A table of vectors and a head of one row are no maps between spaces of features: Muon leaves them to AdamW.
bool suits_muon(const Param& p) {
  return p.is_matrix && p.shape.size() == 2 && p.shape[0] > 1 && p.shape[1] > 1 &&
         p.name.find("embed") == std::string::npos && p.name.find("lm_head") == std::string::npos;
}

}  // namespace

Optimizer::Optimizer(Model& model, const OptimizerOptions& options, Ranks& ranks)
    : model_(model), options_(options), ranks_(ranks), scratch_(model.kernels()) {
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
  CHECK(options.moments == "f32" || options.moments == "bf16", "no moments are called {}", options.moments);
  const DType dtype = options.moments == "bf16" ? DType::kBF16 : DType::kF32;
  cut();
  const int64_t first = cuts_[ranks.rank()], count = own_moments();
  // On a processor each thread takes whole matrices, as long as these are small: their products are too short to cut.
  const bool small = model.kernels().host_memory && std::all_of(matrices_.begin(), matrices_.end(), [](const Run& run) {
                       return run.size <= kSmallMatrix;
                     });
  const size_t lanes = std::min(matrices_.size(), small ? static_cast<size_t>(thread_count()) : 1);
  for (size_t lane = 0; lane < lanes; ++lane) lanes_.emplace_back(model.kernels());
  m_ = Moments(model.kernels(), first, count, dtype);
  v_ = Moments(model.kernels(), first, count, dtype);
}

// The weights' cuts between ranks, equal parts but that no matrix of Muon's is cut; and this rank's runs.
void Optimizer::cut() {
  cuts_ = equal_cuts(static_cast<int64_t>(model_.values().size()), ranks_.size());
  for (int64_t& at : cuts_) {
    for (const Run& run : runs_) {
      const int64_t end = run.begin + run.size;
      if (run.rows > 0 && run.begin < at && at < end) at = at - run.begin < end - at ? run.begin : end;
    }
  }
  const int64_t first = cuts_[ranks_.rank()], last = cuts_[ranks_.rank() + 1];
  std::vector<Run> own;
  for (Run run : runs_) {
    const int64_t end = std::min(run.begin + run.size, last);
    run.begin = std::max(run.begin, first);
    run.size = end - run.begin;
    if (run.size > 0) (run.rows > 0 ? matrices_ : own).push_back(run);
  }
  runs_ = std::move(own);
}

Moments::Moments(const Kernels& kernels, int64_t first, int64_t count, DType dtype)
    : kernels_(&kernels), first_(first), count_(count), dtype_(dtype), memory_(kernels, count * bytes_of(dtype)) {
  memory_.clear_to_zero();
}

Mat Moments::row(int64_t begin, int64_t count) const {
  return {memory_.data() + (begin - first_) * bytes_of(dtype_), 1, count, count, dtype_};
}

float* Moments::open(int64_t begin, int64_t count, Arena& scratch) const {
  if (dtype_ == DType::kF32) return memory_.floats() + (begin - first_);
  float* wide = scratch.take_floats(count);
  kernels_->convert(mat(wide, 1, count), row(begin, count));
  return wide;
}

void Moments::close(const float* opened, int64_t begin, int64_t count, uint64_t seed) const {
  if (dtype_ == DType::kF32) return;
  kernels_->round_at_random(row(begin, count).bf16(), opened, count, seed, static_cast<uint64_t>(begin));
}

std::vector<float> Moments::to_host() const {
  if (dtype_ == DType::kF32) return loquat::to_host(*kernels_, memory_.floats(), count_);
  std::vector<BF16> narrow(static_cast<size_t>(count_));
  kernels_->download(narrow.data(), memory_.data(), memory_.bytes());
  std::vector<float> out(narrow.size());
  std::transform(narrow.begin(), narrow.end(), out.begin(), [](BF16 x) { return to_float(x); });
  return out;
}

void Moments::load(std::span<const float> values) {
  if (dtype_ == DType::kF32) {
    kernels_->upload(memory_.data(), values.data(), memory_.bytes());
    return;
  }
  std::vector<BF16> narrow(values.size());
  std::transform(values.begin(), values.end(), narrow.begin(), [](float x) { return to_bf16(x); });  // exactly
  kernels_->upload(memory_.data(), narrow.data(), memory_.bytes());
}

uint64_t Optimizer::seed_of(const char* moment) const {
  return hash64(moment, static_cast<uint64_t>(steps_));
}

void Optimizer::adamw(const Run& run, const AdamWStep& step) {
  // Narrow moments are widened by pieces that stay in a processor's caches, or keep a card busy.
  const int64_t narrow = model_.kernels().host_memory ? 1 << 18 : 1 << 24;
  const int64_t most = m_.dtype() == DType::kF32 ? run.size : narrow;
  for (int64_t begin = run.begin, end = run.begin + run.size; begin < end; begin += most) {
    const int64_t count = std::min(most, end - begin);
    scratch_.reset();
    float* m = m_.open(begin, count, scratch_);
    float* v = v_.open(begin, count, scratch_);
    model_.kernels().adamw(model_.values().data() + begin, model_.grads().data() + begin, m, v, count, step);
    m_.close(m, begin, count, seed_of("m"));
    v_.close(v, begin, count, seed_of("v"));
  }
}

double Optimizer::step(double lr) {
  const auto grads = model_.grads();
  const Kernels& kernels = model_.kernels();
  ranks_.reduce_scatter(grads.data(), cuts_);
  double squares = kernels.sum_of_squares(grads.data() + cuts_[ranks_.rank()], own_moments());
  ranks_.all_reduce({&squares, 1});
  const double norm = std::sqrt(squares);
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
  muon_all(lr * options_.muon_rate, grad_scale);
  for (const Run& run : runs_) {
    adam.weight_decay = run.decay ? static_cast<float>(options_.weight_decay) : 0.0f;
    adamw(run, adam);
  }
  ranks_.all_gather(model_.values().data(), cuts_);
  model_.refresh();
  model_.zero_grads();
  return norm;
}

void Optimizer::muon_all(double lr, float grad_scale) {
  const auto count = static_cast<int64_t>(matrices_.size()), lanes = static_cast<int64_t>(lanes_.size());
  parallel_for(lanes, [&](int64_t lane) {
    for (int64_t i = lane; i < count; i += lanes)
      muon(matrices_[static_cast<size_t>(i)], lr, grad_scale, lanes_[static_cast<size_t>(lane)]);
  });
}

void Optimizer::muon(const Run& run, double lr, float grad_scale, Arena& scratch) {
  const Kernels& kernels = model_.kernels();
  float* w = model_.values().data() + run.begin;
  const float* g = model_.grads().data() + run.begin;
  const float mu = static_cast<float>(options_.muon_momentum);
  scratch.reset();
  float* m = m_.open(run.begin, run.size, scratch);
  float* update = scratch.take_floats(run.size);
  kernels.axpby(m, g, run.size, grad_scale, mu);
  kernels.axpby(update, g, run.size, grad_scale, 0);
  kernels.axpby(update, m, run.size, mu, 1);  // Nesterov
  m_.close(m, run.begin, run.size, seed_of("m"));
  newton_schulz(kernels, update, run.rows, run.cols, model_.compute(), scratch);
  // 0.2 sqrt(max(rows, cols)) gives the update the root mean square of AdamW's, so that one rate serves both (Liu et
  // al. 2025, "Muon is scalable for LLM training").
  const float scale = static_cast<float>(lr * 0.2 * std::sqrt(static_cast<double>(std::max(run.rows, run.cols))));
  const float keep = static_cast<float>(1 - lr * (run.decay ? options_.weight_decay : 0.0));
  kernels.axpby(w, update, run.size, -scale, keep);
}

void Optimizer::save(CheckpointState& state, const std::string& prefix) const {
  for (const auto& [name, moments] : {std::pair(".m", &m_), std::pair(".v", &v_)}) {
    std::vector<float> own = moments->to_host();
    if (ranks_.size() > 1) {
      std::vector<float> whole(ranks_.first() ? model_.values().size() : 0);
      ranks_.gather(own.data(), cuts_, whole.data());
      own = std::move(whole);
    }
    state.tensors[prefix + name] = std::move(own);
  }
  state.texts[prefix + ".steps"] = std::to_string(steps_);
}

Status Optimizer::load(const CheckpointState& state, const std::string& prefix) {
  for (const auto& [name, moments] : {std::pair(".m", &m_), std::pair(".v", &v_)}) {
    TRY(const std::span<const float> values, find_tensor(state, prefix + name, model_.values().size()));
    moments->load(values.subspan(static_cast<size_t>(cuts_[ranks_.rank()]), static_cast<size_t>(own_moments())));
  }
  const auto steps = state.texts.find(prefix + ".steps");
  if (steps == state.texts.end()) return Err("the checkpoint lacks {}.steps", prefix);
  steps_ = std::atoll(steps->second.c_str());
  return {};
}

Result<std::span<const float>> find_tensor(const CheckpointState& state, const std::string& name, size_t size) {
  const auto found = state.tensors.find(name);
  if (found == state.tensors.end()) return Err("the checkpoint lacks the tensor {}", name);
  if (found->second.size() != size) {
    return Err("the checkpoint's tensor {} has {} values, expected {}", name, found->second.size(), size);
  }
  return std::span<const float>(found->second);
}

Status load_tensor(const CheckpointState& state, const std::string& name, std::span<float> into) {
  TRY(const std::span<const float> values, find_tensor(state, name, into.size()));
  std::copy(values.begin(), values.end(), into.begin());
  return {};
}

Status load_tensor(const CheckpointState& state, const std::string& name, const Kernels& kernels, const Buffer& into) {
  TRY(const std::span<const float> values, find_tensor(state, name, static_cast<size_t>(into.bytes() / 4)));
  kernels.upload(into.data(), values.data(), into.bytes());
  return {};
}

}  // namespace loquat
