#include "store/toml.h"

#include <gtest/gtest.h>

#include "store/test_folder.h"

namespace loquat {
namespace {

TEST(Toml, TablesBecomeDottedKeysWithTheirLines) {
  auto settings = parse_toml(
      "name = \"town\"\n"
      "[ppo]\n"
      "clip = 0.2\n"
      "steps = 1_000\n"
      "whiten = true\n"
      "[ppo.kl]\n"
      "target = 6\n"
      "[data]\n"
      "files = [\"a\", \"b\"]\n"
      "weights = [1, 0.5]\n"
      "empty = []\n"
      "[[stage]]\n"
      "name = \"base\"\n"
      "[[stage]]\n"
      "name = \"sft\"\n",
      "r.toml");
  ASSERT_TRUE(settings.ok()) << settings.error();
  EXPECT_EQ(settings->text("name", ""), "town");
  Settings ppo = settings->section("ppo");
  EXPECT_EQ(ppo.number("clip", 0), 0.2);
  EXPECT_EQ(ppo.integer("steps", 0), 1000);
  EXPECT_TRUE(ppo.flag("whiten", false));
  EXPECT_EQ(ppo.section("kl").number("target", 0), 6);
  EXPECT_TRUE(ppo.finish().ok());
  EXPECT_EQ(settings->list("data.files", {}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(settings->numbers("data.weights", {}), (std::vector<double>{1, 0.5}));
  EXPECT_EQ(settings->list("data.empty", {"x"}), std::vector<std::string>{});
  EXPECT_EQ(settings->text("stage.0.name", ""), "base");
  EXPECT_EQ(settings->finish().error(), "r.toml:15: unknown key 'stage.1.name': did you mean 'stage.0.name'?");
}

TEST(Toml, FinishNamesTheFirstLineOfTheFile) {
  auto settings = parse_toml("[b]\nx = 1\n[a]\ny = 2\n", "r.toml");
  ASSERT_TRUE(settings.ok());
  EXPECT_NE(settings->finish().error().find("r.toml:2: unknown key 'b.x'"), std::string::npos);
}

TEST(Toml, ErrorsNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a = 1\nb =\n", "r.toml:2: "},
      {"a = 1\n\na = 2\n", "r.toml:3: "},
      {"[x\n", "r.toml:1: "},
      {"a = 1\nd = 2020-01-01\n", "r.toml:2: 'd' is a date or time"},
      {"a = [\"x\", 1]\n", "r.toml:1: 'a': texts and numbers in one list"},
      {"a = [\n  true,\n]\n", "r.toml:2: 'a': a list holds"},
      {"a = [[1], [2]]\n", "r.toml:1: 'a': a list holds"},
      {"\n\"a.b\" = 1\n", "r.toml:2: key 'a.b'"},
      {"a = 99999999999999999999\n", "r.toml:1: "},
  };
  for (const auto& [text, message] : cases) {
    auto settings = parse_toml(text, "r.toml");
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_EQ(settings.error().find(message), 0u) << settings.error();
    EXPECT_EQ(settings.error().find('\n'), std::string::npos) << settings.error();
  }
}

TEST(Toml, Files) {
  TestFolder folder;
  EXPECT_EQ(read_toml(folder / "none.toml").error(),
            (folder / "none.toml") + ": cannot read: No such file or directory");
  put_bytes(folder / "bad.toml", "a = 1\nb = \"\xff\"\n");
  EXPECT_NE(read_toml(folder / "bad.toml").error().find("bad.toml:2: not UTF-8"), std::string::npos);
  put_bytes(folder / "good.toml", "a = 1\n");
  auto settings = read_toml(folder / "good.toml");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->integer("a", 0, 2, 5), 0);
  EXPECT_EQ(settings->finish().error(), (folder / "good.toml") + ":1: 'a' is 1: expected a whole number from 2 to 5");
}

}  // namespace
}  // namespace loquat
