#include "measure/noise.h"

#include <algorithm>

#include "kernels/quantize.h"
#include "model/params.h"

namespace loquat::measure {
namespace {

constexpr int64_t kNoise = 1 << 18;  // values that are drawn, and then laid side by side

std::vector<float> noise(uint64_t seed, double deviation) {
  Rng rng(seed, "measure.noise");
  std::vector<float> values(kNoise);
  for (float& value : values) value = static_cast<float>(deviation * rng.normal());
  return values;
}

void upload_tiled(const Kernels& kernels, float* to, int64_t count, const std::vector<float>& tile) {
  const auto size = static_cast<int64_t>(tile.size());
  for (int64_t at = 0; at < count; at += size)
    kernels.upload(to + at, tile.data(), std::min(size, count - at) * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

Tensor empty_tensor(const Kernels& kernels, int64_t rows, int64_t cols, DType dtype) {
  Tensor tensor{Buffer(kernels, rows * cols * bytes_of(dtype)), {}};
  tensor.mat = {tensor.memory.data(), rows, cols, cols, dtype};
  return tensor;
}

Tensor random_tensor(const Kernels& kernels, int64_t rows, int64_t cols, DType dtype, uint64_t seed) {
  Tensor values = empty_tensor(kernels, rows, cols, DType::kF32);
  upload_tiled(kernels, values.mat.f32(), rows * cols, noise(seed, 1));
  if (dtype == DType::kF32) return values;
  Tensor converted = empty_tensor(kernels, rows, cols, dtype);
  kernels.convert(converted.mat, values.mat);
  return converted;
}

namespace {

// Any codes, and scales that give them a deviation near a new model's.
void random_codes(uint8_t* codes, int64_t count, BF16* scales, int64_t groups, WeightType type, uint64_t seed) {
  Rng rng(seed, "measure.codes");
  std::vector<uint8_t> tile(static_cast<size_t>(std::min(count, kNoise)));
  for (uint8_t& code : tile) code = static_cast<uint8_t>(rng.below(1u << bits_of(type)));
  for (int64_t at = 0; at < count; at += kNoise) std::copy_n(tile.data(), std::min(kNoise, count - at), codes + at);
  std::fill_n(scales, groups, to_bf16(0.07f / static_cast<float>(1 << bits_of(type))));
}

}  // namespace

Weight random_weight(const Kernels& kernels, int64_t n, int64_t k, DType dtype, bool gradients, uint64_t seed,
                     WeightType type) {
  if (type != WeightType::kCompute) {
    std::vector<uint8_t> codes(static_cast<size_t>(n * k));
    std::vector<BF16> scales(static_cast<size_t>(n * group_count(k, type)));
    random_codes(codes.data(), n * k, scales.data(), n * group_count(k, type), type, seed);
    Weight weight;
    weight.forward = Buffer(kernels, kernels.quantized_bytes(n, k, type));
    weight.packed = {n, k, dtype, weight.forward.data(), nullptr, type};
    kernels.pack_quantized(codes.data(), scales.data(), n, k, type, weight.forward.data());
    return weight;
  }
  const Tensor master = random_tensor(kernels, n, k, DType::kF32, seed);
  const int64_t bytes = kernels.packed_bytes(n, k, dtype);
  Weight weight;
  weight.forward = Buffer(kernels, bytes);
  if (gradients) weight.backward = Buffer(kernels, bytes);
  weight.packed = {n, k, dtype, weight.forward.data(), weight.backward.data()};
  kernels.pack(master.mat.f32(), n, k, dtype, weight.forward.data(), weight.backward.data());
  return weight;
}

std::unique_ptr<Model> random_model(const ModelConfig& config, const Kernels& kernels, DType compute, bool gradients,
                                    uint64_t seed) {
  auto model = std::make_unique<Model>(config, kernels, compute, gradients);
  upload_tiled(kernels, model->values().data(), static_cast<int64_t>(model->values().size()), noise(seed, 0.02));
  model->for_each_param([&](const Param& param) {
    if (param.shape.size() > 1) return;
    const std::vector<float> ones(static_cast<size_t>(param.size), 1.0f);
    kernels.upload(param.value, ones.data(), param.size * static_cast<int64_t>(sizeof(float)));
  });
  model->refresh();
  return model;
}

namespace {

// `base`: its adapters are trained, and its head is not quantised.
std::unique_ptr<Model> random_frozen_model(const ModelConfig& config, const Kernels& kernels, DType compute,
                                           WeightType weights, bool base, uint64_t seed) {
  const auto specs = param_specs(config);
  const auto spec_of = [&](const std::string& name) {
    return *std::find_if(specs.begin(), specs.end(), [&](const ParamSpec& spec) { return spec.name == name; });
  };
  const std::vector<float> tile = noise(seed, 0.02);
  ServingTensors tensors;
  tensors.head = weights == WeightType::kCompute || base ? WeightType::kCompute : WeightType::kInt8;
  tensors.under_adapters = tensors.adapters_trained = base;
  tensors.type = [&](const std::string& name) { return spec_of(name).is_matrix ? weights : WeightType::kCompute; };
  tensors.values = [&](const std::string& name, float* out) {
    const ParamSpec spec = spec_of(name);
    for (int64_t at = 0; at < spec.size(); at += kNoise)
      std::copy_n(tile.data(), std::min(kNoise, spec.size() - at), out + at);
    if (spec.shape.size() == 1) std::fill_n(out, spec.size(), 1.0f);
  };
  tensors.codes = [&](const std::string& name, uint8_t* codes, BF16* scales) {
    const ParamSpec spec = spec_of(name);
    random_codes(codes, spec.size(), scales, spec.shape[0] * group_count(spec.shape[1], weights), weights, seed);
  };
  return std::make_unique<Model>(config, kernels, compute, tensors);
}

}  // namespace

std::unique_ptr<Model> random_serving_model(const ModelConfig& config, const Kernels& kernels, DType compute,
                                            WeightType weights, uint64_t seed) {
  return random_frozen_model(config, kernels, compute, weights, false, seed);
}

std::shared_ptr<const Model> random_base(const ModelConfig& config, const Kernels& kernels, DType compute,
                                         WeightType weights, uint64_t seed) {
  return random_frozen_model(config, kernels, compute, weights, true, seed);
}

std::unique_ptr<Model> random_adapter(const std::shared_ptr<const Model>& base, int64_t rank, HeadKind head,
                                      bool gradients, uint64_t seed) {
  LoraConfig lora;
  lora.rank = rank;
  lora.targets = lora_modules();
  auto model = std::make_unique<Model>(base, lora, head, gradients);
  model->init(Rng(seed, "measure.lora"));
  return model;
}

std::vector<int32_t> random_tokens(Rng& rng, int64_t count, int64_t vocab) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab)));
  return tokens;
}

}  // namespace loquat::measure
