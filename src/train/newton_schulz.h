// The orthogonal factor of a matrix by matrix products alone, for Muon (Jordan et al. 2024).
#pragma once

#include "model/memory.h"

namespace loquat {

// x [rows, cols], float32 in the kernels' memory, becomes nearly the orthogonal factor of itself: five steps of the
// quintic Newton-Schulz iteration, which bring every singular value to 0.7 ... 1.2. Products are of `dtype`: bfloat16
// moves singular values by a hundredth. Takes from `scratch`.
void newton_schulz(const Kernels& kernels, float* x, int64_t rows, int64_t cols, DType dtype, Arena& scratch);

}  // namespace loquat
