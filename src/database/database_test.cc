// The same tests on SQLite and on PostgreSQL.
#include "database/database.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "database/postgres_for_tests.h"

namespace loquat::database {
namespace {

using testing::HasSubstr;
using testing::Not;

class Folder {
 public:
  Folder() {
    char pattern[] = "/tmp/loquat-db-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class DatabaseTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "sqlite") {
      address_ = folder_ / "test.db";
    } else {
      auto& server = PostgresForTests::instance();
      if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
      address_ = server.fresh();
    }
    database_ = open();
  }

  std::shared_ptr<Database> open() {
    auto opened = Database::open(address_);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error());
    return opened.ok() ? *opened : nullptr;
  }

  Rows run(Sql sql, const Values& values = {}) {
    auto result = database_->run(sql, values);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error());
    return result.ok() ? *std::move(result) : Rows{};
  }

  Folder folder_;
  std::string address_;
  std::shared_ptr<Database> database_;
};

INSTANTIATE_TEST_SUITE_P(Engines, DatabaseTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DatabaseTest, ValuesComeBackAsTheyWent) {
  run("CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c TEXT)");
  const std::string nasty = "'; DROP TABLE t; -- \" \\ $1 \xE2\x98\x80\n";
  const int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(run("INSERT INTO t (c, a, b) VALUES ($3, $1, $2)", {least, 0.1, nasty}).changed, 1);
  run("INSERT INTO t (a, b, c) VALUES ($1, $2, $3)", {Value(), Value(), std::string()});
  const Rows rows = run("SELECT a, b, c FROM t ORDER BY a IS NULL");
  ASSERT_EQ(rows.rows.size(), 2u);
  EXPECT_EQ(rows.rows[0].integer(0), least);
  EXPECT_EQ(rows.rows[0].real(1), 0.1);
  EXPECT_EQ(rows.rows[0].text(2), nasty);
  EXPECT_TRUE(rows.rows[1].null(0));
  EXPECT_TRUE(rows.rows[1].null(1));
  EXPECT_FALSE(rows.rows[1].null(2));
  EXPECT_EQ(rows.rows[1].text(2), "");
}

TEST_P(DatabaseTest, SumsOfWholeNumbersAreWhole) {
  run("CREATE TABLE t (a BIGINT)");
  for (const int64_t a : {int64_t{1} << 60, int64_t{1}}) run("INSERT INTO t (a) VALUES ($1)", {a});
  EXPECT_EQ(run("SELECT SUM(a) FROM t").rows[0].integer(0), (int64_t{1} << 60) + 1);
  EXPECT_EQ(run("SELECT COUNT(*) FROM t WHERE a > $1 AND a > $1", {int64_t{5}}).rows[0].integer(0), 1);
}

TEST_P(DatabaseTest, ErrorsAreResults) {
  EXPECT_THAT(database_->run("SELECT x FROM missing").error(), HasSubstr("missing"));
  EXPECT_FALSE(database_->run("SELEC 1").ok());
  run("CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT REFERENCES t (a))");
  run("INSERT INTO t (a) VALUES ($1)", {int64_t{1}});
  EXPECT_FALSE(database_->run("INSERT INTO t (a) VALUES ($1)", {int64_t{1}}).ok());                     // twice
  EXPECT_FALSE(database_->run("INSERT INTO t (a, b) VALUES ($1, $2)", {int64_t{2}, int64_t{9}}).ok());  // foreign key
  EXPECT_FALSE(database_->run("INSERT INTO t (a) VALUES ($1)", {}).ok());                       // a value is missing
  EXPECT_FALSE(database_->run("SELECT a FROM t WHERE a = $1", {int64_t{1}, int64_t{1}}).ok());  // one too many
  EXPECT_THAT(database_->run("SELECT a FROM t WHERE a = $1", {std::string("\0x", 2)}).error(), HasSubstr("NUL"));
  EXPECT_EQ(run("SELECT a FROM t").rows.size(), 1u);
}

