// Attack families: each wraps a harmful request into the prompt of an attack. A family is one file in attacks/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "tokenizer/chat_template.h"

namespace loquat::redteam {

struct AttackContext {
  // Examples of compliant exchanges (question, answer) for families that show some, and the request's key words for families
  // that hide them; either may be empty.
  std::vector<std::pair<std::string, std::string>> benign_examples;
  std::vector<std::string> sensitive_words;
};

struct AttackFamily {
  std::string_view name;         // "persona", "forced_opener", ...
  std::string_view description;  // a line for reports
  // `request` is the plain request; the result ends with a user's turn. Deterministic in rng.
  Messages (*wrap)(const std::string& request, const AttackContext& context, Rng& rng);
};

std::span<const AttackFamily> attack_families();
const AttackFamily* find_family(std::string_view name);

}  // namespace loquat::redteam
