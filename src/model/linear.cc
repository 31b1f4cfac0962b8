// Linear: a projection with its packed copies.
#include "model/layer.h"

namespace loquat {

void Linear::forward(const Kernels& kernels, Mat y, Mat x, bool add) const {
  if (lora != nullptr) {
    lora->forward(kernels, packed, y, x, add);
  } else {
    kernels.linear(y, x, packed, add);
  }
  if (bias != nullptr) kernels.add_bias(y, bias);
}

void Linear::backward(const Kernels& kernels, Mat dx, Mat dy, Mat x) const {
  if (bias_gradient != nullptr) kernels.bias_backward(bias_gradient, dy);
  if (lora != nullptr) return lora->backward(kernels, packed, dx, dy, x);
  if (gradient != nullptr) kernels.linear_backward_weight(gradient, dy, x);
  if (dx.data != nullptr) kernels.linear_backward_input(dx, dy, packed, false);
}

int64_t Linear::packed_bytes(const Kernels& kernels) const {
  if (packed.type != WeightType::kCompute) return kernels.quantized_bytes(packed.n, packed.k, packed.type);
  return kernels.packed_bytes(packed.n, packed.k, packed.dtype) * (has_backward() ? 2 : 1);
}

void Linear::place(const Kernels& kernels, char* memory) {
  packed.forward = memory;
  const bool both = has_backward() && packed.type == WeightType::kCompute;
  packed.backward = both ? memory + kernels.packed_bytes(packed.n, packed.k, packed.dtype) : nullptr;
}

void Linear::pack(const Kernels& kernels) const {
  kernels.pack(weight, packed.n, packed.k, packed.dtype, const_cast<void*>(packed.forward),
               const_cast<void*>(packed.backward));
}

}  // namespace loquat
