#include "tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tokenizer/splitter.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> pieces(const json& value, std::string_view text, bool at_start = true) {
  const auto p = PreTokenizer::make(value, "pre_tokenizer");
  EXPECT_TRUE(p.ok()) << p.error();
  std::vector<std::string> out;
  if (p.ok()) p->run(text, at_start, out);
  return out;
}

json split(const char* behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behavior}, {"invert", invert}};
}

// The library's own documentation has this text for every behavior.
TEST(PreTokenizer, SplitBehaviors) {
  const std::string text = "the-final--countdown";
  EXPECT_THAT(pieces(split("Removed"), text), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(pieces(split("Isolated"), text), ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(pieces(split("MergedWithPrevious"), text), ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(pieces(split("MergedWithNext"), text), ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(pieces(split("Contiguous"), text), ElementsAre("the", "-", "final", "--", "countdown"));
  EXPECT_THAT(pieces(split("Removed", true), text), ElementsAre("-", "-", "-"));
}

TEST(PreTokenizer, TheNamedOnes) {
  EXPECT_THAT(pieces({{"type", "Digits"}, {"individual_digits", true}}, "a12²"), ElementsAre("a", "1", "2", "²"));
  EXPECT_THAT(pieces({{"type", "Digits"}, {"individual_digits", false}}, "a12²b"), ElementsAre("a", "12²", "b"));
  EXPECT_THAT(pieces({{"type", "Punctuation"}}, "a$,b"), ElementsAre("a", "$", ",", "b"));
  EXPECT_THAT(pieces({{"type", "Whitespace"}}, "a_b  c?!"), ElementsAre("a_b", "c", "?!"));
  EXPECT_THAT(pieces({{"type", "WhitespaceSplit"}}, " a_b \u3000c?"), ElementsAre("a_b", "c?"));
  EXPECT_THAT(pieces({{"type", "BertPreTokenizer"}}, "Hey, you"), ElementsAre("Hey", ",", "you"));
  EXPECT_THAT(pieces({{"type", "CharDelimiterSplit"}, {"delimiter", "|"}}, "a|b"), ElementsAre("a", "b"));
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}};
  EXPECT_THAT(pieces(bytes, "a é"), ElementsAre("Ġa", "ĠÃ©"));
  EXPECT_THAT(pieces(bytes, "\xFF"), ElementsAre("Ġ", "ÿ"));
}

TEST(PreTokenizer, Metaspace) {
  const auto metaspace = [](const char* scheme, bool cut) {
    return json{{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", cut}};
  };
  EXPECT_THAT(pieces(metaspace("always", true), "a  b"), ElementsAre("▁a", "▁", "▁b"));
  EXPECT_THAT(pieces(metaspace("always", true), " a", false), ElementsAre("▁a"));
  EXPECT_THAT(pieces(metaspace("first", true), "a b"), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(pieces(metaspace("first", true), "a b", false), ElementsAre("a", "▁b"));
  EXPECT_THAT(pieces(metaspace("never", false), "a b"), ElementsAre("a▁b"));
}

TEST(PreTokenizer, CutsAfterByteLevelAreMadeInItsCharacters) {
  const json falcon = {{"type", "Sequence"},
                       {"pretokenizers",
                        {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                         {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}},
                         {{"type", "Digits"}, {"individual_digits", false}},
                         {{"type", "Split"},
                          {"pattern", {{"Regex", "[0-9][0-9][0-9]"}}},
                          {"behavior", "Isolated"},
                          {"invert", false}}}}};
  EXPECT_THAT(pieces(falcon, "x!! 12345"), ElementsAre("x", "!!", "Ġ", "123", "45"));
  EXPECT_THAT(pieces(falcon, "ò"), ElementsAre("Ã", "²")) << "the second byte's character is a number";
}

TEST(PreTokenizer, PatternsAreOnigurumas) {
  const auto cut = [](const char* regex, std::string_view text) {
    return pieces({{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}},
                  text);
  };
  EXPECT_THAT(cut(R"(\p{N}{1,2}+)", "a12345"), ElementsAre("a", "12345")) << "{n,m}+ repeats, it is not possessive";
  EXPECT_THAT(cut(R"(\d++1|\d)", "121"), ElementsAre("1", "2", "1")) << "++ is possessive";
  EXPECT_THAT(cut(R"(\s+$)", "a  \nb "), ElementsAre("a", "  ", "\nb", " ")) << "$ stands at each line's end";
  EXPECT_THAT(cut(R"(\s)", "a\u180eb"), ElementsAre("a\u180eb"));
  EXPECT_THAT(cut(R"([^\s\w]+)", "क्षि!"), ElementsAre("क्षि", "!")) << "marks are of words";
  EXPECT_THAT(cut(R"(\b)", "ab cd"), ElementsAre("ab", " ", "cd")) << "an empty match cuts";
  EXPECT_THAT(cut(R"((?m:a.b)|\u0063)", "a\nbc"), ElementsAre("a\nb", "c"));
  EXPECT_THAT(cut(R"(\p{Letter}|\p{^L})", "a1"), ElementsAre("a", "1"));
  EXPECT_THAT(cut(R"((?i:'S))", "it's"), ElementsAre("it", "'s"));
}

TEST(PreTokenizer, ErrorsNameTheField) {
  const auto error = [](const json& value) {
    const auto p = PreTokenizer::make(value, "pre_tokenizer");
    return p.ok() ? std::string("no error") : p.error();
  };
  EXPECT_THAT(error({{"type", "UnicodeScripts"}}), HasSubstr("pre_tokenizer.type: found \"UnicodeScripts\""));
  EXPECT_THAT(error(split("Sideways")), HasSubstr("pre_tokenizer.behavior: found \"Sideways\""));
  EXPECT_THAT(error({{"type", "Split"}, {"pattern", {{"Regex", "[a[b]]"}}}}), HasSubstr("pre_tokenizer.pattern: "));
  EXPECT_THAT(error({{"type", "Split"}, {"pattern", {{"Regex", "[a&&b]"}}}}), HasSubstr("&& within [ ]"));
  EXPECT_THAT(error({{"type", "Metaspace"}, {"prepend_scheme", "often"}}), HasSubstr("prepend_scheme"));
}

}  // namespace
}  // namespace loquat
