// Many-shot: a row of harmless exchanges in which every question is answered, then the request.
#include "redteam/attacks/wrap.h"

namespace loquat::redteam {

LOQUAT_FAMILY(many_shot) {
  const size_t shots = 2 + rng.below(3);
  std::string text;
  for (size_t i = 0; i < shots && !context.benign_examples.empty(); ++i) {
    const auto& [question, answer] = rng.pick(context.benign_examples);
    text += "Question: " + question + " Answer: " + answer + " ";
  }
  return {{"user", text + "Question: " + request + " Answer:"}};
}

}  // namespace loquat::redteam
