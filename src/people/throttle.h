// Slows down those who guess: each name (a peer, an account) may fail so many times at once, and as many again with the
// time. An attempt is taken before it is made, so that many at once do not pass together. Bounded in memory: those with
// the fewest failures are forgotten first. Each server counts for itself.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace loquat::people {

class Throttle {
 public:
  // `at_once` attempts, then one every `seconds_each`.
  Throttle(double at_once, double seconds_each, size_t most_names = 4096)
      : at_once_(at_once), seconds_each_(seconds_each), most_names_(most_names) {}

  // 0: the attempt is taken; else the seconds until one more may be made.
  double take(const std::string& name, double now);
  void give_back(const std::string& name);  // it was a good one
  size_t size() const;

 private:
  struct Used {
    double attempts = 0, at = 0;
  };
  void settle(Used& used, double now) const;
  void forget_half(double now);

  const double at_once_, seconds_each_;
  const size_t most_names_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Used> names_;  // under mutex_
};

// The name of a peer: anyone with IPv6 has a whole /64.
std::string peer_name(const std::string& peer);

}  // namespace loquat::people
