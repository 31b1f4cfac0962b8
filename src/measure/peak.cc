// One loop for each multiply unit. Each function names the instruction set it needs and calls nothing but intrinsics,
// so that no inline function made for a newer processor can reach an older one.
#include "measure/peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace loquat::measure {

#if defined(__x86_64__)
namespace {

constexpr int kChains = 16;  // independent sums: two units times the latency, and some more
constexpr int kChainsAvx2 = 12;

[[gnu::target("avx2,fma")]] void fma_256(int64_t rounds) {
  __m256 sums[kChainsAvx2];
  for (int i = 0; i < kChainsAvx2; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 a = _mm256_set1_ps(0.99f), b = _mm256_set1_ps(0.01f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChainsAvx2; ++i) sums[i] = _mm256_fmadd_ps(sums[i], a, b);
  }
#pragma GCC unroll 12
  for (int i = 0; i < kChainsAvx2; ++i) asm volatile("" ::"x"(sums[i]));
}

[[gnu::target("avx512f")]] void fma_512(int64_t rounds) {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 a = _mm512_set1_ps(0.99f), b = _mm512_set1_ps(0.01f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_fmadd_ps(sums[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) asm volatile("" ::"v"(sums[i]));
}

[[gnu::target("avx512f,avx512bf16")]] void dot_bf16_512(int64_t rounds) {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(0x3c80);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) asm volatile("" ::"v"(sums[i]));
}

[[gnu::target("avx512f,avx512vnni")]] void dot_bytes_512(int64_t rounds) {
  __m512i sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_epi32(i);
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) asm volatile("" ::"v"(sums[i]));
}

[[gnu::target("avx2")]] void read_256(const void* memory, int64_t bytes) {
  const char* p = static_cast<const char*>(memory);
  __m256i sums[8] = {};
  for (int64_t at = 0; at < bytes; at += 256) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm256_add_epi32(sums[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + at + 32 * i)));
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) asm volatile("" ::"x"(sums[i]));
}

[[gnu::target("avx512f")]] void read_512(const void* memory, int64_t bytes) {
  const char* p = static_cast<const char*>(memory);
  __m512i sums[8] = {};
  for (int64_t at = 0; at < bytes; at += 512) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = _mm512_add_epi32(sums[i], _mm512_loadu_si512(p + at + 64 * i));
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) asm volatile("" ::"v"(sums[i]));
}

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Four sums of 16 x 16 from two by two operands of 16 rows of 64 bytes, as the kernels' blocks have them, but loaded
// once.
[[gnu::target("amx-tile")]] void load_tiles(uint16_t value) {
  alignas(64) TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = 16;
    config.row_bytes[i] = 64;
  }
  alignas(64) uint16_t values[16 * 32];
  for (uint16_t& x : values) x = value;
  asm volatile("" ::: "memory");  // the intrinsics do not say that they read memory
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, values, 64);
  _tile_loadd(5, values, 64);
  _tile_loadd(6, values, 64);
  _tile_loadd(7, values, 64);
}

[[gnu::target("amx-tile,amx-bf16")]] void tiles_bf16(int64_t rounds) {
  load_tiles(0x3f80);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

[[gnu::target("amx-tile,amx-int8")]] void tiles_bytes(int64_t rounds) {
  load_tiles(0x0101);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_release();
}

}  // namespace

PeakLoop peak_loop(const std::string& table, DType compute, WeightType weights) {
  const bool bf16 = compute == DType::kBF16;
  if (weights != WeightType::kCompute) {
    if (table == "amx") return {"AMX int8 tile products", 4 * 2.0 * 16 * 16 * 64, tiles_bytes};
    if (table == "avx512bf16") return {"AVX-512 int8 dot products", kChains * 16 * 8.0, dot_bytes_512};
  }
  if (table == "amx" && bf16) return {"AMX bf16 tile products", 4 * 2.0 * 16 * 16 * 32, tiles_bf16};
  if (table == "avx512bf16" && bf16) return {"AVX-512 bf16 dot products", kChains * 16 * 4.0, dot_bf16_512};
  if (table == "amx" || table == "avx512bf16" || table == "avx512")
    return {"AVX-512 multiply-adds", kChains * 16 * 2.0, fma_512};
  if (table == "avx2") return {"AVX2 multiply-adds", kChainsAvx2 * 8 * 2.0, fma_256};
  return {};
}

ReadLoop read_loop(const std::string& table) {
  if (table == "avx2") return read_256;
  return table == "amx" || table.starts_with("avx512") ? read_512 : nullptr;
}

#else

PeakLoop peak_loop(const std::string&, DType, WeightType) {
  return {};
}

ReadLoop read_loop(const std::string&) {
  return nullptr;
}

#endif

}  // namespace loquat::measure