TEST_P(DatabaseTest, ATransactionIsAllOrNothing) {
  run("CREATE TABLE t (a BIGINT PRIMARY KEY)");
  const auto insert = [](Session& session, int64_t a) { return session.run("INSERT INTO t (a) VALUES ($1)", {a}); };
  const auto count = [&] { return run("SELECT a FROM t").rows.size(); };
  EXPECT_TRUE(database_
                  ->transaction([&](Session& session) -> Status {
                    TRY_STATUS(insert(session, 1));
                    TRY_STATUS(insert(session, 2));
                    return {};
                  })
                  .ok());
  EXPECT_EQ(count(), 2u);
  const Status refused = database_->transaction([&](Session& session) -> Status {
    TRY_STATUS(insert(session, 3));
    return Err("thought better of it");
  });
  EXPECT_EQ(refused.error(), "thought better of it");
  EXPECT_EQ(count(), 2u);
  const Status ignoring = database_->transaction([&](Session& session) -> Status {
    (void)insert(session, 3);
    (void)insert(session, 1);  // there already
    (void)insert(session, 4);
    return {};
  });
  EXPECT_FALSE(ignoring.ok());
  EXPECT_EQ(count(), 2u);
  EXPECT_THROW((void)database_->transaction([&](Session& session) -> Status {
    (void)insert(session, 3);
    throw std::runtime_error("out of memory");
  }),
               std::runtime_error);
  EXPECT_EQ(count(), 2u);
}

TEST_P(DatabaseTest, MigrationsRunOnceEachAndInOrder) {
  const std::vector<Migration> first = {{1, {"CREATE TABLE t (a BIGINT)", "INSERT INTO t (a) VALUES (1)"}}};
  std::vector<Migration> second = first;
  second.push_back({2, {"UPDATE t SET a = a + 1"}});
  ASSERT_TRUE(database_->migrate("part", first).ok());
  ASSERT_TRUE(database_->migrate("part", first).ok());
  EXPECT_EQ(run("SELECT a FROM t").rows[0].integer(0), 1);
  ASSERT_TRUE(database_->migrate("part", second).ok());
  EXPECT_EQ(run("SELECT a FROM t").rows[0].integer(0), 2);
  EXPECT_THAT(database_->migrate("part", first).error(), HasSubstr("newer Loquat"));
  std::vector<Migration> broken = second;
  broken.push_back({3, {"UPDATE t SET a = 7", "UPDATE nothing SET a = 7"}});
  EXPECT_FALSE(database_->migrate("part", broken).ok());
  EXPECT_EQ(run("SELECT a FROM t").rows[0].integer(0), 2);
  EXPECT_TRUE(database_->migrate("other", {{1, {"CREATE TABLE u (a BIGINT)"}}}).ok());
}

TEST_P(DatabaseTest, ServersThatStartTogetherMigrateOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto mine = Database::open(address_);
      if (mine.ok() &&
          (*mine)->migrate("part", {{1, {"CREATE TABLE t (a BIGINT)", "INSERT INTO t (a) VALUES (1)"}}}).ok())
        ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(run("SELECT a FROM t").rows.size(), 1u);
}

TEST_P(DatabaseTest, ThreadsAddUp) {
  run("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)");
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20; ++k) {
        const Status added = database_->transaction([](Session& session) -> Status {
          TRY_STATUS(
              session.run("INSERT INTO t (id, n) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n",
                          {int64_t{1}}));
          return {};
        });
        if (!added.ok() || !database_->run("SELECT n FROM t").ok()) ++failed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(run("SELECT n FROM t").rows[0].integer(0), 160);
}

TEST_P(DatabaseTest, IsSharedByThoseWhoOpenIt) {
  const auto other = open();
  run("CREATE TABLE t (a TEXT)");
  run("INSERT INTO t (a) VALUES ($1)", {std::string("here")});
  const auto seen = other->run("SELECT a FROM t");
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->rows[0].text(0), "here");
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST(Sqlite, FilesAreTheOwnersAlone) {
  Folder folder;
  const std::string path = folder / "keys.db";
  std::ofstream(path).close();
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  const auto database = Database::open(path);
  ASSERT_TRUE(database.ok());
  ASSERT_TRUE((*database)->run("CREATE TABLE t (a BIGINT)").ok());
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_EQ(mode_of(path + "-wal"), 0600u);
  EXPECT_EQ(mode_of(path + "-shm"), 0600u);
}

