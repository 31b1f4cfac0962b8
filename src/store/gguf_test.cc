#include "store/gguf.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "base/rng.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

template <typename T>
std::string raw(T x) {
  return std::string(reinterpret_cast<const char*>(&x), sizeof(x));
}

std::string text(std::string_view s) {
  return raw<uint64_t>(s.size()) + std::string(s);
}

std::string key(std::string_view name, uint32_t type, const std::string& value) {
  return text(name) + raw(type) + value;
}

std::string tensor(std::string_view name, const std::vector<uint64_t>& sizes, uint32_t type, uint64_t offset) {
  std::string out = text(name) + raw(static_cast<uint32_t>(sizes.size()));
  for (const uint64_t size : sizes) out += raw(size);
  return out + raw(type) + raw(offset);
}

// A file of these keys and tensors, and so many bytes of data.
std::string file_of(const std::vector<std::string>& keys, const std::vector<std::string>& tensors, size_t data_bytes,
                    uint32_t version = 3) {
  std::string out = "GGUF" + raw(version) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(keys.size());
  for (const auto& k : keys) out += k;
  for (const auto& t : tensors) out += t;
  out.resize((out.size() + 31) / 32 * 32, '\0');
  for (size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i);
  return out;
}

// The error of opening these bytes, or "".
std::string refused(const std::string& bytes) {
  TestFolder folder;
  put_bytes(folder / "x.gguf", bytes);
  const auto file = GgufFile::open(folder / "x.gguf");
  if (file) return "";
  EXPECT_NE(file.error().find("x.gguf: "), std::string::npos) << file.error();
  return file.error().substr(file.error().find("x.gguf: ") + 8);
}

TEST(Half, EveryHalfSurvivesAndRoundingIsToNearestEven) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = f16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(x)) {
      ASSERT_TRUE(std::isnan(f16_to_float(float_to_f16(x))));
      continue;
    }
    ASSERT_EQ(float_to_f16(x), bits);
    const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
    if (exponent == 31) continue;
    const double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    ASSERT_EQ(x, bits & 0x8000 ? -size : size);
    if ((bits & 0x7fff) == 0x7bff) continue;
    const float next = f16_to_float(static_cast<uint16_t>(bits + 1)), middle = (x + next) / 2;
    ASSERT_EQ(float_to_f16(middle), bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(float_to_f16(std::nextafter(middle, x)), bits);
    ASSERT_EQ(float_to_f16(std::nextafter(middle, next)), bits + 1);
  }
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(1e-10f), 0);
  EXPECT_EQ(float_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(float_to_bf16(1.0f + 0x1.8p-7f), 0x3f82);
}

