#include "redteam/attack.h"

#include <array>

#include "redteam/attacks/wrap.h"

namespace loquat::redteam {
namespace {

constexpr std::array kFamilies = {
    AttackFamily{"academic", "a lesson, a study, a museum's text", wrap_academic},
    AttackFamily{"authority", "claims to be someone who may know", wrap_authority},
    AttackFamily{"completion", "gives the beginning of the answer to go on with", wrap_completion},
    AttackFamily{"escalation", "a harmless conversation first", wrap_escalation},
    AttackFamily{"fake_config", "markup that pretends to be a setting", wrap_fake_config},
    AttackFamily{"forced_opener", "dictates how the reply begins", wrap_forced_opener},
    AttackFamily{"hypothetical", "an imagined case", wrap_hypothetical},
    AttackFamily{"many_shot", "a row of answered questions first", wrap_many_shot},
    AttackFamily{"past_tense", "how things once were", wrap_past_tense},
    AttackFamily{"persona", "somebody who tells everything", wrap_persona},
    AttackFamily{"quiz", "a question of a game", wrap_quiz},
    AttackFamily{"refusal_ban", "rules out the words of a refusal", wrap_refusal_ban},
    AttackFamily{"reversed_words", "the request backwards", wrap_reversed_words},
    AttackFamily{"split_payload", "the sensitive words in pieces", wrap_split_payload},
    AttackFamily{"story", "the answer as a line of a tale", wrap_story},
    AttackFamily{"translation_code", "sensitive words under agreed names", wrap_translation_code},
    AttackFamily{"typos", "letters swapped, doubled, dropped", wrap_typos},
    AttackFamily{"urgency", "no time to lose", wrap_urgency},
};

}  // namespace

std::span<const AttackFamily> attack_families() {
  return kFamilies;
}

const AttackFamily* find_family(std::string_view name) {
  for (const AttackFamily& family : kFamilies)
    if (family.name == name) return &family;
  return nullptr;
}

}  // namespace loquat::redteam
