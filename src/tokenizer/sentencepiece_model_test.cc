#include "tokenizer/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tokenizer/decoder.h"
#include "tokenizer/test_helpers.h"

namespace loquat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Type = SentencePieceModel::Type;

using SentencePieceFile = FolderTest;

SentencePieceModel tiny(SentencePieceModel::Kind kind, bool byte_fallback = false) {
  SentencePieceModel m;
  m.kind = kind;
  m.byte_fallback = byte_fallback;
  m.pieces = {{"<unk>", 0, Type::kUnknown}, {"<s>", 0, Type::kControl}, {"</s>", 0, Type::kControl}};
  float score = -1;
  for (const char* text : {"▁a", "ab", "▁ab", "aa", "▁", "a", "b", "c"})
    m.pieces.push_back({text, score--, Type::kNormal});
  for (int b = 0; byte_fallback && b < 256; ++b) m.pieces.push_back({byte_token_name(b), 0, Type::kByte});
  return m;
}

Tokenizer made(const SentencePieceModel& model) {
  auto t = model.tokenizer("here");
  EXPECT_TRUE(t.ok()) << t.error();
  return *t;
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}

std::string field(int number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string field(int number, uint64_t value) {
  return varint(number << 3) + varint(value);
}

std::string message(const SentencePieceModel& m) {
  std::string out;
  for (const auto& piece : m.pieces) {
    std::string score(4, '\0');
    std::memcpy(score.data(), &piece.score, 4);
    out += field(1, field(1, piece.text) + varint(2 << 3 | 5) + score + field(3, static_cast<uint64_t>(piece.type)));
  }
  out += field(2, field(3, m.kind == SentencePieceModel::Kind::kBpe ? 2 : 1) + field(35, m.byte_fallback));
  return out + field(3, field(1, "nmt") + field(3, m.add_dummy_prefix) + field(4, m.remove_extra_whitespaces));
}

TEST(SentencePiece, BpeMergesByScore) {
  const Tokenizer t = made(tiny(SentencePieceModel::Kind::kBpe));
  // "▁a" has the best score, so "ab" is never made at a word's beginning, and "▁ab" is made of "▁a" and "b".
  EXPECT_THAT(t.encode("ab"), ElementsAre(5));
  EXPECT_THAT(t.encode("cab"), ElementsAre(7, 10, 4));
  EXPECT_THAT(t.encode("caa aab"), ElementsAre(7, 10, 6, 3, 4));
  EXPECT_EQ(t.decode(t.encode("cab ab")), "cab ab");
  EXPECT_THAT(t.encode("<s>"), ElementsAre(7, 0)) << "no control token: a run of unknown characters";
}

TEST(SentencePiece, EqualScoresMergeFromTheLeft) {
  SentencePieceModel m = tiny(SentencePieceModel::Kind::kBpe);
  m.add_dummy_prefix = false;
  m.pieces = {{"<unk>", 0, Type::kUnknown}, {"a", -9, Type::kNormal},  {"b", -9, Type::kNormal},
              {"c", -9, Type::kNormal},     {"bc", -1, Type::kNormal}, {"ab", -1, Type::kNormal}};
  EXPECT_THAT(made(m).encode("abc"), ElementsAre(5, 3));
  EXPECT_THAT(made(m).encode("bcab"), ElementsAre(4, 5));
}

TEST(SentencePiece, SpacesAndBytes) {
  SentencePieceModel m = tiny(SentencePieceModel::Kind::kBpe, true);
  const auto byte = [](int b) { return 11 + b; };
  EXPECT_THAT(made(m).encode("  ab   a "), ElementsAre(5, 3)) << "extra white space goes";
  EXPECT_THAT(made(m).encode("é"), ElementsAre(7, byte(0xC3), byte(0xA9)));
  EXPECT_THAT(made(m).encode("\xFF"), ElementsAre(7, byte(0xFF)));
  EXPECT_EQ(made(m).decode(made(m).encode("aé b")), "aé b");
  EXPECT_THAT(made(m).encode(""), ElementsAre());
  m.remove_extra_whitespaces = false;
  EXPECT_THAT(made(m).encode(" a"), ElementsAre(7, 3));
  m.add_dummy_prefix = false;
  EXPECT_THAT(made(m).encode("a a"), ElementsAre(8, 3));
}

TEST(SentencePiece, TheUsersSymbolsAndTheUnknownOnesText) {
  SentencePieceModel m = tiny(SentencePieceModel::Kind::kBpe);
  m.pieces.push_back({"[X]", 0, Type::kUserDefined});
  const Tokenizer t = made(m);
  EXPECT_THAT(t.encode("a[X]a"), ElementsAre(3, 11, 8)) << "no dummy prefix behind a symbol";
  EXPECT_THAT(t.encode("[X] a"), ElementsAre(7, 11, 3)) << "but before one at the text's beginning";
  EXPECT_EQ(t.decode(std::vector<int32_t>{3, 0}), "a ⁇ ");
}

TEST(SentencePiece, UnigramTakesTheBestSum) {
  SentencePieceModel m = tiny(SentencePieceModel::Kind::kUnigram);
  // ▁a -1, ab -2, ▁ab -3, aa -4, ▁ -5, a -6, b -7, c -8.
  EXPECT_THAT(made(m).encode("ab"), ElementsAre(5)) << "-3 against -1 - 7 and -5 - 2";
  EXPECT_THAT(made(m).encode("aab"), ElementsAre(3, 4));
  EXPECT_THAT(made(m).encode("aéßb"), ElementsAre(3, 0, 9)) << "a run of unknown characters is one token";
  EXPECT_THAT(made(m).encode("a  a"), ElementsAre(3, 3));
}

TEST_F(SentencePieceFile, ReadsTheMessageAndNamesWhatIsWrong) {
  const SentencePieceModel m = tiny(SentencePieceModel::Kind::kBpe, true);
  const auto t = Tokenizer::load(write("tokenizer.model", message(m)));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_EQ(t->encode("cab éa"), made(m).encode("cab éa"));
  ASSERT_TRUE(Tokenizer::load(folder_).ok()) << "a folder with tokenizer.model alone";
  const auto error = [&](const std::string& bytes) {
    const auto bad = Tokenizer::load(write("bad.model", bytes));
    return bad.ok() ? std::string("no error") : bad.error();
  };
  EXPECT_THAT(error(message(m).substr(0, 1000)), HasSubstr("bad.model: not a SentencePiece model"));
  EXPECT_THAT(error(""), HasSubstr("bad.model: pieces: found 0"));
  EXPECT_THAT(error(message(m) + field(1, field(1, "a"))), HasSubstr("found 'a', which is pieces[8] too"));
  EXPECT_THAT(error(message(m) + field(1, field(3, 9))), HasSubstr("type: found 9"));
  EXPECT_THAT(error(message(m) + field(2, field(3, 3))), HasSubstr("trainer_spec.model_type: found 3"));
  EXPECT_THAT(error(message(m) + field(1, field(1, "aab") + field(3, 5))), HasSubstr("UNUSED for 'aab'"));
  EXPECT_THAT(error(message(m) + field(3, field(2, "xxxxxx"))), HasSubstr("precompiled_charsmap"));
}

// Llama 2's own model and the cases of the ggml vocabulary tests, where they are at hand.
TEST_F(SentencePieceFile, EncodesAsLlama2) {
  const std::string model = shared_data("tokenizers/llama2_spm/tokenizer.model");
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no Llama 2 vocabulary at hand";
  const auto t = Tokenizer::load(model);
  ASSERT_TRUE(t.ok()) << t.error();
  ASSERT_TRUE(t->save(path("copy")).ok());
  const auto converted = Tokenizer::load(path("copy"));
  ASSERT_TRUE(converted.ok()) << converted.error();
  EXPECT_EQ(t->vocab_size(), 32000);
  EXPECT_EQ(converted->vocab_size(), 32000);
  const auto cases = vocabulary_cases("llama-spm");
  EXPECT_EQ(cases.size(), 46u);
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(t->encode(text), ids) << text;
    EXPECT_EQ(converted->encode(text), ids) << text;
    EXPECT_EQ(t->decode(ids), text);
    EXPECT_EQ(converted->decode(ids), text);
  }
}

