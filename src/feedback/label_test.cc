// Labels that are wrong, each with the field that is said; corrections, adjudication; agreement and screening of a
// small project counted by hand.
#include "feedback/label.h"

#include "feedback/judgments.h"
#include "feedback/studio_for_tests.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;

LabelSubject subject(std::string_view kind) {
  LabelSubject out{std::string(kind), json::array(), {"truthful"}};
  for (const char* id : {"a1", "a2", "a3", "a4"}) out.answers.push_back({{"id", id}, {"content", "Grüße 🙂"}});
  return out;
}

// "" where it is right.
std::string wrong(std::string_view kind, const json& label) {
  const auto refused = wrong_label(subject(kind), label);
  if (refused) {
    EXPECT_EQ(refused->message.rfind(refused->what, 0), 0u) << refused->message;
  }
  return refused ? refused->what : "";
}

json ranks(int a, int b, int c, int d) {
  return {{"a1", a}, {"a2", b}, {"a3", c}, {"a4", d}};
}

TEST(Label, Rankings) {
  const json right = {{"ranks", ranks(1, 2, 2, 4)},
                      {"scores", {{"a1", {{"overall", 7}, {"criteria", {{"truthful", 1}}}}}, {"a2", {{"overall", 1}}}}},
                      {"flags", {{"a3", {"violent", "hallucination"}}, {"a4", json::array()}}},
                      {"spans", {{{"answer", "a1"}, {"begin", 6}, {"end", 7}, {"flag", "other"}}}},
                      {"flagged", ""},
                      {"comment", "c"},
                      {"seconds", 12.5}};
  EXPECT_EQ(wrong(kRanking, right), "");
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"op", "replace"}, {"path", "/ranks/a2"}, {"value", 0}}, "ranks.a2"},
      {{{"op", "replace"}, {"path", "/ranks/a2"}, {"value", 5}}, "ranks.a2"},
      {{{"op", "replace"}, {"path", "/ranks/a2"}, {"value", 1.5}}, "ranks.a2"},
      {{{"op", "replace"}, {"path", "/ranks/a2"}, {"value", nullptr}}, "ranks.a2"},
      {{{"op", "remove"}, {"path", "/ranks/a2"}}, "ranks.a2"},
      {{{"op", "add"}, {"path", "/ranks/a9"}, {"value", 1}}, "ranks.a9"},
      {{{"op", "remove"}, {"path", "/ranks"}}, "ranks"},
      {{{"op", "replace"}, {"path", "/scores/a1/overall"}, {"value", 8}}, "scores.a1.overall"},
      {{{"op", "add"}, {"path", "/scores/a1/kind"}, {"value", 3}}, "scores.a1.kind"},
      {{{"op", "add"}, {"path", "/scores/a1/criteria/kind"}, {"value", 3}}, "scores.a1.criteria.kind"},
      {{{"op", "replace"}, {"path", "/scores/a1/criteria/truthful"}, {"value", 0}}, "scores.a1.criteria.truthful"},
      {{{"op", "replace"}, {"path", "/scores"}, {"value", {1, 2}}}, "scores"},
      {{{"op", "replace"}, {"path", "/flags/a3"}, {"value", {"rude"}}}, "flags.a3"},
      {{{"op", "replace"}, {"path", "/flags/a3"}, {"value", {"violent", "violent"}}}, "flags.a3"},
      {{{"op", "replace"}, {"path", "/spans/0/answer"}, {"value", "zz"}}, "spans[0].answer"},
      {{{"op", "replace"}, {"path", "/spans/0/end"}, {"value", 8}}, "spans[0].end"},
      {{{"op", "replace"}, {"path", "/spans/0/begin"}, {"value", 7}}, "spans[0].begin"},
      {{{"op", "replace"}, {"path", "/spans/0/flag"}, {"value", "x"}}, "spans[0].flag"},
      {{{"op", "replace"}, {"path", "/comment"}, {"value", 7}}, "comment"},
      {{{"op", "replace"}, {"path", "/seconds"}, {"value", -1}}, "seconds"},
      {{{"op", "add"}, {"path", "/gold"}, {"value", 1}}, "gold"},
  };
  for (const auto& [patch, field] : cases)
    EXPECT_EQ(wrong(kRanking, right.patch(json::array({patch}))), field) << patch;
  EXPECT_EQ(wrong(kRanking, json::array()), "label");
  EXPECT_EQ(wrong(kRanking, {{"flagged", "not a question"}, {"ranks", json::object()}}), "");
  EXPECT_EQ(wrong(kRanking, {{"flagged", ""}, {"ranks", json::object()}}), "ranks.a1");
}

