// Gold questions: looked at, set right, retired; suggestions that labels began with.
#include "feedback/gold.h"

#include <set>

#include "feedback/judgments.h"
#include "feedback/studio_for_tests.h"
#include "feedback/training_rows.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class GoldTest : public StudioTest {
 protected:
  void SetUp() override {
    StudioTest::SetUp();
    if (!IsSkipped()) gold_ = std::make_unique<GoldQuestions>(database_);
  }
  // A project whose every task is one of these gold questions, "abcd" being right.
  std::string gold_project(int count) {
    const std::string id = project({{"kind", "ranking"}, {"gold_share", 1}});
    json prompts = json::array();
    for (int i = 0; i < count; ++i) {
      prompts.push_back(ranking_prompt(std::to_string(i)));
      prompts.back()["gold"] = {{"ranking", {{0}, {1}, {2}, {3}}}};
    }
    EXPECT_EQ(add(id, {{"prompts", prompts}}).added, count);
    return id;
  }
  json questions(const std::string& project) { return *gold_->list(project); }

  std::unique_ptr<GoldQuestions> gold_;
};
INSTANTIATE_TEST_SUITE_P(Engines, GoldTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(GoldTest, IsListedWithWhatPeopleAnswered) {
  const std::string id = gold_project(2);
  const json task = next(id, "ada"), bobs = next(id, "bob");
  submit(task, "ada", ranking(task, "abcd"));
  submit(bobs, "bob", ranking(bobs, "dcba"));
  const json all = questions(id);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["messages"][0]["content"], "question 0");
  EXPECT_EQ(all[0]["answers"].size(), 4u);
  EXPECT_EQ(all[0]["right"], 0.5);
  ASSERT_EQ(all[0]["labels"].size(), 2u);
  std::map<std::string, double> scores;
  for (const json& label : all[0]["labels"]) scores[label["person"]] = label["gold_score"];
  EXPECT_EQ(scores, (std::map<std::string, double>{{"ada", 1}, {"bob", 0}}));
  EXPECT_TRUE(all[1]["right"].is_null());
  EXPECT_EQ(all[1]["retired"], false);
}

TEST_P(GoldTest, AnotherOrderScoresWhatWasSentAnew) {
  const std::string id = gold_project(1);
  const json task = next(id, "ada");
  const std::string label = submit(task, "ada", ranking(task, "dcba"));
  const std::string item = task["item"];
  EXPECT_EQ((*labels_->get(label))["gold_score"], 0);
  const auto changed = gold_->change(item, {{"ranks", ranking(task, "dc=ba")["ranks"]}});
  ASSERT_TRUE(changed.ok()) << changed.refused().message;
  EXPECT_EQ(changed->rescored, 1);
  EXPECT_EQ(changed->before, ranking(task, "abcd")["ranks"]);
  EXPECT_EQ((*labels_->get(label))["gold_score"], 1);
  EXPECT_EQ(questions(id)[0]["right"], 1);
  EXPECT_EQ(screening_report(*read_judgments(*database_, id))["people"][0]["gold"], 100);
  EXPECT_EQ(gold_->change(item, {{"flags", {{task["answers"][0]["id"].get<std::string>(), {"violent"}}}}})->rescored,
            0);
}

TEST_P(GoldTest, ARetiredQuestionIsHandedOutNoMore) {
  const std::string id = gold_project(2);
  const json task = next(id, "ada");
  submit(task, "ada", ranking(task, "abcd"));
  for (const json& question : questions(id)) ASSERT_TRUE(gold_->change(question["item"], {{"retired", true}}).ok());
  EXPECT_TRUE(next(id, "ada").is_null());
  EXPECT_TRUE(next(id, "bob").is_null());
  EXPECT_EQ(questions(id)[0]["right"], 1) << "what it has measured stays";
  ASSERT_TRUE(gold_->change(questions(id)[1]["item"], {{"retired", false}}).ok());
  EXPECT_FALSE(next(id, "bob").is_null());
}

TEST_P(GoldTest, ARetiredQuestionThatTimedOutDoesNotComeBack) {
  const std::string id = gold_project(1);
  const json task = next(id, "ada");
  ASSERT_TRUE(gold_->change(task["item"], {{"retired", true}}).ok());
  EXPECT_EQ(next(id, "ada")["id"], task["id"]) << "what is open may be finished";
  now_ += 100'000;
  EXPECT_TRUE(next(id, "ada").is_null());
}