TEST(Gguf, EveryKindOfValueRoundTrips) {
  TestFolder folder;
  GgufContent content;
  GgufArray bools{GgufValueType::kBool, {}, std::string("\1\0\1", 3)};
  GgufArray bytes{GgufValueType::kInt8, {}, std::string("\xff\x02", 2)};
  content.metadata = {
      {"u8", {GgufValueType::kUint8, uint64_t{255}}},
      {"i8", {GgufValueType::kInt8, int64_t{-128}}},
      {"u16", {GgufValueType::kUint16, uint64_t{65535}}},
      {"i16", {GgufValueType::kInt16, int64_t{-2}}},
      {"u32", GgufValue::uint32(4'000'000'000)},
      {"i32", GgufValue::int32(-7)},
      {"u64", GgufValue::uint64(std::numeric_limits<uint64_t>::max())},
      {"i64", {GgufValueType::kInt64, std::numeric_limits<int64_t>::min()}},
      {"f32", GgufValue::float32(0.1f)},
      {"f64", {GgufValueType::kFloat64, 0.1}},
      {"yes", GgufValue::boolean(true)},
      {"text", GgufValue::string("ä\n")},
      {"texts", GgufValue::strings({"", "b", std::string("\xff", 1)})},
      {"ids", GgufValue::int32s(std::vector<int32_t>{-1, 2, 3})},
      {"scores", GgufValue::float32s(std::vector<float>{0.5f, -1e30f})},
      {"bools", {GgufValueType::kArray, bools}},
      {"bytes", {GgufValueType::kArray, bytes}},
      {"none", GgufValue::strings({})},
  };
  ASSERT_TRUE(write_gguf(folder / "m.gguf", content).ok());
  const auto file = GgufFile::open(folder / "m.gguf");
  ASSERT_TRUE(file.ok()) << file.error();
  EXPECT_EQ(file->version(), 3u);
  ASSERT_EQ(file->metadata().size(), content.metadata.size());
  EXPECT_EQ(*file->integer("u8"), 255);
  EXPECT_EQ(*file->integer("i8"), -128);
  EXPECT_EQ(*file->integer("u16"), 65535);
  EXPECT_EQ(*file->integer("i16"), -2);
  EXPECT_EQ(*file->integer("u32"), 4'000'000'000);
  EXPECT_EQ(*file->integer("i32"), -7);
  EXPECT_EQ(*file->integer("i64"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*file->number("f32"), 0.1f);
  EXPECT_EQ(*file->number("f64"), 0.1);
  EXPECT_EQ(*file->number("i32"), -7.0);
  EXPECT_TRUE(*file->boolean("yes"));
  EXPECT_EQ(*file->text("text"), "ä\n");
  EXPECT_EQ(*file->texts("texts"), (std::vector<std::string>{"", "b", "\xff"}));
  EXPECT_TRUE(file->texts("none")->empty());
  EXPECT_EQ(*file->integers("ids"), (std::vector<int64_t>{-1, 2, 3}));
  EXPECT_EQ(*file->integers("bytes"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(*file->numbers("scores"), (std::vector<double>{0.5, -1e30f}));
  EXPECT_EQ(std::get<GgufArray>(file->find("bools")->value).integer(2), 1);
  for (const auto& [name, found] :
       {std::pair{"u64", file->integer("u64").error()}, std::pair{"text", file->integer("text").error()},
        std::pair{"ids", file->texts("ids").error()}, std::pair{"absent", file->integers("absent").error()},
        std::pair{"bools", file->numbers("bools").error()}}) {
    EXPECT_NE(found.find(fmt::format("m.gguf: key '{}': found ", name)), std::string::npos) << found;
  }
}

TEST(Gguf, WrittenTensorsAreReadBackInPlaceAndTheBytesAreDeterministic) {
  TestFolder folder;
  std::vector<float> values(3 * 64);
  Rng rng(1);
  for (float& v : values) v = static_cast<float>(rng.uniform()) - 0.5f;
  const std::vector<GgufType> types = {GgufType::kF32, GgufType::kF16, GgufType::kBF16, GgufType::kQ8_0,
                                       GgufType::kQ4_0};
  for (const uint32_t alignment : {32u, 8u, 4096u}) {
    GgufContent content;
    content.metadata = {{"general.alignment", GgufValue::uint32(alignment)}};
    for (const GgufType type : types) content.tensors.push_back({gguf_type_info(type).name, type, {3, 64}});
    content.tensors.push_back({"short", GgufType::kF32, {1}});
    std::vector<uint8_t> bytes;
    content.bytes = [&](size_t i) -> Result<std::span<const uint8_t>> {
      const auto& info = gguf_type_info(content.tensors[i].type);
      const size_t n = i < types.size() ? values.size() : 1;
      bytes.resize(n / info.block * info.block_bytes);
      gguf_quantize(info.type, std::span(values).first(n), bytes);
      return std::span<const uint8_t>(bytes);
    };
    ASSERT_TRUE(write_gguf(folder / "a", content).ok());
    ASSERT_TRUE(write_gguf(folder / "b", content).ok());
    EXPECT_EQ(*read_file(folder / "a"), *read_file(folder / "b"));
    const auto file = GgufFile::open(folder / "a");
    ASSERT_TRUE(file.ok()) << file.error();
    for (const GgufTensor& t : file->tensors()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(t.bytes.data()) % alignment, 0u);
      ASSERT_EQ(file->find_tensor(t.name), &t);
      if (t.name == "short") continue;
      EXPECT_EQ(t.shape, (std::vector<int64_t>{3, 64}));
      std::vector<float> out(t.size());
      t.read(out);
      const float bound = t.name == "F32"    ? 0
                          : t.name == "F16"  ? 0x1p-12f
                          : t.name == "BF16" ? 0x1p-9f
                          : t.name == "Q8_0" ? 0.5f / 254 + 3e-4f
                                             : 0.5f / 8 + 1e-3f;
      for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], values[i], bound) << t.name;
    }
  }
}

// ---- Dequantisation: codes and scales are chosen, laid out as the format says, and what they mean is computed.

struct Codes {
  Rng rng{7};
  int below(int n) { return static_cast<int>(rng.below(n)); }
  uint16_t half() { return float_to_f16(static_cast<float>(rng.uniform()) - 0.5f); }
};

void put16(std::vector<uint8_t>& p, uint16_t x) {
  p.push_back(static_cast<uint8_t>(x & 255));
  p.push_back(static_cast<uint8_t>(x >> 8));
}

void expect_values(GgufType type, const std::vector<uint8_t>& block, const std::vector<float>& expected) {
  const GgufTypeInfo& info = gguf_type_info(type);
  ASSERT_EQ(static_cast<int64_t>(block.size()), info.block_bytes) << info.name;
  std::vector<uint8_t> twice = block;  // blocks follow one another
  twice.insert(twice.end(), block.begin(), block.end());
  std::vector<float> out(2 * info.block);
  gguf_dequantize(type, twice, out);
  for (int64_t j = 0; j < 2 * info.block; ++j)
    ASSERT_FLOAT_EQ(out[j], expected[j % info.block]) << info.name << " value " << j;
}

// Q4_0, Q4_1, Q5_0, Q5_1: value j's low four bits are in byte j % 16, half j / 16; its fifth bit is bit j of a word.
TEST(GgufDequantize, BlocksOf32) {
  Codes codes;
  for (const auto& [type, bits, least] :
       {std::tuple{GgufType::kQ4_0, 4, false}, std::tuple{GgufType::kQ4_1, 4, true},
        std::tuple{GgufType::kQ5_0, 5, false}, std::tuple{GgufType::kQ5_1, 5, true}}) {
    for (int round = 0; round < 20; ++round) {
      const uint16_t d = codes.half(), m = codes.half();
      std::vector<uint8_t> block;
      put16(block, d);
      if (least) put16(block, m);
      uint32_t fifth = 0;
      std::vector<uint8_t> low(16);
      std::vector<float> expected;
      for (int j = 0; j < 32; ++j) {
        const int q = codes.below(1 << bits);
        low[j % 16] = static_cast<uint8_t>(low[j % 16] | (q & 15) << (j / 16 * 4));
        if (q & 16) fifth |= 1u << j;
        expected.push_back(least ? f16_to_float(d) * static_cast<float>(q) + f16_to_float(m)
                                 : f16_to_float(d) * static_cast<float>(q - (1 << (bits - 1))));
      }
      if (bits == 5) {
        put16(block, static_cast<uint16_t>(fifth & 65535));
        put16(block, static_cast<uint16_t>(fifth >> 16));
      }
      block.insert(block.end(), low.begin(), low.end());
      expect_values(type, block, expected);
    }
  }
}

TEST(GgufDequantize, Q8_0) {
  Codes codes;
  const uint16_t d = codes.half();
  std::vector<uint8_t> block;
  put16(block, d);
  std::vector<float> expected;
  for (int j = 0; j < 32; ++j) {
    const int q = j == 0 ? -128 : j == 1 ? 127 : codes.below(256) - 128;
    block.push_back(static_cast<uint8_t>(q));
    expected.push_back(f16_to_float(d) * static_cast<float>(q));
  }
  expect_values(GgufType::kQ8_0, block, expected);
}

// Q4_K, Q5_K: y = d * scale * q - dmin * least, with six bits for each of eight scales and leasts.
TEST(GgufDequantize, Q4_KAndQ5_K) {
  Codes codes;
  for (const bool five : {false, true}) {
    for (int round = 0; round < 20; ++round) {
      const uint16_t d = codes.half(), dmin = codes.half();
      std::vector<uint8_t> packed(12), fifth(32), low(128);
      std::vector<float> expected;
      for (int part = 0; part < 8; ++part) {
        const int scale = codes.below(64), least = codes.below(64);
        if (part < 4) {
          packed[part] = static_cast<uint8_t>(packed[part] | scale);
          packed[part + 4] = static_cast<uint8_t>(packed[part + 4] | least);
        } else {
          packed[part + 4] = static_cast<uint8_t>((scale & 15) | (least & 15) << 4);
          packed[part - 4] = static_cast<uint8_t>(packed[part - 4] | (scale >> 4) << 6);
          packed[part] = static_cast<uint8_t>(packed[part] | (least >> 4) << 6);
        }
        for (int l = 0; l < 32; ++l) {
          const int q = codes.below(five ? 32 : 16);
          uint8_t& byte = low[part / 2 * 32 + l];
          byte = static_cast<uint8_t>(byte | (q & 15) << (part % 2 ? 4 : 0));
          if (q & 16) fifth[l] = static_cast<uint8_t>(fifth[l] | 1 << part);
          expected.push_back(f16_to_float(d) * static_cast<float>(scale) * static_cast<float>(q) -
                             f16_to_float(dmin) * static_cast<float>(least));
        }
      }
      std::vector<uint8_t> block;
      put16(block, d);
      put16(block, dmin);
      block.insert(block.end(), packed.begin(), packed.end());
      if (five) block.insert(block.end(), fifth.begin(), fifth.end());
      block.insert(block.end(), low.begin(), low.end());
      expect_values(five ? GgufType::kQ5_K : GgufType::kQ4_K, block, expected);
    }
  }
}

// Q6_K: y = d * scale * (q - 32), a signed scale for each 16 values.
TEST(GgufDequantize, Q6_K) {
  Codes codes;
  for (int round = 0; round < 20; ++round) {
    const uint16_t d = codes.half();
    std::vector<uint8_t> low(128), high(64), scales(16);
    std::vector<float> expected;
    for (int i = 0; i < 16; ++i) scales[i] = static_cast<uint8_t>(codes.below(256));
    for (int j = 0; j < 256; ++j) {
      const int half = j / 128, in = j % 128, q = codes.below(64);
      uint8_t& four = low[half * 64 + in % 64];
      four = static_cast<uint8_t>(four | (q & 15) << (in >= 64 ? 4 : 0));
      uint8_t& two = high[half * 32 + in % 32];
      two = static_cast<uint8_t>(two | (q >> 4) << (in / 32 * 2));
      expected.push_back(f16_to_float(d) * static_cast<float>(static_cast<int8_t>(scales[j / 16])) *
                         static_cast<float>(q - 32));
    }
    std::vector<uint8_t> block = low;
    block.insert(block.end(), high.begin(), high.end());
    block.insert(block.end(), scales.begin(), scales.end());
    put16(block, d);
    expect_values(GgufType::kQ6_K, block, expected);
  }
}

TEST(GgufQuantize, EndsZeroAndBadValues) {
  std::vector<float> x(32, 0.0f);
  std::vector<uint8_t> block(34);
  gguf_quantize(GgufType::kQ8_0, x, block);
  EXPECT_EQ(block, std::vector<uint8_t>(34));
  x[3] = -12.7f;
  x[4] = 12.7f;
  gguf_quantize(GgufType::kQ8_0, x, block);
  EXPECT_EQ(static_cast<int8_t>(block[2 + 3]), -127);
  EXPECT_EQ(static_cast<int8_t>(block[2 + 4]), 127);
  block.resize(18);
  gguf_quantize(GgufType::kQ4_0, x, block);  // the first of the largest is -8, the other is cut to 7
  EXPECT_EQ(block[2 + 3] & 15, 0);
  EXPECT_EQ(block[2 + 4] & 15, 15);
  x[5] = std::nanf("");
  x[6] = INFINITY;
  gguf_quantize(GgufType::kQ4_0, x, block);  // nothing to expect of the values, but no undefined conversion
  block.resize(34);
  gguf_quantize(GgufType::kQ8_0, x, block);
}

// ---- Bad files.

TEST(GgufBadFile, HeaderAndCounts) {
  EXPECT_EQ(refused(""), "not a GGUF file");
  EXPECT_EQ(refused("GGML" + std::string(40, '\0')), "not a GGUF file");
  EXPECT_EQ(refused("GGUF"), "version: the file ends at byte 4");
  EXPECT_EQ(refused(file_of({}, {}, 0, 1)), "version: found 1, expected 2 or 3");
  EXPECT_EQ(refused(file_of({}, {}, 0, 0x03000000)), "version: big-endian; expected a little-endian file");
  EXPECT_EQ(refused(file_of({}, {}, 0, 2)), "");
  const std::string begin = "GGUF" + raw<uint32_t>(3);
  const uint64_t huge = uint64_t{1} << 63;
  EXPECT_EQ(refused(begin + raw(huge) + raw<uint64_t>(0) + std::string(8, '\0')),
            "count of tensors: 9223372036854775808 do not fit into 8 bytes");
  EXPECT_EQ(refused(begin + raw<uint64_t>(0) + raw(~uint64_t{0}) + std::string(8, '\0')),
            "count of keys: 18446744073709551615 do not fit into 8 bytes");
  EXPECT_EQ(refused(begin + raw<uint64_t>(0)), "count of keys: the file ends at byte 16");
}

TEST(GgufBadFile, Keys) {
  const uint64_t huge = uint64_t{1} << 63;
  const std::string pad(64, 'x');
  const auto one = [&](const std::string& k) { return refused(file_of({k}, {}, 0)); };
  EXPECT_EQ(one(raw(huge) + pad).substr(0, 40), "key 0: a text of 9223372036854775808 byt");
  EXPECT_EQ(one(text("") + pad), "key 0: 0 bytes long, expected 1 to 65535");
  EXPECT_EQ(one(text("\xff") + pad), "key 0: not UTF-8");
  EXPECT_EQ(one(key("a", 13, pad)), "key 'a': value type 13 is not known");
  EXPECT_EQ(one(key("a", 7, "\2")), "key 'a': a bool of 2, expected 0 or 1");
  EXPECT_EQ(one(key("a", 8, raw(~uint64_t{0}) + pad)).substr(0, 45), "key 'a': a text of 18446744073709551615 bytes");
  EXPECT_EQ(one(key("a", 9, raw<uint32_t>(9) + raw<uint64_t>(1) + pad)), "key 'a': a list of lists");
  EXPECT_EQ(one(key("a", 9, raw<uint32_t>(77) + raw<uint64_t>(1) + pad)), "key 'a': value type 77 is not known");
  for (const uint32_t type : {0u, 4u, 8u, 12u})  // counts whose product with the element's size overflows
    EXPECT_EQ(one(key("a", 9, raw(type) + raw(uint64_t{1} << 61) + pad)).substr(0, 45),
              "key 'a': a list of 2305843009213693952 elemen");
  EXPECT_EQ(one(key("a", 9, raw<uint32_t>(8) + raw<uint64_t>(2) + text("b") + raw(huge))).substr(0, 18),
            "key 'a': a text of");
  EXPECT_EQ(refused(file_of({key("a", 0, "\1"), key("a", 0, "\2")}, {}, 0)), "key 'a': stands twice");
  const std::string cut = file_of({key("a", 12, raw(1.0))}, {}, 0);
  EXPECT_EQ(refused(cut.substr(0, 24 + 8 + 1 + 4 + 7)), "key 'a': the file ends at byte 44");
}

TEST(GgufBadFile, Alignment) {
  const auto with = [&](const std::string& k) { return refused(file_of({k}, {tensor("t", {8}, 0, 0)}, 4096)); };
  EXPECT_EQ(with(key("general.alignment", 4, raw<uint32_t>(64))), "");
  EXPECT_EQ(with(key("general.alignment", 4, raw<uint32_t>(0))),
            "general.alignment: found 0, expected an uint32 that is a power of two");
  EXPECT_NE(with(key("general.alignment", 4, raw<uint32_t>(48))).find("found 48"), std::string::npos);
  EXPECT_NE(with(key("general.alignment", 8, text("32"))).find("of type string"), std::string::npos);
  EXPECT_EQ(with(key("general.alignment", 4, raw<uint32_t>(1u << 31))), "cut: the tensors' data is missing");
}

TEST(GgufBadFile, Tensors) {
  const uint64_t huge = uint64_t{1} << 63;
  const auto one = [&](const std::string& t, size_t data = 256) { return refused(file_of({}, {t}, data)); };
  EXPECT_EQ(one(tensor("t", {8, 2}, 0, 0)), "");
  EXPECT_EQ(one(tensor("", {8}, 0, 0)), "name of tensor 0: 0 bytes long, expected 1 to 65535");
  EXPECT_EQ(one(tensor("t", {}, 0, 0)), "tensor 't': 0 dimensions, expected 1 to 4");
  EXPECT_EQ(one(tensor("t", {1, 1, 1, 1, 1}, 0, 0)), "tensor 't': 5 dimensions, expected 1 to 4");
  EXPECT_EQ(one(text("t") + raw(~0u) + std::string(99, '\1')), "tensor 't': 4294967295 dimensions, expected 1 to 4");
  EXPECT_EQ(one(tensor("t", {0}, 0, 0)).substr(0, 31), "tensor 't': size 0 in its shape");
  EXPECT_EQ(one(tensor("t", {huge}, 0, 0)).substr(0, 36), "tensor 't': size 9223372036854775808");
  EXPECT_EQ(one(tensor("t", {1ull << 32, 1ull << 32}, 0, 0)).substr(0, 27), "tensor 't': size 4294967296");
  EXPECT_EQ(one(tensor("t", {1ull << 62}, 0, 0)), "tensor 't': 4611686018427387904 values of F32 are beyond 64 bits");
  EXPECT_EQ(one(tensor("t", {8}, 10, 0)).substr(0, 35), "tensor 't': type 10 cannot be read;");
  EXPECT_EQ(one(tensor("t", {48}, 8, 0)), "tensor 't': rows of 48 values, Q8_0 comes in blocks of 32");
  EXPECT_EQ(one(tensor("t", {128}, 12, 0)), "tensor 't': rows of 128 values, Q4_K comes in blocks of 256");
  EXPECT_EQ(one(tensor("t", {8}, 0, 4)), "tensor 't': offset 4 is no multiple of the alignment 32");
  EXPECT_EQ(one(tensor("t", {65}, 0, 0)), "tensor 't': 260 bytes from offset 0 do not lie in the 256 bytes of data");
  EXPECT_EQ(one(tensor("t", {1}, 0, 256)), "tensor 't': 4 bytes from offset 256 do not lie in the 256 bytes of data");
  EXPECT_EQ(one(tensor("t", {8}, 0, ~uint64_t{31})).substr(0, 41), "tensor 't': 32 bytes from offset 18446744");
  EXPECT_EQ(refused(file_of({}, {tensor("t", {8}, 0, 0), tensor("t", {8}, 0, 32)}, 64)), "tensor 't': stands twice");
  EXPECT_EQ(refused(file_of({}, {tensor("a", {9}, 0, 32), tensor("b", {8}, 0, 64)}, 128)),
            "tensor 'b': overlaps tensor 'a'");
  EXPECT_EQ(refused(file_of({}, {tensor("b", {8}, 0, 64), tensor("a", {8}, 0, 32)}, 128)), "");  // any order
  EXPECT_EQ(refused(file_of({}, {tensor("a", {8}, 0, 0), tensor("b", {8}, 0, 0)}, 128)),
            "tensor 'b': overlaps tensor 'a'");
}

// A file that is cut anywhere is refused, never read past its end.
TEST(GgufBadFile, CutAnywhere) {
  const std::string whole =
      file_of({key("a", 8, text("abc")), key("b", 9, raw<uint32_t>(8) + raw<uint64_t>(2) + text("x") + text("y"))},
              {tensor("t", {8}, 0, 0), tensor("u", {32}, 8, 32)}, 66);
  ASSERT_EQ(refused(whole), "");
  TestFolder folder;
  for (size_t size = 0; size < whole.size(); ++size) {
    put_bytes(folder / "x", whole.substr(0, size));
    EXPECT_FALSE(GgufFile::open(folder / "x").ok()) << size;
  }
}

TEST(GgufWriter, RefusesWhatItCannotWrite) {
  TestFolder folder;
  const auto error = [&](std::vector<std::pair<std::string, GgufValue>> metadata,
                         std::vector<GgufContent::Tensor> tensors, size_t given = 4) {
    const std::vector<uint8_t> bytes(given);
    const GgufContent content{std::move(metadata), std::move(tensors),
                              [&](size_t) -> Result<std::span<const uint8_t>> { return std::span(bytes); }};
    const Status status = write_gguf(folder / "m.gguf", content);
    return status ? "" : status.error().substr(status.error().find("m.gguf: ") + 8);
  };
  const GgufValue one = GgufValue::uint32(1);
  EXPECT_EQ(error({{"a", one}}, {{"t", GgufType::kF32, {1}}}), "");
  EXPECT_NE(error({{"a", one}, {"a", one}}, {}), "");
  EXPECT_NE(error({{"general.alignment", GgufValue::uint32(3)}}, {}), "");
  EXPECT_NE(error({}, {{"t", GgufType::kF32, {1}}, {"t", GgufType::kF32, {1}}}), "");
  EXPECT_NE(error({}, {{std::string(64, 'n'), GgufType::kF32, {1}}}), "");
  EXPECT_EQ(error({}, {{"t", GgufType::kQ8_0, {48}}}), "tensor 't': rows of 48 values, Q8_0 comes in blocks of 32");
  EXPECT_NE(error({}, {{"t", GgufType::kF32, {int64_t{1} << 40, int64_t{1} << 40}}}), "");
  EXPECT_EQ(error({}, {{"t", GgufType::kF32, {2}}}), "tensor 't': 4 bytes were given, it takes 8");
}

// The vocabularies of the shared data, where they are.
TEST(Gguf, RealVocabularyFiles) {
  for (const auto& [name, model, tokens] :
       {std::tuple{"gpt-2", "gpt2", 50257u}, std::tuple{"llama-spm", "llama", 32000u}}) {
    const std::string path =
        fmt::format("{}/../shared/data/tokenizers/gguf/ggml-vocab-{}.gguf", LOQUAT_SOURCE_DIR, name);
    if (!file_exists(path)) GTEST_SKIP() << "no " << path;
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error();
    EXPECT_EQ(*file->text("tokenizer.ggml.model"), model);
    EXPECT_EQ(file->texts("tokenizer.ggml.tokens")->size(), tokens);
  }
}

}  // namespace
}  // namespace loquat
