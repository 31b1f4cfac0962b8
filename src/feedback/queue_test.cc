// Who gets what, and what becomes of work that comes twice, late, or to a closed project.
#include "feedback/queue.h"

#include <atomic>
#include <set>
#include <thread>

#include "feedback/studio_for_tests.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class QueueTest : public StudioTest {};
INSTANTIATE_TEST_SUITE_P(Engines, QueueTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(QueueTest, AnItemGoesToAsManyPeopleAsTheOverlapSays) {
  const std::string id = ranking_project(2, {{"overlap", 2}});
  const json ada = next(id, "ada"), bob = next(id, "bob"), cyd = next(id, "cyd");
  EXPECT_EQ(ada["item"], bob["item"]);  // the overlap is reached first
  EXPECT_NE(ada["item"], cyd["item"]);
  EXPECT_EQ(next(id, "ada"), ada);  // open still
  submit(ada, "ada", ranking(ada, "abcd"));
  const json second = next(id, "ada");
  EXPECT_EQ(second["item"], cyd["item"]);
  auto sent = queue_->submit(second["id"], "ada", ranking(second, "abcd"));
  ASSERT_TRUE(sent.ok());
  EXPECT_FALSE(sent->next);
  EXPECT_TRUE(next(id, "ada").is_null());  // never twice to one person
  EXPECT_TRUE(next(id, "dan").is_null());
  const json counts = *projects_->described(*projects_->get(id));
  EXPECT_EQ(counts["counts"], (json{{"prompts", 2}, {"open", 2}, {"done", 0}, {"labels", 2}}));
}

TEST_P(QueueTest, AnswersHaveNoNamesAndAnOrderOfTheTask) {
  const std::string id = ranking_project(1, {{"overlap", 40}});
  std::set<std::string> orders;
  for (int i = 0; i < 40; ++i) {
    const std::string person = "p" + std::to_string(i);
    const json task = next(id, person);
    std::string order;
    for (const json& answer : task["answers"]) {
      order += answer["content"].get<std::string>()[0];
      EXPECT_EQ(answer.size(), 2u) << answer;
    }
    EXPECT_EQ(next(id, person)["answers"], task["answers"]);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 10u);
}

TEST_P(QueueTest, ATaskIsTakenBackAndLateWorkIsNotLost) {
  const std::string id = ranking_project(1, {{"overlap", 1}, {"minutes", 10}});
  const json ada = next(id, "ada");
  EXPECT_EQ(ada["expires"], now_ + 600);
  EXPECT_TRUE(next(id, "bob").is_null());
  now_ += 601;
  const json bob = next(id, "bob");
  EXPECT_EQ(bob["item"], ada["item"]);
  const auto late = queue_->submit(ada["id"], "ada", ranking(ada, "abcd"));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.refused().what, "late");
  // Bob leaves it too; then Ada's draft is there, and her time begins anew.
  now_ += 601;
  const json again = next(id, "ada");
  EXPECT_EQ(again["id"], ada["id"]);
  EXPECT_EQ(again["draft"], ranking(ada, "abcd"));
  EXPECT_EQ(again["expires"], now_ + 600);
  submit(again, "ada", again["draft"]);
  const auto twice = queue_->submit(ada["id"], "ada", again["draft"]);  // sent again: nothing new
  ASSERT_TRUE(twice.ok());
  EXPECT_FALSE(twice->label.empty());
  const auto other = queue_->submit(ada["id"], "ada", ranking(ada, "dcba"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.refused().what, "submitted");
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_labels"), 1);
  EXPECT_EQ(count("SELECT SUM(holders) FROM feedback_items"), 1);
}

TEST_P(QueueTest, OverTimeCountsWhereNobodyElseTookIt) {
  const std::string id = ranking_project(1, {{"minutes", 10}});
  const json ada = next(id, "ada");
  now_ += 10'000;
  submit(ada, "ada", ranking(ada, "abcd"));  // nobody has asked since
  const std::string other = ranking_project(1, {{"minutes", 10}, {"overlap", 2}});
  const json bob = next(other, "bob");
  now_ += 10'000;
  EXPECT_FALSE(next(other, "cyd").is_null());  // takes Bob's back, and one of two places is free
  submit(bob, "bob", ranking(bob, "abcd"));
  EXPECT_EQ(count("SELECT SUM(holders) FROM feedback_items"), 3);
}

TEST_P(QueueTest, AClosedProjectKeepsADraft) {
  const std::string id = ranking_project(2);
  const json ada = next(id, "ada");
  ASSERT_TRUE(projects_->change(id, {{"closed", true}}).ok());
  EXPECT_TRUE(next(id, "bob").is_null());
  const auto closed = queue_->submit(ada["id"], "ada", ranking(ada, "abcd"));
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.refused().what, "closed");
  ASSERT_TRUE(projects_->change(id, {{"closed", false}}).ok());
  EXPECT_EQ(next(id, "ada")["draft"], ranking(ada, "abcd"));
}

