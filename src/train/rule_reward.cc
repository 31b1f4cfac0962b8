// Rewards by rule (rule_reward.h).
#include "train/rule_reward.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>

namespace loquat {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// libstdc++'s breadth-first matcher: neither time nor stack grow out of hand with what a model may write.
Result<std::shared_ptr<const std::regex>> compile(const std::string& pattern) {
  try {
    return std::shared_ptr<const std::regex>(
        std::make_shared<std::regex>(pattern, std::regex_constants::ECMAScript | std::regex_constants::__polynomial));
  } catch (const std::regex_error& e) {
    return Err("regex: found \"{}\": {}", pattern, e.what());
  }
}

Result<Rule> length_rule(std::string_view argument) {
  const size_t space = argument.find(' ');
  int64_t low = 0, high = 0;
  if (space == argument.npos || !parse_number(argument.substr(0, space), low) ||
      !parse_number(trimmed(argument.substr(space)), high) || low < 0 || high < low)
    return Err("length: found \"{}\", expected two numbers of tokens, the least and the most", argument);
  return Rule{"length", 1, false, [low, high](const RuleInput& in) { return in.tokens >= low && in.tokens <= high; }};
}

}  // namespace

bool exact_match(std::string_view reply, std::string_view answer) {
  return trimmed(reply) == trimmed(answer);
}

bool is_json(std::string_view reply) {
  return nlohmann::json::accept(reply);
}

Result<Rule> parse_rule(const std::string& text) {
  std::string_view rest = trimmed(text), argument;
  double weight = 1;
  const size_t colon = rest.find(':'), star = rest.find('*');
  if (star != rest.npos && (colon == rest.npos || star < colon)) {
    if (!parse_number(trimmed(rest.substr(0, star)), weight) || !std::isfinite(weight))
      return Err("found \"{}\", expected a weight before the *", text);
    rest = trimmed(rest.substr(star + 1));
  }
  std::string_view name = rest;
  if (const size_t at = rest.find(':'); at != rest.npos) {
    name = trimmed(rest.substr(0, at));
    argument = trimmed(rest.substr(at + 1));
  }
  Rule rule;
  if (name == "exact") {
    rule = {"exact", 1, true, [](const RuleInput& in) { return exact_match(in.reply, in.answer); }};
  } else if (name == "json") {
    rule = {"json", 1, false, [](const RuleInput& in) { return is_json(in.reply); }};
  } else if (name == "regex") {
    TRY(const auto pattern, compile(std::string(argument)));
    rule = {"regex", 1, false,
            [pattern](const RuleInput& in) { return std::regex_search(in.reply.begin(), in.reply.end(), *pattern); }};
  } else if (name == "length") {
    TRY(rule, length_rule(argument));
  } else {
    return Err("found \"{}\", expected exact, json, regex: PATTERN or length: LOW HIGH, with or without WEIGHT *",
               text);
  }
  rule.weight = weight;
  return rule;
}

Result<std::vector<Rule>> parse_rules(std::span<const std::string> texts) {
  std::vector<Rule> rules;
  for (const std::string& text : texts) {
    auto rule = parse_rule(text);
    if (!rule.ok()) return Err("rules: {}", rule.error());
    const auto same = std::count_if(rules.begin(), rules.end(),
                                    [&](const Rule& r) { return r.name.substr(0, r.name.find('_')) == rule->name; });
    if (same > 0) rule->name += fmt::format("_{}", same + 1);
    rules.push_back(*std::move(rule));
  }
  return rules;
}

}  // namespace loquat
