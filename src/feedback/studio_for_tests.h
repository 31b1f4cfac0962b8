// For tests: the same tests on SQLite and on PostgreSQL, with a clock that stands, and short ways to a project.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "database/postgres_for_tests.h"
#include "feedback/labels.h"
#include "feedback/messages.h"
#include "feedback/queue.h"
#include "store/test_folder.h"

namespace loquat::feedback {

class StudioTest : public testing::TestWithParam<const char*> {
 protected:
  using json = nlohmann::json;

  void SetUp() override {
    if (std::string(GetParam()) == "sqlite") {
      address_ = folder_ / "test.db";
    } else {
      auto& server = database::PostgresForTests::instance();
      if (!server.why_not().empty()) GTEST_SKIP() << server.why_not();
      address_ = server.fresh();
    }
    auto opened = database::Database::open(address_);
    ASSERT_TRUE(opened.ok()) << opened.error();
    database_ = *opened;
    ASSERT_TRUE(migrate(*database_).ok());
    const auto clock = [this] { return now_; };
    projects_ = std::make_unique<Projects>(database_, clock);
    queue_ = std::make_unique<Queue>(database_, clock);
    labels_ = std::make_unique<Labels>(database_, clock);
    messages_ = std::make_unique<MessageFeedback>(database_, clock);
  }

  std::string project(json wanted) {
    wanted.emplace("name", "Trial");
    auto made = projects_->create(wanted);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.refused().message);
    return made.ok() ? made->id : "";
  }
  Imported add(const std::string& project, const json& body) {
    auto added = projects_->add_prompts(project, body);
    EXPECT_TRUE(added.ok()) << (added.ok() ? "" : added.refused().message);
    return added.ok() ? *added : Imported{};
  }
  // A ranking project with this many prompts of four answers "a0", "b0", "c0", "d0".
  std::string ranking_project(int prompts, json more = json::object()) {
    more["kind"] = "ranking";
    const std::string id = project(more);
    json list = json::array();
    for (int i = 0; i < prompts; ++i) list.push_back(ranking_prompt(std::to_string(i)));
    add(id, {{"prompts", list}});
    return id;
  }
  static json ranking_prompt(const std::string& i) {
    return {{"messages", {{{"role", "user"}, {"content", "question " + i}}}},
            {"answers", {"a" + i, "b" + i, "c" + i, "d" + i}}};
  }
  // null: nothing left.
  json next(const std::string& project, const std::string& person) {
    auto next = queue_->next(project, person);
    EXPECT_TRUE(next.ok()) << (next.ok() ? "" : next.refused().message);
    return next.ok() && next->task ? *next->task : json();
  }
  // Ranks by the answers' first letters: "abcd", "a=bcd" (a and b tied).
  static json ranking(const json& task, const std::string& order) {
    json ranks = json::object();
    int64_t rank = 0, same = 1;
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] == '=') continue;
      const bool tied = i > 0 && order[i - 1] == '=';
      if (tied) {
        ++same;
      } else {
        rank += same, same = 1;
      }
      if (i == 0) rank = 1;
      for (const json& answer : task.at("answers")) {
        if (answer.at("content").get<std::string>()[0] == order[i]) ranks[answer.at("id").get<std::string>()] = rank;
      }
    }
    return {{"ranks", ranks}, {"seconds", 5}};
  }
  std::string submit(const json& task, const std::string& person, const json& label) {
    auto sent = queue_->submit(task.at("id"), person, label);
    EXPECT_TRUE(sent.ok()) << (sent.ok() ? "" : sent.refused().message);
    return sent.ok() ? sent->label : "";
  }
  int64_t count(database::Sql sql) {
    auto found = database_->run(sql);
    EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error());
    return found.ok() ? found->rows.at(0).integer(0) : -1;
  }

  TestFolder folder_;
  std::string address_;
  int64_t now_ = 1'000'000;
  std::shared_ptr<database::Database> database_;
  std::unique_ptr<Projects> projects_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Labels> labels_;
  std::unique_ptr<MessageFeedback> messages_;
};

inline std::string engine_name(const testing::TestParamInfo<const char*>& info) {
  return info.param;
}

}  // namespace loquat::feedback