TEST_F(SentencePieceFile, ReadsLlama2cVocabulary) {
  const auto bytes = [](const std::vector<std::pair<std::string, float>>& tokens) {
    std::string out(4, '\0');
    for (const auto& [text, score] : tokens) {
      const auto length = static_cast<int32_t>(text.size());
      out.append(reinterpret_cast<const char*>(&score), 4).append(reinterpret_cast<const char*>(&length), 4);
      out += text;
    }
    return out;
  };
  std::vector<std::pair<std::string, float>> tokens = {{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int b = 0; b < 256; ++b) tokens.emplace_back(byte_token_name(b), 0);
  for (const char* text : {" a", " ", "a", "b"}) tokens.emplace_back(text, -static_cast<float>(tokens.size()));
  const auto t = Tokenizer::load(write("tokenizer.bin", bytes(tokens)));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("ab\n"), ElementsAre(259, 262, 3 + '\n'));
  EXPECT_THAT(t->encode_with_special("a"), ElementsAre(1, 259));
  EXPECT_EQ(t->decode(t->encode("ab\n")), "ab\n");
  const auto bad = Tokenizer::load(write("bad.bin", bytes(tokens).substr(0, 300)));
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("cut off"));
  if (const std::string real = shared_data("models/stories260k/tok512.bin"); std::filesystem::exists(real)) {
    const auto stories = Tokenizer::load(real);
    ASSERT_TRUE(stories.ok()) << stories.error();
    EXPECT_EQ(stories->vocab_size(), 512);
    EXPECT_THAT(stories->encode_with_special("Once upon a time"), ElementsAre(1, 403, 407, 261, 378));
  }
}

}  // namespace
}  // namespace loquat
