#include "tokenizer/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tokenizer/base64.h"
#include "tokenizer/characters.h"

namespace loquat {
namespace {

using nlohmann::json;

std::string normalized(const json& value, std::string_view text) {
  const auto n = Normalizer::make(value, "normalizer");
  EXPECT_TRUE(n.ok()) << n.error();
  return n->apply(text);
}

TEST(Normalizer, UnicodeForms) {
  EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301ﬁ"), "éﬁ");
  EXPECT_EQ(normalized({{"type", "NFD"}}, "éﬁ"), "e\u0301ﬁ");
  EXPECT_EQ(normalized({{"type", "NFKC"}}, "e\u0301ﬁＡ½"), "éfiA1⁄2");
  EXPECT_EQ(normalized({{"type", "NFKD"}}, "éﬁ"), "e\u0301fi");
  EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301\xFF e\u0301"), "é\xFF é") << "what is not UTF-8 passes";
}

TEST(Normalizer, SimpleSteps) {
  EXPECT_EQ(normalized({{"type", "Lowercase"}}, "ÀBCİΣ"), "àbci\u0307σ");
  EXPECT_EQ(normalized({{"type", "StripAccents"}}, "e\u0301a"), "ea");
  EXPECT_EQ(normalized({{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}, "\u3000 a "), "a ");
  EXPECT_EQ(normalized({{"type", "Prepend"}, {"prepend", "▁"}}, "a"), "▁a");
  EXPECT_EQ(normalized({{"type", "Prepend"}, {"prepend", "▁"}}, ""), "");
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"String", "."}}}, {"content", "!"}}, "a.b"), "a!b");
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", "_"}}, "a   b c"), "a_b c");
  EXPECT_EQ(normalized({{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", true},
                        {"strip_accents", nullptr},
                        {"lowercase", true}},
                       "É\t中x\x01"),
            "e  中 x");
  const json both = {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}, {{"type", "NFC"}}}}};
  EXPECT_EQ(normalized(both, "E\u0301"), "é");
  EXPECT_EQ(normalized(nullptr, "A"), "A");
  EXPECT_EQ(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", ""}}, "A"), "A");
}

// A double array of one entry, "a" → "xy": the root's children at 1 ^ byte, the leaf at offset 0 of its node.
std::string one_entry_map() {
  std::vector<uint32_t> units(256, 0);
  units[0] = 128u << 10;                            // children of the root at 128 ^ byte
  const size_t node = 128 ^ 'a';                    // 225
  units[node] = (node ^ 2u) << 10 | 1u << 8 | 'a';  // has a leaf, at node ^ its offset
  units[2] = 0 | 1u << 31;
  std::string out(4, '\0');
  const auto size = static_cast<uint32_t>(units.size() * 4);
  std::memcpy(out.data(), &size, 4);
  out.append(reinterpret_cast<const char*>(units.data()), size);
  return out + std::string("xy\0", 3);
}

TEST(Normalizer, CharacterMap) {
  const auto map = CharsMap::make(one_entry_map());
  ASSERT_TRUE(map.ok()) << map.error();
  EXPECT_EQ(map->find("ab", true).replacement, "xy");
  EXPECT_EQ(map->find("ba", true).length, 0u);
  EXPECT_EQ(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(one_entry_map())}}, "bab"), "bxyb");
  EXPECT_FALSE(CharsMap::make("abc").ok());
  EXPECT_FALSE(CharsMap::make(std::string("\xFF\xFF\xFF\x7F", 4) + "abcd").ok());
}

TEST(Normalizer, ErrorsNameTheField) {
  const auto error = [](const json& value) {
    const auto n = Normalizer::make(value, "normalizer");
    return n.ok() ? std::string("no error") : n.error();
  };
  EXPECT_THAT(error({{"type", "Sequence"}, {"normalizers", {{{"type", "Nothing"}}}}}),
              testing::HasSubstr("normalizer.normalizers[0].type: found \"Nothing\""));
  EXPECT_THAT(error({{"type", "Replace"}, {"content", ""}, {"pattern", {{"Regex", "("}}}}),
              testing::HasSubstr("normalizer.pattern: "));
  EXPECT_THAT(error({{"type", "Prepend"}}), testing::HasSubstr("normalizer.prepend"));
  EXPECT_THAT(error({{"type", "Precompiled"}, {"precompiled_charsmap", "?"}}), testing::HasSubstr("base64"));
}

TEST(Base64, ThereAndBack) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xFF\x01\x80"}) {
    EXPECT_EQ(from_base64(to_base64(text)), text);
  }
  EXPECT_EQ(to_base64("ab"), "YWI=");
  EXPECT_FALSE(from_base64("YW").has_value());
}

}  // namespace
}  // namespace loquat
