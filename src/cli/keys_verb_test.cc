// The verb as it is typed: what stands on stdout and what on stderr.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/said_for_tests.h"
#include "cli/verbs.h"
#include "serve/access/access.h"

namespace loquat {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class KeysVerb : public DatabaseVerb {
 protected:
  KeysVerb() { ::unsetenv("LOQUAT_KEY_SECRET"); }

  static Said run(const std::vector<std::string>& words) { return say(add_keys_verb, "keys", words); }
};

TEST_F(KeysVerb, ANewKeyStandsAloneOnStdoutAndWorks) {
  const Said made = run({"create", "bakery", "--tenant", "town", "--tokens-per-day", "500", "--expires", "2"});
  EXPECT_EQ(made.code, 0);
  EXPECT_THAT(made.out, MatchesRegex("lq-[0-9a-f]{12}[A-Za-z0-9_-]{43}\n"));
  const std::string key = made.out.substr(0, 58);
  EXPECT_THAT(made.err, HasSubstr("bakery"));
  EXPECT_THAT(made.err, Not(HasSubstr(key.substr(15))));
  const auto opened = serve::open_keys(database_);
  ASSERT_TRUE(opened.ok());
  const auto found = opened->keys->find(key, true);
  const auto* known = std::get_if<serve::Key>(&found);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->tenant, "town");
  EXPECT_FALSE(known->admin);
  EXPECT_EQ(known->limits.tokens_per_day, 500);
  EXPECT_EQ(known->expires - known->created, 2 * 86400);
}

TEST_F(KeysVerb, ListsWithoutTheKeysAndRevokes) {
  const std::string key = run({"create", "bakery", "--admin"}).out.substr(0, 58);
  run({"create", "caf\xC3\xA9", "--requests-per-minute", "3"});
  const Said listed = run({"list"});
  EXPECT_EQ(listed.code, 0);
  EXPECT_THAT(listed.out, HasSubstr("ID            NAME    TENANT        ADMIN  CREATED"));
  EXPECT_THAT(listed.out, HasSubstr("  caf\xC3\xA9    "));
  EXPECT_THAT(listed.out, HasSubstr("3 requests/min\n"));
  EXPECT_THAT(listed.out, Not(HasSubstr(key.substr(15))));
  const std::string id = key.substr(3, 12);
  EXPECT_EQ(run({"revoke", id}).code, 0);
  const Json json = Json::parse(run({"list", "--json"}).out);
  ASSERT_EQ(json.size(), 2u);
  for (const Json& each : json) {
    EXPECT_EQ(each["revoked"].is_null(), each["id"] != id);
    EXPECT_EQ(each["admin"], each["id"] == id);
    EXPECT_TRUE(each["expires"].is_null());
    EXPECT_FALSE(each.contains("key"));
  }
  const Said nobody = run({"revoke", "000000000000"});
  EXPECT_EQ(nobody.code, 2);
  EXPECT_THAT(nobody.err, HasSubstr("000000000000"));
}

TEST_F(KeysVerb, ShowsUsageOfTheLastDays) {
  const Json made = Json::parse(run({"create", "bakery", "--json"}).out);
  EXPECT_EQ(made["key"].get<std::string>().substr(3, 12), made["id"]);
  const auto opened = serve::open_keys(database_);
  const int64_t today = serve::day_of(serve::system_seconds());
  const serve::UsageBatch batch = {{{made["id"], today}, {2, 30, 400}}, {{made["id"], today - 40}, {1, 1, 1}}};
  ASSERT_TRUE(serve::write_usage(*opened->database, "server", 1, batch, today).ok());
  const Json usage = Json::parse(run({"usage", "--json"}).out);
  ASSERT_EQ(usage.size(), 1u);
  EXPECT_EQ(usage[0]["name"], "bakery");
  EXPECT_EQ(usage[0]["requests"], 2);
  EXPECT_EQ(usage[0]["prompt_tokens"], 30);
  EXPECT_EQ(usage[0]["completion_tokens"], 400);
  EXPECT_EQ(Json::parse(run({"usage", "--json", "--days", "60"}).out).size(), 2u);
  EXPECT_THAT(run({"usage"}).out, HasSubstr("REQUESTS  PROMPT TOKENS  COMPLETION TOKENS\n"));
}

TEST_F(KeysVerb, BadInputIsSaid) {
  const Said missing = run({"list"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("no such database"));
  EXPECT_FALSE(std::filesystem::exists(database_));
  for (const char* bad : {"0", "-1", "x", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(run({"create", "a", "--tokens-per-day", bad}).code, 2) << bad;
  }
  EXPECT_EQ(run({"create", "a", "--expires", "0"}).code, 2);
  EXPECT_EQ(run({"create", ""}).code, 2);
  EXPECT_EQ(run({"create"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
  const Said address = run({"list", "--database", "postgres://user:hush@hush@nowhere/db"});
  EXPECT_EQ(address.code, 2);
  EXPECT_THAT(address.err, Not(HasSubstr("hush")));
  ::setenv("LOQUAT_DATABASE", "postgres://user:hush@nowhere/db", 1);
  EXPECT_THAT(run({"list", "--help"}).out, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace loquat
