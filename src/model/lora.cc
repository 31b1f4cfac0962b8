// Low-rank adapters (lora.h).
#include "model/lora.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"
#include "base/threads.h"
#include "model/layer.h"
#include "model/model.h"

namespace loquat {
namespace {

constexpr int64_t kGrain = 16;  // rows, or columns, that are worth a thread

template <typename F>
void with_values(Mat m, F&& f) {
  if (m.dtype == DType::kF32) {
    f(m.f32());
  } else {
    f(m.bf16());
  }
}
void assign(float& to, float value) {
  to = value;
}
void assign(BF16& to, float value) {
  to = to_bf16(value);
}

// DoRA's two loops over activations are plain: they work where the host reads the table's memory.

// y [T, N] = (+=) x, column c times gains[c]. y may be x.
void scale_columns(Mat y, Mat x, const float* gains, bool add) {
  with_values(x, [&](auto* from) {
    with_values(y, [&](auto* to) {
      parallel_blocks(x.rows, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const auto* in = from + t * x.stride;
          auto* out = to + t * y.stride;
          for (int64_t c = 0; c < x.cols; ++c) {
            const float value = to_float(in[c]) * gains[c];
            assign(out[c], add ? to_float(out[c]) + value : value);
          }
        }
      });
    });
  });
}

// out[c] += Σ_t x[t, c] y[t, c] / divisors[c], in ascending order of rows.
void add_column_products(float* out, Mat x, Mat y, const float* divisors) {
  constexpr int64_t kColumns = 64;
  with_values(x, [&](auto* xs) {
    with_values(y, [&](auto* ys) {
      parallel_blocks(x.cols, kColumns, [&](int64_t begin, int64_t end) {
        for (int64_t first = begin; first < end; first += kColumns) {
          float sums[kColumns] = {};
          const int64_t count = std::min(kColumns, end - first);
          for (int64_t t = 0; t < x.rows; ++t) {
            for (int64_t c = 0; c < count; ++c)
              sums[c] += to_float(xs[t * x.stride + first + c]) * to_float(ys[t * y.stride + first + c]);
          }
          for (int64_t c = 0; c < count; ++c) out[first + c] += sums[c] / divisors[first + c];
        }
      });
    });
  });
}

}  // namespace

float LoraConfig::scaling() const {
  const auto r = static_cast<double>(rank);
  return static_cast<float>(alpha / (rslora ? std::sqrt(r) : r));
}

bool LoraConfig::same_shape(const LoraConfig& other) const {
  return rank == other.rank && alpha == other.alpha && targets == other.targets && rslora == other.rslora &&
         dora == other.dora;
}

const std::vector<std::string>& lora_modules() {
  static const std::vector<std::string> modules = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                   "gate_proj", "up_proj", "down_proj"};
  return modules;
}

Result<std::vector<std::string>> lora_targets(const std::vector<std::string>& names) {
  const auto& all = lora_modules();
  for (const std::string& name : names) {
    if (name == "all-linear") return all;
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      return Err("no module for an adapter is called \"{}\"; expected all-linear, or some of {}", name,
                 fmt::join(all, ", "));
    }
  }
  if (names.empty()) return Err("no module for an adapter: expected all-linear, or some of {}", fmt::join(all, ", "));
  std::vector<std::string> sorted;
  std::copy_if(all.begin(), all.end(), std::back_inserter(sorted),
               [&](const std::string& m) { return std::find(names.begin(), names.end(), m) != names.end(); });
  return sorted;
}

std::string module_of(const std::string& weight_name) {
  const size_t end = weight_name.rfind('.');
  const size_t begin = weight_name.rfind('.', end - 1) + 1;
  return weight_name.substr(begin, end - begin);
}

std::string peft_name(const std::string& weight_name, const char* part) {
  return kPeftPrefix + weight_name.substr(0, weight_name.rfind('.') + 1) + part;
}

