// Chooses the kernel table: what the processor and the operating system offer, or what $LOQUAT_ISA asks for.
#include <cstdlib>
#include <string>

#include "kernels/kernels.h"
#include "kernels/reference.h"

namespace loquat {

Result<const Kernels*> cpu_kernels(Isa isa) {
  (void)isa;
  return &reference::kTable;
}

std::vector<const Kernels*> all_cpu_kernels() { return {&reference::kTable}; }

}  // namespace loquat
