#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "data/jsonl.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class DatasetTest : public testing::Test {
 protected:
  std::string file(const std::string& bytes, const std::string& name = "data.jsonl") {
    put_bytes(folder_ / name, bytes);
    return folder_ / name;
  }
  TestFolder folder_;
};

template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : result.error();
}

TEST_F(DatasetTest, ReadsEveryShapeOfDemonstration) {
  const auto got = read_demonstrations(file(
      R"({"id": "a", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]})"
      "\n\n"
      R"({"prompt": "2+2?", "completion": "4"})"
      "\r\n"
      R"({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "c"}]})"
      "\n"
      R"({"instruction": "Sum up.", "input": "Long text", "output": "Short", "source": "x"})"
      "\n"
      R"({"id": 7, "instruction": "Write.", "output": "Done"})"
      "\n"
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]})"));
  ASSERT_TRUE(got.ok()) << got.error();
  ASSERT_EQ(got->size(), 6u);
  EXPECT_EQ((*got)[0].id, "a");
  EXPECT_EQ((*got)[0].messages, (Messages{{"user", "Hi"}, {"assistant", "Hello"}}));
  EXPECT_EQ((*got)[1].id, "data.jsonl:3");
  EXPECT_EQ((*got)[1].messages, (Messages{{"user", "2+2?"}, {"assistant", "4"}}));
  EXPECT_EQ((*got)[2].messages, (Messages{{"system", "s"}, {"user", "u"}, {"assistant", "c"}}));
  EXPECT_EQ((*got)[3].messages, (Messages{{"user", "Sum up.\n\nLong text"}, {"assistant", "Short"}}));
  EXPECT_EQ((*got)[4].id, "7");
  EXPECT_EQ((*got)[4].messages[0].content, "Write.");
  EXPECT_EQ((*got)[5].messages, (Messages{{"user", "a"}, {"assistant", "b"}}));  // nobody answered the rest
}

TEST_F(DatasetTest, ReadsEveryShapeOfComparison) {
  int64_t passed_over = -1;
  const auto got = read_rankings(
      file(
          R"({"prompt": "p", "chosen": "good", "rejected": "bad"})"
          "\n"
          R"({"prompt": [{"role": "user", "content": "p"}], "chosen": [{"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "bad"}]})"
          "\n"
          R"({"chosen": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "bad"}]})"
          "\n"
          R"({"prompt": [{"role": "user", "content": "p"}], "chosen": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "bad"}]})"
          "\n"
          R"({"chosen": "\n\nHuman: p\n\nAssistant: good", "rejected": "\n\nHuman: p \n\nAssistant: bad\n"})"
          "\n"
          R"({"id": "k", "messages": [{"role": "user", "content": "p"}], "responses": [{"text": "x", "rank": 1}, {"text": "y", "rank": 0, "likert": 6, "flags": ["hallucination"]}, {"text": "z", "rank": 1}]})"
          "\n"
          R"({"context": "p", "generation": "g", "reward": 1.0})"
          "\n"  // one reply
          R"({"prompt": "p", "chosen": "same", "rejected": "same"})"
          "\n"  // nothing chosen
          R"({"chosen": "\n\nHuman: p\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"})"
          "\n"),  // two prompts
      &passed_over);
  ASSERT_TRUE(got.ok()) << got.error();
  ASSERT_EQ(got->size(), 6u);
  EXPECT_EQ(passed_over, 3);
  for (int i = 0; i < 5; ++i) {
    const Ranking& r = (*got)[i];
    EXPECT_EQ(r.prompt, (Messages{{"user", "p"}})) << i;
    ASSERT_EQ(r.responses.size(), 2u);
    EXPECT_EQ(r.responses[0].text, "good") << i;
    EXPECT_EQ(r.responses[0].rank, 0);
    EXPECT_EQ(r.responses[1].text, "bad") << i;
    EXPECT_EQ(r.responses[1].rank, 1);
  }
  EXPECT_EQ((*got)[1].id, "data.jsonl:2");
  const Ranking& k = (*got)[5];
  EXPECT_EQ(k.id, "k");
  ASSERT_EQ(k.responses.size(), 3u);
  EXPECT_EQ(k.responses[1].rank, 0);
  EXPECT_EQ(k.responses[1].likert, 6);
  EXPECT_THAT(k.responses[1].flags, ElementsAre("hallucination"));
}

