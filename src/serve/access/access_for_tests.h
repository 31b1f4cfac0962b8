// For tests of access/: a clock that tests set, a folder, a database of either engine.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "database/postgres_for_tests.h"
#include "serve/access/keys.h"

namespace loquat::serve {

struct TestClock {
  std::shared_ptr<std::atomic<double>> now =
      std::make_shared<std::atomic<double>>(1'700'000'000.0);  // 2023-11-14 22:13:20
  Clock clock() const {
    return [now = now] { return now->load(); };
  }
  void pass(double seconds) { now->store(now->load() + seconds); }
};

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    ::unsetenv("LOQUAT_KEY_SECRET");
    char pattern[] = "/tmp/loquat-access-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    address_ = folder_ + "/keys.db";
  }
  ~AccessTest() override {
    ::unsetenv("LOQUAT_KEY_SECRET");
    std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<database::Database> open_database() {
    auto opened = database::Database::open(address_);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error());
    return *opened;
  }
  std::shared_ptr<KeyStore> open_store(std::shared_ptr<database::Database> database) {
    auto opened = KeyStore::open(std::move(database), secret_, clock_.clock());
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error());
    return *opened;
  }
  static CreatedKey make(KeyStore& store, Key wanted = {}) {
    if (wanted.name.empty()) wanted.name = "test";
    const auto created = store.create(wanted);
    EXPECT_TRUE(created.ok()) << (created.ok() ? "" : created.error());
    EXPECT_TRUE(store.refresh().ok());
    return *created;
  }

  TestClock clock_;
  KeySecret secret_{7};
  std::string folder_, address_;
};

// Each test on SQLite and on PostgreSQL.
class AccessOnBoth : public AccessTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "sqlite") return;
    auto& server = database::PostgresForTests::instance();
    if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
    address_ = server.fresh();
  }
};

}  // namespace loquat::serve
