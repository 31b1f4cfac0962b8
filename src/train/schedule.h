// Learning-rate schedules: warm-up from a fraction of the rate, then constant, cosine to a fraction, or linear to zero.
// A function of the step alone, so that a resumed run needs no state for it.
#pragma once

#include <cstdint>
#include <string>

namespace loquat {

struct Schedule {
  std::string kind = "cosine";  // "constant", "cosine", "linear"
  double lr = 1e-3;
  int64_t total_steps = 1;
  int64_t warmup_steps = 0;
  double warmup_from = 0;     // the first step's fraction of lr
  double final_fraction = 0;  // where cosine ends

  double at(int64_t step) const;  // step from 0
};

}  // namespace loquat
