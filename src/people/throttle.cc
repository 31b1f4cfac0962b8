#include "people/throttle.h"

#include <arpa/inet.h>

#include <algorithm>
#include <vector>

namespace loquat::people {

void Throttle::settle(Used& used, double now) const {
  // A clock that was set back must not keep everybody out until it is where it was.
  if (now > used.at) used.attempts = std::max(0.0, used.attempts - (now - used.at) / seconds_each_);
  used.at = now;
}

double Throttle::take(const std::string& name, double now) {
  std::lock_guard lock(mutex_);
  if (names_.size() >= most_names_ && !names_.contains(name)) forget_half(now);
  Used& used = names_[name];
  settle(used, now);
  if (used.attempts + 1 > at_once_ + 1e-6) return (used.attempts + 1 - at_once_) * seconds_each_;
  used.attempts += 1;
  return 0;
}

void Throttle::give_back(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (const auto found = names_.find(name); found != names_.end())
    found->second.attempts = std::max(0.0, found->second.attempts - 1);
}

size_t Throttle::size() const {
  std::lock_guard lock(mutex_);
  return names_.size();
}

// Many at once, so that a new name costs little however many there are.
void Throttle::forget_half(double now) {
  std::vector<double> counts;
  for (auto& [name, used] : names_) {
    settle(used, now);
    counts.push_back(used.attempts);
  }
  const auto middle = counts.begin() + static_cast<ptrdiff_t>(counts.size() / 2);
  std::nth_element(counts.begin(), middle, counts.end());
  std::erase_if(names_, [least = *middle](const auto& entry) { return entry.second.attempts <= least; });
}

std::string peer_name(const std::string& peer) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, peer.c_str(), &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address)) return peer;
  return std::string(reinterpret_cast<const char*>(address.s6_addr), 8);
}

}  // namespace loquat::people