void merge_lora(std::span<float> w, std::span<const float> a, std::span<const float> b,
                std::span<const float> magnitude, int64_t n, int64_t k, int64_t rank, float scaling) {
  parallel_blocks(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = w.data() + i * k;
      for (int64_t r = 0; r < rank; ++r) {
        const float weight = scaling * b[i * rank + r];
        for (int64_t j = 0; j < k; ++j) row[j] += weight * a[r * k + j];
      }
      if (magnitude.empty()) continue;
      double square = 0;
      for (int64_t j = 0; j < k; ++j) square += static_cast<double>(row[j]) * row[j];
      const auto gain = static_cast<float>(magnitude[i] / std::sqrt(square));
      for (int64_t j = 0; j < k; ++j) row[j] *= gain;
    }
  });
}

// --- one projection ------------------------------------------------------------------------------

Mat Lora::dropped(const Kernels& kernels, LoraPass& pass, Mat x) const {
  if (pass.dropout == 0) return x;
  const Mat out = pass.memory.take(x.rows, x.cols, x.dtype);
  kernels.dropout_backward(out, x, pass.dropout, mix64(pass.seed ^ mix64(index)));
  return out;
}

// s A x [T, parts * rank].
Mat Lora::down(const Kernels& kernels, LoraPass& pass, Mat x) const {
  const Mat u = pass.memory.take(x.rows, packed.n, x.dtype);
  kernels.linear(u, x, packed, false);
  return u;
}

void Lora::add_up(const Kernels& kernels, Mat y, Mat u) const {
  for (const LoraPart& part : parts) {
    kernels.linear(y.col_range(part.begin, part.begin + part.n), u.col_range(part.row, part.row + rank), part.packed,
                   true);
  }
}

void Lora::forward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat y, Mat x, bool add) const {
  pass.memory.reset();
  const Mat u = down(kernels, pass, dropped(kernels, pass, x));
  const bool apart = makes_product(add);
  const Mat z = apart ? pass.memory.take(y.rows, y.cols, x.dtype) : y;
  if (apart) kernels.linear(z, x, base, false);
  add_up(kernels, z, u);
  if (gains != nullptr) scale_columns(y, z, gains, add);
}

// The magnitudes' gradients; returns the gradient of what they multiply, which is made again to get them.
Mat Lora::magnitude_backward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat dy, Mat x,
                             Mat u) const {
  const Mat z = pass.memory.take(dy.rows, dy.cols, x.dtype);
  kernels.linear(z, x, base, false);
  add_up(kernels, z, u);
  for (const LoraPart& part : parts) {
    add_column_products(part.dmagnitude, dy.col_range(part.begin, part.begin + part.n),
                        z.col_range(part.begin, part.begin + part.n), norms + part.begin);
  }
  scale_columns(z, dy, gains, false);
  return z;
}

void Lora::backward(const Kernels& kernels, LoraPass& pass, const PackedWeight& base, Mat dx, Mat dy, Mat x) const {
  pass.memory.reset();
  const Mat input = dropped(kernels, pass, x);
  const Mat u = down(kernels, pass, input);
  if (gains != nullptr) dy = magnitude_backward(kernels, pass, base, dy, x, u);
  const Mat du = pass.memory.take(u.rows, u.cols, u.dtype);
  for (const LoraPart& part : parts) {
    const Mat dy_part = dy.col_range(part.begin, part.begin + part.n);
    kernels.linear_backward_weight(part.db, dy_part, u.col_range(part.row, part.row + rank));
    kernels.linear_backward_input(du.col_range(part.row, part.row + rank), dy_part, part.packed, false);
  }
  const int64_t size = packed.n * packed.k;
  float* da_scaled = pass.memory.take_floats(size);
  kernels.clear(da_scaled, size * 4);
  kernels.linear_backward_weight(da_scaled, du, input);
  kernels.axpby(da, da_scaled, size, scaling, 1);
  if (dx.data == nullptr) return;
  if (pass.dropout == 0) {
    kernels.linear_backward_input(dx, du, packed, false);
  } else {
    const Mat through = pass.memory.take(dx.rows, dx.cols, dx.dtype);
    kernels.linear_backward_input(through, du, packed, false);
    kernels.dropout_backward(dx, through, pass.dropout, mix64(pass.seed ^ mix64(index)));
  }
  kernels.linear_backward_input(dx, dy, base, true);
}

