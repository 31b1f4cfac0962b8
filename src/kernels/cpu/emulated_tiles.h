// AMX's tiles in plain C++, for tests on processors that have none: the same instructions over memory. An element's two
// partial sums (of the even and of the odd products) are added at the end, as the processor does.
#pragma once

#include <stdint.h>
#include <string.h>

namespace loquat::cpu {

struct EmulatedTiles {
  uint8_t rows[8];
  uint16_t row_bytes[8];
  uint8_t data[8][16][64];
};
inline thread_local EmulatedTiles emulated_tiles;

inline void emulated_loadconfig(const void* config) {
  memset(&emulated_tiles, 0, sizeof(emulated_tiles));
  memcpy(emulated_tiles.row_bytes, static_cast<const char*>(config) + 16, sizeof(emulated_tiles.row_bytes));
  memcpy(emulated_tiles.rows, static_cast<const char*>(config) + 48, sizeof(emulated_tiles.rows));
}

inline void emulated_zero(int tile) {
  memset(emulated_tiles.data[tile], 0, sizeof(emulated_tiles.data[tile]));
}

inline void emulated_load(int tile, const void* from, int64_t stride) {
  emulated_zero(tile);
  for (int r = 0; r < emulated_tiles.rows[tile]; ++r) {
    memcpy(emulated_tiles.data[tile][r], static_cast<const char*>(from) + r * stride, emulated_tiles.row_bytes[tile]);
  }
}

inline void emulated_store(int tile, void* to, int64_t stride) {
  for (int r = 0; r < emulated_tiles.rows[tile]; ++r) {
    memcpy(static_cast<char*>(to) + r * stride, emulated_tiles.data[tile][r], emulated_tiles.row_bytes[tile]);
  }
}

inline float emulated_bf16(const uint8_t* at) {
  uint16_t bits;
  memcpy(&bits, at, 2);
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

inline void emulated_dot(int c, int a, int b) {
  EmulatedTiles& t = emulated_tiles;
  for (int m = 0; m < t.rows[c]; ++m) {
    for (int n = 0; n < t.row_bytes[c] / 4; ++n) {
      float even = 0, odd = 0, sum;
      for (int k = 0; k < t.row_bytes[a] / 4; ++k) {
        even += emulated_bf16(&t.data[a][m][4 * k]) * emulated_bf16(&t.data[b][k][4 * n]);
        odd += emulated_bf16(&t.data[a][m][4 * k + 2]) * emulated_bf16(&t.data[b][k][4 * n + 2]);
      }
      memcpy(&sum, &t.data[c][m][4 * n], 4);
      sum += even + odd;
      memcpy(&t.data[c][m][4 * n], &sum, 4);
    }
  }
}

inline void emulated_signed_dot(int c, int a, int b) {
  EmulatedTiles& t = emulated_tiles;
  for (int m = 0; m < t.rows[c]; ++m) {
    for (int n = 0; n < t.row_bytes[c] / 4; ++n) {
      int32_t sum;
      memcpy(&sum, &t.data[c][m][4 * n], 4);
      for (int k = 0; k < t.row_bytes[a]; ++k)
        sum += static_cast<int8_t>(t.data[a][m][k]) * t.data[b][k / 4][4 * n + k % 4];
      memcpy(&t.data[c][m][4 * n], &sum, 4);
    }
  }
}

}  // namespace loquat::cpu

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_dpbsud
#define _tile_loadconfig(config) ::loquat::cpu::emulated_loadconfig(config)
#define _tile_release() static_cast<void>(0)
#define _tile_zero(tile) ::loquat::cpu::emulated_zero(tile)
#define _tile_loadd(tile, from, stride) ::loquat::cpu::emulated_load(tile, from, stride)
#define _tile_stored(tile, to, stride) ::loquat::cpu::emulated_store(tile, to, stride)
#define _tile_dpbf16ps(c, a, b) ::loquat::cpu::emulated_dot(c, a, b)
#define _tile_dpbsud(c, a, b) ::loquat::cpu::emulated_signed_dot(c, a, b)
