// `loquat feedback export` as it is typed, over a database that people have worked in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/said_for_tests.h"
#include "cli/verbs.h"
#include "data/jsonl.h"
#include "feedback/messages.h"
#include "feedback/queue.h"
#include "store/files.h"

namespace loquat {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

class FeedbackVerb : public DatabaseVerb {
 protected:
  static Said run(const std::vector<std::string>& words) { return say(add_feedback_verb, "feedback", words); }

  // A ranking and a demonstration of two people each, and what two people said of answers, one of whom allows training.
  void fill() {
    const auto database = *database::Database::open(database_);
    ASSERT_TRUE(feedback::migrate(*database).ok());
    feedback::Projects projects(database, feedback::system_clock);
    feedback::Queue queue(database, feedback::system_clock);
    for (const char* kind : {"ranking", "demonstration"}) {
      const std::string id = projects.create({{"name", kind}, {"kind", kind}, {"overlap", 2}})->id;
      Json prompt = {{"messages", {{{"role", "user"}, {"content", "Ferry?"}}}}};
      if (std::string(kind) == "ranking") prompt["answers"] = {"a", "b", "c", "d"};
      ASSERT_EQ(projects.add_prompts(id, {{"prompts", Json::array({prompt})}})->added, 1);
      for (const char* person : {"ada", "bob"}) {
        const Json task = *queue.next(id, person)->task;
        Json label = {{"content", std::string("Ask ") + person}};
        if (std::string(kind) == "ranking") {
          label = {{"ranks", Json::object()}};
          for (const Json& answer : task["answers"])
            label["ranks"][answer["id"].get<std::string>()] = answer["content"].get<std::string>()[0] - 'a' + 1;
        }
        ASSERT_TRUE(queue.submit(task["id"], person, label).ok());
      }
      (std::string(kind) == "ranking" ? ranking_ : demonstration_) = id;
    }
    feedback::MessageFeedback messages(database, feedback::system_clock);
    for (const char* person : {"ada", "shy"}) {
      const feedback::AnswerSeen answer{"talk", person, {{{"role", "user"}, {"content", "Why?"}}}, "Because.", "m",
                                        "h",    {}};
      ASSERT_TRUE(messages
                      .put(person, {true, std::string(person) == "ada"}, answer,
                           {{"thumb", "down"}, {"better", std::string("As ") + person + " says."}})
                      .ok());
    }
  }
  static std::vector<Json> rows(const std::string& text) {
    std::vector<Json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) out.push_back(Json::parse(line));
    return out;
  }

  std::string ranking_, demonstration_;
};

TEST_F(FeedbackVerb, RowsGoToStdoutAndAreReadBack) {
  fill();
  const Said said = run({"export", "--project", ranking_});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(rows(said.out).size(), 2u);
  EXPECT_THAT(said.err, HasSubstr("2 rows (rankings) of 2 labels"));
  const std::string file = folder_ / "rows.jsonl";
  ASSERT_TRUE(write_file(file, said.out).ok());
  const auto read = read_rankings(file);
  ASSERT_TRUE(read.ok()) << read.error();
  EXPECT_EQ(read->at(0).responses.at(0).text, "a");
}

TEST_F(FeedbackVerb, EveryShapeToAFile) {
  fill();
  const std::string out = folder_ / "out.jsonl";
  const std::vector<std::pair<std::string, size_t>> shapes = {
      {"rankings", 3}, {"pairs", 13}, {"messages", 3}, {"prompts", 2}};
  for (const auto& [shape, count] : shapes) {
    const Said said = run(
        {"export", "--project", ranking_, "--project", demonstration_, "--feedback", "--shape", shape, "--out", out});
    EXPECT_EQ(said.code, 0) << shape << ": " << said.err;
    EXPECT_EQ(said.out, "");
    EXPECT_THAT(said.err, HasSubstr(out));
    const std::string text = *read_file(out);
    EXPECT_EQ(rows(text).size(), count) << shape;
    EXPECT_EQ(text.find("shy"), text.npos) << shape << ": who does not allow training is not in it";
  }
  const Said kto = run({"export", "--feedback", "--shape", "kto"});
  EXPECT_EQ(kto.code, 0);
  for (const Json& row : rows(kto.out)) EXPECT_TRUE(row["label"].is_boolean());
}

TEST_F(FeedbackVerb, OnePersonsShareIsCapped) {
  fill();
  const Said said = run({"export", "--project", ranking_, "--project", demonstration_, "--feedback", "--shape",
                         "prompts", "--most-per-person", "1"});
  EXPECT_EQ(said.code, 0);
  EXPECT_THAT(said.err, HasSubstr("of 2 labels and comments"));  // of ada's three and bob's two
}

TEST_F(FeedbackVerb, BadInputIsSaid) {
  const Said missing = run({"export", "--feedback"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("no such database"));
  EXPECT_FALSE(file_exists(database_));
  fill();
  const Said nothing = run({"export"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("--project"));
  const Said unknown = run({"export", "--project", "project-none"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("project-none"));
  const Said empty = run({"export", "--project", ranking_, "--shape", "messages"});
  EXPECT_EQ(empty.code, 2);
  EXPECT_EQ(empty.out, "");
  EXPECT_THAT(empty.err, HasSubstr("nothing of the shape messages"));
  EXPECT_EQ(run({"export", "--project", ranking_, "--shape", "poem"}).code, 2);
  EXPECT_EQ(run({"export", "--project", ranking_, "--most-per-person", "-1"}).code, 2);
  const Said unwritable = run({"export", "--project", ranking_, "--out", folder_ / "nowhere/rows.jsonl"});
  EXPECT_EQ(unwritable.code, 2);
  EXPECT_THAT(unwritable.err, HasSubstr("nowhere"));
  std::ofstream(folder_ / "text.db") << std::string(4096, 'x');
  EXPECT_EQ(run({"export", "--feedback", "--database", folder_ / "text.db"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
}

}  // namespace
}  // namespace loquat
