// Single judged replies and prompts with answers: the shapes that are read, and what is said of others.
#include "data/unpaired.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "data/questions.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

std::string error_of(std::string_view line) {
  const auto result = unpaired_from_json(line);
  return result.ok() ? "" : result.error();
}

TEST(Unpaired, LabelsAreRead) {
  const auto one = unpaired_from_json(R"({"prompt":"How?","completion":"So.","label":true,"id":"a"})");
  ASSERT_TRUE(one.ok()) << one.error();
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ((*one)[0].id, "a");
  EXPECT_EQ((*one)[0].prompt, (Messages{{"user", "How?"}}));
  EXPECT_EQ((*one)[0].reply, "So.");
  EXPECT_TRUE((*one)[0].desirable);
  const auto chat = unpaired_from_json(
      R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"r"}],"label":0})");
  ASSERT_TRUE(chat.ok()) << chat.error();
  EXPECT_EQ((*chat)[0].prompt.size(), 2u);
  EXPECT_FALSE((*chat)[0].desirable);
}

TEST(Unpaired, ComparisonsAreTheirBestAndTheirWorst) {
  const auto pair = unpaired_from_json(R"({"prompt":"p","chosen":"c","rejected":"r"})");
  ASSERT_TRUE(pair.ok()) << pair.error();
  ASSERT_EQ(pair->size(), 2u);
  EXPECT_TRUE((*pair)[0].desirable);
  EXPECT_EQ((*pair)[1].reply, "r");
  EXPECT_FALSE((*pair)[1].desirable);
  Ranking ranking{"x", {{"user", "p"}}, {{"b", 1, 0, {}}, {"a", 0, 0, {}}, {"c", 2, 0, {}}, {"d", 2, 0, {}}}};
  const auto replies = unpaired_from_ranking(ranking);
  ASSERT_EQ(replies.size(), 3u);  // the middle one is neither
  EXPECT_EQ(replies[0].reply, "a");
  EXPECT_TRUE(replies[0].desirable);
  EXPECT_FALSE(replies[2].desirable);
  for (RankedResponse& r : ranking.responses) r.rank = 3;
  EXPECT_TRUE(unpaired_from_ranking(ranking).empty());
}

TEST(Unpaired, WhatIsWrongIsSaid) {
  EXPECT_NE(error_of(R"({"prompt":"p","completion":"c"})").find("\"label\""), std::string::npos);
  EXPECT_NE(error_of(R"({"prompt":"p","completion":"c","label":"yes"})").find("found \"yes\""), std::string::npos);
  EXPECT_NE(error_of(R"({"prompt":"p","completion":"c","label":2})").find("label"), std::string::npos);
  EXPECT_NE(error_of(R"({"prompt":"p","label":true})").find("completion"), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":[{"role":"assistant","content":"r"}],"label":true})").find("user's turn"),
            std::string::npos);
  EXPECT_NE(error_of("[1]"), "");
  EXPECT_NE(error_of("{\"label\":"), "");
  EXPECT_NE(error_of(std::string(100000, '[')), "");
}

TEST(Questions, AnswersMayBeTextOrNumbers) {
  const auto text = question_from_json(R"({"prompt":"2+2","answer":"4"})");
  ASSERT_TRUE(text.ok()) << text.error();
  EXPECT_EQ(text->answer, "4");
  EXPECT_EQ(question_from_json(R"({"prompt":"2+2","answer":4})")->answer, "4");
  EXPECT_FALSE(question_from_json(R"({"prompt":"2+2"})")->answer.has_value());
  EXPECT_FALSE(question_from_json(R"({"prompt":"2+2","answer":[4]})").ok());
  EXPECT_FALSE(question_from_json(R"({"answer":"4"})").ok());
}

TEST(Unpaired, AnyContainerIsRead) {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "judged");
  std::ofstream(folder / "judged/a.csv") << "prompt,completion,label\nHow?,So.,true\n\"Who, me?\",You.,0\n";
  std::ofstream(folder / "judged/b.json") << R"([{"prompt":"p","chosen":"c","rejected":"r","id":"x"}])";
  const auto got = read_unpaired(folder / "judged");
  ASSERT_TRUE(got.ok()) << got.error();
  ASSERT_EQ(got->size(), 4u);
  EXPECT_TRUE((*got)[0].desirable);
  EXPECT_EQ((*got)[1].prompt, (Messages{{"user", "Who, me?"}}));
  EXPECT_FALSE((*got)[1].desirable);
  EXPECT_EQ((*got)[1].id, "a.csv:3");
  EXPECT_EQ((*got)[2].id, "x");
  std::ofstream(folder / "judged/a.csv") << "prompt,completion,label\nHow?,So.,perhaps\n";
  const auto bad = read_unpaired(folder / "judged");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().find("a.csv: line 2: label: found \"perhaps\""), std::string::npos) << bad.error();
}

TEST(Questions, AnyContainerIsRead) {
  const TestFolder folder;
  std::ofstream(folder / "sums.csv") << "prompt,answer\n1 + 1?,2\n";
  const auto got = read_questions(folder / "sums.csv");
  ASSERT_TRUE(got.ok()) << got.error();
  EXPECT_EQ((*got)[0].answer, "2");
}

}  // namespace
}  // namespace loquat