TEST_P(QueueTest, SkippedItemsGoToOthers) {
  const std::string id = ranking_project(1);
  const json ada = next(id, "ada");
  ASSERT_TRUE(queue_->skip(ada["id"], "ada", "not my language").ok());
  EXPECT_TRUE(next(id, "ada").is_null());
  EXPECT_EQ(next(id, "bob")["item"], ada["item"]);
}

TEST_P(QueueTest, AnothersTaskIsNotThere) {
  const std::string id = ranking_project(1);
  const json ada = next(id, "ada");
  EXPECT_EQ(queue_->submit(ada["id"], "bob", ranking(ada, "abcd")).refused().why, Refused::Why::kNotThere);
  EXPECT_EQ(queue_->keep_draft(ada["id"], "bob", {{"x", 1}}).refused().why, Refused::Why::kNotThere);
  EXPECT_EQ(queue_->skip(ada["id"], "bob", "").refused().why, Refused::Why::kNotThere);
  EXPECT_EQ(queue_->task(ada["id"], "bob").refused().why, Refused::Why::kNotThere);
  EXPECT_EQ(queue_->next("project-none", "bob").refused().why, Refused::Why::kNotThere);
}

TEST_P(QueueTest, GoldQuestionsLookLikeOthersAndAreCounted) {
  const std::string id = ranking_project(30, {{"gold_share", 0.3}});
  json gold = json::array();
  for (int i = 100; i < 130; ++i) {
    json prompt = ranking_prompt(std::to_string(i));
    prompt["gold"] = {{"ranking", {{1}, {0, 2}, {3}}}};  // b, then a and c tied, then d
    gold.push_back(prompt);
  }
  EXPECT_EQ(add(id, {{"prompts", gold}}).added, 30);
  int64_t golds = 0;
  for (int i = 0; i < 30; ++i) {
    const json task = next(id, "ada");
    ASSERT_FALSE(task.is_null());
    EXPECT_EQ(task.size(), 12u);
    EXPECT_EQ(task.dump().find("gold"), std::string::npos);
    const json label = *labels_->get(submit(task, "ada", ranking(task, "bacd")));
    if (!label["gold"].get<bool>()) continue;
    ++golds;
    EXPECT_DOUBLE_EQ(label["gold_score"].get<double>(), 1);
  }
  EXPECT_GT(golds, 2);
  EXPECT_LT(golds, 20);
  EXPECT_EQ((*projects_->described(*projects_->get(id)))["counts"]["prompts"], 30);
}

TEST_P(QueueTest, WaitsForAnswers) {
  const std::string id = project({{"kind", "ranking"}, {"models", {"m"}}});
  EXPECT_EQ(add(id, {{"text", "one\ntwo\n\none\n"}}).duplicates, 1);
  auto waits = queue_->next(id, "ada");
  ASSERT_TRUE(waits.ok());
  EXPECT_FALSE(waits->task);
  EXPECT_TRUE(waits->unanswered);
  const auto items = *queue_->unanswered(id, 10);
  ASSERT_EQ(items.size(), 2u);
  const json answers = {{{"id", "x1"}, {"content", "A"}}, {{"id", "x2"}, {"content", "B"}}};
  ASSERT_TRUE(queue_->set_answers(items[1].item, answers).ok());
  ASSERT_TRUE(queue_->set_answers(items[1].item, json::array()).ok());  // too late
  EXPECT_EQ(next(id, "ada")["answers"].size(), 2u);
}

