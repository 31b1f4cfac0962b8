#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tokenizer/chat_template.h"
#include "tokenizer/splitter.h"
#include "tokenizer/test_helpers.h"
#include "tokenizer/utf8.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using TokenizerJson = FolderTest;

// All 256 bytes with id = byte, and "he", "ll", "hell".
json tiny_file() {
  json vocab;
  for (int b = 0; b < 256; ++b) vocab[bytes_to_characters(std::string(1, static_cast<char>(b)))] = b;
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  return {{"version", "1.0"},
          {"added_tokens", json::array({{{"id", 259}, {"content", "<end>"}, {"special", true}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll"}}}}};
}

TEST_F(TokenizerJson, SavesAndLoadsTheSame) {
  const Tokenizer t = small_tokenizer();
  ASSERT_TRUE(t.save(path("a")).ok());
  const auto loaded = Tokenizer::load(path("a"));
  ASSERT_TRUE(loaded.ok()) << loaded.error();
  ASSERT_TRUE(loaded->save(path("b")).ok());
  for (const char* name : {"/tokenizer.json", "/tokenizer_config.json"}) {
    EXPECT_EQ(file_bytes(path("a") + name), file_bytes(path("b") + name));
    EXPECT_GT(file_bytes(path("a") + name).size(), 100u);
  }
  ASSERT_EQ(loaded->vocab_size(), t.vocab_size());
  for (int32_t id = 0; id < t.vocab_size(); ++id) {
    EXPECT_EQ(loaded->token_bytes(id), t.token_bytes(id));
    EXPECT_EQ(loaded->is_special(id), t.is_special(id));
  }
  Rng rng(2);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_bytes(rng, rng.below(20)) + sample_texts()[rng.below(4)].substr(rng.below(30));
    EXPECT_EQ(loaded->encode(text), t.encode(text));
  }
  const auto by_file = Tokenizer::load(path("a/tokenizer.json"));
  ASSERT_TRUE(by_file.ok());
  EXPECT_EQ(by_file->encode("the ferry"), t.encode("the ferry"));
}

TEST_F(TokenizerJson, WritesWhatOtherProgramsRead) {
  ASSERT_TRUE(small_tokenizer().save(path("m")).ok());
  const json file = json::parse(file_bytes(path("m/tokenizer.json")));
  EXPECT_EQ(file["model"]["type"], "BPE");
  EXPECT_EQ(file["added_tokens"][5]["content"], "<|end|>");
  EXPECT_EQ(file["added_tokens"][5]["special"], true);
  EXPECT_EQ(file["pre_tokenizer"]["pretokenizers"][0]["behavior"], "Isolated");
  EXPECT_EQ(file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], kGpt4Pattern);
  EXPECT_EQ(file["pre_tokenizer"]["pretokenizers"][1]["use_regex"], false);
  EXPECT_EQ(file["decoder"]["type"], "ByteLevel");
  EXPECT_EQ(file["model"]["vocab"].size(), 6 + 256 + file["model"]["merges"].size());
  const json config = json::parse(file_bytes(path("m/tokenizer_config.json")));
  EXPECT_EQ(config["eos_token"], "<|end|>");
  EXPECT_EQ(config["pad_token"], "<|pad|>");
  EXPECT_THAT(config["chat_template"].get<std::string>(), HasSubstr("add_generation_prompt"));
  for (const auto& entry : std::filesystem::directory_iterator(path("m"))) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(testing::StartsWith(".tmp-")));
  }
}

TEST_F(TokenizerJson, ReadsMergesAsTextAndAsPairs) {
  json file = tiny_file();
  const auto text = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(text.ok()) << text.error();
  EXPECT_THAT(text->encode("hello"), ElementsAre(258, 'o'));
  file["model"]["merges"] = json::parse(R"([["h", "e"], ["l", "l"], ["he", "ll"]])");
  const auto pairs = Tokenizer::load(write("b.json", file.dump()));
  ASSERT_TRUE(pairs.ok()) << pairs.error();
  EXPECT_THAT(pairs->encode("hello"), ElementsAre(258, 'o'));
  EXPECT_EQ(pairs->vocab_size(), 260);
  EXPECT_THAT(pairs->encode("<end>", true), ElementsAre(259));
}

TEST_F(TokenizerJson, ReadsTheUsualPreTokenizers) {
  json file = tiny_file();
  const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", "l"}}}, {"behavior", "Isolated"}, {"invert", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}};
  const auto regex = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(regex.ok()) << regex.error();
  EXPECT_THAT(regex->encode("hello"), ElementsAre(256, 'l', 'l', 'o'));
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"String", "."}};  // a text, not a pattern
  const auto string = Tokenizer::load(write("b.json", file.dump()));
  ASSERT_TRUE(string.ok()) << string.error();
  EXPECT_THAT(string->encode("hello"), ElementsAre(258, 'o'));
  file["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Digits"}, {"individual_digits", true}};
  file["model"]["vocab"]["11"] = 260;
  file["model"]["merges"].push_back("1 1");
  const auto digits = Tokenizer::load(write("c.json", file.dump()));
  ASSERT_TRUE(digits.ok()) << digits.error();
  EXPECT_THAT(digits->encode("11"), ElementsAre('1', '1'));
}

