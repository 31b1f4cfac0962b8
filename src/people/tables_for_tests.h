// For tests of people: a clock that tests set, and a database of either engine with its tables.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "database/postgres_for_tests.h"
#include "people/accounts.h"
#include "people/clock.h"
#include "people/invitations.h"
#include "people/schema.h"
#include "people/sessions.h"

namespace loquat::people {

struct TestClock {
  std::shared_ptr<std::atomic<int64_t>> now = std::make_shared<std::atomic<int64_t>>(1'700'000'000);
  Clock clock() const {
    return [now = now] { return now->load(); };
  }
  void pass(int64_t seconds) { now->store(now->load() + seconds); }
};

class OnBoth : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/loquat-people-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    address_ = folder_ + "/people.db";
    if (std::string(GetParam()) == "postgres") {
      auto& server = database::PostgresForTests::instance();
      if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
      address_ = server.fresh();
    }
    auto opened = database::Database::open(address_);
    ASSERT_TRUE(opened.ok()) << opened.error();
    database_ = *opened;
    const Status migrated = migrate_people(*database_);
    ASSERT_TRUE(migrated.ok()) << migrated.error();
    accounts_ = std::make_unique<Accounts>(database_, clock_.clock());
    invitations_ = std::make_unique<Invitations>(database_, clock_.clock());
    sessions_ = std::make_unique<Sessions>(database_, clock_.clock());
  }
  ~OnBoth() override { std::filesystem::remove_all(folder_); }

  Invitations::Made invite(unsigned roles, const std::string& email = "", int64_t days = 7) {
    auto made = invitations_->make({.email = email, .roles = roles}, days);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error());
    return *made;
  }
  Person join(unsigned roles, const std::string& email) {
    auto joined = accounts_->join(invite(roles).token, email, "Somebody", "hash");
    EXPECT_TRUE(joined.ok() && joined->refusal == Accounts::Refusal::kNone);
    return joined->value;
  }

  TestClock clock_;
  std::string folder_, address_;
  std::shared_ptr<database::Database> database_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Invitations> invitations_;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace loquat::people
