// A token bucket that counts what was taken: it holds `limit` per minute and what was taken flows back evenly. The
// limit may change between calls. More may be taken than it holds (a reply that was longer than reserved): others then
// wait.
#pragma once

#include <algorithm>
#include <cstdint>

namespace loquat::serve {

class Bucket {
 public:
  double used(double limit, double now) {
    // A clock that was set back must not keep everybody out until it is where it was.
    if (limit <= 0) used_ = 0;  // no limit
    if (now > at_) used_ = std::max(0.0, used_ - (now - at_) * limit / 60);
    at_ = now;
    return used_;
  }
  double last_used() const { return used_; }  // as of the last call of used()
  bool fits(double amount, double limit, double now) { return used(limit, now) + amount <= limit + kSlack; }
  // Seconds until `amount` fits; it must not be above the limit.
  double wait(double amount, double limit, double now) {
    return std::max(0.0, (used(limit, now) + amount - limit) * 60 / limit);
  }
  void take(double amount) { used_ += amount; }
  void give_back(double amount) { used_ = std::max(0.0, used_ - amount); }

 private:
  static constexpr double kSlack = 1e-6;  // 0.1 is no sum of binary fractions
  double used_ = 0, at_ = 0;
};

}  // namespace loquat::serve
