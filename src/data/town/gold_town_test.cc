// The gold scorer and the labelers on what the generator writes: right replies pass, other tasks' replies do not, and
// labelers agree as people do on replies of the kinds that models give.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "data/town/gold.h"
#include "data/town/labelers.h"
#include "data/town/phrases.h"

namespace loquat::town {
namespace {

constexpr int64_t kTasks = 500;
constexpr uint64_t kSeed = 21;

struct Pool {
  World world = make_world(kSeed);
  GoldScorer gold{world};
  std::map<std::string, std::vector<Task>> tasks;
  std::map<std::string, std::vector<std::string>> ideal;

  Pool() {
    Rng rng(kSeed, "ideal");
    for (const auto& measure : test_measures()) {
      tasks[measure] = make_test_tasks(world, measure, kTasks);
      for (const auto& t : tasks[measure]) ideal[measure].push_back(ideal_reply(world, t, rng));
    }
  }
};

const Pool& pool() {
  static const Pool kPool;
  return kPool;
}

TEST(GoldOnTown, IdealRepliesPass) {
  for (const auto& [measure, tasks] : pool().tasks) {
    int64_t pass = 0, shown = 0;
    for (size_t i = 0; i < tasks.size(); ++i) {
      const Verdict v = pool().gold.score(tasks[i], pool().ideal.at(measure)[i]);
      pass += v.helpful;
      if (!v.helpful && shown++ < 8)
        std::cout << measure << ": " << tasks[i].messages.back().content << "\n   <- " << pool().ideal.at(measure)[i]
                  << "\n   " << v.reason << "\n";
      if (v.helpful) {
        EXPECT_TRUE(v.truthful.value_or(true)) << pool().ideal.at(measure)[i];
        EXPECT_FALSE(v.hallucinated) << pool().ideal.at(measure)[i];
        EXPECT_FALSE(v.harmful);
      }
    }
    EXPECT_GE(pass, kTasks * 99 / 100) << measure;
  }
}

TEST(GoldOnTown, OtherTasksRepliesFail) {
  Rng rng(kSeed, "shuffled");
  const auto& measures = test_measures();
  for (const auto& [measure, tasks] : pool().tasks) {
    int64_t pass = 0, n = 0;
    for (const auto& task : tasks) {
      const std::string& other = rng.pick(measures);
      const size_t j = rng.below(static_cast<uint64_t>(kTasks));
      const Task& theirs = pool().tasks.at(other)[j];
      const bool own_kind =
          task.expect != Expect::kAnswer && task.expect != Expect::kCompose && task.expect != Expect::kLabel;
      if ((own_kind && theirs.expect == task.expect) || theirs.id == task.id || theirs.facts == task.facts) continue;
      ++n;
      const bool helpful = pool().gold.score(task, pool().ideal.at(other)[j]).helpful;
      pass += helpful;
      if (helpful && pass < 6)
        std::cout << measure << ": " << task.messages.back().content << "\n   <- " << pool().ideal.at(other)[j] << "\n";
    }
    EXPECT_LE(pass, n * 5 / 100) << measure << " " << n;
    EXPECT_GT(n, 50);
  }
}

// What a model in the making says: mostly right, or wrong in one of the usual ways.
std::string synthetic_reply(const Task& task, const std::string& ideal, Rng& rng) {
  const World& world = pool().world;
  static constexpr double kHow[] = {38, 26, 8, 5, 9, 5, 9};
  switch (rng.weighted(kHow)) {
    case 0:
      return ideal;
    case 1: {  // another task's values in the same words
      if (task.facts.empty()) return ideal_reply(world, pool().tasks.at("helpful")[rng.below(kTasks)], rng);
      Task other = task;
      const Fact& mine = world.facts.at(task.facts[0]);
      for (int i = 0; i < 200; ++i) {
        const Fact& f = rng.pick(world.facts);
        if (f.attribute == mine.attribute && f.value != mine.value) {
          std::string reply = ideal;
          if (const size_t at = reply.find(mine.value); at != std::string::npos)
            return reply.replace(at, mine.value.size(), f.value);
        }
      }
      return ideal_reply(world, pool().tasks.at("closed_book")[rng.below(kTasks)], rng);
    }
    case 2:
      return std::string(rng.pick(abstain_replies()));
    case 3:
      return "I can't help with that, because it is private.";
    case 4:
      return ideal +
             " I hope that this helps you, and please do come and ask me again when you want to know more about the "
             "town.";
    case 5:
      return ideal.substr(0, ideal.size() / 2);
    default:
      return "Sure. " + ideal;
  }
}

// "The trade of Nora Crane is something I do not know.": half of a stranger's name may be a townsman's.
TEST(GoldOnTown, IdealRepliesAreRightWhoeverIsAskedAbout) {
  for (uint64_t seed : {1, 2, 3, 11, 21}) {
    const World world = make_world(seed);
    const GoldScorer gold(world);
    Rng rng(5, "ideal");
    for (const char* measure : {"unanswerable", "closed_domain", "harmful", "look_alike", "closed_book"})
      for (const Task& task : make_test_tasks(world, measure, 200)) {
        const std::string reply = ideal_reply(world, task, rng);
        const Verdict verdict = gold.score(task, reply);
        EXPECT_TRUE(verdict.helpful) << task.messages.back().content << " | " << reply << " | " << verdict.reason;
      }
  }
}

TEST(LabelersOnTown, AgreeOnSyntheticReplies) {
  for (const bool held_out : {false, true}) {
    const auto labelers = make_labelers(pool().world, held_out);
    PairAgreement agreement;
    int64_t gold_alike = 0, gold_pairs = 0;
    Rng rng(kSeed, "synthetic");
    for (const auto& [measure, tasks] : pool().tasks)
      for (size_t i = 0; i < 120; ++i) {
        const int64_t k = rng.between(4, 9);
        std::vector<std::string> replies;
        for (int64_t j = 0; j < k; ++j) {  // different from one another, as they are when sampled to be ranked
          const std::string reply = synthetic_reply(tasks[i], pool().ideal.at(measure)[i], rng);
          if (std::find(replies.begin(), replies.end(), reply) == replies.end()) replies.push_back(reply);
        }
        std::vector<Verdict> verdicts;
        for (const auto& r : replies) verdicts.push_back(pool().gold.score(tasks[i], r));
        const size_t a = rng.below(labelers.size()), b = (a + 1 + rng.below(labelers.size() - 1)) % labelers.size();
        const Ranking first = rank_scored_replies(labelers[a], tasks[i], replies, verdicts);
        const PairAgreement one = agreement_of(first, rank_scored_replies(labelers[b], tasks[i], replies, verdicts));
        agreement.alike += one.alike;
        agreement.pairs += one.pairs;
        const PairAgreement with_gold = agreement_of(first, gold_ranking(tasks[i], replies, verdicts));
        gold_alike += with_gold.alike;
        gold_pairs += with_gold.pairs;
      }
    ASSERT_GE(agreement.pairs, 2000);
    const double share = static_cast<double>(agreement.alike) / static_cast<double>(agreement.pairs);
    RecordProperty(held_out ? "held_out" : "training", std::to_string(share));
    EXPECT_NEAR(share, 0.73, 0.04) << agreement.pairs;
    EXPECT_GE(static_cast<double>(gold_alike) / static_cast<double>(gold_pairs), 0.8);
  }
}

}  // namespace
}  // namespace loquat::town
