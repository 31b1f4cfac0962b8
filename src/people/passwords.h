// Passwords: Argon2id, computed on two threads of its own, never more than two at once in the whole process (each takes
// 64 MiB and a sizeable part of a second); the rest wait in a bounded line.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/background.h"
#include "base/result.h"

namespace loquat::people {

// 10 to 256 characters, not the e-mail address. Messages are fit to be shown.
Status check_password(std::string_view password, std::string_view email);

// Passes over the memory, and its size. The default is RFC 9106's second choice, in one lane.
struct PasswordCost {
  unsigned long long passes = 3;
  size_t bytes = 64 << 20;
};
inline constexpr PasswordCost kCheapForTests{1, 8192};

class Passwords {
 public:
  static constexpr int kAtOnce = 2;

  // Its end ends the jobs that run; those that wait are dropped.
  explicit Passwords(PasswordCost cost = {}, size_t waiting = 32);

  // Runs `job` in turn, on a thread of its own; it may call hash() and verify(). False: too many wait already.
  bool add(std::function<void()> job) { return jobs_.add(std::move(job)); }

  // Within a job. `stored` "": nobody's password; the answer, false, takes the same time.
  Result<std::string> hash(const std::string& password) const;
  bool verify(const std::string& stored, const std::string& password) const;
  // What is computed where there is no password: a hash of this cost that no password has.
  const std::string& nobodys() const { return nobodys_; }

 private:
  const PasswordCost cost_;
  std::string nobodys_;
  Background jobs_;  // last: its threads use the others
};

}  // namespace loquat::people