TEST(Label, OtherKinds) {
  EXPECT_EQ(wrong(kDemonstration, {{"content", "x"}, {"spans", {{{"begin", 0}, {"end", 1}, {"flag", ""}}}}}), "");
  EXPECT_EQ(wrong(kDemonstration, {{"content", " \n"}}), "content");
  EXPECT_EQ(wrong(kDemonstration, {{"content", std::string(kLongestText + 1, 'x')}}), "content");
  const json talk = {{{"role", "system"}, {"content", ""}},
                     {{"role", "user"}, {"content", "a"}},
                     {{"role", "assistant"}, {"content", "b"}}};
  EXPECT_EQ(wrong(kDialogue, {{"messages", talk}}), "");
  EXPECT_EQ(wrong(kDialogue, {{"messages", {talk[1]}}}), "messages");
  EXPECT_EQ(wrong(kDialogue, {{"messages", {talk[1], talk[1]}}}), "messages[1].role");
  EXPECT_EQ(wrong(kDialogue, {{"messages", {talk[1], {{"role", "assistant"}}}}}), "messages[1].content");
  EXPECT_EQ(wrong(kDialogue, {{"messages", "x"}}), "messages");
  const json attack = {{"messages", talk}, {"harm", 4}, {"success", true}, {"tags", {"t"}}, {"comment", ""}};
  EXPECT_EQ(wrong(kRedTeam, attack), "");
  EXPECT_EQ(wrong(kRedTeam, attack.patch({{{"op", "replace"}, {"path", "/harm"}, {"value", 5}}})), "harm");
  EXPECT_EQ(wrong(kRedTeam, attack.patch({{{"op", "replace"}, {"path", "/success"}, {"value", 1}}})), "success");
  EXPECT_EQ(wrong(kRedTeam, attack.patch({{{"op", "replace"}, {"path", "/tags"}, {"value", {1}}}})), "tags");
  EXPECT_EQ(wrong(kReview, {{"verdict", "good"}, {"score", 7}}), "");
  EXPECT_EQ(wrong(kReview, {{"verdict", "fine"}}), "verdict");
  EXPECT_EQ(wrong(kReview, {{"verdict", "good"}, {"score", 0}}), "score");
}

TEST(Label, PlacesOfTies) {
  EXPECT_EQ(places(ranks(1, 2, 2, 4), subject(kRanking).answers), (std::vector<double>{1, 2.5, 2.5, 4}));
  EXPECT_EQ(places(ranks(3, 3, 3, 3), subject(kRanking).answers), (std::vector<double>{2.5, 2.5, 2.5, 2.5}));
}

