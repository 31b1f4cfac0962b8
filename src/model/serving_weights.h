// The packed weights of a model that only serves, made from what its tensors are: values, which are quantised where
// that is wanted, or codes.
#pragma once

#include <span>

#include "kernels/kernels.h"
#include "model/layer.h"
#include "model/model.h"

namespace loquat {

// Fills the memory that the projection's packed weight has (of its type), and its squares where it has them, from the
// tensors of `params`: those that the weight is made of.
void pack_serving(const Kernels& kernels, const Linear& linear, std::span<const Param> params,
                  const ServingTensors& tensors);

}  // namespace loquat
