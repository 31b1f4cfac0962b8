// A program that was started and is watched: in a process group of its own, its words in a file, ended with this
// program whatever way that ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::jobs {

class Child {
 public:
  // argv[0]: the program's path. Its standard output and error are added to `log`. It runs at a lower priority, so that
  // whoever started it goes on answering. The thread that calls this must live as long as the child.
  static Result<Child> start(const std::vector<std::string>& argv, const std::string& log);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  // stop() with no grace

  // Its exit status, 128 + the signal where one ended it; nullopt: it runs.
  std::optional<int> ended();
  // Asks it to end, and after `grace` makes it.
  int stop(std::chrono::milliseconds grace);

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;  // 0: it has ended, or was moved from
  int status_ = 0;
};

}  // namespace loquat::jobs
