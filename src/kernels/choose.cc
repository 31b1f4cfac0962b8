// Chooses among processor and graphics card.
#include <cstdlib>
#include <string_view>

#include "kernels/kernels.h"

namespace loquat {

Result<const Kernels*> best_kernels() {
  const char* asked = std::getenv("LOQUAT_DEVICE");
  const std::string_view device = asked != nullptr && *asked != 0 ? asked : "auto";
  if (device == "cpu") return cpu_kernels();
  if (device != "cuda" && device != "auto") return Err("LOQUAT_DEVICE is \"{}\"; expected cpu, cuda or auto", device);
  const Kernels* card = cuda_kernels();
  if (card != nullptr) return card;
  if (device == "cuda") return Err("LOQUAT_DEVICE is cuda: this build has no CUDA, or this machine no graphics card");
  return cpu_kernels();
}

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> tables = all_cpu_kernels();
  const Kernels* card = cuda_kernels();
  if (card != nullptr && card->host_reads) tables.push_back(card);
  return tables;
}

}  // namespace loquat
