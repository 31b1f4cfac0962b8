#include "data/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/convert.h"
#include "data/dataset.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

class InspectTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& bytes) {
    put_bytes(folder_ / name, bytes);
    return folder_ / name;
  }
  InspectReport look(const std::string& path, const InspectOptions& options = {}) {
    const auto sources = data_sources(path);
    EXPECT_TRUE(sources.ok()) << sources.error();
    auto report = inspect(sources->front(), options);
    EXPECT_TRUE(report.ok()) << report.error();
    return report.ok() ? *report : InspectReport{};
  }
  std::string text_of(const std::string& path) { return *read_file(path); }
  TestFolder folder_;
};

TEST_F(InspectTest, CountsWhatIsThere) {
  const InspectReport r = look(file(
      "d.jsonl",
      R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "abc"}]})"
      "\n"
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q2"}, {"role": "assistant", "content": "a"}]})"
      "\n"
      R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "abc"}]})"
      "\n"
      R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "another"}]})"
      "\n"
      R"({"conversations": [{"from": "alien", "value": "q"}]})"
      "\n"
      R"({"prompt": "x", "completion": "y", "label": false})"
      "\n"
      R"({"other": 1})"));
  EXPECT_EQ(r.kind, "demonstrations");
  EXPECT_EQ(r.rows, 7);
  EXPECT_EQ(r.used, 4);
  EXPECT_EQ(r.unread, 2);
  EXPECT_THAT(r.shapes, UnorderedElementsAre(Pair("ShareGPT", 4), Pair("OpenAI messages", 1), Pair("none", 1),
                                             Pair("prompt and completion", 1)));
  EXPECT_THAT(r.errors, ElementsAre(AllOf(HasSubstr("d.jsonl: line 5: "), HasSubstr("alien")),
                                    AllOf(HasSubstr("d.jsonl: line 7: found other"))));
  EXPECT_THAT(r.passed_over, ElementsAre(Pair("is a reply that was not wanted", 1)));
  EXPECT_THAT(r.roles, UnorderedElementsAre(Pair("system", 1), Pair("user", 4), Pair("assistant", 4)));
  EXPECT_EQ(r.turns.largest, 3);
  EXPECT_EQ(r.bytes.sum, 4 + 4 + 4 + 8);
  EXPECT_EQ(r.repeated_rows, 1);
  EXPECT_EQ(r.prompts, 2);
  EXPECT_EQ(r.repeated_prompts, 2);
  const auto parsed = nlohmann::json::parse(to_json(r));
  EXPECT_EQ(parsed["used"], 4);
  EXPECT_EQ(parsed["shapes"]["ShareGPT"], 4);
}

TEST_F(InspectTest, ADamagedFileIsSaidWithWhatCameBefore) {
  const InspectReport r = look(file("d.json", "[{\"text\": \"one\"}, {\"text\": "));
  EXPECT_EQ(r.used, 1);
  EXPECT_THAT(r.errors, ElementsAre(HasSubstr("cut off")));
}

TEST_F(InspectTest, TokensAndTheMaskAreThoseOfTraining) {
  const std::vector<std::string> texts{"the ferry and the kettle"};
  const Tokenizer tokenizer = *Tokenizer::train(texts, {.vocab_size = 270, .special_tokens = loquat_special_tokens()});
  const ChatTemplate chat = *ChatTemplate::make(tokenizer);
  InspectOptions options;
  options.tokenizer = &tokenizer;
  options.chat = &chat;
  options.context = 600;
  const std::string path = file("d.jsonl", R"({"prompt": "the kettle", "completion": "the ferry"})"
                                           "\n"
                                           R"({"prompt": "q", "completion": ")" +
                                               std::string(700, 'x') + "\"}");
  const InspectReport r = look(path, options);
  EXPECT_EQ(r.tokens.count, 2);
  EXPECT_GT(r.tokens.largest, 700);
  EXPECT_EQ(r.longer.at(512), 1);
  EXPECT_EQ(r.longer.at(600), 1);
  EXPECT_EQ(r.longer.at(1024), 0);
  ASSERT_EQ(r.samples.size(), 1u);
  std::string trained, rest;
  for (const Piece& piece : r.samples[0].sequences.at(0)) (piece.trained ? trained : rest) += piece.text;
  EXPECT_EQ(trained, "the ferry<|end|>");
  EXPECT_EQ(rest, "<|user|>the kettle<|end|><|assistant|>");
}

TEST_F(InspectTest, RankingsJudgedRepliesTextsAndPrompts) {
  const InspectReport pairs = look(file("p.jsonl", R"({"prompt": "q", "chosen": "good", "rejected": "bad"})"
                                                   "\n"
                                                   R"({"prompt": "q", "chosen": "same", "rejected": "same"})"));
  EXPECT_EQ(pairs.kind, "rankings");
  EXPECT_EQ(pairs.used, 1);
  EXPECT_EQ(pairs.passed_over.size(), 1u);
  ASSERT_EQ(pairs.samples.size(), 1u);
  EXPECT_THAT(pairs.samples[0].titles, ElementsAre("rank 0", "rank 1"));
  const InspectReport kto = look(file("k.csv", "prompt,completion,label\nq,a,True\nq,b,false\n"));
  EXPECT_EQ(kto.kind, "unpaired");
  EXPECT_THAT(kto.labels, UnorderedElementsAre(Pair("wanted", 1), Pair("unwanted", 1)));
  EXPECT_EQ(look(file("t.txt", "hello")).kind, "texts");
  EXPECT_EQ(look(file("q.csv", "id,prompt\n1,q\n")).kind, "prompts");
  InspectOptions as_prompts;
  as_prompts.kind = RowKind::kPrompt;
  EXPECT_EQ(look(file("p.jsonl", R"({"prompt": "q", "chosen": "good", "rejected": "bad"})"), as_prompts).used, 1);
}

