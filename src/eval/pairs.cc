#include "eval/pairs.h"

#include <cmath>

#include "base/check.h"

namespace loquat::eval {
namespace {

constexpr uint64_t kBootstrapSeed = 20260501;

template <typename Score>
Cluster accuracy_of(const Ranking& ranking, Score score) {
  Cluster c;
  const auto& r = ranking.responses;
  for (size_t a = 0; a < r.size(); ++a)
    for (size_t b = a + 1; b < r.size(); ++b) {
      if (r[a].rank == r[b].rank) continue;
      const double x = score(a), y = score(b);
      c.denominator += 1;
      c.numerator += x == y ? 0.5 : (x > y) == (r[a].rank < r[b].rank) ? 1 : 0;
    }
  return c;
}

}  // namespace

Interval pair_accuracy(std::span<const Ranking> rankings, std::span<const std::vector<double>> scores) {
  CHECK(rankings.size() == scores.size(), "{} rankings, {} rows of scores", rankings.size(), scores.size());
  std::vector<Cluster> clusters;
  for (size_t i = 0; i < rankings.size(); ++i) {
    CHECK(rankings[i].responses.size() == scores[i].size(), "ranking {}: {} responses, {} scores", i,
          rankings[i].responses.size(), scores[i].size());
    clusters.push_back(accuracy_of(rankings[i], [&](size_t k) { return scores[i][k]; }));
  }
  return bootstrap(clusters, kBootstrapSeed);
}

Interval pair_accuracy_flat(std::span<const Ranking> rankings, std::span<const double> scores) {
  std::vector<Cluster> clusters;
  size_t at = 0;
  for (const auto& ranking : rankings) {
    CHECK(at + ranking.responses.size() <= scores.size(), "{} scores are too few", scores.size());
    clusters.push_back(accuracy_of(ranking, [&](size_t k) { return scores[at + k]; }));
    at += ranking.responses.size();
  }
  CHECK(at == scores.size(), "{} responses, {} scores", at, scores.size());
  return bootstrap(clusters, kBootstrapSeed);
}

Interval length_baseline(std::span<const Ranking> rankings, bool prefer_longer) {
  std::vector<Cluster> clusters;
  for (const auto& ranking : rankings)
    clusters.push_back(accuracy_of(ranking, [&](size_t k) {
      const auto length = static_cast<double>(ranking.responses[k].text.size());
      return prefer_longer ? length : -length;
    }));
  return bootstrap(clusters, kBootstrapSeed);
}

Interval ranking_agreement(std::span<const Ranking> first, std::span<const Ranking> second) {
  CHECK(first.size() == second.size(), "{} and {} rankings", first.size(), second.size());
  std::vector<Cluster> clusters;
  for (size_t i = 0; i < first.size(); ++i) {
    if (!first[i].id.empty() && first[i].id == second[i].id) continue;
    const auto &a = first[i].responses, &b = second[i].responses;
    CHECK(a.size() == b.size(), "ranking {}: {} and {} responses", i, a.size(), b.size());
    Cluster c;
    for (size_t x = 0; x < a.size(); ++x)
      for (size_t y = x + 1; y < a.size(); ++y) {
        if (a[x].rank == a[y].rank || b[x].rank == b[y].rank) continue;
        c.denominator += 1;
        c.numerator += (a[x].rank < a[y].rank) == (b[x].rank < b[y].rank) ? 1 : 0;
      }
    clusters.push_back(c);
  }
  return bootstrap(clusters, kBootstrapSeed);
}

Preference preferred(std::span<const double> a, std::span<const double> b, double tie) {
  CHECK(a.size() == b.size(), "{} and {} prompts", a.size(), b.size());
  Preference out;
  int64_t wins = 0, losses = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i] - b[i]) <= tie) continue;
    (a[i] > b[i] ? wins : losses) += 1;
  }
  out.prompts = static_cast<int64_t>(a.size());
  out.won = wilson(wins, wins + losses);
  if (!a.empty()) out.ties = 1 - static_cast<double>(wins + losses) / static_cast<double>(a.size());
  return out;
}

}  // namespace loquat::eval
