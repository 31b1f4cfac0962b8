#include "serve/access/limits.h"

#include <gmock/gmock.h>

#include <thread>

#include "serve/access/access_for_tests.h"

namespace loquat::serve {
namespace {

using testing::HasSubstr;

class LimitsTest : public AccessOnBoth {
 protected:
  void SetUp() override {
    AccessOnBoth::SetUp();
    if (IsSkipped()) return;
    database_ = open_database();
    keys_ = open_store(database_);
    meter_ = std::make_unique<KeyMeter>(database_, keys_, clock_.clock());
  }

  Caller caller(const KeyLimits& limits) {
    Key wanted;
    wanted.limits = limits;
    const Key key = make(*keys_, wanted).key;
    return {key.id, key.tenant, false};
  }
  // 0: granted; else the error's status.
  int status(const Caller& caller, int64_t tokens) {
    const auto error = meter_->reserve(caller, tokens);
    return error ? error->status : 0;
  }
  std::map<std::string, std::string> headers(const Caller& caller) {
    const auto list = meter_->headers(caller);
    return {list.begin(), list.end()};
  }
  std::map<std::string, std::string> usage() {
    std::map<std::string, std::string> out;
    const auto rows = read_usage(*database_, 0);
    for (const auto& row : *rows) {
      out[row.key_id] += fmt::format("{}:{}/{}/{} ", row.day, row.usage.requests, row.usage.prompt_tokens,
                                     row.usage.completion_tokens);
    }
    return out;
  }

  std::shared_ptr<database::Database> database_;
  std::shared_ptr<KeyStore> keys_;
  std::unique_ptr<KeyMeter> meter_;
};

INSTANTIATE_TEST_SUITE_P(Engines, LimitsTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LimitsTest, RequestsPerMinuteFlowBackEvenly) {
  const Caller who = caller({.requests_per_minute = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(who, 1'000'000), 0);
  const auto error = meter_->reserve(who, 1);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 429);
  EXPECT_EQ(error->code, "rate_limit_exceeded");
  EXPECT_EQ(error->type, "requests");
  EXPECT_DOUBLE_EQ(error->retry_after, 20);
  EXPECT_THAT(error->message, HasSubstr("Limit 3, Used 3, Requested 1. Please try again in 20s."));
  clock_.pass(19.9);
  EXPECT_EQ(status(who, 1), 429);
  clock_.pass(0.1);
  EXPECT_EQ(status(who, 1), 0);
  EXPECT_EQ(status(who, 1), 429);
  EXPECT_EQ(status(caller({.requests_per_minute = 3}), 1), 0);  // another key has its own
}

TEST_P(LimitsTest, ReservedTokensComeBackWhenTheyWereNotUsed) {
  const Caller who = caller({.tokens_per_minute = 600});
  EXPECT_EQ(status(who, 500), 0);
  const auto error = meter_->reserve(who, 200);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->type, "tokens");
  EXPECT_DOUBLE_EQ(error->retry_after, 10);
  meter_->settle(who, 500, 40, 60);
  EXPECT_EQ(status(who, 500), 0);
  EXPECT_EQ(status(who, 1), 429);
  meter_->settle(who, 500, 500, 100);  // more than was reserved: a debt
  EXPECT_EQ(headers(who)["x-ratelimit-remaining-tokens"], "0");
  clock_.pass(10);
  EXPECT_EQ(status(who, 1), 429);
  clock_.pass(0.1);
  EXPECT_EQ(status(who, 1), 0);
}

TEST_P(LimitsTest, ARefusedRequestTakesNothing) {
  const Caller who = caller({.requests_per_minute = 2, .tokens_per_minute = 100, .tokens_per_day = 50});
  EXPECT_EQ(status(who, 101), 429);
  EXPECT_EQ(meter_->reserve(who, 101)->retry_after, 0);  // waiting does not help
  EXPECT_EQ(meter_->reserve(who, 60)->code, "insufficient_quota");
  EXPECT_EQ(headers(who)["x-ratelimit-remaining-requests"], "2");
  EXPECT_EQ(headers(who)["x-ratelimit-remaining-tokens"], "100");
  EXPECT_EQ(status(who, 50), 0);
}

TEST_P(LimitsTest, HeadersAreOpenAIs) {
  const Caller who = caller({.requests_per_minute = 60, .tokens_per_minute = 6000});
  EXPECT_EQ(status(who, 1500), 0);
  const std::map<std::string, std::string> expected = {
      {"x-ratelimit-limit-requests", "60"},     {"x-ratelimit-limit-tokens", "6000"},
      {"x-ratelimit-remaining-requests", "59"}, {"x-ratelimit-remaining-tokens", "4500"},
      {"x-ratelimit-reset-requests", "1s"},     {"x-ratelimit-reset-tokens", "15s"}};
  EXPECT_EQ(headers(who), expected);
  EXPECT_TRUE(headers(caller({.tokens_per_day = 5})).empty());
  EXPECT_TRUE(headers(Caller{}).empty());
}

TEST_P(LimitsTest, DayQuotasCountWhatWasUsedAndWhatRuns) {
  const Caller who = caller({.tokens_per_day = 1000});
  EXPECT_EQ(status(who, 600), 0);
  EXPECT_EQ(status(who, 401), 429);
  meter_->settle(who, 600, 100, 200);
  EXPECT_EQ(status(who, 701), 429);
  ASSERT_TRUE(meter_->flush().ok());  // the same before and after it is written
  EXPECT_EQ(status(who, 701), 429);
  EXPECT_EQ(status(who, 700), 0);
  meter_->settle(who, 700, 700, 0);
  const auto error = meter_->reserve(who, 1);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "insufficient_quota");
  EXPECT_EQ(error->type, "insufficient_quota");
  EXPECT_DOUBLE_EQ(error->retry_after, 6400);  // until midnight, UTC
  clock_.pass(6399);
  EXPECT_EQ(status(who, 1), 429);
  clock_.pass(1);
  EXPECT_EQ(status(who, 1000), 0);
}

