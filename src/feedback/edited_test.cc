// How much was changed of a suggestion: none, some, all, in any writing.
#include "feedback/edited.h"

#include <gtest/gtest.h>

#include <string>

namespace loquat::feedback {
namespace {

TEST(Edited, NothingSomeOrAll) {
  EXPECT_EQ(edited_share("", ""), 0);
  EXPECT_EQ(edited_share("The ferry leaves at nine.", "The ferry leaves at nine. \n"), 0);
  EXPECT_EQ(edited_share("", "Words."), 1);
  EXPECT_EQ(edited_share("abcdef", "uvwxyz"), 1);
  const double one_word = edited_share("The ferry leaves at nine.", "The ferry leaves at ten.");
  const double half = edited_share("The ferry leaves at nine.", "Ask at the pier when the ferry leaves.");
  EXPECT_GT(one_word, 0.05);
  EXPECT_LT(one_word, 0.4);
  EXPECT_GT(half, one_word);
  EXPECT_LT(half, 1);
  EXPECT_NEAR(edited_share("渡轮九点开船。", "渡轮十点开船。"), edited_share("abcdefg", "abXdefg"), 1e-12);
  EXPECT_GT(edited_share("aaaa", "aaaaaaaa"), 0);
}

TEST(Edited, WhatDiffersIsNeverNothing) {
  // The same runs of three, in another order.
  const std::string a = "abcXabcYabcX", b = "abcYabcXabcX";
  EXPECT_GT(edited_share(a, b), 0);
}

TEST(Edited, LongAndBrokenTextsAreDone) {
  const std::string bytes = "\xff\xc3(\x80\xf0\x9f";
  EXPECT_GE(edited_share(bytes, "x"), 0);
  std::string longer;
  for (int i = 0; i < 100'000; ++i) longer += static_cast<char>('a' + (i % 26) * (i % 26) % 26);
  EXPECT_LT(edited_share(longer, longer + "end"), 0.01);
}

}  // namespace
}  // namespace loquat::feedback
