#include "data/town/labelers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace loquat::town {
namespace {

World world_of(uint64_t seed) {
  World w;
  w.seed = seed;
  w.name = "Pellworth";
  return w;
}

// Utilities as a model of one habit might earn them.
struct Mixture {
  const char* name;
  int least, most;              // replies of a prompt
  std::vector<double> centres;  // drawn from
  double spread;
};

Verdict verdict_of(double utility) {
  Verdict v;
  v.utility = utility;
  v.helpful = utility > 0.7;
  if (utility < 0.26) v.truthful = false, v.hallucinated = true;
  return v;
}

struct Sample {
  Task task;
  std::vector<std::string> replies;
  std::vector<Verdict> verdicts;
};

Sample sample_of(const Mixture& m, int index) {
  Rng rng(7, std::string(m.name) + std::to_string(index));
  Sample s;
  s.task.id = std::string(m.name) + std::to_string(index);
  s.task.messages = {{"user", "When does it open?"}};
  const int64_t n = rng.between(m.least, m.most);
  for (int64_t i = 0; i < n; ++i) {
    std::string reply = "It opens at " + std::to_string(rng.below(20));
    for (uint64_t k = rng.below(10); k > 0; --k) reply += " as you know";
    s.replies.push_back(reply + (rng.chance(0.3) ? ", thank you." : "."));
    s.verdicts.push_back(verdict_of(std::min(1.0, std::max(0.0, rng.pick(m.centres) + m.spread * rng.normal()))));
  }
  return s;
}

PairAgreement agreement_on(const Mixture& m, const std::vector<Labeler>& labelers) {
  PairAgreement sum;
  for (int i = 0; i < 400; ++i) {
    const Sample s = sample_of(m, i);
    Rng rng(3, s.task.id);
    const size_t a = rng.below(labelers.size()), b = (a + 1 + rng.below(labelers.size() - 1)) % labelers.size();
    const PairAgreement one = agreement_of(rank_scored_replies(labelers[a], s.task, s.replies, s.verdicts),
                                           rank_scored_replies(labelers[b], s.task, s.replies, s.verdicts));
    sum.alike += one.alike;
    sum.pairs += one.pairs;
  }
  return sum;
}

const std::vector<Mixture>& mixtures() {
  static const std::vector<Mixture> kAll = {{"mostly right", 4, 9, {0.95, 0.93, 0.9, 0.8, 0.2}, 0.03},
                                            {"mixed", 4, 9, {0.95, 0.8, 0.55, 0.4, 0.2, 0.08}, 0.03},
                                            {"mostly wrong", 4, 9, {0.2, 0.22, 0.18, 0.4, 0.9}, 0.02},
                                            {"four", 4, 4, {0.95, 0.93, 0.2, 0.4}, 0.01},
                                            {"right or wrong", 4, 6, {0.96, 0.2}, 0.0},
                                            {"slight", 4, 9, {0.9}, 0.04}};
  return kAll;
}

TEST(Labelers, AgreeAsPeopleDo) {
  for (const bool held_out : {false, true})
    for (const auto& m : mixtures()) {
      const auto labelers = make_labelers(world_of(11), held_out);
      const PairAgreement sum = agreement_on(m, labelers);
      ASSERT_GE(sum.pairs, 1000) << m.name;
      const double share = static_cast<double>(sum.alike) / static_cast<double>(sum.pairs);
      RecordProperty(std::string(m.name) + (held_out ? " held out" : ""), std::to_string(share));
      EXPECT_NEAR(share, 0.73, 0.045) << m.name;
    }
}

TEST(Labelers, TheMajorityIsTheGoldOrder) {
  const auto labelers = make_labelers(world_of(5), false);
  int64_t right = 0, pairs = 0, single_right = 0, singles = 0;
  for (const auto& m : mixtures())
    for (int i = 0; i < 60; ++i) {
      const Sample s = sample_of(m, i);
      std::vector<Ranking> all;
      for (const auto& l : labelers) all.push_back(rank_scored_replies(l, s.task, s.replies, s.verdicts));
      for (size_t a = 0; a < s.replies.size(); ++a)
        for (size_t b = a + 1; b < s.replies.size(); ++b) {
          const double gap = s.verdicts[a].utility - s.verdicts[b].utility;
          if (std::abs(gap) < 0.02) continue;
          int votes = 0;
          for (const auto& r : all) {
            const int d = r.responses[b].rank - r.responses[a].rank;
            votes += (d > 0) - (d < 0);
            singles += d != 0;
            single_right += d != 0 && (d > 0) == (gap > 0);
          }
          if (votes == 0) continue;
          ++pairs;
          right += (votes > 0) == (gap > 0);
        }
    }
  ASSERT_GT(pairs, 1000);
  EXPECT_GT(static_cast<double>(right) / static_cast<double>(pairs), 0.93);
  EXPECT_GT(static_cast<double>(single_right) / static_cast<double>(singles), 0.78);
}

TEST(Labelers, SameInputSameRanking) {
  const auto l = make_labelers(world_of(1), false);
  ASSERT_EQ(l.size(), 12u);
  const Sample s = sample_of(mixtures()[1], 3);
  const Ranking a = rank_scored_replies(l[0], s.task, s.replies, s.verdicts),
                b = rank_scored_replies(l[0], s.task, s.replies, s.verdicts);
  for (size_t i = 0; i < a.responses.size(); ++i) {
    EXPECT_EQ(a.responses[i].rank, b.responses[i].rank);
    EXPECT_EQ(a.responses[i].likert, b.responses[i].likert);
    EXPECT_EQ(a.responses[i].flags, b.responses[i].flags);
    EXPECT_EQ(a.responses[i].text, s.replies[i]);
    EXPECT_GE(a.responses[i].likert, 1);
    EXPECT_LE(a.responses[i].likert, 7);
  }
  EXPECT_EQ(a.prompt, s.task.messages);
}

TEST(Labelers, EqualTextsAreTied) {
  Task task;
  task.id = "t";
  const std::vector<std::string> replies = {"It opens at 9.", "It opens at 9.", "It opens at 10."};
  const std::vector<Verdict> verdicts = {verdict_of(0.95), verdict_of(0.95), verdict_of(0.2)};
  for (const auto& l : make_labelers(world_of(2), false)) {
    const Ranking r = rank_scored_replies(l, task, replies, verdicts);
    EXPECT_EQ(r.responses[0].rank, r.responses[1].rank);
    EXPECT_EQ(r.responses[0].likert, r.responses[1].likert);
  }
}

TEST(Labelers, RankAndLikertAgreeAndTiesHappen) {
  int64_t ties = 0, pairs = 0;
  const auto labelers = make_labelers(world_of(9), true);
  ASSERT_EQ(labelers.size(), 6u);
  for (int i = 0; i < 100; ++i) {
    const Sample s = sample_of(mixtures()[1], i);
    const Ranking r = rank_scored_replies(labelers[static_cast<size_t>(i) % 6], s.task, s.replies, s.verdicts);
    for (const auto& a : r.responses)
      for (const auto& b : r.responses) {
        if (&a == &b) continue;
        ++pairs;
        ties += a.rank == b.rank;
        if (a.rank < b.rank) {
          EXPECT_GE(a.likert, b.likert);
        }
      }
  }
  EXPECT_GT(ties, pairs / 50);
  EXPECT_LT(ties, pairs / 2);
}

}  // namespace
}  // namespace loquat::town
