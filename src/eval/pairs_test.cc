#include "eval/pairs.h"

#include <gtest/gtest.h>

namespace loquat::eval {
namespace {

Ranking ranking_of(const std::string& id, std::initializer_list<int> ranks) {
  Ranking r;
  r.id = id;
  for (int rank : ranks) {
    RankedResponse response;
    response.text = std::string(static_cast<size_t>(10 - rank), 'x');
    response.rank = rank;
    r.responses.push_back(response);
  }
  return r;
}

TEST(Pairs, Accuracy) {
  const std::vector<Ranking> rankings = {ranking_of("a", {0, 1, 1}), ranking_of("b", {1, 0})};
  const std::vector<std::vector<double>> right = {{3, 1, 2}, {0, 1}}, wrong = {{0, 1, 2}, {1, 0}},
                                         level = {{0, 0, 0}, {0, 0}};
  EXPECT_EQ(pair_accuracy(rankings, right).value, 1);
  EXPECT_EQ(pair_accuracy(rankings, right).n, 3);  // the tied pair is dropped
  EXPECT_EQ(pair_accuracy(rankings, wrong).value, 0);
  EXPECT_EQ(pair_accuracy(rankings, level).value, 0.5);
  const std::vector<double> flat = {3, 1, 2, 1, 0};
  EXPECT_NEAR(pair_accuracy_flat(rankings, flat).value, 2.0 / 3, 1e-12);
  EXPECT_EQ(length_baseline(rankings, true).value, 1);
  EXPECT_EQ(length_baseline(rankings, false).value, 0);
}

TEST(Pairs, Agreement) {
  const std::vector<Ranking> first = {ranking_of("a/x", {0, 1, 2}), ranking_of("b/x", {0, 1})};
  const std::vector<Ranking> second = {ranking_of("a/y", {0, 2, 1}), ranking_of("b/x", {0, 1})};
  const Interval v = ranking_agreement(first, second);
  EXPECT_EQ(v.n, 3);  // the second prompt was ranked twice by the same judge
  EXPECT_NEAR(v.value, 2.0 / 3, 1e-12);
}

TEST(Pairs, Preferred) {
  const std::vector<double> a = {0.9, 0.9, 0.9, 0.2, 0.5}, b = {0.2, 0.2, 0.2, 0.9, 0.5};
  const Preference p = preferred(a, b);
  EXPECT_EQ(p.won.value, 0.75);
  EXPECT_EQ(p.won.n, 4);
  EXPECT_NEAR(p.ties, 0.2, 1e-12);
  EXPECT_EQ(preferred(b, a).won.value, 0.25);
}

}  // namespace
}  // namespace loquat::eval
