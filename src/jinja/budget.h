// What a rendering may still spend. Whoever makes something pays before it is made, so that a limit is met in little
// time and memory.
#pragma once

#include <cstdint>

#include "jinja/template.h"

namespace loquat::jinja {

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), left_(limits.steps) {}
  const Limits& limits() const { return limits_; }

  Status spend(uint64_t steps) {
    if (steps > left_) {
      left_ = 0;
      return Err("more than {} steps: the template does not end, or works on too much", limits_.steps);
    }
    left_ -= steps;
    return {};
  }
  // Pays for a string of so many bytes.
  Status spend_bytes(size_t bytes) {
    if (bytes > limits_.output_bytes) return Err("a string of more than {} bytes", limits_.output_bytes);
    return spend(4 + bytes / 8);
  }
  // Pays for a list or a dict of so many elements.
  Status spend_elements(size_t count) { return spend(count > left_ ? count : 4 + 4 * uint64_t{count}); }

 private:
  Limits limits_;
  uint64_t left_;
};

}  // namespace loquat::jinja
