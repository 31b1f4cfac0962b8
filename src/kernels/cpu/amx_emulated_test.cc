// The table for AMX with its tiles in plain C++, so that what is written over them is tested on any processor that has
// all the rest (AVX-512 BF16 and VNNI).
#include "kernels/test_support.h"

#if defined(__x86_64__)

#include "kernels/cpu/table.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#define LOQUAT_EMULATED_TILES
#include "kernels/cpu/inner_amx.cc"
#undef amx
#include "kernels/cpu/quantized_amx.cc"
#undef quantized_amx
#pragma GCC pop_options

namespace loquat {
namespace {

constinit const cpu::Inner kInner = {&cpu::amx_emulated::kProducts, &cpu::amx_emulated::kAttention, &cpu::kRowsAvx512,
                                     &cpu::quantized_amx_emulated::kQuantized, &cpu::kPartsAvx512};
constinit const Kernels kTable = cpu::table_of<kInner>("amx_emulated");

}  // namespace

const Kernels* emulated_amx_kernels() {
  return cpu_kernels(Isa::kAvx512Bf16).ok() ? &kTable : nullptr;
}

}  // namespace loquat

#else

namespace loquat {

const Kernels* emulated_amx_kernels() {
  return nullptr;
}

}  // namespace loquat

#endif
