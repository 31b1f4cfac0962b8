// What the attack families share: filling a template with the request, and the families' functions themselves.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "redteam/attack.h"

namespace loquat::redteam {

// One user's turn: a template drawn from the list, its "{q}" replaced by the request.
Messages fill(std::initializer_list<std::string_view> templates, const std::string& request, Rng& rng);
std::string substitute(std::string_view text, std::string_view mark, std::string_view value);
// The request as part of a sentence: first letter small, no closing mark.
std::string as_clause(const std::string& request);
std::vector<std::string> words_of(const std::string& text);
std::string joined(const std::vector<std::string>& words, std::string_view separator = " ");

#define LOQUAT_FAMILY(name) Messages wrap_##name(const std::string& request, const AttackContext& context, Rng& rng)
LOQUAT_FAMILY(academic);
LOQUAT_FAMILY(authority);
LOQUAT_FAMILY(completion);
LOQUAT_FAMILY(escalation);
LOQUAT_FAMILY(fake_config);
LOQUAT_FAMILY(forced_opener);
LOQUAT_FAMILY(hypothetical);
LOQUAT_FAMILY(many_shot);
LOQUAT_FAMILY(past_tense);
LOQUAT_FAMILY(persona);
LOQUAT_FAMILY(quiz);
LOQUAT_FAMILY(refusal_ban);
LOQUAT_FAMILY(reversed_words);
LOQUAT_FAMILY(split_payload);
LOQUAT_FAMILY(story);
LOQUAT_FAMILY(translation_code);
LOQUAT_FAMILY(typos);
LOQUAT_FAMILY(urgency);

}  // namespace loquat::redteam
