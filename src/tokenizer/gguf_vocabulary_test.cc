#include "tokenizer/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/check.h"
#include "tokenizer/splitter.h"
#include "tokenizer/test_helpers.h"

namespace loquat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using GgufVocabularyFile = FolderTest;

// Reads just what these tests need of a good GGUF file's metadata.
class Metadata {
 public:
  explicit Metadata(const std::string& path) : bytes_(file_bytes(path)) {
    at_ = 16;  // magic, version, tensors
    const auto count = take<uint64_t>();
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = text();
      value(key, take<uint32_t>());
    }
  }
  GgufVocabulary out;

 private:
  template <typename T>
  T take() {
    T value;
    CHECK(at_ + sizeof value <= bytes_.size());
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto length = take<uint64_t>();
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  void value(const std::string& key, uint32_t type) {
    if (type == 8) {
      const std::string t = text();
      if (key == "tokenizer.ggml.model") out.model = t;
      if (key == "tokenizer.ggml.pre") out.pre = t;
    } else if (type == 9) {
      const auto of = take<uint32_t>();
      const auto count = take<uint64_t>();
      for (uint64_t i = 0; i < count; ++i) element(key, of);
    } else {
      constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
      uint64_t number = 0;
      std::memcpy(&number, bytes_.data() + at_, kSizes[type]);
      at_ += kSizes[type];
      if (key == "tokenizer.ggml.bos_token_id") out.bos = static_cast<int32_t>(number);
      if (key == "tokenizer.ggml.eos_token_id") out.eos = static_cast<int32_t>(number);
      if (key == "tokenizer.ggml.unknown_token_id") out.unknown = static_cast<int32_t>(number);
      if (key == "tokenizer.ggml.add_bos_token") out.add_bos = number != 0;
      if (key == "tokenizer.ggml.add_space_prefix") out.add_space_prefix = number != 0;
    }
  }
  void element(const std::string& key, uint32_t type) {
    if (type == 8) {
      (key == "tokenizer.ggml.tokens" ? out.tokens : out.merges).push_back(text());
    } else if (type == 6) {
      out.scores.push_back(take<float>());
    } else {
      out.types.push_back(take<int32_t>());
    }
  }
  std::string bytes_;
  size_t at_ = 0;
};

