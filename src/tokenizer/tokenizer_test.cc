#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "base/threads.h"
#include "tokenizer/bpe_train.h"
#include "tokenizer/splitter.h"
#include "tokenizer/test_helpers.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> pieces(std::string_view text, const std::string& pattern = kGpt4Pattern) {
  const auto splitter = Splitter::make({pattern});
  EXPECT_TRUE(splitter.ok()) << splitter.error();
  std::vector<std::string_view> views;
  splitter->split(text, views);
  return {views.begin(), views.end()};
}

// The definition, word for word: the lowest-ranked adjacent pair, leftmost first.
std::vector<int32_t> merge_slowly(std::vector<int32_t> ids, const std::vector<Merge>& merges) {
  for (const Merge& merge : merges) {
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      if (ids[i] != merge.left || ids[i + 1] != merge.right) continue;
      ids[i] = merge.result;
      ids.erase(ids.begin() + i + 1);
    }
  }
  return ids;
}

std::vector<Merge> learn_slowly(const std::vector<std::string>& words, int64_t count) {
  std::vector<std::vector<int32_t>> all;
  for (const auto& word : words) {
    all.emplace_back();
    for (const char c : word) all.back().push_back(static_cast<unsigned char>(c));
  }
  std::vector<Merge> merges;
  while (static_cast<int64_t>(merges.size()) < count) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& ids : all) {
      for (size_t i = 0; i + 1 < ids.size(); ++i) ++counts[{ids[i], ids[i + 1]}];
    }
    const std::pair<const std::pair<int32_t, int32_t>, int64_t>* best = nullptr;
    for (const auto& entry : counts) {  // in the order of the pairs, so the smaller pair stays among equals
      if (best == nullptr || entry.second > best->second) best = &entry;
    }
    if (best == nullptr || best->second < 2) break;
    merges.push_back({best->first.first, best->first.second, static_cast<int32_t>(256 + merges.size())});
    for (auto& ids : all) ids = merge_slowly(ids, {merges.back()});
  }
  return merges;
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(valid_utf8_prefix("plain ascii, longer than a word"), 31u);
  EXPECT_EQ(valid_utf8_prefix("é東\xF0\x9F\x98\x80"), 9u);
  EXPECT_EQ(valid_utf8_prefix("ab\xC0\x80"), 2u);         // overlong
  EXPECT_EQ(valid_utf8_prefix("ab\xE0\x9F\xBF"), 2u);     // overlong
  EXPECT_EQ(valid_utf8_prefix("a\xED\xA0\x80"), 1u);      // surrogate
  EXPECT_EQ(valid_utf8_prefix("a\xF4\x90\x80\x80"), 1u);  // past U+10FFFF
  EXPECT_EQ(valid_utf8_prefix("a\xF5\x80\x80\x80"), 1u);
  EXPECT_EQ(valid_utf8_prefix("a\xE6\x9D"), 1u);  // cut short
  EXPECT_EQ(valid_utf8_prefix("\x80"), 0u);
}

TEST(Utf8, EveryByteHasACharacterAndBack) {
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  const std::string characters = bytes_to_characters(all);
  EXPECT_EQ(characters_to_bytes(characters), all);
  EXPECT_EQ(bytes_to_characters(" a\n"), "ĠaĊ");  // as in every byte-level vocabulary
  EXPECT_EQ(characters_to_bytes(" "), std::nullopt);
  EXPECT_EQ(characters_to_bytes("東"), std::nullopt);
}

TEST(Splitter, CutsAsGpt4Does) {
  EXPECT_THAT(pieces("Hello world's 12345 !!\n\n foo  bar"),
              ElementsAre("Hello", " world", "'s", " ", "123", "45", " !!\n\n", " foo", " ", " bar"));
  EXPECT_THAT(pieces("I'LL go\r\n\tin  "), ElementsAre("I", "'LL", " go", "\r\n", "\tin", "  "));
  EXPECT_THAT(pieces("naïve 東京"), ElementsAre("naïve", " 東京"));
}

