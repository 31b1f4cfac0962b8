// Remote models' keys at rest: never open in the database, opened by their own secret at their own address alone.
#include "app/remotes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "database/postgres_for_tests.h"
#include "store/files.h"
#include "store/test_folder.h"

namespace loquat::app {
namespace {

using testing::HasSubstr;
using Added = Remotes::Added;

SecretSource given(unsigned char first) {
  return [first](bool) { return Result<std::optional<serve::KeySecret>>(serve::KeySecret{first}); };
}

class RemotesTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string address = folder_ / "app.db";
    if (std::string(GetParam()) == "postgres") {
      auto& server = database::PostgresForTests::instance();
      if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
      address = server.fresh();
    }
    database_ = *database::Database::open(address);
  }
  std::shared_ptr<Remotes> open(const SecretSource& secret) {
    auto opened = Remotes::open(database_, secret);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error());
    return opened.ok() ? *opened : nullptr;
  }
  std::string stored(const std::string& id) {
    return database_->run("SELECT key FROM app_remotes WHERE id = $1", {id})->rows.at(0).text(0);
  }
  static RemoteModel model(const std::string& id, const std::string& key) {
    return {id, "https://example.org/v1", "there", key, false, 0, ""};
  }

  TestFolder folder_;
  std::shared_ptr<database::Database> database_;
};
INSTANTIATE_TEST_SUITE_P(Engines, RemotesTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(RemotesTest, KeysAreSealed) {
  ASSERT_EQ(*open(given(1))->add(model("gpt", "sk-hush")), Added::kYes);
  EXPECT_TRUE(people::is_sealed(stored("gpt")));
  EXPECT_THAT(stored("gpt"), testing::Not(HasSubstr("hush")));
  const auto again = open(given(1));
  EXPECT_EQ((*again->find("gpt"))->key, "sk-hush");
  EXPECT_EQ(again->list()->at(0).key, "sk-hush");
  EXPECT_EQ(*again->add(model("gpt", "sk-other")), Added::kExists);
  // A key does not go where somebody with the database sends it.
  ASSERT_TRUE(database_->run("UPDATE app_remotes SET url = 'https://evil.example.org/v1'").ok());
  EXPECT_EQ((*again->find("gpt"))->key, "");
  EXPECT_THAT((*again->find("gpt"))->trouble, HasSubstr("another secret"));
}

TEST_P(RemotesTest, AMissingOrWrongSecretIsSaidAndKeepsOthersWorking) {
  ASSERT_EQ(*open(given(1))->add(model("gpt", "sk-hush")), Added::kYes);
  const auto none = open({});
  EXPECT_THAT((*none->find("gpt"))->trouble, HasSubstr("$LOQUAT_KEY_SECRET"));
  EXPECT_EQ((*none->find("gpt"))->key, "");
  EXPECT_EQ(*none->add(model("more", "sk-more")), Added::kNoSecret);
  EXPECT_EQ(*none->add(model("open", "")), Added::kYes);  // without a key there is nothing to seal
  const auto other = open(given(2));
  EXPECT_THAT((*other->find("gpt"))->trouble, HasSubstr("another secret"));
  EXPECT_EQ(*other->add(model("more", "sk-more")), Added::kOtherSecret);
  ASSERT_TRUE(*other->remove("gpt"));
  EXPECT_EQ(*other->add(model("more", "sk-more")), Added::kYes);
  const auto broken = [](bool) { return Result<std::optional<serve::KeySecret>>(Err("a broken secret")); };
  EXPECT_FALSE(Remotes::open(database_, broken).ok());
}

// The secret that API keys have too, in whichever order they come.
TEST_P(RemotesTest, ItsFileIsMadeWhenItIsNeeded) {
  if (!database_->is_file()) {
    EXPECT_EQ(*open(secret_of(database_))->add(model("gpt", "sk-hush")), Added::kNoSecret);
    return;
  }
  const std::string path = folder_ / "app.db.secret";
  const auto remotes = open(secret_of(database_));
  EXPECT_EQ(*remotes->add(model("open", "")), Added::kYes);
  EXPECT_FALSE(file_exists(path));
  EXPECT_EQ(*remotes->add(model("gpt", "sk-hush")), Added::kYes);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto for_keys = serve::load_key_secret(*database_);
  ASSERT_TRUE(for_keys.ok()) << for_keys.error();
  EXPECT_EQ((*open([&](bool) { return Result<std::optional<serve::KeySecret>>(*for_keys); })->find("gpt"))->key,
            "sk-hush");
  EXPECT_EQ((*open(secret_of(database_))->find("gpt"))->key, "sk-hush");
  // Lost: none is made in its place while keys need the old one.
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(*open(secret_of(database_))->add(model("more", "sk-more")), Added::kNoSecret);
  EXPECT_FALSE(file_exists(path));
  std::ofstream(path) << "no secret\n";
  EXPECT_FALSE(Remotes::open(database_, secret_of(database_)).ok());
}

TEST_P(RemotesTest, KeysOfEarlierProgramsAreSealed) {
  open({});
  ASSERT_TRUE(database_
                  ->run("INSERT INTO app_remotes (id, url, model, key, allow_private, created)"
                        " VALUES ('old', 'https://example.org/v1', 'm', 'sk-old', 0, 1)")
                  .ok());
  EXPECT_EQ((*open({})->find("old"))->key, "sk-old");  // it goes on working; the log asks for a secret
  EXPECT_EQ((*open(given(1))->find("old"))->key, "sk-old");
  EXPECT_TRUE(people::is_sealed(stored("old")));
}

}  // namespace
}  // namespace loquat::app
