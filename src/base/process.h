// Runs another program and collects what it says. For tests of the whole program and for tools such as git.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

struct ProcessResult {
  int exit_status = 0;  // 128 + the signal where one ended it
  std::string output;
  std::string errors;
};

// argv[0] is looked up in PATH; `input` is its standard input; `folder` (empty: this one's) its working folder.
Result<ProcessResult> run_process(const std::vector<std::string>& argv, const std::string& input = "",
                                  const std::string& folder = "");

}  // namespace loquat