TEST_F(DatasetTest, ReadsTranscriptsAsTurns) {
  const auto got = messages_from_transcript("\n\nHuman: Hi\n\nthere\n\nAssistant: Yes?\n\nHuman: x\n\nAssistant:");
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_EQ(*got, (Messages{{"user", "Hi\n\nthere"}, {"assistant", "Yes?"}, {"user", "x"}, {"assistant", ""}}));
  EXPECT_FALSE(messages_from_transcript("Hi there").ok());
  EXPECT_FALSE(messages_from_transcript("").ok());
}

TEST_F(DatasetTest, ReadsTextsAndPrompts) {
  const auto texts = read_texts(file("{\"text\": \"one\\n\"}\n{\"text\": \"\"}\n{\"text\": \"two\"}\n"));
  ASSERT_TRUE(texts.ok()) << texts.error();
  EXPECT_THAT(*texts, ElementsAre("one\n", "two"));
  const auto talk = read_texts(file(
      R"({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]})"));
  ASSERT_TRUE(talk.ok()) << talk.error();
  EXPECT_THAT(*talk, testing::ElementsAre("Be kind.\nUser: Hi\nAssistant: Hello!"));
  const auto document = read_texts(file("\xEF\xBB\xBFline 1\r\nline 2\n", "book.txt"));
  ASSERT_TRUE(document.ok()) << document.error();
  EXPECT_THAT(*document, ElementsAre("line 1\r\nline 2\n"));
  const auto prompts =
      read_prompts(file("{\"prompt\": \"p\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}]}\n"));
  ASSERT_TRUE(prompts.ok()) << prompts.error();
  EXPECT_THAT(*prompts, ElementsAre(Messages{{"user", "p"}}, Messages{{"user", "q"}}));
}

TEST_F(DatasetTest, ReadsPackedFiles) {
  const std::string path = folder_ / "data.jsonl.gz";
  gzFile out = gzopen(path.c_str(), "wb");
  const std::string line = "{\"prompt\": \"p\", \"completion\": \"c\"}\n";
  ASSERT_EQ(gzwrite(out, line.data(), static_cast<unsigned>(line.size())), static_cast<int>(line.size()));
  gzclose(out);
  const auto got = read_demonstrations(path);
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_EQ((*got)[0].id, "data.jsonl.gz:1");
}

TEST_F(DatasetTest, WritesWhatItReads) {
  const std::vector<Demonstration> demonstrations{
      {"a", {{"system", "s"}, {"user", "\"q\"\n\tü"}, {"assistant", "東京 \xF0\x9F\x98\x80"}}}};
  ASSERT_TRUE(write_demonstrations(folder_ / "d.jsonl", demonstrations).ok());
  const auto d = read_demonstrations(folder_ / "d.jsonl");
  ASSERT_TRUE(d.ok()) << d.error();
  EXPECT_EQ((*d)[0].id, "a");
  EXPECT_EQ((*d)[0].messages, demonstrations[0].messages);
  const std::vector<Ranking> rankings{
      {"r", {{"user", "q"}}, {{"x", 1, 2, {"f", "g"}}, {"y", 0, 0, {}}, {"z", 1, 7, {}}}}};
  ASSERT_TRUE(write_rankings(folder_ / "r.jsonl", rankings).ok());
  const auto r = read_rankings(folder_ / "r.jsonl");
  ASSERT_TRUE(r.ok()) << r.error();
  EXPECT_EQ(to_json((*r)[0]), to_json(rankings[0]));
  EXPECT_EQ((*r)[0].responses[0].flags, rankings[0].responses[0].flags);
  const std::vector<std::string> texts{"one\ntwo", "three"};
  ASSERT_TRUE(write_texts(folder_ / "t.jsonl", texts).ok());
  EXPECT_EQ(*read_texts(folder_ / "t.jsonl"), texts);
  const std::vector<Messages> prompts{{{"user", "q"}}, {{"system", "s"}, {"user", "q"}}};
  ASSERT_TRUE(write_prompts(folder_ / "p.jsonl", prompts).ok());
  EXPECT_EQ(*read_prompts(folder_ / "p.jsonl"), prompts);
  EXPECT_FALSE(write_texts(folder_ / "no/such/folder.jsonl", texts).ok());
}

