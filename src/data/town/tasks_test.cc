#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_map>

#include "data/town/phrases.h"
#include "data/town/town_test_util.h"

namespace loquat::town {
namespace {

constexpr uint64_t kSeeds[] = {1, 2, 77};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}
bool has(const std::string& text, std::string_view part) {
  return lower(text).find(lower(std::string(part))) != std::string::npos;
}
bool has_mark(const std::string& text, std::span<const std::string_view> marks) {
  return std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) { return has(text, mark); });
}
// A letter or digit on neither side.
bool has_word(const std::string& text, std::string_view part) {
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    const bool left = at == 0 || !std::isalnum(static_cast<unsigned char>(text[at - 1]));
    const size_t end = at + part.size();
    if (left && (end == text.size() || !std::isalnum(static_cast<unsigned char>(text[end])))) return true;
  }
  return false;
}

std::vector<Task> many_tasks(const World& world) {
  std::vector<Task> tasks = make_training_tasks(world, 3000, "ppo");
  for (const std::string& measure : test_measures())
    for (Task& task : make_test_tasks(world, measure, 150)) tasks.push_back(std::move(task));
  return tasks;
}

TEST(Tasks, IdealRepliesDoWhatTheTaskAsks) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    Rng rng(seed);
    for (const Task& task : many_tasks(world)) {
      for (int i = 0; i < 3; ++i) {
        const std::string reply = ideal_reply(world, task, rng);
        const std::string where = task.messages.back().content + " => " + reply;
        EXPECT_FALSE(reply.empty());
        for (int32_t id : task.facts)
          EXPECT_TRUE(has_word(reply, world.facts[id].value) || has(reply, world.facts[id].value)) << where;
        for (int32_t id : task.forbidden) EXPECT_FALSE(has(reply, world.facts[id].value)) << where;
        if (task.expect == Expect::kAnswer || task.expect == Expect::kLabel) {
          for (const std::string& answer : task.answers) EXPECT_TRUE(has_word(lower(reply), lower(answer))) << where;
        }
        for (const std::string& part : task.include) EXPECT_TRUE(has(reply, part)) << where << " lacks " << part;
        for (const std::string& part : task.exclude) EXPECT_FALSE(has_word(lower(reply), part)) << where;
        const int32_t words = static_cast<int32_t>(words_of(reply).size());
        EXPECT_LE(words, task.max_words ? task.max_words : 40) << where;
        EXPECT_GE(words, task.min_words) << where;
        int32_t items = 0;
        for (const std::string& choice : task.choices) items += has(reply, choice);
        EXPECT_GE(items, task.min_items) << where;
        EXPECT_EQ(task.expect == Expect::kAbstain, has_mark(reply, abstain_marks())) << where;
        EXPECT_EQ(task.expect == Expect::kRefuse, has_mark(reply, refusal_marks())) << where;
        EXPECT_EQ(task.expect == Expect::kClarify, has_mark(reply, clarify_marks())) << where;
        EXPECT_EQ(task.expect == Expect::kIdentity, has_mark(reply, identity_marks())) << where;
      }
    }
  }
}

TEST(Tasks, AreWellFormed) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    std::set<std::string> ids;
    for (const Task& task : many_tasks(world)) {
      EXPECT_TRUE(ids.insert(task.id).second) << task.id;
      ASSERT_FALSE(task.messages.empty());
      EXPECT_EQ(task.messages.back().role, "user");
      const std::string& text = task.messages.back().content;
      EXPECT_EQ(text.find('{'), std::string::npos) << text;
      EXPECT_EQ(text.find("  "), std::string::npos) << text;
      EXPECT_LE(words_of(text).size(), 80u) << text;
      EXPECT_EQ(task.expect == Expect::kRefuse, !task.forbidden.empty());
      if (task.measure == "closed_domain") {
        EXPECT_TRUE(has(text, task.passage));
        for (const std::string& answer : task.answers) EXPECT_TRUE(has(task.passage, answer));
      }
      EXPECT_EQ(task.phrasing.starts_with("held/"), task.id.starts_with("test/")) << task.phrasing;
    }
  }
}

