// What this machine is: for reports, benchmarks and messages. Which kernels run is decided elsewhere (kernels/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loquat {

struct Machine {
  std::string cpu;     // "Intel(R) Xeon(R) ..."; "unknown CPU" where the system does not say
  std::string system;  // "Debian GNU/Linux 12 (bookworm)"
  int cores = 1;       // that this process may run on
  int64_t memory_bytes = 0;
  std::vector<std::string> flags;  // of avx2, fma, f16c, avx512f, avx512bw, avx512vl, avx512_bf16, amx_tile, amx_bf16
};

Machine this_machine();
int usable_cores();  // that the calling thread's affinity allows (taskset, containers); 1 at least
// Reads the text of /proc/cpuinfo (for tests).
void read_cpuinfo(const std::string& text, Machine& machine);
std::string machine_text(const Machine& machine);  // "Intel(R) Xeon(R) ..., 2 cores, 7.8 GiB, avx2 avx512f amx_bf16"

}  // namespace loquat
