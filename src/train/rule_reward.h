// Rewards that are computed and not judged: an exact answer, a pattern, a length, valid JSON. Each gives 1 or 0.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat {

// Equal but for white space at both ends.
bool exact_match(std::string_view reply, std::string_view answer);
// One JSON value, white space around it.
bool is_json(std::string_view reply);

struct RuleInput {
  std::string_view reply;  // decoded, without control tokens
  int64_t tokens = 0;      // of the reply, its end of turn included
  std::string_view answer;
};

struct Rule {
  std::string name;  // "exact", "regex", "length", "json"; in a list, a second one is "regex_2"
  double weight = 1;
  bool needs_answer = false;
  std::function<bool(const RuleInput&)> holds;
};

// "[WEIGHT *] NAME[: ARGUMENT]": "exact", "json", "regex: PATTERN" (found anywhere; ECMAScript's, over bytes, without
// back-references, in time polynomial in the reply's length), "length: LOW HIGH" (tokens, both included).
Result<Rule> parse_rule(const std::string& text);
// The errors name the list's key, "rules".
Result<std::vector<Rule>> parse_rules(std::span<const std::string> texts);

}  // namespace loquat