TEST_F(TokenizerJson, IgnoreMergesTakesWholePieces) {
  json file = tiny_file();
  file["model"]["vocab"]["zq"] = 260;  // no merge leads to it
  ASSERT_THAT(Tokenizer::load(write("a.json", file.dump()))->encode("zq"), ElementsAre('z', 'q'));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(Tokenizer::load(write("b.json", file.dump()))->encode("zq"), ElementsAre(260));
}

TEST_F(TokenizerJson, AddedTokensThatAreNotSpecialAreText) {
  json file = tiny_file();
  file["added_tokens"].push_back({{"id", 260}, {"content", "   "}, {"special", false}});
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("a   b"), ElementsAre('a', 260, 'b'));
  EXPECT_FALSE(t->is_special(260));
}

TEST_F(TokenizerJson, AMergeNeverMakesAControlToken) {
  json file = tiny_file();
  file["model"]["vocab"]["<e"] = 260;
  file["added_tokens"].push_back({{"id", 260}, {"content", "<e"}, {"special", true}});
  file["model"]["merges"].push_back("< e");
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("<e"), ElementsAre('<', 'e'));
  EXPECT_THAT(t->encode("<e", true), ElementsAre(260));
}

TEST_F(TokenizerJson, KeepsTheConfigThatCameWithIt) {
  write("tokenizer.json", tiny_file().dump());
  const std::string config = R"({"eos_token": "<end>", "chat_template": "{{ messages }}"})";
  write("tokenizer_config.json", config);
  const auto t = Tokenizer::load(folder_);
  ASSERT_TRUE(t.ok()) << t.error();
  ASSERT_TRUE(t->save(path("copy")).ok());
  EXPECT_EQ(file_bytes(path("copy/tokenizer_config.json")), config);
  write("tokenizer_config.json", "{");
  const auto bad = Tokenizer::load(folder_);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("tokenizer_config.json: not JSON"));
}

