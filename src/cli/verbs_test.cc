// What all verbs share: what is said of a wrong verb, of a path that is no model's folder, of a seed.
#include "cli/verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "store/files.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string said_of(std::vector<const char*> words) {
  CLI::App app;
  app.require_subcommand(1);
  int code = 0;
  add_keys_verb(app, code);
  add_chat_verb(app, code);
  words.insert(words.begin(), "loquat");
  const Status verb = check_verb(app, static_cast<int>(words.size()), words.data());
  return verb.ok() ? "" : verb.error();
}

TEST(Verbs, AWordThatIsNoneIsNamed) {
  EXPECT_EQ(said_of({"chat", "folder"}), "");
  EXPECT_EQ(said_of({"chat"}), "");  // the verb says what it needs
  EXPECT_EQ(said_of({"keys", "list"}), "");
  EXPECT_EQ(said_of({"--help"}), "");
  EXPECT_EQ(said_of({"--version"}), "");
  EXPECT_EQ(said_of({"keys", "--help"}), "");
  EXPECT_EQ(said_of({}), "expected one of keys, chat (loquat --help tells of each)");
  EXPECT_THAT(said_of({"chta"}), HasSubstr("found 'chta', expected one of keys, chat"));
  EXPECT_THAT(said_of({"--nonsense"}), HasSubstr("found '--nonsense', expected"));
  EXPECT_THAT(said_of({"keys", "lst"}), HasSubstr("found 'lst', expected one of create, list"));
}

TEST(Verbs, WhatIsNoModelsFolderIsSaid) {
  const TestFolder folder;
  const auto said = [&](const std::string& name) {
    const Status there = check_model_path(folder / name);
    return there.ok() ? std::string() : there.error();
  };
  for (const char* model : {"run/models/base", "run/models/sft", "other"}) {
    ASSERT_TRUE(make_folders(folder / model).ok());
    ASSERT_TRUE(write_file(folder / (std::string(model) + "/config.json"), "{}").ok());
  }
  ASSERT_TRUE(make_folders(folder / "empty").ok());
  ASSERT_TRUE(write_file(folder / "some.gguf", "GGUF").ok());
  ASSERT_TRUE(write_file(folder / "notes.txt", "").ok());
  EXPECT_EQ(said("other"), "");
  EXPECT_THAT(said("nowhere"), HasSubstr("nowhere: there is no such folder"));
  EXPECT_THAT(said("empty"), HasSubstr("empty: no config.json is here"));
  EXPECT_THAT(said("notes.txt"), HasSubstr("a file; expected a model's folder"));
  EXPECT_THAT(said("notes.txt"), Not(HasSubstr("import")));
  EXPECT_THAT(said("some.gguf"), HasSubstr("`loquat models import " + (folder / "some.gguf")));
  const std::string models = (folder / "run/models/base") + ", " + (folder / "run/models/sft");
  EXPECT_THAT(said("run"), HasSubstr("expected one model's folder, such as " + models));
  EXPECT_THAT(said("run/models"), HasSubstr(models));
}

TEST(Verbs, AnEmptyFileIsNoDatabase) {
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder / "empty.db", "").ok());
  ASSERT_TRUE(write_file(folder / "some.db", "SQLite").ok());
  EXPECT_FALSE(is_database(folder / "none.db"));
  EXPECT_FALSE(is_database(folder / "empty.db"));
  EXPECT_TRUE(is_database(folder / "some.db"));
  EXPECT_TRUE(is_database("postgres://host/name"));
}

TEST(Verbs, ASeedIsNotNegative) {
  CLI::App app;
  uint64_t seed = 1;
  add_seed_option(app, "--seed", seed, "of everything");
  app.parse("--seed 12345678901");
  EXPECT_EQ(seed, 12345678901u);
  EXPECT_THROW(app.parse("--seed -1"), CLI::ParseError);
}

}  // namespace
}  // namespace loquat
