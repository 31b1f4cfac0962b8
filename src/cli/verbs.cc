#include "cli/verbs.h"

#include <cstdio>

namespace loquat {

int bad_input(const std::string& message) {
  std::fprintf(stderr, "loquat: %s\n", message.c_str());
  return 2;
}

}  // namespace loquat