TEST_F(DatasetTest, WhatAModelWroteIsAlwaysWritten) {
  ASSERT_TRUE(write_texts(folder_ / "t.jsonl", {"cut \xE6\x9D"}).ok());
  const auto got = read_texts(folder_ / "t.jsonl");
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_THAT((*got)[0], HasSubstr("cut \xEF\xBF\xBD"));
}

TEST_F(DatasetTest, NamesTheFileTheLineAndWhatIsWrong) {
  const std::string good = R"({"prompt": "p", "completion": "c"})"
                           "\n";
  const auto error = [&](const std::string& line) { return error_of(read_demonstrations(file(good + line))); };
  const auto says = [](const char* what) { return AllOf(HasSubstr("data.jsonl: line 2: "), HasSubstr(what)); };
  EXPECT_THAT(error("{\"prompt\": "), says("not JSON: parse error"));
  EXPECT_THAT(error("[1]"), says("the line: found [1], expected a JSON object"));
  EXPECT_THAT(error("{\"prompt\": \"caf\xE9\"}"), says("not UTF-8: found byte 0xE9 at column 16"));
  EXPECT_THAT(error(R"({"prompt": "\ud800", "completion": ""})"), says("not JSON"));
  EXPECT_THAT(error(R"({"topic": 1, "summary": 2})"), says("found summary, topic, expected \"messages\""));
  EXPECT_THAT(error("{}"), says("found no key"));
  EXPECT_THAT(error(R"({"prompt": 3, "completion": "c"})"), says("prompt: found 3, expected text, or a list"));
  EXPECT_THAT(error(R"({"prompt": "p", "completion": null})"), says("completion: found null"));
  EXPECT_THAT(error(R"({"messages": []})"), says("messages: found [], expected a list"));
  EXPECT_THAT(error(R"({"messages": "x"})"), says("messages: found \"x\""));
  EXPECT_THAT(error(R"({"messages": [3]})"), says("messages[0]: found 3"));
  EXPECT_THAT(error(R"({"messages": [{"role": "bot", "content": ""}]})"), says("messages[0].role: found \"bot\""));
  EXPECT_THAT(error(R"({"messages": [{"role": "user"}]})"), says("messages[0].content: found null, expected text"));
  EXPECT_THAT(error(R"({"messages": [{"role": "user", "content": "x"}]})"), says("no assistant's turn"));
  EXPECT_THAT(error(R"({"instruction": "x", "output": []})"), says("output: found []"));
  EXPECT_THAT(error(R"({"instruction": "x", "input": 1, "output": "y"})"), says("input: found 1"));
  EXPECT_THAT(error(R"({"id": 1.5, "prompt": "p", "completion": "c"})"), says("id: found 1.5"));
  EXPECT_THAT(error("{\"messages\": " + std::string(1'000'000, '[')), says("nested too deep"));
  EXPECT_EQ(error(R"({"prompt": "[[[{{{\"[[[", "completion": "]"})"), "no error");
  EXPECT_EQ(error(""), "no error");
}

TEST_F(DatasetTest, NamesWhatIsWrongWithAComparison) {
  const auto error = [&](const std::string& line) { return error_of(read_rankings(file(line))); };
  const auto says = [](const char* what) { return AllOf(HasSubstr("data.jsonl: line 1: "), HasSubstr(what)); };
  EXPECT_THAT(error(R"({"prompt": "p"})"), says("found prompt, expected \"chosen\""));
  EXPECT_THAT(error(R"({"chosen": "hello", "rejected": "bye"})"), says("chosen: transcript: found \"hello\""));
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": 1, "rejected": "bye"})"), says("chosen: found 1"));
  EXPECT_THAT(error(R"({"prompt": [{"role": "assistant", "content": "p"}], "chosen": "a", "rejected": "b"})"),
              says("prompt: found"));
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": [{"role": "user", "content": "a"}], "rejected": "b"})"),
              says("an assistant's turn at its end"));
  const std::string head = R"({"messages": [{"role": "user", "content": "p"}], "responses": )";
  EXPECT_THAT(error(head + R"([{"text": "x", "rank": 0}]})"), says("responses: found"));
  EXPECT_THAT(error(head + R"([{"text": "x", "rank": 0}, {"text": "y"}]})"), says("responses[1].rank: found null"));
  EXPECT_THAT(error(head + R"([{"text": "x", "rank": -1}, {"text": "y", "rank": 0}]})"), says("responses[0].rank"));
  EXPECT_THAT(error(head + R"([{"text": "x", "rank": 0, "likert": 8}, {"text": "y", "rank": 0}]})"), says("likert"));
  EXPECT_THAT(error(head + R"([{"text": 1, "rank": 0}, {"text": "y", "rank": 0}]})"), says("responses[0].text"));
  EXPECT_THAT(error(head + R"([{"text": "x", "rank": 0, "flags": "f"}, {"text": "y", "rank": 0}]})"), says("flags"));
  EXPECT_THAT(error(R"({"messages": [{"role": "assistant", "content": "p"}], "responses": []})"),
              says("messages: found"));
}

TEST_F(DatasetTest, NothingToUseIsAnError) {
  EXPECT_THAT(error_of(read_demonstrations(file("\n \n"))), HasSubstr("data.jsonl: found no usable example"));
  EXPECT_THAT(error_of(read_rankings(file(""))), HasSubstr("no usable example"));
  EXPECT_THAT(error_of(read_rankings(file(R"({"prompt": "p", "completion": "c", "label": true})"))),
              HasSubstr("no usable example: 1 line judges a single reply"));
  EXPECT_THAT(error_of(read_texts(file("{\"text\": \"\"}"))), HasSubstr("no usable example"));
  EXPECT_THAT(error_of(read_texts(file(" \n", "a.txt"))), HasSubstr("no usable example"));
  EXPECT_THAT(error_of(read_prompts(file(""))), HasSubstr("no usable example"));
  EXPECT_THAT(error_of(read_texts(folder_ / "missing.jsonl")),
              AllOf(HasSubstr("missing.jsonl"), HasSubstr("No such file")));
}

TEST_F(DatasetTest, NamesWhatIsWrongWithATextOrAPrompt) {
  EXPECT_THAT(error_of(read_texts(file("{\"content\": 1}"))), HasSubstr("line 1: found content, expected \"text\""));
  EXPECT_THAT(error_of(read_texts(file("{\"text\": 1}"))), HasSubstr("text: found 1"));
  EXPECT_THAT(error_of(read_texts(file("ab\ncd\xFF\n", "a.txt"))),
              HasSubstr("a.txt: line 2: not UTF-8: found byte 0xFF at column 3"));
  EXPECT_THAT(error_of(read_texts(file("\xFF", "a.txt"))), HasSubstr("line 1: not UTF-8: found byte 0xFF at column 1"));
  EXPECT_THAT(error_of(read_prompts(file("{\"text\": 1}"))), HasSubstr("expected \"messages\" or \"prompt\""));
  EXPECT_THAT(error_of(read_prompts(file(R"({"messages": [{"role": "assistant", "content": "x"}]})"))),
              HasSubstr("messages: found \"assistant\", expected a user's turn at its end"));
}

Tokenizer tokenizer() {
  const std::vector<std::string> texts{"the ferry and the kettle and the ferry"};
  return *Tokenizer::train(texts, {.vocab_size = 280, .special_tokens = loquat_special_tokens()});
}

TEST(TokenStream, HoldsEveryDocumentAndItsEnd) {
  const Tokenizer t = tokenizer();
  const std::vector<std::string> texts{"the ferry", "", "kettle<|endoftext|>"};
  std::vector<int32_t> expected;
  for (const auto& text : texts) {
    const auto ids = t.encode(text);
    expected.insert(expected.end(), ids.begin(), ids.end());
    expected.push_back(t.special(kEndOfText));
  }
  EXPECT_EQ(token_stream(t, texts), expected);
}

TEST(StreamSampler, AnEpochTakesEveryTokenAtMostOnceAndNearlyAll) {
  std::vector<int32_t> stream(103);
  std::iota(stream.begin(), stream.end(), 0);
  StreamSampler sampler(&stream, 10, 5);
  EXPECT_EQ(sampler.windows(), 10);
  std::vector<std::vector<int32_t>> firsts;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> seen(103, 0);
    firsts.emplace_back();
    for (int i = 0; i < 10; ++i) {
      const TokenSequence window = sampler.next();
      ASSERT_EQ(window.tokens.size(), 10u);
      EXPECT_EQ(window.is_target, (std::vector<uint8_t>{0, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
      firsts.back().push_back(window.tokens[0]);
      for (size_t j = 0; j < 10; ++j) {
        ++seen[window.tokens[j]];
        EXPECT_EQ(window.tokens[j], (window.tokens[0] + static_cast<int32_t>(j)) % 103);
      }
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 100);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 3);
  }
  EXPECT_NE(firsts[0], firsts[1]);
}

TEST(StreamSampler, ContinuesFromItsCursor) {
  std::vector<int32_t> stream(57);
  std::iota(stream.begin(), stream.end(), 0);
  StreamSampler whole(&stream, 8, 9);
  for (int stop = 0; stop < 20; ++stop) {
    StreamSampler resumed(&stream, 8, 9);
    resumed.seek(stop);
    EXPECT_EQ(whole.cursor(), stop);
    EXPECT_EQ(whole.next().tokens, resumed.next().tokens);
    EXPECT_EQ(resumed.cursor(), stop + 1);
  }
  StreamSampler other(&stream, 8, 10);
  whole.seek(0);
  bool differs = false;
  for (int i = 0; i < 7; ++i) differs |= whole.next().tokens != other.next().tokens;
  EXPECT_TRUE(differs);
}

TEST(StreamSampler, AShortStreamIsOneWindow) {
  const std::vector<int32_t> stream{1, 2, 3};
  StreamSampler sampler(&stream, 100, 1);
  EXPECT_EQ(sampler.windows(), 1);
  EXPECT_EQ(sampler.next().tokens.size(), 3u);
}

TEST(ShuffledIndex, EveryIndexOnceAnEpochAndExactResume) {
  ShuffledIndex index(13, 4);
  std::vector<std::vector<int64_t>> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> order;
    for (int i = 0; i < 13; ++i) {
      ShuffledIndex resumed(13, 4);
      resumed.seek(index.cursor());
      order.push_back(index.next());
      EXPECT_EQ(resumed.next(), order.back());
    }
    epochs.push_back(order);
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < 13; ++i) EXPECT_EQ(order[i], i);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

// The public files, where they are at hand: every line reads.
TEST(PublicData, Reads) {
  const std::string data = std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/";
  if (!std::filesystem::exists(data + "preferences")) GTEST_SKIP() << "no public data at hand";
  const auto dialogues = read_demonstrations(data + "dialogue/topical_chat.jsonl.gz");
  ASSERT_TRUE(dialogues.ok()) << dialogues.error();
  EXPECT_EQ(dialogues->size(), 2156u);
  const auto instructions = read_demonstrations(data + "instructions/gpteacher_alpaca_format.jsonl.gz");
  ASSERT_TRUE(instructions.ok()) << instructions.error();
  EXPECT_EQ(instructions->size(), 6458u);
  int64_t passed_over = 0;
  const auto transcripts = read_rankings(data + "preferences/hh_harmless_test_a.jsonl.gz", &passed_over);
  ASSERT_TRUE(transcripts.ok()) << transcripts.error();
  EXPECT_EQ(transcripts->size() + passed_over, 1157u);
  EXPECT_LT(passed_over, 12);
  const auto pointwise = read_rankings(data + "preferences/taskmaster_pointwise.jsonl.gz");
  ASSERT_FALSE(pointwise.ok());
  EXPECT_THAT(pointwise.error(), HasSubstr("6895 lines judge a single reply"));
}

}  // namespace
}  // namespace loquat
