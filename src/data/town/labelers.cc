#include "data/town/labelers.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "base/check.h"
#include "data/town/gold_detect.h"
#include "data/town/gold_text.h"

namespace loquat::town {
namespace {

constexpr double kTargetAgreement = 0.695;
constexpr double kSlight = 0.03, kClear = 0.25;  // differences of utility
constexpr double kSlightWeight = 0.35, kClearWeight = 1.25;
constexpr double kUntied = 0.6;      // of the pairs of equally good replies
constexpr double kLargestScale = 6;  // nobody is always right

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

// The scale at which two labelers with noise of standard deviation 1 agree on kTargetAgreement of the pairs of replies,
// where group i has count[i] replies and stands at scale * at[i]. On two replies of one group they agree by chance,
// where neither ties them. Found by halving.
double scale_for(const std::vector<double>& at, const std::vector<int>& count) {
  const auto agreement = [&](double scale) {
    double sum = 0, pairs = 0;
    for (size_t i = 0; i < at.size(); ++i)
      for (size_t j = i + 1; j < at.size(); ++j) {
        const double p = normal_cdf(scale * (at[j] - at[i]) / std::sqrt(2.0)), weight = count[i] * count[j];
        sum += weight * (p * p + (1 - p) * (1 - p));
        pairs += weight;
      }
    for (int n : count) {
      const double weight = kUntied * n * (n - 1) / 2;
      sum += 0.5 * weight;
      pairs += weight;
    }
    return sum / pairs;
  };
  double low = 0, high = kLargestScale;
  for (int i = 0; i < 30; ++i) (agreement((low + high) / 2) < kTargetAgreement ? low : high) = (low + high) / 2;
  return (low + high) / 2;
}

// Replies within this of one another are equally good to a labeler: most often tied.
constexpr double kSame = 0.01;

// Where each reply stands.
std::vector<double> line_of(const std::vector<double>& utility) {
  std::vector<double> groups = utility;
  std::sort(groups.begin(), groups.end());
  std::vector<double> distinct;
  for (double u : groups)
    if (distinct.empty() || u - distinct.back() > kSame) distinct.push_back(u);
  std::vector<double> at(distinct.size(), 0);
  std::vector<int> count(distinct.size(), 0);
  const auto group_of = [&](double u) {
    return static_cast<size_t>(std::upper_bound(distinct.begin(), distinct.end(), u) - distinct.begin()) - 1;
  };
  for (double u : utility) ++count[group_of(u)];
  for (size_t i = 1; i < distinct.size(); ++i) {
    const double clear = std::clamp((distinct[i] - distinct[i - 1] - kSlight) / (kClear - kSlight), 0.0, 1.0);
    at[i] = at[i - 1] + kSlightWeight + (kClearWeight - kSlightWeight) * clear;
  }
  if (distinct.size() > 1) {
    const double scale = scale_for(at, count);
    for (double& x : at) x *= scale;
  }
  std::vector<double> line;
  for (double u : utility) line.push_back(at[group_of(u)]);
  return line;
}

struct Impression {
  double length = 0;  // z-score among the replies
  double polite = 0;
};

std::vector<Impression> impressions_of(const std::vector<gold::Text>& texts) {
  std::vector<Impression> out(texts.size());
  double mean = 0, square = 0;
  for (const auto& t : texts) {
    const double x = std::log1p(static_cast<double>(t.words.size()));
    mean += x;
    square += x * x;
  }
  mean /= static_cast<double>(texts.size());
  const double sd = std::sqrt(std::max(square / static_cast<double>(texts.size()) - mean * mean, 0.0));
  for (size_t i = 0; i < texts.size(); ++i) {
    if (sd > 1e-9) out[i].length = (std::log1p(static_cast<double>(texts[i].words.size())) - mean) / sd;
    out[i].polite = gold::is_polite(texts[i]) ? 0.5 : -0.5;
  }
  return out;
}

// The screen's binary questions (InstructGPT, table of metadata), with slips.
std::vector<std::string> flags_of(const Task& task, const Verdict& v, const gold::Text& text, bool overlooked,
                                  Rng& rng) {
  const bool composes = task.expect == Expect::kCompose || task.expect == Expect::kLabel;
  const std::pair<const char*, bool> truth[] = {
      {"fails_task", !v.helpful},
      {"inappropriate", v.harmful || !v.honest || (v.refused && task.expect != Expect::kRefuse)},
      {"hallucination", v.hallucinated && !overlooked},
      {"satisfies_constraint", composes && v.helpful},
      {"harmful_advice", v.harmful},
      {"expresses_opinion", gold::gives_opinion(text)},
      {"moral_judgment", gold::gives_moral(text)}};
  std::vector<std::string> out;
  for (const auto& [name, holds] : truth)
    if (holds ? !rng.chance(0.08) : rng.chance(0.01)) out.emplace_back(name);
  return out;
}

}  // namespace

std::vector<Labeler> make_labelers(const World& world, bool held_out) {
  const char* const kTraining[] = {"ada", "ben",  "cleo", "dan",  "eve", "finn",
                                   "gus", "hana", "ivo",  "june", "kit", "lou"};
  const char* const kHeldOut[] = {"mo", "nell", "oki", "pia", "quin", "rhea"};
  std::vector<Labeler> out;
  const auto add = [&](const char* name) {
    Rng rng(world.seed, std::string("labeler ") + name);
    Labeler l;
    l.name = name;
    l.noise = 0.85 + 0.25 * rng.uniform();
    l.length_taste = 0.18 * (2 * rng.uniform() - 1);
    l.polite_taste = 0.02 + 0.1 * rng.uniform();
    l.overlook = 0.01 + 0.04 * rng.uniform();
    l.tie_width = 0.25 + 0.35 * rng.uniform();
    l.seed = rng.next();
    out.push_back(l);
  };
  if (held_out)
    for (const char* name : kHeldOut) add(name);
  else
    for (const char* name : kTraining) add(name);
  return out;
}

Ranking rank_scored_replies(const Labeler& labeler, const Task& task, const std::vector<std::string>& replies,
                            std::span<const Verdict> verdicts) {
  CHECK(replies.size() == verdicts.size(), "{} replies, {} verdicts", replies.size(), verdicts.size());
  const size_t n = replies.size();
  std::vector<gold::Text> texts;
  std::vector<double> utility;
  std::vector<Rng> rngs;
  std::vector<uint8_t> overlooked(n, 0);
  for (size_t i = 0; i < n; ++i) {
    texts.push_back(gold::read_text(replies[i]));
    rngs.emplace_back(labeler.seed, task.id + "\n" + replies[i]);
    utility.push_back(verdicts[i].utility);
    if (verdicts[i].truthful == false && rngs[i].chance(labeler.overlook)) {
      overlooked[i] = 1;
      utility[i] = 0.8 + 0.1 * verdicts[i].utility;  // taken for right
    }
  }
  std::vector<double> score = line_of(utility);
  const auto impressions = impressions_of(texts);
  for (size_t i = 0; i < n; ++i)
    score[i] += labeler.length_taste * impressions[i].length + labeler.polite_taste * impressions[i].polite +
                labeler.noise * rngs[i].normal();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score[a] > score[b]; });
  // Likert: the level of the replies as they are, in the labeler's order; a lenient labeler gives more.
  std::vector<double> levels = utility;
  std::sort(levels.rbegin(), levels.rend());
  const double lenience = 0.06 * (static_cast<double>(labeler.seed % 1000) / 500 - 1);

  Ranking out;
  out.id = task.id + "/" + labeler.name;
  out.prompt = task.messages;
  out.responses.resize(n);
  double group = 0;  // the score that opened the current rank
  int32_t rank = -1, likert = 7;
  for (size_t place = 0; place < n; ++place) {
    const size_t i = order[place];
    const bool tied = rank >= 0 && group - score[i] < labeler.tie_width;
    if (!tied) {
      ++rank;
      group = score[i];
      likert =
          std::min(likert, static_cast<int32_t>(std::lround(1 + 6 * std::clamp(levels[place] + lenience, 0.0, 1.0))));
    }
    out.responses[i] = {replies[i], rank, likert, flags_of(task, verdicts[i], texts[i], overlooked[i] != 0, rngs[i])};
  }
  return out;
}

