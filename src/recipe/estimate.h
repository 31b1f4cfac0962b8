// How long a recipe will take on this machine: its speeds are measured for a moment on a model of the recipe's size,
// and laid over the amounts of work that the plan names.
#pragma once

#include <map>
#include <string>

#include "recipe/plan.h"

namespace loquat::recipe {

struct Speeds {
  double train = 0;             // tokens/s, forward, backward and optimizer
  double forward = 0;           // tokens/s, scoring
  double generate = 0;          // tokens/s, sampled in a full batch, prompts included
  bool shares_prompts = false;  // of a ranking's replies
};

Speeds probe_speeds(const RecipePlan& plan, const Kernels& kernels, DType compute);

// Seconds of each step by its name (run.cc).
std::map<std::string, double> estimate_seconds(const RecipePlan& plan, const Speeds& speeds);

}  // namespace loquat::recipe
