// Runs a recipe: its stages in order, each skipped where it has ended before, measured after it, and a report at the
// end.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace loquat::recipe {

struct RunRequest {
  std::string recipe;  // the TOML file
  std::string out;
  std::string scale = "quick";
  uint64_t seed = 1;
  uint64_t world_seed = 1;
  std::vector<std::string> sets;  // key=value
};

// Exit status: 0 done (a missed target is no error), 1 the program's own failure, 2 bad input (another seed or recipe
// in the folder among it), 3 a guard that could not recover, 130 stopped by `stop`.
int run_recipe(const RunRequest& request, const std::atomic<bool>* stop);

}  // namespace loquat::recipe