TEST_P(QueueTest, ReviewsAreOfOthersLabels) {
  const std::string id = project({{"kind", "demonstration"}});
  add(id, {{"text", "Say hello."}});
  const json task = next(id, "ada");
  const std::string label = submit(task, "ada", {{"content", "Hello!"}});
  const std::string review = project({{"kind", "review"}});
  EXPECT_EQ(add(review, {{"labels_of", id}}).added, 1);
  EXPECT_EQ(add(review, {{"labels_of", id}}).duplicates, 1);
  EXPECT_TRUE(next(review, "ada").is_null());
  const json mine = next(review, "bob");
  EXPECT_EQ(mine["reviewed"], (json{{"kind", "demonstration"}, {"label", {{"content", "Hello!"}}}}));
  EXPECT_EQ(mine["answers"], (json{{{"id", "label"}, {"content", "Hello!"}}}));
  submit(mine, "bob", {{"verdict", "fix"}, {"score", 5}, {"comment", "longer"}});
  EXPECT_EQ((*labels_->get(label))["verdict"], "fix");
  const std::string second = project({{"kind", "review"}});
  add(second, {{"labels_of", id}});
  submit(next(second, "cyd"), "cyd", {{"verdict", "fix"}, {"content", "Hello, Bob!"}, {"comment", "named"}});
  const json mended = *labels_->get(label);
  EXPECT_EQ(mended["verdict"], "good");
  EXPECT_EQ(mended["label"]["content"], "Hello, Bob!");
  EXPECT_EQ(mended["history"][0]["label"]["content"], "Hello!");
}

TEST_P(QueueTest, AtOneInstantNobodyGetsTooMuch) {
  constexpr int kPeople = 12, kItems = 6;
  const std::string id = ranking_project(kItems, {{"overlap", 3}});
  std::vector<std::thread> threads;
  std::atomic<int> failed{0}, done{0};
  for (int p = 0; p < kPeople; ++p) {
    threads.emplace_back([&, p] {
      const std::string person = "p" + std::to_string(p);
      for (;;) {
        auto next = queue_->next(id, person);
        if (!next.ok()) ++failed;
        if (!next.ok() || !next->task) return;
        auto sent = queue_->submit((*next->task)["id"], person, ranking(*next->task, "abcd"));
        if (!sent.ok()) ++failed;
        if (sent.ok()) ++done;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(done, kItems * 3);
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_tasks"), kItems * 3);
  EXPECT_EQ(count("SELECT COUNT(*) FROM (SELECT item FROM feedback_labels GROUP BY item HAVING COUNT(*) <> 3) AS w"),
            0);
}

TEST_P(QueueTest, PromptsThatCannotBeUsedAreSaid) {
  const std::string id = project({{"kind", "ranking"}});
  const Imported imported =
      add(id, {{"text",
                "What is a loquat?\n"
                "{\"messages\": [{\"role\": \"user\", \"content\": \"And a medlar?\"}]}\n"
                "{\"prompt\": \"And a quince?\", \"completion\": \"A fruit.\"}\n"
                "{\"messages\": 7}\n"
                "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hm.\"}]}\n"
                "What is a loquat?\n"
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"answers\": [\"a\", \"b\"]}\n"}});
  EXPECT_EQ(imported.added, 3);
  EXPECT_EQ(imported.duplicates, 1);
  ASSERT_EQ(imported.skipped.size(), 3u);
  EXPECT_EQ(imported.skipped[0].line, 4);
  EXPECT_EQ(imported.skipped[1].line, 5);
  EXPECT_THAT(imported.skipped[2].why, HasSubstr("answers"));
}

}  // namespace
}  // namespace loquat::feedback