// Whether another program sees a lock of this one's on the file (SQLite's lock bytes).
bool is_locked(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open(path.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_start = 0x40000000;
    lock.l_len = 512;
    ::_exit(file >= 0 && ::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

TEST(Sqlite, OpeningTheFileAgainKeepsItsLocks) {
  const Folder folder;
  const std::string path = folder / "a.db";
  const auto first = *Database::open(path);
  ASSERT_TRUE(first->run("CREATE TABLE t (x BIGINT)").ok());
  ASSERT_TRUE(is_locked(path));
  const auto second = *Database::open(path);
  ASSERT_TRUE(second->run("INSERT INTO t VALUES (1)").ok());
  EXPECT_TRUE(is_locked(path));
}

TEST(Sqlite, WhatIsNoDatabaseIsAnError) {
  Folder folder;
  std::ofstream(folder / "text") << std::string(4096, 'x');
  EXPECT_THAT(Database::open(folder / "text").error(), HasSubstr("no SQLite database"));
  EXPECT_THAT(Database::open(folder / "").error(), HasSubstr("cannot open"));
  EXPECT_THAT(Database::open(folder / "missing/keys.db").error(), HasSubstr("No such file"));
  EXPECT_FALSE(Database::open("").ok());
  EXPECT_THAT(Database::open("mysql://root:hush@host/db").error(), Not(HasSubstr("hush")));
}

TEST(Postgres, AnAddressThatIsNotWellFormedDoesNotShowItsPassword) {
  for (const char* address :
       {"postgres://user:hush@hush@nowhere/db", "postgres://user:hush/hush@nowhere/db",
        "postgres://user:hush?hush@nowhere/db", "postgres://user:hush#hush@nowhere/db", "postgres://user:hush",
        "postgres://user:hush%zz@nowhere/db", "postgres://user:x@nowhere:hush/db",
        "postgres://user:hush@nowhere/db?hush", "postgresql://user:x@nowhere/db?hush=1",
        "postgres://user:hush@localhost:1/db", "postgres://user:hush@/db?host=/nowhere"}) {
    const auto opened = Database::open(address);
    ASSERT_FALSE(opened.ok()) << address;
    EXPECT_THAT(opened.error(), Not(HasSubstr("hush"))) << address;
  }
}

TEST(Postgres, AWrongPasswordIsNotShown) {
  auto& server = PostgresForTests::instance();
  if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
  const auto opened = Database::open(server.address("postgres", "hush%40hush"));
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error(), Not(HasSubstr("hush")));
  EXPECT_THAT(opened.error(), HasSubstr("tester"));
  const auto right = Database::open(server.address());
  ASSERT_TRUE(right.ok());
  EXPECT_THAT((*right)->name(), Not(HasSubstr("Sesame")));
  EXPECT_FALSE((*right)->is_file());
}

TEST(Postgres, ComesBackAfterItsServerWasAway) {
  auto& server = PostgresForTests::instance();
  if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
  const auto database = Database::open(server.fresh());
  ASSERT_TRUE(database.ok());
  ASSERT_TRUE((*database)->run("CREATE TABLE t (a BIGINT)").ok());
  server.stop();
  EXPECT_FALSE((*database)->run("SELECT a FROM t").ok());
  server.start();
  ASSERT_EQ(server.why_not(), "");
  EXPECT_TRUE((*database)->run("INSERT INTO t (a) VALUES (1)").ok());
  EXPECT_TRUE((*database)
                  ->transaction([](Session& s) -> Status {
                    TRY_STATUS(s.run("INSERT INTO t (a) VALUES (2)"));
                    return {};
                  })
                  .ok());
  EXPECT_EQ((*database)->run("SELECT a FROM t")->rows.size(), 2u);
}

TEST(Postgres, AConnectionCutInTheMiddleIsAnErrorAndTheNextWorks) {
  auto& server = PostgresForTests::instance();
  if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
  const auto database = Database::open(server.fresh());
  ASSERT_TRUE(database.ok());
  EXPECT_FALSE((*database)->run("SELECT pg_terminate_backend(pg_backend_pid())").ok());
  EXPECT_TRUE((*database)->run("SELECT 1").ok());
  const Status cut = (*database)->transaction([](Session& session) -> Status {
    TRY_STATUS(session.run("CREATE TABLE t (a BIGINT)"));
    (void)session.run("SELECT pg_terminate_backend(pg_backend_pid())");
    return {};
  });
  EXPECT_FALSE(cut.ok());
  EXPECT_FALSE((*database)->run("SELECT a FROM t").ok());
  EXPECT_TRUE((*database)->run("CREATE TABLE t (a BIGINT)").ok());
}

}  // namespace
}  // namespace loquat::database