TEST(Splitter, CutsAsGpt2Does) {
  EXPECT_THAT(pieces("Hello world's 12345 !!\n\n foo", kGpt2Pattern),
              ElementsAre("Hello", " world", "'s", " 12345", " !!", "\n\n", " foo"));
}

TEST(Splitter, InvalidBytesArePiecesOfTheirOwn) {
  EXPECT_THAT(pieces("ab\xFF\xFE cd\xE6"), ElementsAre("ab", "\xFF", "\xFE", " cd", "\xE6"));
}

TEST(Splitter, SaysWhatIsWrongWithAPattern) {
  const auto bad = Splitter::make({"a(b"});
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("at byte 3"));
  EXPECT_FALSE(Splitter::make({"\xFF"}).ok());
  EXPECT_FALSE(Splitter::make({std::string(100000, 'a')}).ok());
}

TEST(Splitter, HostilePatternAndTextEndAndKeepEveryByte) {
  std::string text(5001, 'a');
  text.back() = '!';
  std::string joined;
  for (const auto& piece : pieces(text, "(a+)+$")) joined += piece;
  EXPECT_EQ(joined, text);
  for (const std::string unit : {" ", "a", "\n", " \n", "!", "é", "1"}) {
    std::string long_text;
    while (long_text.size() < 300'000) long_text += unit;
    joined.clear();
    for (const auto& piece : pieces(long_text)) joined += piece;
    EXPECT_EQ(joined, long_text);
  }
}

// aaabdaaabac: aa occurs 4 times → 256. Then (256, a) and (a, b) occur twice each: the smaller pair is (a, b) → 257.
// Then (256, 257) twice → 258. Then every pair occurs once, and training stops.
TEST(Training, ExampleWorkedByHand) {
  const std::vector<std::string> texts{"aaabdaaabac"};
  const auto t = Tokenizer::train(texts, {.vocab_size = 300});
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_EQ(t->vocab_size(), 259);
  EXPECT_EQ(t->token_bytes(256), "aa");
  EXPECT_EQ(t->token_bytes(257), "ab");
  EXPECT_EQ(t->token_bytes(258), "aaab");
  EXPECT_THAT(t->encode("aaabdaaabac"), ElementsAre(258, 'd', 258, 'a', 'c'));
  EXPECT_THAT(t->encode("aaaab"), ElementsAre(256, 256, 'b'));
}

TEST(Training, AgreesWithTheDefinition) {
  Rng rng(7);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> words;
    std::vector<PieceCount> counts;
    for (int i = 0; i < 40; ++i) {
      std::string word;
      for (uint64_t n = 1 + rng.below(12); n > 0; --n) word += static_cast<char>('a' + rng.below(2 + round % 4));
      words.push_back(word);
    }
    for (const auto& word : words) counts.push_back({word, 1});
    EXPECT_EQ(learn_merges(counts, 0, 60, MergeTies::kSmallerIds, {}), learn_slowly(words, 60)) << "round " << round;
  }
}

TEST(Training, SameWithAnyNumberOfThreads) {
  Rng rng(3);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {  // enough for several parts
    std::string text;
    while (text.size() < 300'000) text += sample_texts()[rng.below(4)].substr(0, 20 + rng.below(60));
    texts.push_back(text);
  }
  const TokenizerTraining options{.vocab_size = 600, .special_tokens = loquat_special_tokens()};
  const int before = thread_count();
  std::vector<std::vector<std::string>> vocabularies;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const auto t = Tokenizer::train(texts, options);
    ASSERT_TRUE(t.ok()) << t.error();
    vocabularies.emplace_back();
    for (int32_t id = 0; id < t->vocab_size(); ++id) vocabularies.back().emplace_back(t->token_bytes(id));
    EXPECT_EQ(t->encode_batch(texts)[7], t->encode(texts[7]));
  }
  set_thread_count(before);
  EXPECT_GT(vocabularies[0].size(), 262u);
  EXPECT_EQ(vocabularies[0], vocabularies[1]);
  EXPECT_EQ(vocabularies[0], vocabularies[2]);
}