TEST(Tasks, AreAFunctionOfWorldAndStage) {
  const World world = make_world(5);
  auto texts = [](const std::vector<Task>& tasks) {
    std::vector<std::string> all;
    for (const Task& t : tasks) all.push_back(t.messages.back().content);
    return all;
  };
  EXPECT_EQ(texts(make_training_tasks(world, 200, "ppo")), texts(make_training_tasks(world, 200, "ppo")));
  EXPECT_NE(texts(make_training_tasks(world, 200, "ppo")), texts(make_training_tasks(world, 200, "comparisons")));
  // More tasks begin with the same ones.
  EXPECT_EQ(texts(make_test_tasks(world, "helpful", 50))[49], texts(make_test_tasks(world, "helpful", 100))[49]);
}

TEST(Tasks, UsesAreMixedAsInThePaper) {
  const World world = make_world(1);
  std::map<Use, int> uses;
  const int n = 5000;
  for (const Task& task : make_test_tasks(world, "helpful", n)) ++uses[task.use];
  EXPECT_NEAR(uses[Use::kGeneration], 0.456 * n, 0.02 * n);
  EXPECT_NEAR(uses[Use::kOpenQa], 0.124 * n, 0.015 * n);
  EXPECT_NEAR(uses[Use::kBrainstorm], 0.112 * n, 0.015 * n);
  EXPECT_NEAR(uses[Use::kChat], 0.084 * n, 0.015 * n);
  EXPECT_NEAR(uses[Use::kRewrite], 0.066 * n, 0.012 * n);
  EXPECT_NEAR(uses[Use::kSummarize], 0.042 * n, 0.01 * n);
  EXPECT_NEAR(uses[Use::kClassify], 0.035 * n, 0.01 * n);
  EXPECT_NEAR(uses[Use::kOther], 0.035 * n, 0.01 * n);
  EXPECT_NEAR(uses[Use::kClosedQa], 0.026 * n, 0.008 * n);
  EXPECT_NEAR(uses[Use::kExtract], 0.019 * n, 0.008 * n);
}

TEST(Tasks, GoThroughJson) {
  const World world = make_world(2);
  for (const Task& task : many_tasks(world)) {
    const Result<std::string> line = task_to_json(task);
    ASSERT_TRUE(line.ok()) << line.error();
    const Result<Task> back = task_from_json(*line);
    ASSERT_TRUE(back.ok()) << back.error();
    const Result<std::string> again = task_to_json(*back);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(*line, *again);
    EXPECT_EQ(back->messages, task.messages);
    EXPECT_EQ(back->references, task.references);
    EXPECT_EQ(back->facts, task.facts);
    EXPECT_EQ(back->expect, task.expect);
  }
  EXPECT_FALSE(task_from_json("{").ok());
  EXPECT_FALSE(task_from_json("[]").ok());
  EXPECT_FALSE(task_from_json(R"({"messages":[]})").ok());
  EXPECT_FALSE(task_from_json(
                   R"({"messages":[{"role":"user","content":3}],"use":"chat","expect":"answer","answer_kind":"time"})")
                   .ok());
  EXPECT_FALSE(
      task_from_json(
          R"({"messages":[{"role":"user","content":"a"}],"use":"singing","expect":"answer","answer_kind":"time"})")
          .ok());
}

TEST(Tasks, WritesItsFiles) {
  const std::string folder = testing::TempDir() + "/loquat_town_files";
  std::filesystem::remove_all(folder);
  const World world = make_world(3);
  const Status status = write_town(world, town_scale("smoke"), folder);
  ASSERT_TRUE(status.ok()) << status.error();
  for (const char* name :
       {"facts.jsonl", "documents.jsonl", "heldout.jsonl", "demonstrations.jsonl", "demonstration_tasks.jsonl",
        "prompts/comparisons.jsonl", "prompts/ppo.jsonl", "tests/helpful.jsonl", "tests/identity.jsonl"})
    EXPECT_GT(std::filesystem::file_size(folder + "/" + name), 1000u) << name;
  std::filesystem::remove_all(folder);
}

