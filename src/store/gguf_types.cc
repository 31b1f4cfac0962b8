// GGUF's types and their blocks. Each dequantisation follows the layout that ggml's block structures define; a block's
// values are numbered j, and where a value's bits lie is written out beside each type.
#include "store/gguf_types.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/half.h"

namespace loquat {
namespace {

constexpr GgufTypeInfo kTypes[] = {
    {GgufType::kF32, "F32", 1, 4, true},        {GgufType::kF16, "F16", 1, 2, true},
    {GgufType::kBF16, "BF16", 1, 2, true},      {GgufType::kQ8_0, "Q8_0", 32, 34, true},
    {GgufType::kQ4_0, "Q4_0", 32, 18, true},    {GgufType::kQ4_1, "Q4_1", 32, 20, false},
    {GgufType::kQ5_0, "Q5_0", 32, 22, false},   {GgufType::kQ5_1, "Q5_1", 32, 24, false},
    {GgufType::kQ4_K, "Q4_K", 256, 144, false}, {GgufType::kQ5_K, "Q5_K", 256, 176, false},
    {GgufType::kQ6_K, "Q6_K", 256, 210, false},
};

constexpr int kSmall = 32;   // values in a block of Q4_0 to Q8_0
constexpr int kSuper = 256;  // in one of the K types

uint16_t load16(const uint8_t* p) {
  uint16_t x;
  std::memcpy(&x, p, 2);
  return x;
}

uint32_t load32(const uint8_t* p) {
  uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

float load_half(const uint8_t* p) {
  return f16_to_float(load16(p));
}

void store16(uint8_t* p, uint16_t x) {
  std::memcpy(p, &x, 2);
}

// Values 0 to 15 are the low halves of 16 bytes, 16 to 31 the high halves.
int nibble(const uint8_t* bytes, int j) {
  return j < 16 ? bytes[j] & 15 : bytes[j - 16] >> 4;
}

// Scale, 16 bytes of four bits, from which 8 is taken.
void read_q4_0(const uint8_t* p, float* y) {
  const float d = load_half(p);
  for (int j = 0; j < kSmall; ++j) y[j] = static_cast<float>(nibble(p + 2, j) - 8) * d;
}

// Scale, least value, 16 bytes of four bits.
void read_q4_1(const uint8_t* p, float* y) {
  const float d = load_half(p), least = load_half(p + 2);
  for (int j = 0; j < kSmall; ++j) y[j] = static_cast<float>(nibble(p + 4, j)) * d + least;
}

// Scale, a fifth bit for each value, 16 bytes of four bits; 16 is taken.
void read_q5_0(const uint8_t* p, float* y) {
  const float d = load_half(p);
  const uint32_t fifth = load32(p + 2);
  for (int j = 0; j < kSmall; ++j) {
    const int q = nibble(p + 6, j) | static_cast<int>(fifth >> j & 1) << 4;
    y[j] = static_cast<float>(q - 16) * d;
  }
}

// Scale, least value, fifth bits, 16 bytes of four bits.
void read_q5_1(const uint8_t* p, float* y) {
  const float d = load_half(p), least = load_half(p + 2);
  const uint32_t fifth = load32(p + 4);
  for (int j = 0; j < kSmall; ++j) {
    const int q = nibble(p + 8, j) | static_cast<int>(fifth >> j & 1) << 4;
    y[j] = static_cast<float>(q) * d + least;
  }
}

// Scale, 32 signed bytes.
void read_q8_0(const uint8_t* p, float* y) {
  const float d = load_half(p);
  for (int j = 0; j < kSmall; ++j) y[j] = static_cast<float>(static_cast<int8_t>(p[2 + j])) * d;
}

// The 6-bit scale and least value of part i (of 8) from the 12 bytes that hold them: parts 0 to 3 in the low six bits
// of bytes i and i + 4; of parts 4 to 7 the low four bits share byte i + 4 and the high two top bytes i - 4 and i.
struct ScaleAndLeast {
  int scale, least;
};
ScaleAndLeast six_bits(const uint8_t* p, int i) {
  if (i < 4) return {p[i] & 63, p[i + 4] & 63};
  return {(p[i + 4] & 15) | (p[i - 4] >> 6) << 4, (p[i + 4] >> 4) | (p[i] >> 6) << 4};
}

// Scale of scales, scale of least values, 12 bytes of them, 128 bytes of four bits: 64 values share 32 bytes, the
// first 32 in the low halves. Eight parts of 32 values.
void read_q4_k(const uint8_t* p, float* y) {
  const float d = load_half(p), d_least = load_half(p + 2);
  for (int part = 0; part < 8; ++part) {
    const ScaleAndLeast s = six_bits(p + 4, part);
    const float scale = d * static_cast<float>(s.scale), least = d_least * static_cast<float>(s.least);
    const uint8_t* q = p + 16 + part / 2 * 32;
    for (int l = 0; l < 32; ++l) {
      const int code = q[l] >> (part % 2 * 4) & 15;
      y[part * 32 + l] = scale * static_cast<float>(code) - least;
    }
  }
}

// As Q4_K, with 32 bytes of fifth bits between: bit `part` of byte l.
void read_q5_k(const uint8_t* p, float* y) {
  const float d = load_half(p), d_least = load_half(p + 2);
  for (int part = 0; part < 8; ++part) {
    const ScaleAndLeast s = six_bits(p + 4, part);
    const float scale = d * static_cast<float>(s.scale), least = d_least * static_cast<float>(s.least);
    const uint8_t* q = p + 48 + part / 2 * 32;
    for (int l = 0; l < 32; ++l) {
      const int code = (q[l] >> (part % 2 * 4) & 15) | (p[16 + l] >> part & 1) << 4;
      y[part * 32 + l] = scale * static_cast<float>(code) - least;
    }
  }
}

// 128 bytes of low four bits, 64 of high two, 16 signed scales, the scale of scales; 32 is taken. 128 values share 64
// low bytes and 32 high ones, in four parts of 32: the low halves of bytes l and l + 32, then their high halves.
void read_q6_k(const uint8_t* p, float* y) {
  const uint8_t *low = p, *high = p + 128;
  const float d = load_half(p + 208);
  for (int half = 0; half < 2; ++half) {
    for (int part = 0; part < 4; ++part) {
      for (int l = 0; l < 32; ++l) {
        const int four = low[half * 64 + part % 2 * 32 + l] >> (part / 2 * 4) & 15;
        const int two = high[half * 32 + l] >> (part * 2) & 3;
        const auto scale = static_cast<int8_t>(p[192 + half * 8 + part * 2 + l / 16]);
        y[half * 128 + part * 32 + l] = d * static_cast<float>(scale) * static_cast<float>((four | two << 4) - 32);
      }
    }
  }
}

float largest(const float* x, int n) {  // by size, with its sign; the first of equals
  float most = 0;
  for (int j = 0; j < n; ++j)
    if (std::fabs(x[j]) > std::fabs(most)) most = x[j];
  return most;
}

int rounded(float x, int low, int high) {  // NaN gives low
  return x > static_cast<float>(low) ? static_cast<int>(std::min(x, static_cast<float>(high))) : low;
}

void write_q8_0(const float* x, uint8_t* p) {
  const float d = std::fabs(largest(x, kSmall)) / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  store16(p, float_to_f16(d));
  for (int j = 0; j < kSmall; ++j) {
    p[2 + j] = static_cast<uint8_t>(static_cast<int8_t>(rounded(std::round(x[j] * inverse), -127, 127)));
  }
}

// The largest value gets -8, the end of the range that reaches further.
void write_q4_0(const float* x, uint8_t* p) {
  const float d = largest(x, kSmall) / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  store16(p, float_to_f16(d));
  const auto code = [&](float value) { return rounded(value * inverse + 8.5f, 0, 15); };
  for (int j = 0; j < 16; ++j) p[2 + j] = static_cast<uint8_t>(code(x[j]) | code(x[j + 16]) << 4);
}

using ReadBlock = void (*)(const uint8_t*, float*);

ReadBlock block_reader(GgufType type) {
  switch (type) {
    case GgufType::kQ4_0:
      return read_q4_0;
    case GgufType::kQ4_1:
      return read_q4_1;
    case GgufType::kQ5_0:
      return read_q5_0;
    case GgufType::kQ5_1:
      return read_q5_1;
    case GgufType::kQ8_0:
      return read_q8_0;
    case GgufType::kQ4_K:
      return read_q4_k;
    case GgufType::kQ5_K:
      return read_q5_k;
    case GgufType::kQ6_K:
      return read_q6_k;
    case GgufType::kF16:
      return [](const uint8_t* p, float* y) { *y = f16_to_float(load16(p)); };
    case GgufType::kBF16:
      return [](const uint8_t* p, float* y) { *y = bf16_to_float(load16(p)); };
    case GgufType::kF32:
      break;
  }
  return [](const uint8_t* p, float* y) { std::memcpy(y, p, 4); };
}

}  // namespace

const GgufTypeInfo* find_gguf_type(uint32_t type) {
  for (const GgufTypeInfo& info : kTypes)
    if (static_cast<uint32_t>(info.type) == type) return &info;
  return nullptr;
}

const GgufTypeInfo* find_gguf_type(std::string_view name) {
  for (const GgufTypeInfo& info : kTypes)
    if (info.name == name) return &info;
  return nullptr;
}

const GgufTypeInfo& gguf_type_info(GgufType type) {
  const GgufTypeInfo* info = find_gguf_type(static_cast<uint32_t>(type));
  CHECK(info != nullptr, "GGUF type {}", static_cast<uint32_t>(type));
  return *info;
}

void gguf_dequantize(GgufType type, std::span<const uint8_t> blocks, std::span<float> values) {
  const GgufTypeInfo& info = gguf_type_info(type);
  const size_t n = blocks.size() / info.block_bytes;
  CHECK(blocks.size() == n * info.block_bytes && values.size() == n * info.block, "{} bytes of {} for {} values",
        blocks.size(), info.name, values.size());
  const ReadBlock read = block_reader(type);
  for (size_t i = 0; i < n; ++i) read(blocks.data() + i * info.block_bytes, values.data() + i * info.block);
}

void gguf_quantize(GgufType type, std::span<const float> values, std::span<uint8_t> blocks) {
  const GgufTypeInfo& info = gguf_type_info(type);
  const size_t n = blocks.size() / info.block_bytes;
  CHECK(info.writable, "GGUF type {} cannot be written", info.name);
  CHECK(blocks.size() == n * info.block_bytes && values.size() == n * info.block, "{} bytes of {} for {} values",
        blocks.size(), info.name, values.size());
  for (size_t i = 0; i < n; ++i) {
    const float* x = values.data() + i * info.block;
    uint8_t* p = blocks.data() + i * info.block_bytes;
    switch (type) {
      case GgufType::kQ8_0:
        write_q8_0(x, p);
        break;
      case GgufType::kQ4_0:
        write_q4_0(x, p);
        break;
      case GgufType::kF16:
        store16(p, float_to_f16(*x));
        break;
      case GgufType::kBF16:
        store16(p, float_to_bf16(*x));
        break;
      default:
        std::memcpy(p, x, 4);
    }
  }
}

const char* gguf_value_name(GgufValueType type) {
  constexpr const char* kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                    "bool",  "string", "array",  "uint64", "int64",  "float64"};
  const auto i = static_cast<size_t>(type);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

int64_t gguf_value_bytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    default:
      return 0;
  }
}