TEST_P(LimitsTest, MonthQuotasOutliveTheDayAndTheServer) {
  const Caller who = caller({.tokens_per_month = 1000});
  EXPECT_EQ(status(who, 900), 0);
  meter_->settle(who, 900, 900, 0);
  ASSERT_TRUE(meter_->close().ok());
  clock_.pass(5 * 86400);
  meter_ = std::make_unique<KeyMeter>(database_, keys_, clock_.clock());
  ASSERT_TRUE(meter_->flush().ok());
  EXPECT_EQ(status(who, 101), 429);
  EXPECT_EQ(status(who, 100), 0);
  meter_->settle(who, 100, 0, 0);
  clock_.pass(11 * 86400);  // November 30
  EXPECT_EQ(status(who, 101), 429);
  clock_.pass(86400);  // December
  EXPECT_EQ(status(who, 1000), 0);
}

TEST_P(LimitsTest, ServersShareQuotas) {
  KeyMeter other(database_, keys_, clock_.clock());
  const Caller who = caller({.tokens_per_day = 1000});
  EXPECT_EQ(status(who, 800), 0);
  meter_->settle(who, 800, 800, 0);
  EXPECT_FALSE(other.reserve(who, 300).has_value());  // it has not heard yet
  other.settle(who, 300, 0, 0);
  ASSERT_TRUE(meter_->flush().ok());
  ASSERT_TRUE(other.flush().ok());
  EXPECT_TRUE(other.reserve(who, 300).has_value());
  EXPECT_FALSE(other.reserve(who, 200).has_value());
}

TEST_P(LimitsTest, UsageIsWrittenPerKeyAndDay) {
  const Caller one = caller({}), two = caller({});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(status(one, 10), 0);
    meter_->settle(one, 10, 4, 5);
  }
  meter_->settle(two, 0, 1, 0);
  meter_->settle(Caller{}, 0, 1, 0);  // no key
  EXPECT_TRUE(usage().empty());       // not on the request's path
  ASSERT_TRUE(meter_->flush().ok());
  ASSERT_TRUE(meter_->flush().ok());
  const std::map<std::string, std::string> first = {{one.key_id, "19675:3/12/15 "}, {two.key_id, "19675:1/1/0 "}};
  EXPECT_EQ(usage(), first);
  clock_.pass(86400);
  meter_->settle(one, 0, 7, 8);
  ASSERT_TRUE(meter_->close().ok());
  EXPECT_EQ(usage()[one.key_id], "19675:3/12/15 19676:1/7/8 ");
  EXPECT_EQ(database_->run("SELECT writer FROM api_usage_writers")->rows.size(), 0u);
}

TEST_P(LimitsTest, ABatchIsWrittenOnce) {
  const UsageBatch batch = {{{"key", 3}, {1, 2, 3}}};
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(write_usage(*database_, "server", 1, batch, 3).ok());
  EXPECT_EQ(usage()["key"], "3:1/2/3 ");
  ASSERT_TRUE(write_usage(*database_, "server", 2, batch, 3).ok());
  ASSERT_TRUE(write_usage(*database_, "another", 1, batch, 3).ok());
  EXPECT_EQ(usage()["key"], "3:3/6/9 ");
}

