#include "feedback/agreement.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"

namespace loquat::feedback {

PairCount same_order(std::span<const double> a, std::span<const double> b) {
  CHECK(a.size() == b.size(), "{} places and {}", a.size(), b.size());
  PairCount out;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = i + 1; j < a.size(); ++j) {
      if (a[i] == a[j] || b[i] == b[j]) continue;
      ++out.pairs;
      out.agreed += (a[i] < a[j]) == (b[i] < b[j]);
    }
  }
  return out;
}

Interval share_of(std::span<const PairCount> items) {
  std::vector<Cluster> clusters;
  for (const PairCount& item : items)
    clusters.push_back({static_cast<double>(item.agreed), static_cast<double>(item.pairs)});
  return bootstrap(clusters, 1);
}

namespace {

// Values in order, with how often each was paired with each: within a unit of m judgments every ordered pair of two
// different judgments counts 1 / (m - 1).
struct Coincidences {
  std::vector<double> values;
  std::vector<std::vector<double>> count;
  std::vector<double> margin;
  double total = 0;
};

Coincidences coincidences(const Judgments& units) {
  std::map<double, size_t> index;
  for (const auto& unit : units) {
    for (const auto& judgment : unit) {
      if (judgment) index[*judgment] = 0;
    }
  }
  Coincidences out;
  for (auto& [value, place] : index) {
    place = out.values.size();
    out.values.push_back(value);
  }
  out.count.assign(out.values.size(), std::vector<double>(out.values.size(), 0));
  out.margin.assign(out.values.size(), 0);
  for (const auto& unit : units) {
    std::map<size_t, double> of_value;
    double m = 0;
    for (const auto& judgment : unit) {
      if (judgment) ++of_value[index[*judgment]], ++m;
    }
    if (m < 2) continue;
    for (const auto& [c, nc] : of_value) {
      for (const auto& [k, nk] : of_value) out.count[c][k] += nc * (c == k ? nk - 1 : nk) / (m - 1);
      out.margin[c] += nc;
    }
    out.total += m;
  }
  return out;
}

// The square of how far two values are apart.
double distance(const Coincidences& of, size_t c, size_t k, Scale scale) {
  if (c == k) return 0;
  if (scale == Scale::kNominal) return 1;
  double apart = of.values[k] - of.values[c];
  if (scale == Scale::kOrdinal) {
    apart = -(of.margin[c] + of.margin[k]) / 2;
    for (size_t g = std::min(c, k); g <= std::max(c, k); ++g) apart += of.margin[g];
  }
  return apart * apart;
}

}  // namespace

std::optional<double> krippendorff_alpha(const Judgments& units, Scale scale) {
  const Coincidences of = coincidences(units);
  double observed = 0, expected = 0;
  for (size_t c = 0; c < of.values.size(); ++c) {
    for (size_t k = 0; k < of.values.size(); ++k) {
      const double apart = distance(of, c, k, scale);
      observed += of.count[c][k] * apart;
      expected += of.margin[c] * of.margin[k] * apart;
    }
  }
  if (expected <= 0) return std::nullopt;
  return 1 - (of.total - 1) * observed / expected;
}

std::optional<double> kendall_tau_b(std::span<const double> a, std::span<const double> b) {
  CHECK(a.size() == b.size(), "{} places and {}", a.size(), b.size());
  double difference = 0, untied_a = 0, untied_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = i + 1; j < a.size(); ++j) {
      const int x = (a[i] < a[j]) - (a[i] > a[j]), y = (b[i] < b[j]) - (b[i] > b[j]);
      difference += x * y;
      untied_a += x != 0;
      untied_b += y != 0;
    }
  }
  if (untied_a == 0 || untied_b == 0) return std::nullopt;
  return difference / std::sqrt(untied_a * untied_b);
}

}  // namespace loquat::feedback
