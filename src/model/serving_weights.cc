#include "model/serving_weights.h"

#include <vector>

#include "base/threads.h"
#include "kernels/quantize.h"
#include "model/memory.h"

namespace loquat {
namespace {

void upload_squares(const Kernels& kernels, const Linear& linear, const std::vector<float>& weight) {
  const int64_t n = linear.packed.n, k = linear.packed.k;
  std::vector<float> sums(static_cast<size_t>(n));
  parallel_blocks(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += static_cast<double>(weight[i * k + j]) * weight[i * k + j];
      sums[i] = static_cast<float>(sum);
    }
  });
  kernels.upload(const_cast<float*>(linear.squares), sums.data(), n * 4);
}

}  // namespace

void pack_serving(const Kernels& kernels, const Linear& linear, std::span<const Param> params,
                  const ServingTensors& tensors) {
  const PackedWeight& w = linear.packed;
  void *forward = const_cast<void*>(w.forward), *backward = const_cast<void*>(w.backward);
  const size_t size = static_cast<size_t>(w.n * w.k);
  const bool quantized = w.type != WeightType::kCompute;
  std::vector<uint8_t> codes(quantized ? size : 0);
  std::vector<BF16> scales(quantized ? static_cast<size_t>(w.n * group_count(w.k, w.type)) : 0);
  if (tensors.type(params[0].name) != WeightType::kCompute) {
    int64_t row = 0;
    for (const Param& p : params) {
      tensors.codes(p.name, codes.data() + row * w.k, scales.data() + row * group_count(w.k, w.type));
      row += p.shape[0];
    }
    if (linear.squares != nullptr) {
      std::vector<float> host(size);
      dequantize_weight(codes.data(), scales.data(), w.n, w.k, w.type, host.data());
      upload_squares(kernels, linear, host);
    }
    return kernels.pack_quantized(codes.data(), scales.data(), w.n, w.k, w.type, forward);
  }
  std::vector<float> host(size);
  float* to = host.data();
  for (const Param& p : params) {
    tensors.values(p.name, to);
    to += p.size;
  }
  if (quantized) quantize_weight(host.data(), w.n, w.k, w.type, codes.data(), scales.data());
  if (linear.squares != nullptr) {
    if (quantized) dequantize_weight(codes.data(), scales.data(), w.n, w.k, w.type, host.data());
    upload_squares(kernels, linear, host);
  }
  if (quantized) {
    return kernels.pack_quantized(codes.data(), scales.data(), w.n, w.k, w.type, forward);
  }
  const Buffer master = floats_of(kernels, host);
  kernels.pack(master.floats(), w.n, w.k, w.dtype, forward, backward);
}

}  // namespace loquat