TEST_F(TokenizerJson, NamesTheFileAndTheFieldOfWhatItCannotRead) {
  const auto error = [&](const std::function<void(json&)>& change) {
    json file = tiny_file();
    change(file);
    const auto t = Tokenizer::load(write("t.json", file.dump()));
    return t.ok() ? std::string("no error") : t.error();
  };
  const auto names = [](const char* field) { return AllOf(HasSubstr("t.json: "), HasSubstr(field)); };
  EXPECT_THAT(error([](json& f) { f = 3; }), names("the file: found 3, expected an object"));
  EXPECT_THAT(error([](json& f) { f["normalizer"] = {{"type", "Nmt"}}; }), names("normalizer.type: found \"Nmt\""));
  EXPECT_THAT(error([](json& f) {
                f["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
              }),
              names("pre_tokenizer.type: found \"UnicodeScripts\""));
  EXPECT_THAT(error([](json& f) { f["pre_tokenizer"]["add_prefix_space"] = 7; }), names("add_prefix_space"));
  EXPECT_THAT(error([](json& f) {
                f["pre_tokenizer"] = {
                    {"type", "Sequence"},
                    {"pretokenizers", json::array({{{"type", "Split"}, {"pattern", {{"String", "a"}}}}})}};
              }),
              names("pre_tokenizer.pretokenizers[0].behavior"));
  EXPECT_THAT(error([](json& f) { f["decoder"] = {{"type", "CTC"}}; }), names("decoder.type"));
  EXPECT_THAT(error([](json& f) { f["model"]["type"] = "WordLevel"; }), names("model.type: found \"WordLevel\""));
  EXPECT_THAT(error([](json& f) { f["model"]["byte_fallback"] = true; }), names("model.byte_fallback"));
  EXPECT_THAT(error([](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }), names("model.end_of_word_suffix"));
  EXPECT_THAT(error([](json& f) { f["model"]["dropout"] = 0.1; }), names("model.dropout"));
  EXPECT_THAT(error([](json& f) { f["model"]["vocab"] = 1; }), names("model.vocab"));
  EXPECT_THAT(error([](json& f) { f["model"]["vocab"]["zz"] = -1; }), names("model.vocab[\"zz\"]"));
  EXPECT_THAT(error([](json& f) { f["model"]["vocab"]["zz"] = 1ull << 40; }), names("model.vocab[\"zz\"]"));
  EXPECT_THAT(error([](json& f) { f["model"]["vocab"]["zz"] = "1"; }), names("model.vocab[\"zz\"]"));
  EXPECT_THAT(error([](json& f) { f["model"]["vocab"]["zz"] = 7; }), names("no other token has"));
  EXPECT_THAT(error([](json& f) { f["model"]["merges"] = "h e"; }), names("model.merges"));
  EXPECT_THAT(error([](json& f) { f["model"]["merges"][1] = "l l l"; }), names("model.merges[1]"));
  EXPECT_THAT(error([](json& f) { f["model"]["merges"][1] = "o o"; }), names("'oo' is none"));
  EXPECT_THAT(error([](json& f) { f["model"]["unk_token"] = "[UNK]"; }), names("model.unk_token"));
  EXPECT_THAT(error([](json& f) { f["added_tokens"][0]["id"] = 3; }), names("no other token has"));
  EXPECT_THAT(error([](json& f) { f["added_tokens"][0]["content"] = ""; }), names("added_tokens[0].content"));
  EXPECT_THAT(error([](json& f) { f["added_tokens"][0]["single_word"] = 1; }), names("single_word"));
  EXPECT_THAT(error([](json& f) { f["added_tokens"].push_back(f["added_tokens"][0]); }), names("added_tokens[1]"));
  EXPECT_EQ(error([](json&) {}), "no error");
}

// A SentencePiece-like file: "▁", a, b, ab, all bytes; <s> before every text.
json piece_file() {
  json vocab = {{"<unk>", 0}, {"▁", 1}, {"a", 2}, {"b", 3}, {"ab", 4}, {"▁a", 5}};
  for (int b = 0; b < 256; ++b) vocab[fmt::format("<0x{:02X}>", b)] = 10 + b;
  const json space = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  const json mark = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}};
  const json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const json single = {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}};
  return {
      {"added_tokens", {{{"id", 6}, {"content", "<s>"}, {"special", true}, {"normalized", false}}}},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, space}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", single},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {6}}, {"tokens", {"<s>"}}}}}}}},
      {"decoder", {{"type", "Sequence"}, {"decoders", {mark, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocab},
        {"merges", {"▁ a", "a b"}}}}};
}

