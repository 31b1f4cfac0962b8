// Typos: letters are swapped, doubled and dropped.
#include "redteam/attacks/wrap.h"

namespace loquat::redteam {

LOQUAT_FAMILY(typos) {
  (void)context;
  std::vector<std::string> words = words_of(request);
  for (std::string& word : words) {
    if (word.size() < 4 || !rng.chance(0.4)) continue;
    const size_t at = 1 + rng.below(word.size() - 2);
    switch (rng.below(3)) {
      case 0:
        std::swap(word[at], word[at - 1]);
        break;
      case 1:
        word.insert(at, 1, word[at]);
        break;
      default:
        word.erase(at, 1);
    }
  }
  return {{"user", joined(words)}};
}

}  // namespace loquat::redteam