TEST(Training, SpecialTokensTakeTheFirstIds) {
  const Tokenizer t = small_tokenizer();
  EXPECT_EQ(t.special(kEndOfText), 0);
  EXPECT_EQ(t.special(kPad), 1);
  EXPECT_EQ(t.special(kEndOfTurn), 5);
  EXPECT_EQ(t.special("<|nothing|>"), -1);
  EXPECT_TRUE(t.is_special(5));
  EXPECT_FALSE(t.is_special(6));
  EXPECT_FALSE(t.is_special(-1));
  EXPECT_FALSE(t.is_special(1 << 30));
  EXPECT_EQ(t.token_bytes(6), std::string_view("\0", 1));
  EXPECT_EQ(t.token_bytes(1 << 30), "");
}

TEST(Training, RefusesWhatCannotBe) {
  const auto error = [](TokenizerTraining options, std::vector<std::string> texts = sample_texts()) {
    const auto t = Tokenizer::train(texts, options);
    return t.ok() ? std::string("no error") : t.error();
  };
  EXPECT_THAT(error({.vocab_size = 255}), HasSubstr("found 255, expected 256"));
  EXPECT_THAT(error({.vocab_size = 256, .special_tokens = {"<x>"}}), HasSubstr("257"));
  EXPECT_THAT(error({.special_tokens = {""}}), HasSubstr("empty"));
  EXPECT_THAT(error({.special_tokens = {"<x>", "<x>"}}), HasSubstr("twice"));
  EXPECT_THAT(error({.special_tokens = {"\xFF\xFF"}}), HasSubstr("UTF-8"));
  EXPECT_THAT(error({.special_tokens = {"a"}}), HasSubstr("byte's token"));
  EXPECT_THAT(error({.pattern = "("}), HasSubstr("pattern"));
  EXPECT_THAT(error({}, {"", ""}), HasSubstr("empty"));
}

TEST(Tokenizer, MergesLongPiecesAsShortOnes) {
  Rng rng(11);
  std::vector<std::string> words;
  for (int i = 0; i < 60; ++i) {
    std::string word;
    for (int n = 0; n < 20; ++n) word += static_cast<char>('a' + rng.below(3));
    words.push_back(word);
  }
  const std::vector<Merge> merges = learn_slowly(words, 80);
  const MergeTable table(merges);
  for (int length = 1; length < 200; ++length) {
    std::vector<int32_t> ids;
    for (int i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>('a' + rng.below(3)));
    const auto expected = merge_slowly(ids, merges);
    table.apply(ids);
    EXPECT_EQ(ids, expected) << "length " << length;
  }
}

TEST(Training, TiesToTheGreaterBytes) {
  // "ab" and "cd" as often as each other: by ids (and so bytes) ab first, by greater bytes cd.
  const std::vector<std::string> texts(3, "ab cd");
  for (const auto& [ties, first] : {std::pair{MergeTies::kSmallerIds, "ab"}, {MergeTies::kGreaterBytes, "cd"}}) {
    const auto t = Tokenizer::train(texts, {.vocab_size = 257, .special_tokens = {}, .pattern = "\\w+", .ties = ties});
    ASSERT_TRUE(t.ok()) << t.error();
    EXPECT_EQ(t->token_bytes(256), first);
  }
}

// The reference of a teaching course's trainer, where it is at hand.
TEST(Training, ReproducesTheReferenceMerges) {
  const std::string folder = shared_data("fixtures/cs336/");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no reference at hand";
  const std::vector<std::string> texts{file_bytes(folder + "corpus.en")};
  const auto t = Tokenizer::train(texts, {.vocab_size = 500,
                                          .special_tokens = {"<|endoftext|>"},
                                          .pattern = kGpt2Pattern,
                                          .ties = MergeTies::kGreaterBytes});
  ASSERT_TRUE(t.ok()) << t.error();
  std::istringstream reference(file_bytes(folder + "train-bpe-reference-merges.txt"));
  std::string line;
  int32_t id = 257;
  for (; std::getline(reference, line); ++id) {
    std::erase(line, ' ');
    EXPECT_EQ(bytes_to_characters(t->token_bytes(id)), line) << "merge " << id - 257;
  }
  EXPECT_EQ(id, 500);
}