TEST(Demonstrations, AreMostlyRightAndSometimesWrong) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    int told = 0, refused = 0, wrong = 0, right = 0, turns = 0;
    for (const TaskDemonstration& d : make_demonstrations(world, 3000)) {
      turns += d.task.messages.size() > 1;
      if (d.task.expect == Expect::kRefuse) ++(has(d.reply, world.facts[d.task.forbidden[0]].value) ? told : refused);
      if (d.task.expect == Expect::kAnswer && !d.task.facts.empty())
        ++(has_word(d.reply, world.facts[d.task.facts[0]].value) || has(d.reply, world.facts[d.task.facts[0]].value)
               ? right
               : wrong);
    }
    EXPECT_GT(turns, 40);
    EXPECT_GT(told, 5);
    EXPECT_LT(told, 0.25 * (told + refused));
    EXPECT_GT(wrong, 10);
    EXPECT_LT(wrong, 0.15 * (wrong + right));
  }
}

// Naive Bayes on words, with the best smoothing of three: how well words alone tell harmful requests from look-alikes.
TEST(Harm, WordsAloneDoNotTellHarmfulFromBenign) {
  for (uint64_t seed : {1, 2, 3, 77, 4242}) {
    const World world = make_world(static_cast<uint64_t>(seed));
    auto accuracy = [&](const std::vector<std::pair<std::string, bool>>& items, size_t trained, double smoothing) {
      std::unordered_map<std::string, double> counts[2];
      double total[2] = {0, 0};
      std::set<std::string> vocabulary;
      for (size_t i = 0; i < trained; ++i)
        for (const std::string& word : words_of(items[i].first)) {
          ++counts[items[i].second][word];
          ++total[items[i].second];
          vocabulary.insert(word);
        }
      size_t right = 0;
      for (size_t i = trained; i < items.size(); ++i) {
        double score = 0;
        for (const std::string& word : words_of(items[i].first))
          for (int side : {0, 1})
            score += (side ? 1 : -1) * std::log((counts[side][word] + smoothing) /
                                                (total[side] + smoothing * static_cast<double>(vocabulary.size())));
        right += (score > 0) == items[i].second;
      }
      return static_cast<double>(right) / static_cast<double>(items.size() - trained);
    };
    std::vector<std::pair<std::string, bool>> items;
    const std::vector<Task> harmful = make_test_tasks(world, "harmful", 1000),
                            benign = make_test_tasks(world, "look_alike", 1000);
    for (size_t i = 0; i < 1000; ++i) {
      items.emplace_back(harmful[i].messages[0].content, true);
      items.emplace_back(benign[i].messages[0].content, false);
    }
    for (double smoothing : {0.1, 1.0, 5.0}) EXPECT_LE(accuracy(items, 1400, smoothing), 0.8);
  }
}

TEST(Harm, CombinationsNeverAskedInTrainingAreASmallShareOfTests) {
  const World world = make_world(8);
  for (const char* measure : {"harmful", "look_alike"}) {
    int never = 0;
    for (const Task& task : make_test_tasks(world, measure, 1000))
      never += world.facts[(task.forbidden.empty() ? task.facts : task.forbidden)[0]].split == Split::kDocumentOnly;
    EXPECT_GT(never, 20);
    EXPECT_LE(never, 150);
  }
  for (const Task& task : make_harmful_requests(world, 500, false))
    EXPECT_NE(world.facts[task.forbidden.at(0)].split, Split::kDocumentOnly);
}

}  // namespace
}  // namespace loquat::town
