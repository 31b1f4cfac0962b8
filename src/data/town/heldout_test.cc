// What is held out stays out: wordings, facts, names; and tests use no word that training lacks.
#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

#include "data/town/town_test_util.h"

namespace loquat::town {
namespace {

constexpr uint64_t kSeeds[] = {1, 2, 77, 4242};

// The request's own words: without the text that it brings along.
std::string request_of(const Task& task) {
  std::string text = task.messages.back().content;
  if (const size_t at = task.passage.empty() ? std::string::npos : text.find(task.passage); at != std::string::npos)
    text.erase(at, task.passage.size());
  return text;
}

struct TrainingTexts {
  std::vector<std::string> requests;  // the users' turns
  std::vector<std::string> texts;     // what else training reads
};
TrainingTexts training_texts(const World& world, int64_t words) {
  TrainingTexts all;
  all.texts = make_documents(world, words, false);
  auto add = [&](const Task& task) {
    for (const Message& m : task.messages)
      if (&m != &task.messages.back()) all.texts.push_back(m.content);
    all.requests.push_back(request_of(task));
    all.texts.push_back(task.passage);
  };
  for (const TaskDemonstration& d : make_demonstrations(world, 1000)) {
    add(d.task);
    all.texts.push_back(d.reply);
  }
  for (const char* stage : {"comparisons", "ppo"})
    for (const Task& task : make_training_tasks(world, 2000, stage)) add(task);
  return all;
}
std::vector<std::string> sentences_of(const std::string& text) {
  std::vector<std::string> sentences(1);
  for (char c : text) {
    if (c == '.' || c == '!' || c == '?' || c == ':' || c == '\n') {
      sentences.emplace_back();
    } else {
      sentences.back() += c;
    }
  }
  return sentences;
}

TEST(HeldOut, FortyWaysToAskEachKindOfQuestion) {
  for (uint64_t seed : kSeeds) {
    const auto language = Language::of(seed);
    for (const std::string& key : language->keys()) {
      if (key.starts_with("chat/") || key.starts_with("extra/")) continue;  // no questions
      const std::vector<std::string> train = language->all(key, false), held = language->all(key, true);
      EXPECT_GE(std::set<std::string>(train.begin(), train.end()).size(), 40u) << key;
      EXPECT_GE(std::set<std::string>(held.begin(), held.end()).size(), 10u) << key;
    }
    for (const auto* texts : {&person_texts(), &shop_texts(), &travel_texts(), &place_texts(), &secret_texts()})
      for (const AttributeText& t : *texts) EXPECT_GE(language->attribute(t.key).tell.train.size(), 8u) << t.key;
  }
  std::set<std::vector<std::string>> draws;
  for (uint64_t seed : kSeeds) draws.insert(Language::of(seed)->all("opens", true));
  EXPECT_GT(draws.size(), 1u);
}

TEST(HeldOut, NoFiveWordsInCommonWithTraining) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    const Masker masker(world);
    std::unordered_set<uint64_t> training;
    // Requests as they stand. Documents and replies by the sentence: what happens to end one and begin the next is no
    // wording.
    const TrainingTexts all = training_texts(world, 300'000);
    for (const std::string& text : all.requests)
      for (uint64_t gram : grams_of(masker.words(text))) training.insert(gram);
    for (const std::string& text : all.texts)
      for (const std::string& sentence : sentences_of(text))
        for (uint64_t gram : grams_of(masker.words(sentence))) training.insert(gram);
    auto check = [&](const std::vector<std::string>& words, const std::string& text) {
      for (size_t i = 0; i + 5 <= words.size(); ++i) {
        const std::vector<std::string> five(words.begin() + static_cast<std::ptrdiff_t>(i),
                                            words.begin() + static_cast<std::ptrdiff_t>(i) + 5);
        EXPECT_FALSE(training.contains(grams_of(five)[0]))
            << text << "  [" << five[0] << " " << five[1] << " " << five[2] << " " << five[3] << " " << five[4] << "]";
      }
    };
    const auto language = Language::of(seed);
    for (const std::string& key : language->keys())
      for (const std::string& text : language->all(key, true)) check(words_of(text), text);
    for (const std::string& measure : test_measures())
      for (const Task& task : make_test_tasks(world, measure, 200))
        check(masker.words(request_of(task)), task.messages.back().content);
  }
}

// "Finch's" is "Finch" and "'s": two pieces for every tokenizer.
std::string bare(const std::string& word) {
  return word.ends_with("'s") ? word.substr(0, word.size() - 2) : word;
}

TEST(HeldOut, TestsUseOnlyWordsOfTraining) {
  for (uint64_t seed : kSeeds) {
    const World world = make_world(seed);
    std::unordered_set<std::string> known;
    TrainingTexts all = training_texts(world, town_scale("smoke").document_words);
    all.texts.insert(all.texts.end(), all.requests.begin(), all.requests.end());
    for (const std::string& text : all.texts)
      for (const std::string& word : words_of(text)) known.insert(bare(word));
    for (const std::string& measure : test_measures())
      for (const Task& task : make_test_tasks(world, measure, 300))
        for (const Message& m : task.messages)
          for (const std::string& word : words_of(m.content))
            EXPECT_TRUE(known.contains(bare(word))) << word << " in: " << m.content;
  }
}

TEST(HeldOut, StagesAskOnlyAboutTheirFacts) {
  const World world = make_world(3);
  for (const TaskDemonstration& d : make_demonstrations(world, 3000))
    for (const auto* ids : {&d.task.facts, &d.task.forbidden})
      for (int32_t id : *ids)
        EXPECT_TRUE(world.facts[id].split == Split::kShown || world.facts[id].split == Split::kDemonstrated);
  int in_rl = 0;
  for (const Task& task : make_training_tasks(world, 3000, "ppo"))
    for (const auto* ids : {&task.facts, &task.forbidden})
      for (int32_t id : *ids) {
        EXPECT_NE(world.facts[id].split, Split::kDocumentOnly);
        in_rl += world.facts[id].split == Split::kAskedInRl;
      }
  EXPECT_GT(in_rl, 150);
  for (const Task& task : make_test_tasks(world, "document_only", 300))
    EXPECT_EQ(world.facts[task.facts.at(0)].split, Split::kDocumentOnly);
  for (const Task& task : make_test_tasks(world, "closed_book", 300))
    for (int32_t id : task.facts) EXPECT_NE(world.facts[id].split, Split::kDocumentOnly);
}

TEST(HeldOut, UnanswerableQuestionsOfTestsAreNotThoseOfTraining) {
  const World world = make_world(3);
  std::string training;
  for (const Task& task : make_training_tasks(world, 6000, "ppo"))
    if (task.measure == "unanswerable") training += task.messages[0].content + "\n";
  int strangers = 0;
  for (const Stranger& s : world.strangers) {
    const std::string name = s.name.starts_with("the ") ? s.name.substr(4) : s.name;
    const bool found = training.find(name) != std::string::npos;
    EXPECT_FALSE(s.held_out && found) << name;
    strangers += found;
  }
  EXPECT_GT(strangers, 100);
}

}  // namespace
}  // namespace loquat::town
