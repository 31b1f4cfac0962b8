// The attack families by name. The families themselves are in redteam/attacks; which of them are held out of training
// is drawn by the world, so their names stand here.
#pragma once

#include <string_view>

namespace loquat::town {

inline constexpr std::string_view kAttackFamilies[] = {
    "persona",          "hypothetical",  "past_tense",     "forced_opener", "authority",   "urgency",
    "academic",         "fake_config",   "completion",     "many_shot",     "escalation",  "story",
    "translation_code", "split_payload", "reversed_words", "typos",         "refusal_ban", "quiz"};
inline constexpr int kHeldOutFamilies = 6;

}  // namespace loquat::town