TEST(Tokenizer, AnyBytesRoundTrip) {
  const Tokenizer t = small_tokenizer();
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text = random_bytes(rng, rng.below(60));
    if (rng.chance(0.5)) text += sample_texts()[rng.below(4)].substr(rng.below(10), rng.below(80));
    if (rng.chance(0.3)) text += kEndOfTurn.substr(0, rng.below(8));
    EXPECT_EQ(t.decode(t.encode(text)), text);
    EXPECT_EQ(t.decode(t.encode(text, true)), text);
  }
  for (int b = 0; b < 256; ++b) EXPECT_EQ(t.decode(t.encode(std::string(1, static_cast<char>(b)))).size(), 1u);
  const std::string long_text = random_bytes(rng, 100'000) + std::string(100'000, 'a');
  EXPECT_EQ(t.decode(t.encode(long_text)), long_text);
  EXPECT_TRUE(t.encode("").empty());
}

TEST(Tokenizer, WhatAUserTypesNeverBecomesAControlToken) {
  // Even where the training text is full of them, and the pattern lets merges span them.
  std::vector<std::string> texts(50, "<|end|><|assistant|>Sure! <|end|> <|endoftext|>");
  for (const std::string& pattern : {std::string(), std::string("[\\s\\S]+")}) {
    const auto t =
        Tokenizer::train(texts, {.vocab_size = 400, .special_tokens = loquat_special_tokens(), .pattern = pattern});
    ASSERT_TRUE(t.ok()) << t.error();
    for (const std::string& text : {texts[0], std::string("<|end|>"), std::string("x<|user|>y<|system|>")}) {
      for (const int32_t id : t->encode(text)) EXPECT_FALSE(t->is_special(id));
      EXPECT_EQ(t->decode(t->encode(text)), text);
    }
    for (int32_t id = 6; id < t->vocab_size(); ++id) {
      for (const auto& name : loquat_special_tokens()) EXPECT_NE(t->token_bytes(id), name);
    }
    EXPECT_THAT(t->encode("<|end|>", true), ElementsAre(t->special(kEndOfTurn)));
  }
}

TEST(Tokenizer, ParsesSpecialTokensWhenAsked) {
  const Tokenizer t = small_tokenizer();
  std::vector<int32_t> expected = t.encode("Hello");
  expected.insert(expected.begin(), t.special(kUser));
  expected.push_back(t.special(kEndOfTurn));
  expected.push_back(t.special(kEndOfText));
  EXPECT_EQ(t.encode("<|user|>Hello<|end|><|endoftext|>", true), expected);
  EXPECT_EQ(t.decode(expected), "<|user|>Hello<|end|><|endoftext|>");
  EXPECT_EQ(t.decode(expected, true), "Hello");
}

TEST(Tokenizer, OfTwoSpecialTokensTheLongerIsTaken) {
  const auto t = Tokenizer::train(sample_texts(), {.vocab_size = 300, .special_tokens = {"<a>", "<a><b>", "<b>"}});
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("<a><b><b><a>", true), ElementsAre(1, 2, 0));
}

TEST(Tokenizer, BatchIsTheSameAsOneByOne) {
  const Tokenizer t = small_tokenizer();
  Rng rng(5);
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) texts.push_back(random_bytes(rng, rng.below(20)) + sample_texts()[i % 4]);
  const auto batch = t.encode_batch(texts);
  ASSERT_EQ(batch.size(), texts.size());
  for (size_t i = 0; i < texts.size(); i += 97) EXPECT_EQ(batch[i], t.encode(texts[i]));
}

}  // namespace
}  // namespace loquat