class LabelsTest : public StudioTest {
 protected:
  // What these people say, in turn, of each item.
  void rank_all(const std::string& project, const std::vector<std::pair<std::string, std::string>>& orders) {
    for (const auto& [person, order] : orders) {
      const json task = next(project, person);
      ASSERT_FALSE(task.is_null());
      submit(task, person, ranking(task, order));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, LabelsTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(LabelsTest, CorrectionsKeepTheirHistory) {
  const std::string id = ranking_project(1);
  const json task = next(id, "ada");
  const std::string label = submit(task, "ada", ranking(task, "abcd"));
  EXPECT_EQ(labels_->correct(label, "bob", false, ranking(task, "dcba"), "").refused().why, Refused::Why::kNotThere);
  EXPECT_EQ(labels_->correct(label, "ada", false, {{"ranks", 1}}, "").refused().what, "ranks");
  ++now_;
  ASSERT_TRUE(labels_->correct(label, "ada", false, ranking(task, "bacd"), "slip").ok());
  ASSERT_TRUE(labels_->correct(label, "rev", true, ranking(task, "bcad"), "a is false").ok());
  const json now = *labels_->get(label);
  EXPECT_EQ(now["label"], ranking(task, "bcad"));
  ASSERT_EQ(now["history"].size(), 2u);
  EXPECT_EQ(now["history"][1]["label"], ranking(task, "abcd"));
  EXPECT_EQ(now["history"][1]["why"], "slip");
  EXPECT_EQ(now["history"][0]["label"], ranking(task, "bacd"));
  EXPECT_EQ(now["history"][0]["person"], "rev");
  EXPECT_EQ(labels_->list(id, "ada", "")->size(), 1u);
  EXPECT_EQ(labels_->list(id, "bob", "")->size(), 0u);
}

TEST_P(LabelsTest, AgreementIsWhatOneCountsByHand) {
  const std::string id = ranking_project(2, {{"overlap", 2}});
  rank_all(id, {{"ada", "abcd"}, {"bob", "bacd"}, {"ada", "abcd"}, {"bob", "a=bcd"}});
  const json report = agreement_report(*read_judgments(*database_, id));
  // First item: 5 of 6 pairs agree; second: Bob ties one, 5 of 5.
  EXPECT_EQ(report["pairs"]["pairs"], 11);
  EXPECT_NEAR(report["pairs"]["percent"].get<double>(), 100.0 * 10 / 11, 1e-9);
  EXPECT_NEAR(report["tau"].get<double>(), ((5.0 - 1) / 6 + 5 / std::sqrt(30)) / 2, 1e-9);
  EXPECT_GT(report["alpha"].get<double>(), 0.8);
  ASSERT_EQ(report["by_labeler"].size(), 2u);
  EXPECT_EQ(report["by_labeler"][0]["person"], "ada");
  EXPECT_EQ(report["by_labeler"][0]["labels"], 2);
  EXPECT_EQ(report["by_labeler"][0]["seconds"], 5.0);
  EXPECT_TRUE(report["by_labeler"][0]["gold"].is_null());
  EXPECT_EQ(report["by_criterion"].size(), 1u);  // overall, which nobody gave
  EXPECT_TRUE(report["by_criterion"][0]["alpha"].is_null());
}

TEST_P(LabelsTest, DisagreementsAreAdjudicated) {
  const std::string id = ranking_project(2, {{"overlap", 2}});
  rank_all(id, {{"ada", "abcd"}, {"bob", "dcba"}, {"ada", "abcd"}, {"bob", "abcd"}});
  const json parted = *labels_->disagreements(id, 100);
  ASSERT_EQ(parted["items"].size(), 1u);
  EXPECT_EQ(parted["items"][0]["labels"].size(), 2u);
  EXPECT_EQ(parted["items"][0]["disagreement"], 1.0);
  const auto item = parted["items"][0]["item"].get<std::string>();
  const json right = ranking(parted["items"][0], "abcd");
  EXPECT_EQ(labels_->adjudicate(item, "rev", {{"ranks", json::object()}}).refused().why, Refused::Why::kWrong);
  ASSERT_TRUE(labels_->adjudicate(item, "rev", right).ok());
  EXPECT_TRUE((*labels_->disagreements(id, 100))["items"].empty());
  EXPECT_EQ(labels_->adjudicate("item-none", "rev", right).refused().why, Refused::Why::kNotThere);
}

TEST_P(LabelsTest, ScreeningGoesByTheResearchersRankings) {
  const std::string id = ranking_project(0, {{"gold_share", 1}});
  json list = json::array();
  for (int i = 0; i < 4; ++i) {
    json prompt = ranking_prompt(std::to_string(i));
    prompt["gold"] = {{"ranking", {{0}, {1}, {2}, {3}}}, {"flags", {{"violent"}, {}, {}, {"sexual"}}}};
    list.push_back(prompt);
  }
  add(id, {{"prompts", list}});
  for (int i = 0; i < 4; ++i) {
    const json ada = next(id, "ada"), bob = next(id, "bob");
    json good = ranking(ada, "abdc"), poor = ranking(bob, "dcba");
    for (const json& answer : ada["answers"]) {
      const char letter = answer["content"].get<std::string>()[0];
      if (letter == 'a') good["flags"][answer["id"].get<std::string>()] = {"violent"};
      if (letter == 'd') good["flags"][answer["id"].get<std::string>()] = {"sexual", "opinion"};
    }
    submit(ada, "ada", good);
    submit(bob, "bob", poor);
  }
  const json people = screening_report(*read_judgments(*database_, id))["people"];
  ASSERT_EQ(people.size(), 2u);
  EXPECT_NEAR(people[0]["agreement"].get<double>(), 500.0 / 6, 1e-9);
  EXPECT_EQ(people[0]["flags"], 100.0);
  EXPECT_EQ(people[0]["passes"], true);
  EXPECT_EQ(people[1]["gold"], 0.0);
  EXPECT_EQ(people[1]["flags"], 0.0);
  EXPECT_EQ(people[1]["passes"], false);
}

TEST_P(LabelsTest, DemonstrationsAreScoredInReviews) {
  const std::string id = project({{"kind", "demonstration"}});
  add(id, {{"text", "one\ntwo"}});
  for (int i = 0; i < 2; ++i) submit(next(id, "ada"), "ada", {{"content", "x"}});
  EXPECT_EQ(screening_report(*read_judgments(*database_, id))["people"][0]["passes"], nullptr);  // nobody knows yet
  const std::string review = project({{"kind", "review"}});
  add(review, {{"labels_of", id}});
  submit(next(review, "rev"), "rev", {{"verdict", "good"}});
  submit(next(review, "rev"), "rev", {{"verdict", "good"}, {"score", 6}});
  const json people = screening_report(*read_judgments(*database_, id))["people"];
  EXPECT_EQ(people[0]["demonstrations"], 6.5);
  EXPECT_EQ(people[0]["passes"], true);
}

}  // namespace
}  // namespace loquat::feedback
