#include "base/settings.h"

#include <gtest/gtest.h>

#include <cmath>

namespace loquat {
namespace {

Settings with(const std::string& key, decltype(SettingValue::value) value, int line = 12) {
  Settings settings;
  settings.set(key, {std::move(value), fmt::format("recipes/town.toml:{}", line)});
  return settings;
}

TEST(Settings, AbsentKeysGiveTheFallback) {
  Settings s;
  EXPECT_EQ(s.integer("a", 3), 3);
  EXPECT_EQ(s.number("b", 0.5), 0.5);
  EXPECT_TRUE(s.flag("c", true));
  EXPECT_EQ(s.text("d", "x"), "x");
  EXPECT_EQ(s.list("e", {"y"}), std::vector<std::string>{"y"});
  EXPECT_EQ(s.numbers("f", {1, 2}), (std::vector<double>{1, 2}));
  EXPECT_EQ(s.choice("g", "x", {"x", "y"}), "x");
  EXPECT_FALSE(s.has("a"));
  EXPECT_TRUE(s.finish().ok());
}

TEST(Settings, AnUnknownKeyNamesTheNearest) {
  Settings s = with("ppo.clp", 0.2);
  s.number("ppo.clip", 0.2);
  s.number("ppo.kl", 0.02);
  EXPECT_EQ(s.finish().error(), "recipes/town.toml:12: unknown key 'ppo.clp': did you mean 'ppo.clip'?");
}

TEST(Settings, SwappedLettersAndWrongSectionsAreNear) {
  Settings swapped = with("sft.epcohs", int64_t{2});
  swapped.integer("sft.epochs", 1);
  swapped.integer("sft.tokens", 1);
  EXPECT_EQ(swapped.finish().error(), "recipes/town.toml:12: unknown key 'sft.epcohs': did you mean 'sft.epochs'?");
  Settings elsewhere = with("epochs", int64_t{2});
  elsewhere.integer("sft.epochs", 1);
  EXPECT_EQ(elsewhere.finish().error(), "recipes/town.toml:12: unknown key 'epochs': did you mean 'sft.epochs'?");
}

TEST(Settings, WhereNoKeyIsNearAllAreListed) {
  Settings s = with("zebra", int64_t{1});
  s.integer("epochs", 1);
  s.integer("batch", 1);
  EXPECT_EQ(s.finish().error(), "recipes/town.toml:12: unknown key 'zebra': the keys here are batch, epochs");
  EXPECT_EQ(with("zebra", int64_t{1}).finish().error(),
            "recipes/town.toml:12: unknown key 'zebra': no key is expected here");
}

TEST(Settings, WrongTypesNameFoundAndExpected) {
  const auto message = [](Settings s, auto read) {
    read(s);
    return s.finish().ok() ? std::string() : s.finish().error();
  };
  EXPECT_EQ(message(with("a", std::string("x")), [](Settings& s) { EXPECT_EQ(s.integer("a", 7), 7); }),
            "recipes/town.toml:12: 'a' is \"x\": expected a whole number");
  EXPECT_EQ(message(with("a", 1.5), [](Settings& s) { s.integer("a", 7); }),
            "recipes/town.toml:12: 'a' is 1.5: expected a whole number");
  EXPECT_EQ(message(with("a", 1e300), [](Settings& s) { s.integer("a", 7); }),
            "recipes/town.toml:12: 'a' is 1e+300: expected a whole number");
  EXPECT_EQ(message(with("a", int64_t{0}), [](Settings& s) { EXPECT_EQ(s.integer("a", 7, 1), 7); }),
            "recipes/town.toml:12: 'a' is 0: expected a whole number, 1 or more");
  EXPECT_EQ(message(with("a", int64_t{9}), [](Settings& s) { s.integer("a", 7, 1, 8); }),
            "recipes/town.toml:12: 'a' is 9: expected a whole number from 1 to 8");
  EXPECT_EQ(message(with("a", true), [](Settings& s) { s.number("a", 7); }),
            "recipes/town.toml:12: 'a' is true: expected a number");
  EXPECT_EQ(message(with("a", 1.25), [](Settings& s) { EXPECT_EQ(s.number("a", 0.5, 0, 1), 0.5); }),
            "recipes/town.toml:12: 'a' is 1.25: expected a number from 0 to 1");
  EXPECT_EQ(message(with("a", std::nan("")), [](Settings& s) { EXPECT_EQ(s.number("a", 0.5, 0), 0.5); }),
            "recipes/town.toml:12: 'a' is nan: expected a number, 0 or more");
  EXPECT_EQ(message(with("a", int64_t{1}), [](Settings& s) { s.flag("a", false); }),
            "recipes/town.toml:12: 'a' is 1: expected true or false");
  EXPECT_EQ(message(with("a", int64_t{1}), [](Settings& s) { s.text("a", ""); }),
            "recipes/town.toml:12: 'a' is 1: expected a text in quotes");
  EXPECT_EQ(message(with("a", std::vector<double>{1, 2}), [](Settings& s) { s.list("a", {}); }),
            "recipes/town.toml:12: 'a' is [1.0, 2.0]: expected a list of texts");
  EXPECT_EQ(message(with("a", std::vector<std::string>{"x"}), [](Settings& s) { s.numbers("a", {}); }),
            "recipes/town.toml:12: 'a' is [\"x\"]: expected a list of numbers");
  EXPECT_EQ(message(with("a", std::string("z")),
                    [](Settings& s) {
                      EXPECT_EQ(s.choice("a", "x", {"x", "y"}), "x");
                    }),
            "recipes/town.toml:12: 'a' is \"z\": expected one of [\"x\", \"y\"]");
}

TEST(Settings, WholeNumbersMayBeWrittenAsFloats) {
  Settings s = with("a", 1e6);
  EXPECT_EQ(s.integer("a", 0), 1000000);
  EXPECT_EQ(with("a", int64_t{3}).number("a", 0), 3.0);
  EXPECT_EQ(with("a", std::string("x")).list("a", {}), std::vector<std::string>{"x"});
  EXPECT_EQ(with("a", int64_t{3}).numbers("a", {}), std::vector<double>{3});
  EXPECT_EQ(with("a", std::vector<std::string>{}).numbers("a", {1}), std::vector<double>{});
  EXPECT_TRUE(s.finish().ok());
}

TEST(Settings, TheFirstErrorOfTheFileIsTold) {
  Settings s;
  s.set("z", {int64_t{1}, "f:1"});
  s.set("a", {int64_t{1}, "f:2"});
  EXPECT_NE(s.finish().error().find("f:1: unknown key 'z'"), std::string::npos);
  s.integer("z", 0);
  s.text("a", "");
  EXPECT_EQ(s.finish().error(), "f:2: 'a' is 1: expected a text in quotes");
}

TEST(Settings, SectionsShareValuesAndReads) {
  Settings s;
  s.set("ppo.clip", {0.3, "f:1"});
  s.set("ppo.kl.target", {int64_t{6}, "f:2"});
  s.set("sft.epochs", {int64_t{2}, "f:3"});
  Settings ppo = s.section("ppo");
  EXPECT_EQ(ppo.number("clip", 0), 0.3);
  EXPECT_FALSE(ppo.finish().ok());
  EXPECT_EQ(ppo.section("kl").integer("target", 0), 6);
  EXPECT_TRUE(ppo.finish().ok());
  EXPECT_EQ(ppo.keys(), (std::vector<std::string>{"clip", "kl.target"}));
  EXPECT_EQ(s.finish().error().substr(0, 30), "f:3: unknown key 'sft.epochs':");
  EXPECT_EQ(s.section("sft").integer("epochs", 0), 2);
  EXPECT_TRUE(s.finish().ok());
  EXPECT_TRUE(s.has("ppo"));
  EXPECT_TRUE(s.has("ppo.kl"));
  EXPECT_FALSE(s.has("pp"));
  for (const auto& [key, value] : s.section("sft").values()) s.section("ppo").set(key, value);
  EXPECT_EQ(ppo.integer("epochs", 0), 2);
}

TEST(Settings, ALaterValueWinsAndClearsTheError) {
  Settings s = with("a", std::string("x"));
  s.integer("a", 1);
  EXPECT_FALSE(s.finish().ok());
  ASSERT_TRUE(s.set_from_argument("a=5").ok());
  EXPECT_EQ(s.integer("a", 1), 5);
  EXPECT_TRUE(s.finish().ok());
}

TEST(Settings, ArgumentsReadAsToml) {
  Settings s;
  for (const char* argument : {"i=12", "n=-1_000", "f=0.5", "e=3e-4", "t=true", "u=false", "w=word", "path=a/b c.txt",
                               "q=\"a \\\"b\\\"\\n\"", "l='raw \\n'", "empty=\"\"", "list=[a, \"b,c\", 'd']",
                               "nums=[1, 2.5]", "none=[]", "v=1.2.3", "plus=+4", "big=1e6", " spaced = 7 ", "inf=inf"})
    ASSERT_TRUE(s.set_from_argument(argument).ok()) << argument;
  EXPECT_EQ(s.integer("i", 0), 12);
  EXPECT_EQ(s.integer("n", 0), -1000);
  EXPECT_EQ(s.number("f", 0), 0.5);
  EXPECT_EQ(s.number("e", 0), 3e-4);
  EXPECT_TRUE(s.flag("t", false));
  EXPECT_FALSE(s.flag("u", true));
  EXPECT_EQ(s.text("w", ""), "word");
  EXPECT_EQ(s.text("path", ""), "a/b c.txt");
  EXPECT_EQ(s.text("q", ""), "a \"b\"\n");
  EXPECT_EQ(s.text("l", ""), "raw \\n");
  EXPECT_EQ(s.text("empty", "x"), "");
  EXPECT_EQ(s.list("list", {}), (std::vector<std::string>{"a", "b,c", "d"}));
  EXPECT_EQ(s.numbers("nums", {}), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(s.list("none", {"x"}), std::vector<std::string>{});
  EXPECT_EQ(s.text("v", ""), "1.2.3");
  EXPECT_EQ(s.integer("plus", 0), 4);
  EXPECT_EQ(s.integer("big", 0), 1000000);
  EXPECT_EQ(s.integer("spaced", 0), 7);
  EXPECT_EQ(s.text("inf", ""), "inf");
  EXPECT_TRUE(s.finish().ok()) << s.finish().error();
}

TEST(Settings, BadArgumentsAreNamed) {
  Settings s;
  for (const char* argument : {"", "key", "=1", "a b=1", "a=", "a=  ", "a=[1", "a=[1 2]x", "a=[1,,2]", "a=[1,\"x\"]",
                               "a=\"x", "a=\"x\"y", "a=\"\\q\"", "a=99999999999999999999", "a=1e999", "a=[true]"}) {
    const Status status = s.set_from_argument(argument);
    ASSERT_FALSE(status.ok()) << argument;
    EXPECT_EQ(status.error().find(std::string("--set ") + argument + ": "), 0u) << status.error();
  }
  EXPECT_TRUE(s.keys().empty());
  ASSERT_TRUE(s.set_from_argument("ppo.clp=0.2").ok());
  s.number("ppo.clip", 0);
  EXPECT_EQ(s.finish().error(), "--set: unknown key 'ppo.clp': did you mean 'ppo.clip'?");
}

TEST(Settings, CanonicalDependsOnValuesAlone) {
  Settings a, b;
  a.set("x", {int64_t{1}, "f:1"});
  a.set("w", {std::string("q\"\n"), "f:2"});
  b.set("w", {std::string("q\"\n"), "g:9"});
  b.set("x", {int64_t{2}, "g:1"});
  EXPECT_NE(a.canonical(), b.canonical());
  ASSERT_TRUE(b.set_from_argument("x=1").ok());
  EXPECT_EQ(a.canonical(), b.canonical());
  EXPECT_EQ(a.canonical(), "w = \"q\\\"\\n\"\nx = 1\n");
}

}  // namespace
}  // namespace loquat