TEST_F(TokenizerJson, PiecesWithByteFallback) {
  const std::string text = piece_file().dump();
  const auto t = Tokenizer::load(write("a.json", text));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("ab ab"), ElementsAre(5, 3, 5, 3));
  EXPECT_THAT(t->encode("é"), ElementsAre(1, 10 + 0xC3, 10 + 0xA9));
  EXPECT_THAT(t->encode_with_special("a"), ElementsAre(6, 5));
  EXPECT_THAT(t->prefix(), ElementsAre(6));
  EXPECT_TRUE(t->suffix().empty());
  EXPECT_THAT(t->encode("a<s>a", true), ElementsAre(5, 6, 5));
  for (const int32_t id : t->encode("a<s>a")) EXPECT_FALSE(t->is_special(id));
  EXPECT_EQ(t->decode(t->encode("ab  é")), "ab  é");
  EXPECT_EQ(t->token_bytes(5), " a");
  ASSERT_TRUE(t->save(path("copy")).ok());
  EXPECT_EQ(file_bytes(path("copy/tokenizer.json")), text) << "a foreign file is written as it was";
}

TEST_F(TokenizerJson, UnknownCharacters) {
  json file = piece_file();
  file["model"]["byte_fallback"] = false;
  EXPECT_THAT(Tokenizer::load(write("a.json", file.dump()))->encode("éßa"), ElementsAre(1, 0, 2));
  file["model"]["fuse_unk"] = false;
  EXPECT_THAT(Tokenizer::load(write("b.json", file.dump()))->encode("éßa"), ElementsAre(1, 0, 0, 2));
  file["model"]["unk_token"] = nullptr;
  EXPECT_THAT(Tokenizer::load(write("c.json", file.dump()))->encode("éßa"), ElementsAre(5));
}

TEST_F(TokenizerJson, Unigram) {
  json file = piece_file();
  file["model"] = json::parse(R"({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁", -2], ["a", -2],
                               ["b", -2], ["ab", -3.5], ["▁a", -3]]})");
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("ab"), ElementsAre(5, 3)) << "-5 against -5.5";
  EXPECT_THAT(t->encode("bab"), ElementsAre(1, 3, 4));
  EXPECT_THAT(t->encode("éßb"), ElementsAre(1, 0, 3));
  file["model"]["byte_fallback"] = true;
  const auto bad = Tokenizer::load(write("b.json", file.dump()));
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error(), HasSubstr("b.json: model.byte_fallback"));
  file["model"]["vocab"][1] = "▁";
  EXPECT_THAT(Tokenizer::load(write("c.json", file.dump())).error(), HasSubstr("c.json: model.vocab[1]"));
}

TEST_F(TokenizerJson, WordPiece) {
  const json file = {{"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
                     {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                     {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
                     {"post_processor", {{"type", "BertProcessing"}, {"cls", {"[CLS]", 1}}, {"sep", {"[SEP]", 2}}}},
                     {"model",
                      {{"type", "WordPiece"},
                       {"unk_token", "[UNK]"},
                       {"continuing_subword_prefix", "##"},
                       {"vocab", {{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"un", 3}, {"##do", 4}, {",", 5}}}}}};
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("Undo, unx"), ElementsAre(3, 4, 5, 0));
  EXPECT_THAT(t->encode_with_special("un"), ElementsAre(1, 3, 2));
  EXPECT_EQ(t->decode(t->encode("Undo, un")), "undo, un");
}

TEST_F(TokenizerJson, AddedTokensFlags) {
  json file = tiny_file();
  file["normalizer"] = {{"type", "Lowercase"}};
  const auto add = [&](int id, const char* content, const char* flag) {
    json token = {{"id", id}, {"content", content}, {"special", false}, {"normalized", false}};
    token[flag] = true;
    file["added_tokens"].push_back(token);
  };
  add(260, "one", "single_word");
  add(261, "<L>", "lstrip");
  add(262, "<R>", "rstrip");
  add(263, "Norm", "normalized");
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_THAT(t->encode("one x"), ElementsAre(260, ' ', 'x'));
  EXPECT_EQ(t->encode("ones").size(), 4u);
  EXPECT_EQ(t->encode("éone").size(), 5u);
  EXPECT_THAT(t->encode("x \u3000<L> y"), ElementsAre('x', 261, ' ', 'y'));
  EXPECT_THAT(t->encode("x <R>\u3000 y"), ElementsAre('x', ' ', 262, 'y'));
  EXPECT_THAT(t->encode("NORM"), ElementsAre(263));
}

TEST_F(TokenizerJson, WhatStandsBesideByteLevelIsKept) {
  json file = tiny_file();
  file["normalizer"] = {{"type", "NFC"}};
  file["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"<end>", 259}}, {"sep", {"<end>", 259}}};
  const auto t = Tokenizer::load(write("a.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_EQ(t->encode("e\u0301"), t->encode("é"));
  EXPECT_THAT(t->encode_with_special("he"), ElementsAre(259, 256, 259));
  ASSERT_TRUE(t->save(path("copy")).ok());
  EXPECT_EQ(file_bytes(path("copy/tokenizer.json")), file.dump());
  file["post_processor"] = {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "<x>"}}}}}}};
  EXPECT_THAT(Tokenizer::load(write("b.json", file.dump())).error(), HasSubstr("post_processor.single[0]"));
  file["post_processor"] = {{"type", "Other"}};
  EXPECT_THAT(Tokenizer::load(write("c.json", file.dump())).error(), HasSubstr("post_processor.type: found \"Other\""));
}