// The same ids from the GGUF's vocabulary, from the tokenizer.json saved of it, and from the vocabulary written again.
void expect_cases(const std::string& name, const std::filesystem::path& folder) {
  const std::string path = shared_data("tokenizers/gguf/ggml-vocab-" + name + ".gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no such vocabulary at hand";
  const GgufVocabulary vocabulary = Metadata(path).out;
  const auto t = tokenizer_from_gguf(vocabulary, path);
  ASSERT_TRUE(t.ok()) << t.error();
  ASSERT_TRUE(t->save(folder / "saved").ok());
  const auto saved = Tokenizer::load(folder / "saved");
  ASSERT_TRUE(saved.ok()) << saved.error();
  for (const Tokenizer* one : {&*t, &*saved}) {
    const auto written = gguf_from_tokenizer(*one);
    ASSERT_TRUE(written.ok()) << written.error();
    EXPECT_EQ(written->model, vocabulary.model);
    EXPECT_EQ(written->tokens, vocabulary.tokens);
    EXPECT_EQ(written->merges, vocabulary.merges);
    EXPECT_EQ(written->bos, vocabulary.bos);
    EXPECT_EQ(written->eos, vocabulary.eos);
    if (one == &*t) EXPECT_EQ(written->scores, vocabulary.scores);
    if (vocabulary.model == "gpt2") EXPECT_EQ(written->pre, "gpt-2");
    const auto again = tokenizer_from_gguf(*written, path);
    ASSERT_TRUE(again.ok()) << again.error();
    const auto cases = vocabulary_cases(name);
    EXPECT_EQ(cases.size(), 46u);
    for (const auto& [text, ids] : cases) {
      EXPECT_EQ(one->encode(text), ids) << text;
      EXPECT_EQ(again->encode(text), ids) << text;
      EXPECT_EQ(one->decode(ids), text);
    }
  }
}

TEST_F(GgufVocabularyFile, Gpt2GivesTheExactIds) {
  expect_cases("gpt-2", folder_);
}

TEST_F(GgufVocabularyFile, LlamaSpmGivesTheExactIds) {
  expect_cases("llama-spm", folder_);
}

// The vocabularies of these are not at hand: no piece is less than a token, and runs of digits are tokens of 1 to 3.
TEST(GgufVocabulary, PiecesOfLlama3AndQwen2AgreeWithTheirTokens) {
  for (const auto& [name, pre, digits] : {std::tuple{"llama-bpe", "llama-bpe", 3}, {"qwen2", "qwen2", 1}}) {
    const auto cases = vocabulary_cases(name);
    if (cases.empty()) GTEST_SKIP() << "no cases at hand";
    const auto patterns = gguf_patterns(pre);
    ASSERT_TRUE(patterns.ok()) << patterns.error();
    const auto splitter = Splitter::make(*patterns);
    ASSERT_TRUE(splitter.ok()) << splitter.error();
    int runs = 0;
    for (const auto& [text, ids] : cases) {
      std::vector<std::string_view> pieces;
      splitter->split(text, pieces);
      EXPECT_LE(pieces.size(), ids.size()) << text;
      if (text.empty() || text.find_first_not_of('3') != std::string::npos) continue;
      EXPECT_EQ(pieces.size(), ids.size()) << text;
      EXPECT_EQ(pieces[0].size(), std::min<size_t>(text.size(), digits));
      ++runs;
    }
    EXPECT_GT(runs, 5);
  }
}

std::vector<std::string> pieces(const std::string& pre, std::string_view text) {
  const auto patterns = gguf_patterns(pre);
  EXPECT_TRUE(patterns.ok()) << patterns.error();
  const auto splitter = Splitter::make(*patterns);
  EXPECT_TRUE(splitter.ok()) << splitter.error();
  std::vector<std::string_view> views;
  splitter->split(text, views);
  return {views.begin(), views.end()};
}

TEST(GgufVocabulary, PatternsOfTheKnownFamilies) {
  EXPECT_THAT(pieces("gpt-2", "It's 2024!!  DON'T"), ElementsAre("It", "'s", " 2024", "!!", " ", " DON", "'", "T"));
  EXPECT_THAT(pieces("llama-bpe", "It's 2024!!  DON'T\n\n x"),
              ElementsAre("It", "'s", " ", "202", "4", "!!", " ", " DON", "'T", "\n\n", " x"));
  EXPECT_THAT(pieces("qwen2", "a 2024"), ElementsAre("a", " ", "2", "0", "2", "4"));
  EXPECT_THAT(pieces("smollm", "a 20²"), ElementsAre("a", " ", "2", "0", "²"));
  EXPECT_THAT(pieces("gpt-4o", "helloWorld's HTTPServer x/\n"),
              ElementsAre("hello", "World's", " HTTPServer", " x", "/\n"));
  EXPECT_THAT(pieces("tekken", "helloWorld's 12"), ElementsAre("hello", "World", "'s", " ", "1", "2"));
  EXPECT_THAT(pieces("deepseek-v3", "我想在apple工作1314天 .net 'tis\n"),
              ElementsAre("我想在", "apple", "工作", "131", "4", "天", " .", "net", " '", "tis", "\n"));
  EXPECT_THAT(pieces("deepseek-llm", "Hi there, 12  \nx"),
              ElementsAre("Hi", " there", ",", " ", "1", "2", "  ", "\n", "x"));
  EXPECT_THAT(pieces("deepseek-coder", "a_b(12)"), ElementsAre("a", "_", "b", "(", "1", "2", ")"));
  EXPECT_THAT(pieces("falcon", "x+=12345 a"), ElementsAre("x", "+=", "123", "45", " a"));
  EXPECT_THAT(pieces("default", "x+=12345 a"), ElementsAre("x", "+=", "123", "45", " a"));
  EXPECT_FALSE(gguf_patterns("no such").ok());
}

TEST_F(GgufVocabularyFile, LoquatsOwnTokenizerGoesThereAndBack) {
  const Tokenizer t = small_tokenizer();
  const auto v = gguf_from_tokenizer(t);
  ASSERT_TRUE(v.ok()) << v.error();
  EXPECT_EQ(v->pre, "dbrx");
  EXPECT_EQ(v->tokens[v->eos], "<|end|>");
  const auto back = tokenizer_from_gguf(*v, "x.gguf");
  ASSERT_TRUE(back.ok()) << back.error();
  for (const std::string& text : sample_texts()) EXPECT_EQ(back->encode(text), t.encode(text));
  EXPECT_EQ(back->encode("<|end|>", true), t.encode("<|end|>", true));
  const auto odd = Tokenizer::train(sample_texts(), {.vocab_size = 300, .special_tokens = {}, .pattern = "\\w+"});
  const auto none = gguf_from_tokenizer(*odd);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error(), HasSubstr("has no name"));
}

TEST(GgufVocabulary, NamesWhatIsWrong) {
  const auto error = [](GgufVocabulary v) {
    const auto t = tokenizer_from_gguf(v, "x.gguf");
    return t.ok() ? std::string("no error") : t.error();
  };
  GgufVocabulary v;
  v.model = "gpt2";
  EXPECT_THAT(error(v), HasSubstr("x.gguf: tokenizer.ggml.tokens"));
  v.tokens = {"a", "b"};
  EXPECT_EQ(error(v), "no error");
  v.pre = "nothing";
  EXPECT_THAT(error(v), HasSubstr("x.gguf: tokenizer.ggml.pre: found 'nothing'"));
  v.pre = "";
  v.types = {1};
  EXPECT_THAT(error(v), HasSubstr("token_type"));
  v.types = {1, 7};
  EXPECT_THAT(error(v), HasSubstr("token_type[1]: found 7"));
  v.types = {};
  v.eos = 2;
  EXPECT_THAT(error(v), HasSubstr("eos_token_id: found 2"));
  v.eos = -1;
  v.merges = {"a c"};
  EXPECT_THAT(error(v), HasSubstr("merges[0]"));
  v.model = "llama";
  EXPECT_THAT(error(v), HasSubstr("scores: found 0, expected 2"));
  v.model = "bert";
  EXPECT_THAT(error(v), HasSubstr("tokenizer.ggml.model: found 'bert'"));
}

}  // namespace
}  // namespace loquat