void Lora::pack(const Kernels& kernels, LoraPass& pass, const PackedWeight& base) const {
  const int64_t size = packed.n * packed.k;
  pass.memory.reset();
  float* scaled = pass.memory.take_floats(size);
  kernels.axpby(scaled, a, size, scaling, 0);
  kernels.pack(scaled, packed.n, packed.k, packed.dtype, const_cast<void*>(packed.forward),
               const_cast<void*>(packed.backward));
  for (const LoraPart& part : parts) {
    const PackedWeight& w = part.packed;
    kernels.pack(part.b, w.n, w.k, w.dtype, const_cast<void*>(w.forward), const_cast<void*>(w.backward));
  }
  if (gains != nullptr) measure_norms(kernels, pass, base, scaled);
}

// |w + s B A|² of a row = |w|² + 2 b · (s A w) + b (s A)(s A)ᵀ b, so that W itself is read by one product with A's
// rows.
void Lora::measure_norms(const Kernels& kernels, LoraPass& pass, const PackedWeight& base,
                         const float* scaled_a) const {
  const Mat rows = pass.memory.take(packed.n, packed.k, packed.dtype);
  kernels.convert(rows, mat(const_cast<float*>(scaled_a), packed.n, packed.k));
  const Mat along = pass.memory.take(packed.n, base.n, DType::kF32);  // (s A) Wᵀ
  kernels.linear(along, rows, base, false);
  float* gram = pass.memory.take_floats(rank * rank);
  for (const LoraPart& part : parts) {
    const float* own = scaled_a + part.row * packed.k;
    kernels.matmul(gram, own, own, rank, rank, packed.k, false, true);
    parallel_blocks(part.n, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* b = part.b + i * rank;
        double square = squares[part.begin + i];
        for (int64_t r = 0; r < rank; ++r) {
          double sum = 2.0 * along.f32()[(part.row + r) * along.stride + part.begin + i];
          for (int64_t s = 0; s < rank; ++s) sum += static_cast<double>(gram[r * rank + s]) * b[s];
          square += sum * b[r];
        }
        const auto norm = static_cast<float>(std::sqrt(std::max(square, 1e-20)));
        norms[part.begin + i] = norm;
        gains[part.begin + i] = part.magnitude[i] / norm;
      }
    });
  }
}

// --- a model's -----------------------------------------------------------------------------------

Adapters::Adapters(const Kernels& kernels, const LoraConfig& config, DType compute, bool with_gradients)
    : kernels_(kernels), config_(config), compute_(compute), with_gradients_(with_gradients) {
  CHECK(config.rank > 0, "adapters of rank {}", config.rank);
  CHECK(!config.dora || kernels.host_reads, "the {} kernels' memory cannot be read: no magnitudes", kernels.name);
}

const Lora* Adapters::of(const Linear& linear) const {
  return linear.index < of_projections_.size() ? of_projections_[linear.index] : nullptr;
}

