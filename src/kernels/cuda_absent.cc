// Stands in for src/kernels/cuda where the build has no CUDA: the absence is chosen by linking.
#include "kernels/kernels.h"

namespace loquat {

const Kernels* cuda_kernels() {
  return nullptr;
}

}  // namespace loquat
