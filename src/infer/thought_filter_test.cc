#include "infer/thought_filter.h"

#include <gtest/gtest.h>

namespace loquat {
namespace {

using Begin = ThoughtFilter::Begin;

// "thoughts|text", the same however the text is cut.
void expect_parted(Begin begin, const std::string& text, const std::string& expected) {
  for (const size_t size : {1, 2, 3, 5, 8, 1000}) {
    ThoughtFilter filter(begin);
    std::string thoughts, said;
    const auto add = [&](const ThoughtFilter::Piece& piece) {
      EXPECT_TRUE(piece.thoughts.empty() || said.empty()) << "thoughts after text";
      thoughts += piece.thoughts;
      said += piece.text;
    };
    for (size_t at = 0; at < text.size(); at += size) add(filter.push(text.substr(at, size)));
    add(filter.finish());
    EXPECT_EQ(thoughts + "|" + said, expected) << "pieces of " << size;
  }
}

TEST(ThoughtFilter, PartsThoughtsFromWhatIsSaid) {
  expect_parted(Begin::kPerhaps, "<think>\nLet me\n\nsee.\n</think>\n\nNine.\n", "Let me\n\nsee.|Nine.\n");
  expect_parted(Begin::kPerhaps, " \n<think>a</think>b", "a|b");
  expect_parted(Begin::kPerhaps, "<think>\n\n</think>\n\nNine.", "|Nine.");
  expect_parted(Begin::kPerhaps, "<think>a < b </thin </think>c </think>", "a < b </thin |c </think>");
  expect_parted(Begin::kOpen, "Let me see.\n</think>\n\n<think>Nine.", "Let me see.|<think>Nine.");
  expect_parted(Begin::kOpen, "\n\nLet me", "Let me|");
}

TEST(ThoughtFilter, WhatBeginsOtherwiseIsText) {
  expect_parted(Begin::kPerhaps, "", "|");
  expect_parted(Begin::kPerhaps, "\n Hi <think>a</think>", "|\n Hi <think>a</think>");
  expect_parted(Begin::kPerhaps, "<thin", "|<thin");
  expect_parted(Begin::kPerhaps, "<thing>", "|<thing>");
  expect_parted(Begin::kNever, "<think>a</think>b", "|<think>a</think>b");
}

TEST(ThoughtFilter, ThoughtsThatAreCutShortAreThoughts) {
  expect_parted(Begin::kPerhaps, "<think>\nLet me see</thi", "Let me see</thi|");
  expect_parted(Begin::kPerhaps, "<think>", "|");
  expect_parted(Begin::kOpen, "a\n", "a|");
}

TEST(ThoughtFilter, SaysWhereItIs) {
  using State = ThoughtFilter::State;
  ThoughtFilter filter(Begin::kPerhaps);
  filter.push("<thi");
  EXPECT_EQ(filter.state(), State::kUndecided);
  EXPECT_EQ(filter.push("nk>now").thoughts, "now");  // nothing waits that is decided
  EXPECT_EQ(filter.state(), State::kThoughts);
  EXPECT_EQ(filter.push("</think>\n").thoughts, "");
  EXPECT_EQ(filter.state(), State::kText);
  EXPECT_EQ(filter.push("x").text, "x");
}

}  // namespace
}  // namespace loquat