TEST_P(GoldTest, WrongChangesChangeNothing) {
  const std::string id = gold_project(1);
  add(id, {{"prompts", {ranking_prompt("plain")}}});
  const json before = questions(id)[0];
  const std::string item = before["item"], answer = before["answers"][0]["id"];
  json short_ranks = before["ranks"], large = before["ranks"], foreign = before["ranks"];
  short_ranks.erase(answer);
  large[answer] = 5;
  foreign.erase(answer);
  foreign["other"] = 1;
  for (const json& wrong :
       {json{{"ranks", short_ranks}}, json{{"ranks", large}}, json{{"ranks", foreign}}, json{{"ranks", 7}},
        json{{"flags", {{"other", {"violent"}}}}}, json{{"flags", {{answer, {"poem"}}}}},
        json{{"flags", {{answer, "violent"}}}}, json{{"retired", 1}}}) {
    const auto refused = gold_->change(item, wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.refused().why, Refused::Why::kWrong) << wrong;
  }
  EXPECT_EQ(questions(id)[0], before);
  EXPECT_EQ(gold_->change("item-none", {{"retired", true}}).refused().why, Refused::Why::kNotThere);
  const auto plain = *database_->run("SELECT id FROM feedback_items WHERE gold IS NULL");
  ASSERT_EQ(plain.rows.size(), 1u);
  for (const auto& row : plain.rows)
    EXPECT_EQ(gold_->change(row.text(0), {{"retired", true}}).refused().why, Refused::Why::kNotThere);
}

class SuggestionTest : public GoldTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SuggestionTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(SuggestionTest, ALabelThatBeganWithOneSaysHowMuchWasChanged) {
  const json prompts = {
      {{"messages", {{{"role", "user"}, {"content", "Ferry?"}}}}, {"suggestion", "It leaves at nine."}},
      {{"messages", {{{"role", "user"}, {"content", "Tides?"}}}}}};
  const std::string id = project({{"kind", "demonstration"}, {"prefill", true}, {"overlap", 3}});
  add(id, {{"prompts", prompts}});
  const json task = next(id, "ada");
  EXPECT_EQ(task["suggestion"], "It leaves at nine.");
  EXPECT_EQ(task["prefill"], true);
  const std::string unedited = submit(task, "ada", {{"content", "It leaves at nine."}});
  const std::string edited = submit(next(id, "bob"), "bob", {{"content", "It leaves at nine, from the pier."}});
  const json without = next(id, "ada");
  EXPECT_EQ(without["prefill"], false);
  const std::string plain = submit(without, "ada", {{"content", "High at noon."}});
  EXPECT_EQ((*labels_->get(unedited))["edited"], 0);
  EXPECT_GT((*labels_->get(edited))["edited"], 0.1);
  EXPECT_TRUE((*labels_->get(plain))["edited"].is_null());
  RowsWanted wanted{{id}, false, 0};
  EXPECT_EQ(contributions(*database_, wanted)->size(), 3u);
  wanted.edited_only = true;
  EXPECT_EQ(contributions(*database_, wanted)->size(), 2u);
  // A correction is measured against the suggestion too.
  ASSERT_TRUE(labels_->correct(unedited, "ada", false, {{"content", "At nine, they say."}}, "my own words").ok());
  EXPECT_GT((*labels_->get(unedited))["edited"], 0.1);
  EXPECT_EQ(contributions(*database_, wanted)->size(), 3u);
}

TEST_P(SuggestionTest, OnlyWhereTheProjectSaysSo) {
  const std::string id = project({{"kind", "demonstration"}});
  add(id, {{"prompts", {{{"messages", {{{"role", "user"}, {"content", "Ferry?"}}}}, {"suggestion", "At nine."}}}}});
  const json task = next(id, "ada");
  EXPECT_EQ(task["prefill"], false);
  EXPECT_TRUE((*labels_->get(submit(task, "ada", {{"content", "At nine."}})))["edited"].is_null());
  const auto ranking = projects_->create({{"name", "R"}, {"kind", "ranking"}, {"prefill", true}});
  ASSERT_FALSE(ranking.ok());
  EXPECT_EQ(ranking.refused().what, "prefill");
}

}  // namespace
}  // namespace loquat::feedback