TEST_P(LimitsTest, WhatCannotBeWrittenIsKept) {
  const Caller who = caller({.tokens_per_day = 100});
  EXPECT_EQ(status(who, 30), 0);
  meter_->settle(who, 30, 30, 0);
  ASSERT_TRUE(database_->run("ALTER TABLE api_usage RENAME TO elsewhere").ok());
  EXPECT_FALSE(meter_->flush().ok());
  EXPECT_EQ(status(who, 40), 0);
  meter_->settle(who, 40, 40, 0);
  EXPECT_FALSE(meter_->flush().ok());
  EXPECT_EQ(status(who, 31), 429);  // it counts all the same
  ASSERT_TRUE(database_->run("ALTER TABLE elsewhere RENAME TO api_usage").ok());
  ASSERT_TRUE(meter_->flush().ok());
  EXPECT_EQ(usage()[who.key_id], "19675:1/30/0 ");
  ASSERT_TRUE(meter_->flush().ok());
  EXPECT_EQ(usage()[who.key_id], "19675:2/70/0 ");
  EXPECT_EQ(status(who, 31), 429);
  EXPECT_EQ(status(who, 30), 0);
}

TEST_P(LimitsTest, AWrittenBatchWhoseQuotasCannotBeReadIsNotWrittenAgain) {
  const Caller who = caller({.tokens_per_day = 100});
  EXPECT_EQ(status(who, 30), 0);
  meter_->settle(who, 30, 30, 0);
  ASSERT_TRUE(database_->run("ALTER TABLE api_keys RENAME TO elsewhere").ok());
  EXPECT_FALSE(meter_->flush().ok());
  EXPECT_EQ(status(who, 71), 429);
  ASSERT_TRUE(database_->run("ALTER TABLE elsewhere RENAME TO api_keys").ok());
  ASSERT_TRUE(meter_->flush().ok());
  EXPECT_EQ(usage()[who.key_id], "19675:1/30/0 ");
  EXPECT_EQ(status(who, 71), 429);
  EXPECT_EQ(status(who, 70), 0);
}

TEST_P(LimitsTest, AClockThatIsSetBackLocksNobodyOut) {
  const Caller who = caller({.requests_per_minute = 60});
  for (int i = 0; i < 60; ++i) EXPECT_EQ(status(who, 0), 0);
  clock_.pass(-3600);
  EXPECT_EQ(status(who, 0), 429);
  clock_.pass(1);
  EXPECT_EQ(status(who, 0), 0);
}

TEST_P(LimitsTest, ThreadsTakeNoMoreThanThereIsAndAllOfItIsRecorded) {
  const Caller who = caller({.requests_per_minute = 100, .tokens_per_minute = 100'000, .tokens_per_month = 900});
  std::atomic<int> granted{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    while (!done) EXPECT_TRUE(meter_->flush().ok());
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        meter_->headers(who);
        if (meter_->reserve(who, 10).has_value()) continue;
        ++granted;
        meter_->settle(who, 10, 4, 6);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  done = true;
  writer.join();
  ASSERT_TRUE(meter_->close().ok());
  EXPECT_EQ(granted, 90);
  EXPECT_EQ(usage()[who.key_id], "19675:90/360/540 ");
}

TEST(Duration, IsWrittenAsOpenAIWritesIt) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(-1), "0s");
  EXPECT_EQ(duration_text(0.0001), "1ms");
  EXPECT_EQ(duration_text(0.12), "120ms");
  EXPECT_EQ(duration_text(0.9999), "1s");
  EXPECT_EQ(duration_text(1), "1s");
  EXPECT_EQ(duration_text(8.64), "8.64s");
  EXPECT_EQ(duration_text(20), "20s");
  EXPECT_EQ(duration_text(59.9999), "1m0s");
  EXPECT_EQ(duration_text(360), "6m0s");
  EXPECT_EQ(duration_text(3661.2), "1h1m2s");
}

TEST(Months, BeginAndEnd) {
  const int64_t leap_day = std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}.time_since_epoch().count();
  EXPECT_EQ(month_start(leap_day), leap_day - 28);
  EXPECT_EQ(next_month(leap_day), leap_day + 1);
  EXPECT_EQ(next_month(leap_day - 28), leap_day + 1);
  EXPECT_EQ(next_month(leap_day + 1), leap_day + 32);
}

}  // namespace
}  // namespace loquat::serve
