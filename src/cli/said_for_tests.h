// For tests of verbs: one run as it is typed, and what stood on stdout and stderr.
#pragma once

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace loquat {

struct Said {
  int code = -1;
  std::string out, err;
};

// `loquat VERB words...`; `add` is the verb's own (verbs.h).
inline Said say(void (*add)(CLI::App&, int&), const std::string& verb, std::vector<std::string> words) {
  Said said;
  CLI::App app;
  add(app, said.code);
  std::reverse(words.begin(), words.end());  // as CLI11 takes them
  words.push_back(verb);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    said.code = 2;
  }
  std::fflush(stdout);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

}  // namespace loquat