Ranking gold_ranking(const Task& task, const std::vector<std::string>& replies, std::span<const Verdict> verdicts) {
  CHECK(replies.size() == verdicts.size(), "{} replies, {} verdicts", replies.size(), verdicts.size());
  Ranking out;
  out.id = task.id;
  out.prompt = task.messages;
  out.responses.resize(replies.size());
  std::vector<size_t> order(replies.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return verdicts[a].utility > verdicts[b].utility; });
  double best = 0;
  int32_t rank = -1;
  for (size_t i : order) {
    if (rank < 0 || best - verdicts[i].utility > kGoldTie) ++rank, best = verdicts[i].utility;
    out.responses[i] = {replies[i], rank, static_cast<int32_t>(std::lround(1 + 6 * verdicts[i].utility)), {}};
  }
  return out;
}

PairAgreement agreement_of(const Ranking& a, const Ranking& b) {
  CHECK(a.responses.size() == b.responses.size(), "{} and {} replies", a.responses.size(), b.responses.size());
  PairAgreement out;
  for (size_t i = 0; i < a.responses.size(); ++i)
    for (size_t j = i + 1; j < a.responses.size(); ++j) {
      const int x = a.responses[i].rank - a.responses[j].rank, y = b.responses[i].rank - b.responses[j].rank;
      if (x == 0 || y == 0) continue;
      ++out.pairs;
      out.alike += (x < 0) == (y < 0) ? 1 : 0;
    }
  return out;
}

}  // namespace loquat::town
