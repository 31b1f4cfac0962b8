// Linear: a projection with its packed copies.
#include "model/layer.h"

namespace loquat {

// One product for all rows, whosever they are, but for those whose adapter makes it itself.
void Linear::forward(const LayerContext& context, Mat y, Mat x, bool add) const {
  const Kernels& kernels = *context.kernels;
  int64_t next = 0;
  const auto multiply_up_to = [&](int64_t end) {
    if (end > next) kernels.linear(y.row_range(next, end), x.row_range(next, end), packed, add);
  };
  for (const LoraPass::Rows& rows : context.lora->rows) {
    const Lora* lora = rows.adapters->of(*this);
    if (lora == nullptr || !lora->makes_product(add)) continue;
    multiply_up_to(rows.begin);
    next = rows.end;
  }
  multiply_up_to(x.rows);
  for (const LoraPass::Rows& rows : context.lora->rows) {
    const Lora* lora = rows.adapters->of(*this);
    if (lora == nullptr) continue;
    lora->forward(kernels, *context.lora, packed, y.row_range(rows.begin, rows.end), x.row_range(rows.begin, rows.end),
                  add);
  }
  if (bias != nullptr) kernels.add_bias(y, bias);
}

void Linear::backward(const LayerContext& context, Mat dx, Mat dy, Mat x) const {
  const Kernels& kernels = *context.kernels;
  if (bias_gradient != nullptr) kernels.bias_backward(bias_gradient, dy);
  const auto& rows = context.lora->rows;
  const Lora* lora = rows.empty() ? nullptr : rows[0].adapters->of(*this);
  if (lora != nullptr) return lora->backward(kernels, *context.lora, packed, dx, dy, x);
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