TEST_F(InspectTest, PromptsThatStandInBoth) {
  InspectOptions options;
  options.against = {file("test.csv", "prompt\nq1\nq9\n")};
  const InspectReport r =
      look(file("train.jsonl",
                R"({"messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a"}]})"
                "\n"
                R"({"messages": [{"role": "user", "content": "q2"}, {"role": "assistant", "content": "a"}]})"),
           options);
  EXPECT_EQ(r.leaked, 1);
  EXPECT_EQ(r.first_leak, "train.jsonl:1");
}

TEST(NearDuplicates, FindsWhatIsNearlyTheSame) {
  std::string words;
  for (int i = 0; i < 100; ++i) words += fmt::format("word{} ", i * i % 97 + i);
  NearDuplicates near;
  EXPECT_FALSE(near.add(words));
  EXPECT_TRUE(near.add("WORD0 " + words + "!"));
  std::string other;
  for (int i = 0; i < 100; ++i) other += fmt::format("word{} ", i * i % 89 + 2 * i);
  EXPECT_FALSE(near.add(other));
  EXPECT_FALSE(near.add("too short"));
  EXPECT_FALSE(near.add("too short"));
  EXPECT_EQ(near.found(), 1);
}

TEST(Spread, SaysThePercentiles) {
  std::vector<int64_t> values;
  for (int64_t i = 100; i >= 1; --i) values.push_back(i);
  const Spread s = spread_of(values);
  EXPECT_EQ(s.least, 1);
  EXPECT_EQ(s.half, 50);
  EXPECT_EQ(s.nine_tenths, 90);
  EXPECT_EQ(s.most_of_all, 99);
  EXPECT_EQ(s.largest, 100);
  EXPECT_DOUBLE_EQ(s.mean, 50.5);
  EXPECT_EQ(spread_of({}).count, 0);
  EXPECT_EQ(spread_of({7}).half, 7);
}

TEST_F(InspectTest, ConvertsToOneShape) {
  const auto sources = data_sources(std::vector<std::string>{
      file("d.jsonl", R"({"instruction": "q", "input": "i", "output": "a"})"
                      "\n"
                      R"({"chosen": "\n\nHuman: q\n\nAssistant: good", "rejected": "\n\nHuman: q\n\nAssistant: bad"})"
                      "\n"
                      R"({"prompt": "q", "responses": ["a", "b", "c"], "scores": [1, 3, 2]})")});
  ASSERT_TRUE(sources.ok());
  const std::string out = folder_ / "out.jsonl";
  auto report = convert(*sources, "trl", out);
  ASSERT_TRUE(report.ok()) << report.error();
  EXPECT_EQ(report->written, 4);
  const std::string reply = R"("rejected":[{"role":"assistant","content":")";
  EXPECT_THAT(text_of(out), AllOf(HasSubstr(R"("completion":[{"role":"assistant","content":"a"}])"),
                                  HasSubstr(R"("chosen":[{"role":"assistant","content":"b"}])"),
                                  HasSubstr(reply + "a\""), HasSubstr(reply + "c\""), HasSubstr(reply + "bad\"")));
  report = convert(*sources, "messages", out);
  ASSERT_TRUE(report.ok()) << report.error();
  EXPECT_EQ(report->written, 3);
  const auto hh = convert(*sources, "hh", folder_ / "hh.jsonl");
  ASSERT_FALSE(hh.ok());
  EXPECT_THAT(hh.error(), HasSubstr("d.jsonl: line 1: "));
  EXPECT_FALSE(file_exists(folder_ / "hh.jsonl"));
  file("pairs.csv", "prompt,chosen,rejected\nq,good,bad\nq,same,same\n");
  report = convert(*data_sources(folder_ / "pairs.csv"), "hh", folder_ / "hh.jsonl");
  ASSERT_TRUE(report.ok()) << report.error();
  EXPECT_EQ(report->passed_over, 1);
  const auto again = read_rankings(folder_ / "hh.jsonl");
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ((*again)[0].responses[1].text, "bad");
}

TEST_F(InspectTest, SplitsByPrompt) {
  std::string rows;
  for (int i = 0; i < 400; ++i)
    rows += fmt::format("{{\"prompt\": \"q{}\", \"chosen\": \"a{}\", \"rejected\": \"b\"}}\n", i % 100, i);
  const auto sources = data_sources(file("d.jsonl", rows));
  const auto report = split_by_prompt(*sources, 0.25, 3, folder_ / "out");
  ASSERT_TRUE(report.ok()) << report.error();
  EXPECT_EQ(report->train + report->test, 400);
  EXPECT_GT(report->test, 40);
  EXPECT_LT(report->test, 160);
  InspectOptions options;
  options.against = {folder_ / "out/train.jsonl"};
  EXPECT_EQ(look(folder_ / "out/test.jsonl", options).leaked, 0);
  EXPECT_EQ(read_rankings(folder_ / "out/test.jsonl")->size(), static_cast<size_t>(report->test));
}

}  // namespace
}  // namespace loquat