void Adapters::add(const Linear& linear, std::span<const Param> modules) {
  CHECK(linear.index == of_projections_.size(), "projection {} comes as number {}", linear.index,
        of_projections_.size());
  of_projections_.push_back(nullptr);
  auto lora = std::make_unique<Lora>();
  lora->index = linear.index;
  int64_t begin = 0;
  std::vector<const Param*> adapted;
  for (const Param& p : modules) {
    if (std::find(config_.targets.begin(), config_.targets.end(), module_of(p.name)) != config_.targets.end()) {
      const int64_t row = static_cast<int64_t>(lora->parts.size()) * config_.rank;
      LoraPart part;
      part.begin = begin;
      part.n = p.shape[0];
      part.row = row;
      part.packed = PackedWeight{p.shape[0], config_.rank, compute_};
      lora->parts.push_back(part);
      adapted.push_back(&p);
    }
    begin += p.shape[0];
  }
  if (adapted.empty()) return;
  CHECK(begin == linear.packed.n, "modules with {} outputs of a projection with {}", begin, linear.packed.n);
  const int64_t k = linear.packed.k;
  lora->rank = config_.rank;
  lora->scaling = config_.scaling();
  lora->packed = PackedWeight{static_cast<int64_t>(adapted.size()) * config_.rank, k, compute_};
  lora->squares = linear.squares;
  for (const Param* p : adapted)
    specs_.push_back({peft_name(p->name, "lora_A.weight"), {config_.rank, k}, true, ParamInit::kLoraA});
  for (const Param* p : adapted)
    specs_.push_back({peft_name(p->name, "lora_B.weight"), {p->shape[0], config_.rank}, true, ParamInit::kZeros});
  for (const Param* p : adapted) {
    if (config_.dora)
      specs_.push_back({peft_name(p->name, "lora_magnitude_vector"), {p->shape[0]}, false, ParamInit::kMagnitude});
  }
  of_projections_.back() = lora.get();
  linears_.push_back(&linear);
  loras_.push_back(std::move(lora));
}

void Adapters::attach(std::span<const Param> params) {
  size_t next = 0;
  for (const auto& lora : loras_) {
    lora->a = params[next].value;
    lora->da = params[next].grad;
    next += lora->parts.size();
    for (LoraPart& part : lora->parts) {
      part.b = params[next].value;
      part.db = params[next++].grad;
    }
    for (LoraPart& part : lora->parts) {
      if (!config_.dora) break;
      part.magnitude = params[next].value;
      part.dmagnitude = params[next++].grad;
    }
  }
  CHECK(next == specs_.size(), "{} of {} parameters of adapters are used", next, specs_.size());
  place();
}

void Adapters::place() {
  int64_t bytes = 0;
  const auto walk = [&](auto&& take) {
    for (const auto& lora : loras_) {
      take(lora->packed);
      for (LoraPart& part : lora->parts) take(part.packed);
    }
  };
  const int64_t copies = with_gradients_ ? 2 : 1;
  const auto bytes_of_one = [&](const PackedWeight& w) { return kernels_.packed_bytes(w.n, w.k, w.dtype); };
  walk([&](PackedWeight& w) { bytes += copies * bytes_of_one(w); });
  int64_t floats = 0;
  for (const Linear* linear : linears_) floats += config_.dora ? 2 * linear->packed.n : 0;
  memory_ = Buffer(kernels_, bytes + floats * 4);
  char* memory = memory_.data();
  walk([&](PackedWeight& w) {
    w.forward = memory;
    w.backward = with_gradients_ ? memory + bytes_of_one(w) : nullptr;
    memory += copies * bytes_of_one(w);
  });
  for (size_t i = 0; i < loras_.size() && config_.dora; ++i) {
    const int64_t n = linears_[i]->packed.n;
    CHECK(loras_[i]->squares != nullptr, "the base was not made for adapters");
    loras_[i]->gains = reinterpret_cast<float*>(memory);
    loras_[i]->norms = loras_[i]->gains + n;
    std::fill_n(loras_[i]->gains, 2 * n, 1.0f);
    memory += 2 * n * 4;
  }
}

void Adapters::pack(LoraPass& pass) {
  for (size_t i = 0; i < loras_.size(); ++i) loras_[i]->pack(kernels_, pass, linears_[i]->packed);
}

void Adapters::init_magnitudes(LoraPass& pass) {
  if (!config_.dora) return;
  pack(pass);
  for (const auto& lora : loras_) {
    for (const LoraPart& part : lora->parts) std::copy_n(lora->norms + part.begin, part.n, part.magnitude);
  }
}

}  // namespace loquat