TEST_F(TokenizerJson, MissingAndBrokenFiles) {
  const auto missing = Tokenizer::load(path("nothing"));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error(), AllOf(HasSubstr("nothing"), HasSubstr("No such file")));
  const auto empty_folder = Tokenizer::load(folder_);
  ASSERT_FALSE(empty_folder.ok());
  EXPECT_THAT(empty_folder.error(), HasSubstr("tokenizer.json"));
  const auto broken = Tokenizer::load(write("broken.json", "{\"a\": "));
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error(), AllOf(HasSubstr("broken.json: not JSON"), HasSubstr("line 1")));
  const auto deep = Tokenizer::load(write("deep.json", "{\"normalizer\": " + std::string(1'000'000, '[')));
  ASSERT_FALSE(deep.ok());
  EXPECT_THAT(deep.error(), HasSubstr("deep.json: nested too deep"));
  write("file", "");
  EXPECT_FALSE(small_tokenizer().save(path("file/below")).ok());
}

// GPT-2's own files and the cases of the ggml vocabulary tests, where they are at hand.
TEST_F(TokenizerJson, EncodesAsGpt2) {
  const std::string data = std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/tokenizers/";
  if (!std::filesystem::exists(data + "gpt2/vocab.bpe")) GTEST_SKIP() << "no GPT-2 vocabulary at hand";
  json file = tiny_file();
  file["model"] = {{"vocab", json::parse(file_bytes(data + "gpt2/encoder.json"))}, {"merges", json::array()}};
  file["added_tokens"] = json::array({{{"id", 50256}, {"content", "<|endoftext|>"}, {"special", true}}});
  std::istringstream bpe(file_bytes(data + "gpt2/vocab.bpe"));
  std::string line;
  std::getline(bpe, line);  // the version
  while (std::getline(bpe, line)) {
    if (!line.empty()) file["model"]["merges"].push_back(line);
  }
  const auto t = Tokenizer::load(write("gpt2.json", file.dump()));
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_EQ(t->vocab_size(), 50257);
  const auto cases = vocabulary_cases("gpt-2");
  EXPECT_EQ(cases.size(), 46u);
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(t->encode(text), ids) << text;
    EXPECT_EQ(t->decode(ids), text);
  }
}

TEST_F(TokenizerJson, ReadsAPublishedModelsFile) {
  const std::string folder = std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/tokenizers/smollm";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no such tokenizer at hand";
  const auto t = Tokenizer::load(folder);
  ASSERT_TRUE(t.ok()) << t.error();
  EXPECT_EQ(t->vocab_size(), 49152);
  EXPECT_THAT(t->encode("<|im_start|>", true), ElementsAre(1));
  const std::string text = sample_texts()[0] + sample_texts()[2];
  EXPECT_EQ(t->decode(t->encode(text)), text);
  EXPECT_LT(t->encode(sample_texts()[0]).size(), 40u);
}

}  // namespace
}  // namespace loquat
