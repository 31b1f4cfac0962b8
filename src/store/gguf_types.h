// GGUF's types (github.com/ggml-org/ggml, docs/gguf.md): tensors in blocks of values, metadata values, and what turns
// blocks into float32 and back. A block's bytes are little-endian; its scales are half precision.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace loquat {

enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct GgufTypeInfo {
  GgufType type;
  const char* name;     // "F32", "Q8_0", ...
  int64_t block;        // values in a block; a row is whole blocks
  int64_t block_bytes;  // bytes of a block
  bool writable;        // gguf_quantize has it
};

// Null where the type is not one of the above.
const GgufTypeInfo* find_gguf_type(uint32_t type);
const GgufTypeInfo* find_gguf_type(std::string_view name);
const GgufTypeInfo& gguf_type_info(GgufType type);

// blocks.size() is blocks * block_bytes, values.size() the same blocks * block.
void gguf_dequantize(GgufType type, std::span<const uint8_t> blocks, std::span<float> values);
// The same sizes; for the types that are writable. A scale that half precision cannot hold becomes infinite.
void gguf_quantize(GgufType type, std::span<const float> values, std::span<uint8_t> blocks);

enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// A list of one type, never of lists. Numbers lie packed as in the file: no list takes more memory than its bytes
// there.
struct GgufArray {
  GgufValueType type = GgufValueType::kUint32;
  std::vector<std::string> strings;  // where the type is kString
  std::string packed;                // else
  int64_t size() const;
  bool is_integer() const;
  int64_t integer(int64_t i) const;  // where is_integer or kBool; an uint64 past 2^63 - 1 gives that
  double number(int64_t i) const;    // of any type but kString
};

struct GgufValue {
  GgufValueType type = GgufValueType::kUint32;
  std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray> value;

  static GgufValue uint32(uint32_t x) { return {GgufValueType::kUint32, uint64_t{x}}; }
  static GgufValue uint64(uint64_t x) { return {GgufValueType::kUint64, x}; }
  static GgufValue int32(int32_t x) { return {GgufValueType::kInt32, int64_t{x}}; }
  static GgufValue float32(float x) { return {GgufValueType::kFloat32, double{x}}; }
  static GgufValue boolean(bool x) { return {GgufValueType::kBool, x}; }
  static GgufValue string(std::string x) { return {GgufValueType::kString, std::move(x)}; }
  static GgufValue strings(std::vector<std::string> x);
  static GgufValue int32s(std::span<const int32_t> x);
  static GgufValue float32s(std::span<const float> x);
};

const char* gguf_value_name(GgufValueType type);  // "uint32", "array", ...
int64_t gguf_value_bytes(GgufValueType type);     // of one; 0 for strings and arrays

}  // namespace loquat
