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

constexpr const char* kSecret = "a secret of more than thirty-two characters";

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
  ASSERT_EQ(*open({kSecret, "", ""})->add(model("gpt", "sk-hush")), Added::kYes);
  EXPECT_TRUE(people::is_sealed(stored("gpt")));
  EXPECT_THAT(stored("gpt"), testing::Not(HasSubstr("hush")));
  const auto again = open({kSecret, "", ""});
  EXPECT_EQ((*again->find("gpt"))->key, "sk-hush");
  EXPECT_EQ(again->list()->at(0).key, "sk-hush");
  EXPECT_EQ(*again->add(model("gpt", "sk-other")), Added::kExists);
  // A key does not go where somebody with the database sends it.
  ASSERT_TRUE(database_->run("UPDATE app_remotes SET url = 'https://evil.example.org/v1'").ok());
  EXPECT_EQ((*again->find("gpt"))->key, "");
  EXPECT_THAT((*again->find("gpt"))->trouble, HasSubstr("another secret"));
}

TEST_P(RemotesTest, AMissingOrWrongSecretIsSaidAndKeepsOthersWorking) {
  ASSERT_EQ(*open({kSecret, "", ""})->add(model("gpt", "sk-hush")), Added::kYes);
  const auto none = open({});
  EXPECT_THAT((*none->find("gpt"))->trouble, HasSubstr("--secret-file"));
  EXPECT_EQ((*none->find("gpt"))->key, "");
  EXPECT_EQ(*none->add(model("more", "sk-more")), Added::kNoSecret);
  EXPECT_EQ(*none->add(model("open", "")), Added::kYes);  // without a key there is nothing to seal
  const auto other = open({std::string(kSecret) + "!", "", ""});
  EXPECT_THAT((*other->find("gpt"))->trouble, HasSubstr("another secret"));
  EXPECT_EQ(*other->add(model("more", "sk-more")), Added::kOtherSecret);
  ASSERT_TRUE(*other->remove("gpt"));
  EXPECT_EQ(*other->add(model("more", "sk-more")), Added::kYes);
  EXPECT_FALSE(Remotes::open(database_, {"too short", "", ""}).ok());
  EXPECT_FALSE(Remotes::open(database_, {"", folder_ / "nowhere", ""}).ok());
}

TEST_P(RemotesTest, ItsFileIsMadeWhenItIsNeeded) {
  const std::string path = folder_ / "app.db.secret";
  const auto remotes = open({"", "", path});
  EXPECT_EQ(*remotes->add(model("open", "")), Added::kYes);
  EXPECT_FALSE(file_exists(path));
  EXPECT_EQ(*remotes->add(model("gpt", "sk-hush")), Added::kYes);
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ((*open({"", "", path})->find("gpt"))->key, "sk-hush");
  EXPECT_EQ((*open({"", path, ""})->find("gpt"))->key, "sk-hush");
  // Lost: none is made in its place while keys need the old one.
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(*open({"", "", path})->add(model("more", "sk-more")), Added::kNoSecret);
  EXPECT_FALSE(file_exists(path));
  // Others can read it.
  std::ofstream(path) << kSecret << "\n";
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  const auto readable = Remotes::open(database_, {"", "", path});
  ASSERT_FALSE(readable.ok());
  EXPECT_THAT(readable.error(), HasSubstr("chmod 600"));
}

TEST_P(RemotesTest, KeysOfEarlierProgramsAreSealed) {
  open({});
  ASSERT_TRUE(database_
                  ->run("INSERT INTO app_remotes (id, url, model, key, allow_private, created)"
                        " VALUES ('old', 'https://example.org/v1', 'm', 'sk-old', 0, 1)")
                  .ok());
  EXPECT_EQ((*open({})->find("old"))->key, "sk-old");  // it goes on working; the log asks for a secret
  EXPECT_EQ((*open({kSecret, "", ""})->find("old"))->key, "sk-old");
  EXPECT_TRUE(people::is_sealed(stored("old")));
}

}  // namespace
}  // namespace loquat::app
