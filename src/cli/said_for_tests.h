// For tests of verbs: one run as it is typed, what stood on stdout and stderr, and a database that it finds.
#pragma once

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/test_folder.h"

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

// A folder, and a database in it that $LOQUAT_DATABASE names; it is not there yet.
class DatabaseVerb : public testing::Test {
 protected:
  DatabaseVerb() { ::setenv("LOQUAT_DATABASE", database_.c_str(), 1); }
  ~DatabaseVerb() override { ::unsetenv("LOQUAT_DATABASE"); }

  const TestFolder folder_;
  const std::string database_ = folder_ / "app.db";
};

}  // namespace loquat