namespace {

template <typename T>
T packed_at(const std::string& packed, int64_t i) {
  T x;
  std::memcpy(&x, packed.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return x;
}

template <typename T>
GgufValue packed_array(GgufValueType type, std::span<const T> x) {
  GgufArray array;
  array.type = type;
  array.packed.assign(reinterpret_cast<const char*>(x.data()), x.size_bytes());
  return {GgufValueType::kArray, std::move(array)};
}

}  // namespace

int64_t GgufArray::size() const {
  if (type == GgufValueType::kString) return static_cast<int64_t>(strings.size());
  return static_cast<int64_t>(packed.size()) / gguf_value_bytes(type);
}

bool GgufArray::is_integer() const {
  return type != GgufValueType::kString && type != GgufValueType::kBool && type != GgufValueType::kFloat32 &&
         type != GgufValueType::kFloat64;
}

int64_t GgufArray::integer(int64_t i) const {
  CHECK(i >= 0 && i < size(), "element {} of {}", i, size());
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kBool:
      return packed_at<uint8_t>(packed, i);
    case GgufValueType::kInt8:
      return packed_at<int8_t>(packed, i);
    case GgufValueType::kUint16:
      return packed_at<uint16_t>(packed, i);
    case GgufValueType::kInt16:
      return packed_at<int16_t>(packed, i);
    case GgufValueType::kUint32:
      return packed_at<uint32_t>(packed, i);
    case GgufValueType::kInt32:
      return packed_at<int32_t>(packed, i);
    case GgufValueType::kInt64:
      return packed_at<int64_t>(packed, i);
    default:
      break;
  }
  CHECK(type == GgufValueType::kUint64, "a list of {} has no integers", gguf_value_name(type));
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min(packed_at<uint64_t>(packed, i), kMost));
}

double GgufArray::number(int64_t i) const {
  CHECK(i >= 0 && i < size(), "element {} of {}", i, size());
  if (type == GgufValueType::kFloat32) return packed_at<float>(packed, i);
  if (type == GgufValueType::kFloat64) return packed_at<double>(packed, i);
  if (type == GgufValueType::kUint64) return static_cast<double>(packed_at<uint64_t>(packed, i));
  return static_cast<double>(integer(i));
}

GgufValue GgufValue::strings(std::vector<std::string> x) {
  GgufArray array;
  array.type = GgufValueType::kString;
  array.strings = std::move(x);
  return {GgufValueType::kArray, std::move(array)};
}

GgufValue GgufValue::int32s(std::span<const int32_t> x) {
  return packed_array(GgufValueType::kInt32, x);
}

GgufValue GgufValue::float32s(std::span<const float> x) {
  return packed_array(GgufValueType::kFloat32, x);
}

}  // namespace loquat
