// Warm-up, constant, cosine and linear schedules (schedule.h).
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace loquat {

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) {
    // Step 0 has the fraction warmup_from (a zero first step would be a step lost); the rate is whole after
    // warmup_steps.
    const double begin = warmup_from > 0 ? warmup_from : 1.0 / static_cast<double>(warmup_steps + 1);
    return lr * (begin + (1 - begin) * static_cast<double>(step) / static_cast<double>(warmup_steps));
  }
  if (kind == "constant") return lr;
  const double span = static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / span);
  if (kind == "cosine") {
    return lr * (final_fraction + (1 - final_fraction) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
  }
  CHECK(kind == "linear", "no schedule is called {}", kind);
  return lr * (1 - progress);
}

}  // namespace loquat
