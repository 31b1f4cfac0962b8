// The orthogonal factor of a matrix by matrix products alone, for Muon (Jordan et al. 2024), with another polynomial in
// each step (after Amsel et al. 2025, "The Polar Express", arXiv:2505.16932).
#pragma once

#include "model/memory.h"

namespace loquat {

// x [rows, cols], float32 in the kernels' memory, becomes nearly the orthogonal factor of itself: four steps of a
// quintic Newton-Schulz iteration, which bring singular values above 0.003 of their root sum square to 0.8 ... 1.2 and
// smaller ones up by some 290 times. Products are of `dtype`: bfloat16
// moves singular values by a hundredth. Takes from `scratch`.
void newton_schulz(const Kernels& kernels, float* x, int64_t rows, int64_t cols, DType dtype, Arena& scratch);

}  // namespace loquat
