#include "serve/access/keys.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <thread>

#include "serve/access/access.h"
#include "serve/access/access_for_tests.h"

namespace loquat::serve {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using Refusal = KeyStore::Refusal;

const Key* key_of(const std::variant<Key, Refusal>& found) {
  return std::get_if<Key>(&found);
}
Refusal refusal_of(const std::variant<Key, Refusal>& found) {
  return std::get<Refusal>(found);
}

class KeysTest : public AccessOnBoth {};
INSTANTIATE_TEST_SUITE_P(Engines, KeysTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(KeysTest, AKeyIsFoundWithAllThatBelongsToIt) {
  const auto store = open_store(open_database());
  Key wanted{"", "the bakery", "town", true, 0, 1'700'000'100, 0, {1, 2, 3, int64_t{1} << 40}};
  const CreatedKey created = make(*store, wanted);
  EXPECT_THAT(created.text, MatchesRegex("lq-[0-9a-f]{12}[A-Za-z0-9_-]{43}"));
  const auto found = store->find(created.text, false);
  ASSERT_NE(key_of(found), nullptr);
  const Key& key = *key_of(found);
  EXPECT_EQ(key.id, created.text.substr(3, 12));
  EXPECT_EQ(key.name, "the bakery");
  EXPECT_EQ(key.tenant, "town");
  EXPECT_TRUE(key.admin);
  EXPECT_EQ(key.created, 1'700'000'000);
  EXPECT_EQ(key.expires, 1'700'000'100);
  EXPECT_EQ(key.limits.requests_per_minute, 1);
  EXPECT_EQ(key.limits.tokens_per_minute, 2);
  EXPECT_EQ(key.limits.tokens_per_day, 3);
  EXPECT_EQ(key.limits.tokens_per_month, int64_t{1} << 40);
  EXPECT_EQ(store->limits(key.id).tokens_per_day, 3);
  const CreatedKey other = make(*store);
  EXPECT_EQ(other.key.tenant, other.key.id);
  EXPECT_FALSE(other.key.admin);
  EXPECT_EQ(store->list()->size(), 2u);
}

TEST_P(KeysTest, NeitherTheDatabaseNorAnErrorHoldsTheKey) {
  const auto database = open_database();
  const auto store = open_store(database);
  const CreatedKey created = make(*store);
  const std::string secret = created.text.substr(15);
  const auto rows = database->run("SELECT id, hash, name, tenant FROM api_keys");
  for (size_t c = 0; c < 4; ++c) EXPECT_THAT(rows->rows.at(0).text(c), Not(HasSubstr(secret)));
  // Under another secret the same key has another hash: the hash is keyed.
  EXPECT_FALSE(KeyStore::open(database, KeySecret{8}, clock_.clock()).ok());
  EXPECT_THAT(KeyStore::open(database, KeySecret{8}, clock_.clock()).error(), HasSubstr("another secret"));
}

TEST_P(KeysTest, AWrongCharacterAnywhereIsAnotherKey) {
  const auto store = open_store(open_database());
  const std::string text = make(*store).text;
  for (size_t at = 0; at < text.size(); ++at) {
    std::string wrong = text;
    wrong[at] = wrong[at] == 'a' ? 'b' : 'a';
    const auto found = store->find(wrong, true);
    ASSERT_EQ(key_of(found), nullptr) << at;
    EXPECT_EQ(refusal_of(found), Refusal::kUnknown);
  }
  for (const std::string& wrong : {std::string(), text.substr(0, 57), text + "a", " " + text, std::string(58, '\0')}) {
    EXPECT_EQ(refusal_of(store->find(wrong, true)), Refusal::kUnknown);
  }
}

TEST_P(KeysTest, RevokedAndExpiredKeysStop) {
  const auto database = open_database();
  const auto server = open_store(database), console = open_store(open_database());
  Key wanted;
  wanted.expires = 1'700'000'100;
  const CreatedKey expiring = make(*server, wanted), revoked = make(*server);
  EXPECT_EQ(*server->usable(), 2);
  ASSERT_TRUE(console->revoke(revoked.key.id).ok());
  EXPECT_NE(key_of(server->find(revoked.text, true)), nullptr);  // from memory, until the next refresh
  ASSERT_TRUE(server->refresh().ok());
  EXPECT_EQ(refusal_of(server->find(revoked.text, true)), Refusal::kRevoked);
  clock_.pass(99.5);
  ASSERT_TRUE(server->refresh().ok());
  EXPECT_NE(key_of(server->find(expiring.text, true)), nullptr);
  clock_.pass(0.5);
  EXPECT_EQ(refusal_of(server->find(expiring.text, true)), Refusal::kExpired);
  EXPECT_EQ(*server->usable(), 0);
  // Revoking once more leaves the time of the first.
  const int64_t when = console->revoke(revoked.key.id)->revoked;
  EXPECT_EQ(when, 1'700'000'000);
  EXPECT_THAT(console->revoke("nobody").error(), HasSubstr("nobody"));
}

TEST_P(KeysTest, AKeyOfAMomentAgoIsReadFromTheDatabase) {
  const auto server = open_store(open_database()), console = open_store(open_database());
  const CreatedKey created = make(*console);
  EXPECT_EQ(refusal_of(server->find(created.text, false)), Refusal::kUnknown);
  EXPECT_NE(key_of(server->find(created.text, true)), nullptr);
  EXPECT_NE(key_of(server->find(created.text, false)), nullptr);  // remembered
}

TEST_P(KeysTest, WithoutADatabaseKeysWorkForAMinute) {
  const auto database = open_database();
  const auto store = open_store(database);
  const CreatedKey created = make(*store), revoked = make(*store);
  ASSERT_TRUE(database->run("ALTER TABLE api_keys RENAME TO elsewhere").ok());
  EXPECT_FALSE(store->refresh().ok());
  clock_.pass(59);
  EXPECT_NE(key_of(store->find(created.text, true)), nullptr);
  std::string unknown = created.text;
  unknown[5] = unknown[5] == '0' ? '1' : '0';
  EXPECT_EQ(refusal_of(store->find(unknown, true)), Refusal::kUnavailable);
  clock_.pass(2);
  EXPECT_EQ(refusal_of(store->find(created.text, true)), Refusal::kUnavailable);
  ASSERT_TRUE(database->run("ALTER TABLE elsewhere RENAME TO api_keys").ok());
  ASSERT_TRUE(store->refresh().ok());
  EXPECT_NE(key_of(store->find(created.text, true)), nullptr);
}

TEST_P(KeysTest, NamesAndLimitsAreChecked) {
  const auto store = open_store(open_database());
  const std::string nasty = "'; DROP TABLE api_keys; --";
  Key wanted;
  wanted.name = nasty;
  ASSERT_TRUE(store->create(wanted).ok());
  EXPECT_EQ(store->list()->at(0).name, nasty);
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(201, 'a'), std::string("\0a", 2)}) {
    wanted.name = name;
    EXPECT_FALSE(store->create(wanted).ok());
  }
  wanted.name = "good";
  wanted.limits.tokens_per_day = -1;
  EXPECT_FALSE(store->create(wanted).ok());
}

TEST_P(KeysTest, AreFoundWhileTheyAreReadAgain) {
  const auto store = open_store(open_database());
  const CreatedKey created = make(*store);
  std::atomic<bool> done{false};
  std::atomic<int> lost{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!done) lost += key_of(store->find(created.text, true)) == nullptr;
    });
  }
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(store->refresh().ok());
  done = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
}

class SecretTest : public AccessTest {};

TEST_F(SecretTest, LiesBesideTheFileForItsOwnerAlone) {
  const auto database = open_database();
  const auto first = load_key_secret(*database), second = load_key_secret(*database);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, KeySecret{});
  struct stat info {};
  ASSERT_EQ(::stat((address_ + ".secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    files += entry.path().string().find(".tmp-") != std::string::npos;
  EXPECT_EQ(files, 0u);
}

TEST_F(SecretTest, IsOneForAllWhoStartAtOnce) {
  const auto database = open_database();
  std::mutex mutex;
  std::set<KeySecret> seen;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto secret = load_key_secret(*database);
      std::lock_guard lock(mutex);
      seen.insert(secret.ok() ? *secret : KeySecret{});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen.count(KeySecret{}), 0u);
}

TEST_F(SecretTest, BadFilesAreErrors) {
  const auto database = open_database();
  const std::string path = address_ + ".secret";
  std::ofstream(path) << std::string(64, 'a') << "\n";
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  EXPECT_THAT(load_key_secret(*database).error(), HasSubstr("0600"));
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  EXPECT_TRUE(load_key_secret(*database).ok());
  for (const std::string& bad :
       {std::string(), std::string("aa\n"), std::string(64, 'g') + "\n", std::string(66, 'a') + "\n"}) {
    std::ofstream(path) << bad;
    EXPECT_THAT(load_key_secret(*database).error(), HasSubstr("hex digits"));
  }
}

TEST_F(SecretTest, ComesFromTheEnvironmentForSeveralServers) {
  const auto database = open_database();
  ::setenv("LOQUAT_KEY_SECRET", std::string(64, 'A').c_str(), 1);
  EXPECT_EQ((*load_key_secret(*database))[31], 0xAA);
  EXPECT_FALSE(std::filesystem::exists(address_ + ".secret"));
  ::setenv("LOQUAT_KEY_SECRET", "hush", 1);
  EXPECT_THAT(load_key_secret(*database).error(), Not(HasSubstr("hush")));
}

TEST_F(SecretTest, PostgresNeedsTheVariable) {
  auto& server = database::PostgresForTests::instance();
  if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
  const auto database = database::Database::open(server.address());
  ASSERT_TRUE(database.ok());
  EXPECT_THAT(load_key_secret(**database).error(), HasSubstr("$LOQUAT_KEY_SECRET"));
}

}  // namespace
}  // namespace loquat::serve
