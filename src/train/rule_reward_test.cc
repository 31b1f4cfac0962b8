// Rewards by rule: what holds, how they are written, and what is said of mistakes.
#include "train/rule_reward.h"

#include <gtest/gtest.h>

namespace loquat {
namespace {

Rule rule(const std::string& text) {
  auto parsed = parse_rule(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error();
  return *std::move(parsed);
}
bool holds(const std::string& text, std::string_view reply, std::string_view answer = "", int64_t tokens = 5) {
  return rule(text).holds({reply, tokens, answer});
}

TEST(RuleReward, EachHoldsWhereItShould) {
  EXPECT_TRUE(holds("exact", " 42\n", "42"));
  EXPECT_FALSE(holds("exact", "42.", "42"));
  EXPECT_TRUE(rule("exact").needs_answer);
  EXPECT_TRUE(holds("json", " {\"a\": [1, 2]} "));
  EXPECT_FALSE(holds("json", "{\"a\": [1, 2}"));
  EXPECT_FALSE(holds("json", ""));
  EXPECT_TRUE(holds("regex: ^It is (good|fine)\\.$", "It is fine."));
  EXPECT_FALSE(holds("regex: ^It is (good|fine)\\.$", "It is fine. Is it?"));
  EXPECT_TRUE(holds("length: 3 5", "x"));
  EXPECT_FALSE(holds("length: 3 4", "x"));
}

TEST(RuleReward, WeightsStandBefore) {
  EXPECT_EQ(rule("exact").weight, 1);
  EXPECT_EQ(rule("0.5 * json").weight, 0.5);
  EXPECT_EQ(rule("-2*length: 0 9").weight, -2);
  EXPECT_EQ(rule("regex: a*b").weight, 1);  // this star is the pattern's
  const std::vector<std::string> texts = {"regex: a", "exact", "2 * regex: b", "regex: c"};
  const auto rules = parse_rules(texts);
  ASSERT_TRUE(rules.ok()) << rules.error();
  EXPECT_EQ((*rules)[0].name, "regex");
  EXPECT_EQ((*rules)[2].name, "regex_2");
  EXPECT_EQ((*rules)[3].name, "regex_3");
}

TEST(RuleReward, MistakesAreNamed) {
  for (const char* text : {"", "exactly", "x * exact", "inf * exact", "regex: (", "regex: (a)\\1", "length: 5",
                           "length: 9 3", "length: -1 3", "length: 1 2 3", "* json"}) {
    EXPECT_FALSE(parse_rule(text).ok()) << text;
  }
  const std::vector<std::string> texts = {"regex: ["};
  EXPECT_EQ(parse_rules(texts).error().rfind("rules: regex", 0), 0u);
}

// What a model may write against a pattern that a backtracking matcher never ends on, or ends the stack on.
TEST(RuleReward, PatternsEndOnLongReplies) {
  const std::string text(20000, 'a');
  EXPECT_FALSE(holds("regex: ^(a+)+$", text + "b"));
  EXPECT_TRUE(holds("regex: ^(a|b)*$", text));
}

}  // namespace
}  // namespace loquat
