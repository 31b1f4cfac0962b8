#include "base/random_id.h"

#include <sys/random.h>
#include <sys/types.h>

#include "base/check.h"

namespace loquat {

std::string random_id() {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
  unsigned char random[26];
  CHECK(::getrandom(random, sizeof(random), 0) == static_cast<ssize_t>(sizeof(random)),
        "the system gives no random numbers");
  std::string id;
  for (const unsigned char byte : random) id += kLetters[byte % 32];
  return id;
}

}  // namespace loquat
