#include "infer/grammar/known.h"

#include <gtest/gtest.h>

#include <thread>

namespace loquat {
namespace {

using grammar::KnownGrammars;

std::string schema_of(size_t n) {
  return R"({"const": )" + std::to_string(n) + "}";
}

TEST(KnownGrammarsTest, TheLastFewAreTheSameObjects) {
  KnownGrammars known;
  int made = 0;
  const auto ask = [&](size_t n) {
    return *known.find_or_make(schema_of(n), [&] {
      ++made;
      return Grammar::json_schema(schema_of(n));
    });
  };
  const auto first = ask(0);
  for (size_t n = 1; n < KnownGrammars::kMost; ++n) ask(n);
  EXPECT_EQ(ask(0), first);  // and is now the one used last
  EXPECT_EQ(made, static_cast<int>(KnownGrammars::kMost));
  ask(100);  // 1 goes
  EXPECT_EQ(ask(0), first);
  ask(1);
  EXPECT_EQ(made, static_cast<int>(KnownGrammars::kMost) + 2);
}

TEST(KnownGrammarsTest, AnErrorIsNotKept) {
  KnownGrammars known;
  EXPECT_FALSE(known.find_or_make("x", [] { return KnownGrammars::Made(Err("no")); }).ok());
  EXPECT_TRUE(known.find_or_make("x", [] { return Grammar::json_schema("{}"); }).ok());
}

TEST(KnownGrammarsTest, WhatTheyAreMadeOfTellsThemApart) {
  const std::string schema = R"({"type": "object"})";
  EXPECT_EQ(*Grammar::json_schema(schema), *Grammar::json_schema(schema));
  EXPECT_NE(*Grammar::json_schema(schema), *Grammar::json_schema(schema_of(7)));
  std::vector<std::shared_ptr<const Grammar>> all;
  for (size_t n = 20; n < 24; ++n) {
    all.push_back(*Grammar::json_schema(schema_of(n)));
    for (size_t i = 0; i + 1 < all.size(); ++i) EXPECT_NE(all[i], all.back());
  }
  const auto tools = [](std::vector<ToolSpec> specs, Grammar::ToolUse use, bool parallel, ToolFamily family) {
    return *Grammar::tool_calls(specs, use, parallel, family);
  };
  const auto any = Grammar::ToolUse::kAuto;
  const auto one = tools({{"a", ""}}, any, true, ToolFamily::kHermes);
  EXPECT_EQ(one, tools({{"a", ""}}, any, true, ToolFamily::kHermes));
  EXPECT_NE(one, tools({{"b", ""}}, any, true, ToolFamily::kHermes));
  EXPECT_NE(one, tools({{"a", "{}"}}, any, true, ToolFamily::kHermes));
  EXPECT_NE(one, tools({{"a", ""}}, Grammar::ToolUse::kRequired, true, ToolFamily::kHermes));
  EXPECT_NE(one, tools({{"a", ""}}, any, false, ToolFamily::kHermes));
  EXPECT_NE(one, tools({{"a", ""}}, any, true, ToolFamily::kMistral));
  EXPECT_NE(*Grammar::after_thoughts(one), one);
  EXPECT_EQ(*Grammar::after_thoughts(one), *Grammar::after_thoughts(one));
  EXPECT_NE(*Grammar::after_thoughts(one), *Grammar::after_thoughts(*Grammar::json_schema(schema)));
}

TEST(KnownGrammarsTest, FromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (size_t n = 0; n < 200; ++n) EXPECT_TRUE(Grammar::json_schema(schema_of(n % 12)).ok());
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace loquat
