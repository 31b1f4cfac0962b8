// What a run is held against: the recipe's targets, each met, missed, or not to be judged from this run's figures.
#pragma once

#include <string>
#include <vector>

#include "recipe/report_data.h"

namespace loquat::recipe {

enum class Outcome { kMet, kMissed, kNotShown, kNotMeasured };

struct Target {
  std::string what;      // "PPO preferred to the base model at least 85 % of the time"
  std::string measured;  // "91.2 % (89.4 to 92.8)"
  Outcome outcome = Outcome::kNotMeasured;
};

std::vector<Target> judge_targets(const ReportData& data);

std::string percent(double fraction);                // "91.2 %"
std::string percent_interval(const Figure& figure);  // "91.2 % (89.4 to 92.8)"

}  // namespace loquat::recipe
