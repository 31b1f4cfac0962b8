// `loquat people` as it is typed: what stands on stdout and what on stderr, and what is then in the database.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/said_for_tests.h"
#include "cli/verbs.h"
#include "people/accounts.h"
#include "people/audit.h"
#include "people/schema.h"
#include "people/sessions.h"

namespace loquat {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class PeopleVerb : public DatabaseVerb {
 protected:
  static Said run(const std::vector<std::string>& words) { return say(add_people_verb, "people", words); }
  std::shared_ptr<database::Database> database() {
    auto opened = database::Database::open(database_);
    EXPECT_TRUE(opened.ok() && people::migrate_people(**opened).ok());
    return *opened;
  }
  // Somebody who has come by an invitation of the verb's own.
  people::Person join(const std::string& role, const std::string& email) {
    const Said made = run({"invite", "--role", role});
    const std::string token = made.out.substr(made.out.rfind('/') + 1, 43);
    people::Accounts accounts(database(), people::system_clock_seconds);
    const auto joined = accounts.join(token, email, "Somebody", "hash");
    EXPECT_TRUE(joined.ok() && joined->refusal == people::Accounts::Refusal::kNone) << made.err;
    return joined->value;
  }
};

TEST_F(PeopleVerb, ALinkStandsAloneOnStdoutAndLetsOnePersonIn) {
  const Said made = run({"invite", "--role", "labeler,reviewer", "--email", "Ada@Example.org", "--days", "2", "--url",
                         "https://loquat.example.org/"});
  EXPECT_EQ(made.code, 0);
  EXPECT_THAT(made.out, MatchesRegex("https://loquat\\.example\\.org/join/[A-Za-z0-9_-]{43}\n"));
  EXPECT_THAT(made.err, HasSubstr("as labeler,reviewer for ada@example.org"));
  const std::string token = made.out.substr(made.out.rfind('/') + 1, 43);
  EXPECT_THAT(made.err, Not(HasSubstr(token)));
  struct stat info {};
  ASSERT_EQ(::stat(database_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  people::Accounts accounts(database(), people::system_clock_seconds);
  EXPECT_EQ(accounts.join(token, "bob@example.org", "Bob", "h")->refusal, people::Accounts::Refusal::kInvitation);
  const auto joined = accounts.join(token, "ada@example.org", "Ada", "h");
  ASSERT_EQ(joined->refusal, people::Accounts::Refusal::kNone);
  EXPECT_EQ(joined->value.roles, unsigned{people::kLabeler | people::kReviewer});
  const Json json = Json::parse(run({"invite", "--role", "user", "--json"}).out);
  EXPECT_THAT(json["link"].get<std::string>(), HasSubstr("http://localhost:8080/join/"));
  EXPECT_EQ(people::Audit(database(), people::system_clock_seconds).list({})->size(), 2u);
}

TEST_F(PeopleVerb, ListsPeopleAndChangesThem) {
  const auto ada = join("admin", "ada@example.org"), bob = join("user", "bob@example.org");
  const Said listed = run({"list"});
  EXPECT_EQ(listed.code, 0);
  EXPECT_THAT(listed.out, HasSubstr("E-MAIL\n"));
  EXPECT_THAT(listed.out, HasSubstr("active    admin"));
  EXPECT_THAT(listed.out, HasSubstr("never"));
  people::Sessions sessions(database(), people::system_clock_seconds);
  const std::string session = *sessions.start(bob.id);
  EXPECT_EQ(run({"disable", "BOB@example.org"}).code, 0);
  EXPECT_FALSE(sessions.find(session)->signed_in());
  EXPECT_THAT(run({"list"}).out, HasSubstr("disabled  user"));
  const Said enabled = run({"enable", bob.id});
  EXPECT_EQ(enabled.code, 0);
  EXPECT_THAT(enabled.err, HasSubstr("bob@example.org"));
  EXPECT_THAT(enabled.err, HasSubstr("active"));
  const Json changed = Json::parse(run({"roles", bob.id, "labeler", "red_teamer", "--json"}).out);
  EXPECT_EQ(changed["roles"], (Json{"labeler", "red_teamer"}));
  const Json all = Json::parse(run({"list", "--json"}).out);
  ASSERT_EQ(all.size(), 2u);
  for (const Json& one : all) {
    EXPECT_FALSE(one.contains("password"));
    EXPECT_EQ(one["disabled"], false);
    EXPECT_EQ(one["roles"], one["id"] == ada.id ? Json{"admin"} : Json({"labeler", "red_teamer"}));
  }
}

TEST_F(PeopleVerb, TheLastAdminStays) {
  const auto ada = join("admin", "ada@example.org");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"disable", ada.id}, std::vector<std::string>{"roles", "ada@example.org", "user"}}) {
    const Said refused = run(words);
    EXPECT_EQ(refused.code, 2) << words[0];
    EXPECT_THAT(refused.err, HasSubstr("last admin"));
  }
  EXPECT_THAT(run({"list"}).out, HasSubstr("active    admin"));
  join("admin", "bob@example.org");
  EXPECT_EQ(run({"disable", ada.id}).code, 0);
}

TEST_F(PeopleVerb, BadInputIsSaid) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"list"}, std::vector<std::string>{"disable", "ada@example.org"}}) {
    const Said missing = run(words);
    EXPECT_EQ(missing.code, 2);
    EXPECT_THAT(missing.err, HasSubstr("no such database"));
    EXPECT_FALSE(std::filesystem::exists(database_)) << "a mistyped path makes nothing";
  }
  join("admin", "ada@example.org");
  const Said nobody = run({"disable", "nobody@example.org"});
  EXPECT_EQ(nobody.code, 2);
  EXPECT_THAT(nobody.err, HasSubstr("nobody@example.org"));
  EXPECT_EQ(run({"roles", "nothing-has-this-id", "user"}).code, 2);
  const Said role = run({"roles", "ada@example.org", "king"});
  EXPECT_EQ(role.code, 2);
  EXPECT_THAT(role.err, HasSubstr("king"));
  for (const std::vector<std::string>& words : {std::vector<std::string>{"invite"},
                                                {"invite", "--role", "king"},
                                                {"invite", "--role", "user", "--days", "0"},
                                                {"invite", "--role", "user", "--days", "400"},
                                                {"invite", "--role", "user", "--email", "no address"},
                                                {"invite", "--role", "user", "--url", "chat.example.org"},
                                                {"disable"},
                                                {"roles", "ada@example.org"},
                                                {}}) {
    const Said bad = run(words);
    EXPECT_EQ(bad.code, 2) << testing::PrintToString(words);
    EXPECT_EQ(bad.out, "") << testing::PrintToString(words);
  }
  std::ofstream(folder_ / "text.db") << std::string(4096, 'x');
  EXPECT_EQ(run({"list", "--database", folder_ / "text.db"}).code, 2);
  const Said address = run({"list", "--database", "postgres://user:hush@nowhere.invalid/db"});
  EXPECT_EQ(address.code, 2);
  EXPECT_THAT(address.err, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace loquat
