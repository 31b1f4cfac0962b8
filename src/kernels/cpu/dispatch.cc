// Chooses the kernel table: what the processor and the operating system offer, or what $LOQUAT_ISA asks for.
#include <cstdlib>
#include <string>

#include "kernels/cpu/table.h"
#include "kernels/kernels.h"
#include "kernels/reference.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace loquat {
namespace {

#if defined(__x86_64__)

constinit const cpu::Inner kInnerAvx2 = {&cpu::kProductsAvx2, &cpu::kAttentionAvx2, &cpu::kRowsAvx2,
                                         &cpu::kQuantizedAvx2, &cpu::kPartsAvx2};
constinit const cpu::Inner kInnerAvx512 = {&cpu::kProductsAvx512, &cpu::kAttentionAvx512, &cpu::kRowsAvx512,
                                           &cpu::kQuantizedAvx2, &cpu::kPartsAvx512};
constinit const cpu::Inner kInnerAvx512Bf16 = {&cpu::kProductsAvx512Bf16, &cpu::kAttentionAvx512Bf16, &cpu::kRowsAvx512,
                                               &cpu::kQuantizedAvx512Bf16, &cpu::kPartsAvx512};
constinit const cpu::Inner kInnerAmx = {&cpu::kProductsAmx, &cpu::kAttentionAmx, &cpu::kRowsAvx512, &cpu::kQuantizedAmx,
                                        &cpu::kPartsAvx512};
constinit const Kernels kAvx2 = cpu::table_of<kInnerAvx2>("avx2");
constinit const Kernels kAvx512 = cpu::table_of<kInnerAvx512>("avx512");
constinit const Kernels kAvx512Bf16 = cpu::table_of<kInnerAvx512Bf16>("avx512bf16");
constinit const Kernels kAmx = cpu::table_of<kInnerAmx>("amx");

// The state components that the operating system saves (XCR0).
uint64_t saved_state() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

struct Features {
  unsigned ecx1 = 0, ebx7 = 0, ecx7 = 0, edx7 = 0, eax71 = 0;
  uint64_t saved = 0;
};

Features features() {
  Features f;
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d)) f.ecx1 = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    f.ebx7 = b;
    f.ecx7 = c;
    f.edx7 = d;
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) f.eax71 = a;
  f.saved = saved_state();
  return f;
}

// What is missing for each table, empty if nothing is.
std::string missing_for_avx2(const Features& f) {
  constexpr unsigned kFma = 1u << 12, kF16c = 1u << 29, kAvx2Bit = 1u << 5;
  if ((f.ecx1 & kFma) == 0 || (f.ecx1 & kF16c) == 0 || (f.ebx7 & kAvx2Bit) == 0) return "AVX2 with FMA and F16C";
  return (f.saved & 0x6) == 0x6 ? "" : "the operating system's support for AVX";
}

std::string missing_for_avx512(const Features& f) {
  if (std::string missing = missing_for_avx2(f); !missing.empty()) return missing;
  constexpr unsigned kNeeded = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  if ((f.ebx7 & kNeeded) != kNeeded) return "AVX-512 F, DQ, BW and VL";
  return (f.saved & 0xe6) == 0xe6 ? "" : "the operating system's support for AVX-512";
}

std::string missing_for_avx512bf16(const Features& f) {
  if (std::string missing = missing_for_avx512(f); !missing.empty()) return missing;
  constexpr unsigned kVnni = 1u << 11;
  return (f.eax71 & (1u << 5)) != 0 && (f.ecx7 & kVnni) != 0 ? "" : "AVX-512 with bfloat16 and VNNI";
}

bool has_amx(const Features& f) {
  constexpr unsigned kNeeded = 1u << 22 | 1u << 24 | 1u << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
  return (f.edx7 & kNeeded) == kNeeded;
}

std::string missing_for_amx(const Features& f) {
  if (std::string missing = missing_for_avx512bf16(f); !missing.empty()) return missing;
  if (!has_amx(f)) return "AMX with bfloat16 and int8";
  if ((f.saved & 0x60000) != 0x60000) return "the operating system's support for AMX";
  // Linux gives the tiles' state to processes that ask for it.
  constexpr long kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;
  static const long refused = syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata);
  return refused == 0 ? "" : "the kernel's permission to use AMX (arch_prctl)";
}

struct Choice {
  Isa isa;
  const Kernels* table;
  std::string missing;
  bool slower = false;  // than one before it: taken only where it is asked for
};

const std::vector<Choice>& choices() {
  static const std::vector<Choice> all = [] {
    const Features f = features();
    return std::vector<Choice>{{Isa::kReference, &reference::kTable, ""},
                               {Isa::kAvx2, &kAvx2, missing_for_avx2(f)},
                               {Isa::kAvx512, &kAvx512, missing_for_avx512(f)},
                               // Processors with AMX do bfloat16 in vectors at half the rate of float32.
                               {Isa::kAvx512Bf16, &kAvx512Bf16, missing_for_avx512bf16(f), has_amx(f)},
                               {Isa::kAmx, &kAmx, missing_for_amx(f)}};
  }();
  return all;
}

#else

struct Choice {
  Isa isa;
  const Kernels* table;
  std::string missing;
  bool slower = false;  // than one before it: taken only where it is asked for
};

const std::vector<Choice>& choices() {
  static const std::vector<Choice> all = {{Isa::kReference, &reference::kTable, ""},
                                          {Isa::kAvx2, nullptr, "an x86-64 processor"},
                                          {Isa::kAvx512, nullptr, "an x86-64 processor"},
                                          {Isa::kAvx512Bf16, nullptr, "an x86-64 processor"},
                                          {Isa::kAmx, nullptr, "an x86-64 processor"}};
  return all;
}

#endif

Result<Isa> named_isa(const std::string& name) {
  if (name == "auto") return Isa::kAuto;
  if (name == "reference") return Isa::kReference;
  if (name == "avx2") return Isa::kAvx2;
  if (name == "avx512") return Isa::kAvx512;
  if (name == "avx512bf16") return Isa::kAvx512Bf16;
  if (name == "amx") return Isa::kAmx;
  return Err("LOQUAT_ISA is \"{}\"; expected reference, avx2, avx512, avx512bf16, amx or auto", name);
}

const char* name_of(Isa isa) {
  constexpr const char* kNames[] = {"auto", "reference", "avx2", "avx512", "avx512bf16", "amx"};
  return kNames[static_cast<int>(isa)];
}

}  // namespace

Result<const Kernels*> cpu_kernels(Isa isa) {
  if (const char* wanted = std::getenv("LOQUAT_ISA"); isa == Isa::kAuto && wanted && *wanted) {
    TRY(isa, named_isa(wanted));
  }
  const Kernels* best = nullptr;
  for (const Choice& choice : choices()) {
    if (isa == choice.isa && !choice.missing.empty()) {
      return Err("the {} kernels need {}, which this machine does not have", name_of(isa), choice.missing);
    }
    if (isa == choice.isa) return choice.table;
    if (choice.missing.empty() && !choice.slower) best = choice.table;
  }
  return best;
}

std::vector<const Kernels*> all_cpu_kernels() {
  std::vector<const Kernels*> tables;
  for (const Choice& choice : choices()) {
    if (choice.missing.empty()) tables.push_back(choice.table);
  }
  return tables;
}

}  // namespace loquat
