// What is exported is read back by the readers of src/data; who does not allow it is not in it; data sets and erasure.
#include "feedback/training_rows.h"

#include <set>

#include "feedback/datasets.h"
#include "feedback/erase.h"
#include "feedback/studio_for_tests.h"
#include "store/files.h"

namespace loquat::feedback {
namespace {

using nlohmann::json;

class TrainingRowsTest : public StudioTest {
 protected:
  std::vector<Contribution> all(const RowsWanted& wanted) {
    auto found = contributions(*database_, wanted);
    EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error());
    return found.ok() ? *found : std::vector<Contribution>{};
  }
  std::string file_of(const std::vector<Contribution>& from, RowShape shape) {
    std::string bytes;
    for (const std::string& line : lines(from, shape)) bytes += line + "\n";
    const std::string path = folder_ / "rows.jsonl";
    EXPECT_TRUE(write_file(path, bytes).ok());
    return path;
  }
  static AnswerSeen seen(const std::string& message, const std::string& text) {
    return {"talk-" + message, message, {{{"role", "user"}, {"content", "Why?"}}}, text, "m", "h", {{"seed", 1}}};
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, TrainingRowsTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(TrainingRowsTest, RankingsAreReadBackInEveryShape) {
  const std::string id = ranking_project(1, {{"gold_share", 0}});
  const json task = next(id, "ada");
  json label = ranking(task, "ca=bd");
  for (const json& answer : task["answers"]) {
    if (answer["content"] == "c0") label["scores"][answer["id"].get<std::string>()] = {{"overall", 6}};
    if (answer["content"] == "d0") label["flags"][answer["id"].get<std::string>()] = {"violent"};
  }
  submit(task, "ada", label);
  const auto rows = all({{id}, false, 0});
  ASSERT_EQ(rows.size(), 1u);

  const auto rankings = read_rankings(file_of(rows, RowShape::kRankings));
  ASSERT_TRUE(rankings.ok()) << rankings.error();
  ASSERT_EQ(rankings->size(), 1u);
  const Ranking& read = (*rankings)[0];
  EXPECT_EQ(read.prompt[0].content, "question 0");
  ASSERT_EQ(read.responses.size(), 4u);
  EXPECT_EQ(read.responses[0].text, "c0");
  EXPECT_EQ(read.responses[0].likert, 6);
  std::vector<int> ranks;
  for (const auto& response : read.responses) ranks.push_back(response.rank);
  EXPECT_EQ(ranks, (std::vector<int>{0, 1, 1, 2}));
  EXPECT_EQ(read.responses[3].flags, std::vector<std::string>{"violent"});

  const auto pairs = read_rankings(file_of(rows, RowShape::kPairs));
  ASSERT_TRUE(pairs.ok()) << pairs.error();
  EXPECT_EQ(pairs->size(), 5u);  // 6 less the tie
  EXPECT_EQ((*pairs)[0].responses[0].text, "c0");

  const auto judged = read_unpaired(file_of(rows, RowShape::kKto));
  ASSERT_TRUE(judged.ok()) << judged.error();
  ASSERT_EQ(judged->size(), 2u);
  EXPECT_TRUE((*judged)[0].desirable);
  EXPECT_EQ((*judged)[0].reply, "c0");
  EXPECT_EQ((*judged)[1].reply, "d0");

  EXPECT_TRUE(read_prompts(file_of(rows, RowShape::kPrompts)).ok());
  EXPECT_TRUE(lines(rows, RowShape::kMessages).empty());
}

TEST_P(TrainingRowsTest, DemonstrationsAndDialogues) {
  const std::string one = project({{"kind", "demonstration"}}), two = project({{"kind", "dialogue"}});
  add(one, {{"text", "Say hello."}});
  add(two, {{"text", "Be curious."}});
  submit(next(one, "ada"), "ada", {{"content", "Hello!"}});
  submit(next(two, "ada"), "ada",
         {{"messages", {{{"role", "user"}, {"content", "a"}}, {{"role", "assistant"}, {"content", "b"}}}}});
  const auto read = read_demonstrations(file_of(all({{one, two, one}, false, 0}), RowShape::kMessages));
  ASSERT_TRUE(read.ok()) << read.error();
  std::set<std::string> replies;
  for (const Demonstration& item : *read) replies.insert(item.messages.back().content);
  EXPECT_EQ(replies, (std::set<std::string>{"Hello!", "b"}));
}

TEST_P(TrainingRowsTest, RejectedUnfixedAndAdjudicatedLabelsAreLeftOut) {
  const std::string id = ranking_project(3);
  std::vector<std::string> made, items;
  for (int i = 0; i < 3; ++i) {
    const json task = next(id, "ada");
    items.push_back(task["item"]);
    made.push_back(submit(task, "ada", ranking(task, "abcd")));
  }
  const std::string review = project({{"kind", "review"}});
  add(review, {{"labels_of", id}});
  submit(next(review, "rev"), "rev", {{"verdict", "fix"}});
  submit(next(review, "rev"), "rev", {{"verdict", "good"}});
  submit(next(review, "rev"), "rev", {{"verdict", "reject"}});
  EXPECT_EQ(all({{id}, false, 0}).size(), 1u);
  json fixed, good;
  for (const std::string& label : made) {
    const json known = *labels_->get(label);
    if (known["verdict"] == "fix") fixed = known;
    if (known["verdict"] == "good") good = known;
  }
  ASSERT_TRUE(labels_->correct(fixed["id"], "ada", false, ranking(fixed, "bacd"), "").ok());
  EXPECT_EQ(all({{id}, false, 0}).size(), 2u);
  ASSERT_TRUE(labels_->adjudicate(good["item"], "rev", ranking(good, "dcba")).ok());
  const auto rows = all({{id}, false, 0});
  ASSERT_EQ(rows.size(), 2u);
  const bool first = rows[0].source == good["item"];
  EXPECT_EQ(rows[first ? 0 : 1].rankings[0].responses[0].text[0], 'd');
  EXPECT_EQ(rows[first ? 0 : 1].person, "rev");
}

TEST_P(TrainingRowsTest, FeedbackOfThoseWhoAllowIt) {
  const Consent yes{true, true}, no{true, false};
  ASSERT_TRUE(messages_->put("ada", yes, seen("1", "Because."), {{"thumb", "down"}, {"better", "It is blue."}}).ok());
  ASSERT_TRUE(messages_->put("bob", no, seen("2", "Secret."), {{"thumb", "up"}}).ok());
  ASSERT_TRUE(messages_->compare("ada", yes, {seen("3", "good"), seen("4", "bad")}, "chosen").ok());
  ASSERT_TRUE(messages_->compare("ada", yes, {seen("5", "x"), seen("6", "y")}, "both_bad").ok());
  ASSERT_TRUE(messages_->compare("ada", yes, {seen("7", "x"), seen("8", "y")}, "tie").ok());
  const auto rows = all({{}, true, 0});
  const auto rankings = *read_rankings(file_of(rows, RowShape::kRankings));
  ASSERT_EQ(rankings.size(), 2u);
  EXPECT_EQ(read_demonstrations(file_of(rows, RowShape::kMessages))->at(0).messages.back().content, "It is blue.");
  int64_t good = 0, bad = 0;
  for (const auto& reply : *read_unpaired(file_of(rows, RowShape::kKto))) ++(reply.desirable ? good : bad);
  EXPECT_EQ(good, 2);  // the better one, and the chosen one
  EXPECT_EQ(bad, 5);   // thumbed down, its pair's other half, the rejected one, both that were bad
  for (const Contribution& one : rows) EXPECT_EQ(one.person, "ada");
  ASSERT_TRUE(messages_->withdraw("ada", false, true).ok());
  EXPECT_TRUE(all({{}, true, 0}).empty());
}

TEST_P(TrainingRowsTest, NobodyWeighsTooMuch) {
  const std::string id = ranking_project(12);
  for (int i = 0; i < 9; ++i) {
    const json task = next(id, "ada");
    submit(task, "ada", ranking(task, "abcd"));
  }
  const json task = next(id, "bob");
  submit(task, "bob", ranking(task, "abcd"));
  const auto capped = all({{id}, false, 3}), again = all({{id}, false, 3});
  ASSERT_EQ(capped.size(), 4u);
  int64_t of_ada = 0;
  for (size_t i = 0; i < capped.size(); ++i) {
    of_ada += capped[i].person == "ada";
    EXPECT_EQ(capped[i].source, again[i].source);
  }
  EXPECT_EQ(of_ada, 3);
}

TEST_P(TrainingRowsTest, DatasetsKnowWhatTheyCameFromAndWhatErasureLeaves) {
  Datasets datasets(database_, folder_ / "datasets", [this] { return now_; });
  const std::string id = ranking_project(2, {{"overlap", 2}});
  EXPECT_EQ(datasets.make("none", {{id}, true, 0}).refused().what, "empty");
  for (const char* person : {"ada", "bob", "ada"}) {
    const json task = next(id, person);
    submit(task, person, ranking(task, "abcd"));
  }
  ASSERT_TRUE(messages_->put("ada", {true, true}, seen("1", "Because."), {{"thumb", "up"}}).ok());
  auto made = datasets.make("first", {{id}, true, 0});
  ASSERT_TRUE(made.ok()) << made.refused().message;
  const auto hash = (*made)["hash"].get<std::string>();
  EXPECT_EQ((*made)["rows"], 4);
  EXPECT_EQ((*made)["from"], (json{{"labels", 3}, {"conversations", 1}, {"people", 2}}));
  EXPECT_EQ(read_rankings(datasets.folder(hash) + "/rankings.jsonl")->size(), 3u);
  EXPECT_EQ(read_unpaired(datasets.folder(hash) + "/unpaired.jsonl")->size(), 1u);
  EXPECT_EQ((*datasets.make("again", {{id}, true, 100}))["name"], "first");  // the same rows
  EXPECT_EQ((*datasets.list()).size(), 1u);
  ASSERT_TRUE(datasets.record_model(hash, "town-2").ok());
  EXPECT_EQ((*datasets.get(hash))["models"], json{"town-2"});

  const auto erased = erase_person(*database_, "ada");
  ASSERT_TRUE(erased.ok()) << erased.error();
  EXPECT_EQ(erased->labels, 2);
  EXPECT_EQ(erased->feedback, 1);
  ASSERT_EQ(erased->datasets.size(), 1u);
  EXPECT_EQ(erased->datasets[0].hash, hash);
  EXPECT_EQ(erased->models, std::vector<std::string>{"town-2"});
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_labels"), 1);
  EXPECT_EQ(count("SELECT SUM(holders) FROM feedback_items"), 1);
  auto rest = datasets.make("rest", {{id}, true, 0});
  ASSERT_TRUE(rest.ok());
  EXPECT_NE((*rest)["hash"], hash);
  EXPECT_EQ(datasets.get("none").refused().why, Refused::Why::kNotThere);
}

class MessagesTest : public TrainingRowsTest {};
INSTANTIATE_TEST_SUITE_P(Engines, MessagesTest, testing::Values("sqlite", "postgres"), engine_name);

TEST_P(MessagesTest, FeedbackIsKeptChangedAndTakenBack) {
  const Consent yes{true, true};
  EXPECT_EQ(messages_->put("ada", yes, seen("1", "x"), {{"thumb", "sideways"}}).refused().what, "thumb");
  EXPECT_EQ(messages_->put("ada", yes, seen("1", "x"), {{"flags", {"rude"}}}).refused().what, "flags");
  const json kept = *messages_->put("ada", yes, seen("1", "x"), {{"thumb", "up"}, {"comment", std::string("a\0b", 3)}});
  EXPECT_EQ(kept,
            (json{{"thumb", "up"}, {"flags", json::array()}, {"comment", std::string("a\0b", 3)}, {"better", ""}}));
  EXPECT_EQ(messages_->of_conversation("ada", "talk-1")->at("1"), kept);
  EXPECT_TRUE(messages_->of_conversation("bob", "talk-1")->empty());
  (void)*messages_->put("ada", yes, seen("1", "x"), {{"flags", {"hallucination"}}});
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_messages"), 1);
  (void)*messages_->put("ada", yes, seen("1", "x"), json::object());
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_messages"), 0);
}

TEST_P(MessagesTest, BlindVotesAreCountedOnce) {
  const Consent yes{true, true};
  const auto side = [](const std::string& model, const std::string& message) {
    AnswerSeen out = seen(message, "text of " + model);
    out.model = model;
    return out;
  };
  const std::vector<std::string> choices = {"left", "left", "left", "right", "tie", "both_bad"};
  for (size_t i = 0; i < choices.size(); ++i) {
    const AnswerSeen left = side("A", "l"), right = side("B", "r");
    const std::string id = *messages_->begin_blind("ada", left, right);
    EXPECT_EQ(messages_->blind("bob", id).refused().why, Refused::Why::kNotThere);
    EXPECT_EQ(messages_->vote("ada", yes, id, left, right, "up").refused().what, "choice");
    ASSERT_TRUE(messages_->vote("ada", yes, id, left, right, choices[i]).ok());
    EXPECT_EQ(messages_->vote("ada", yes, id, left, right, "right").refused().what, "voted");
    EXPECT_EQ(messages_->blind("ada", id)->left.model, "A");
  }
  const json models = (*messages_->blind_scores())["models"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0]["wins"], 3);
  EXPECT_EQ(models[0]["losses"], 1);
  EXPECT_EQ(models[0]["ties"], 2);
  EXPECT_DOUBLE_EQ(models[0]["share"].get<double>(), 0.75);
  EXPECT_LT(models[0]["low"].get<double>(), 0.75);
  EXPECT_EQ(models[1]["wins"], 1);
}

TEST_P(MessagesTest, ADeletedConversationIsForgotten) {
  const Consent yes{true, true};
  (void)*messages_->put("ada", yes, seen("1", "x"), {{"thumb", "up"}});
  (void)*messages_->put("ada", yes, seen("2", "x"), {{"thumb", "up"}});
  ASSERT_TRUE(messages_->forget_conversation("ada", "talk-1").ok());
  EXPECT_EQ(count("SELECT COUNT(*) FROM feedback_messages"), 1);
}

}  // namespace
}  // namespace loquat::feedback
