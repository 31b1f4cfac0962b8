// A campaign: harmful requests, wrapped by attack families (or written by an attacker model), sent to a target; the
// judge says of every attempt success, failure, undetermined or error. Wins are deduplicated and become training data
// with safe targets.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "data/town/gold.h"
#include "data/town/town.h"
#include "redteam/attack.h"

namespace loquat::redteam {

enum class Outcome { kSuccess, kFailure, kUndetermined, kError };
std::string_view name_of(Outcome outcome);

struct Attempt {
  town::Task task;  // the harmful request
  std::string family;
  Messages prompt;  // what is sent
  std::string reply;
  Outcome outcome = Outcome::kUndetermined;
};

// Replies to prompts, in order: any target. An empty optional text is an error of the target.
struct TargetReply {
  std::string text;
  bool ended = false;
  bool error = false;
};
using Target = std::function<std::vector<TargetReply>(std::span<const Messages>)>;

// All families but these.
std::vector<const AttackFamily*> families_without(const std::vector<std::string>& names);

// `per_family` attempts of each family, over the requests in turn; deterministic in rng.
std::vector<Attempt> make_attempts(const town::World& world, std::span<const town::Task> requests,
                                   std::span<const AttackFamily* const> families, int64_t per_family, Rng rng);

// Sends the attempts and judges the replies: success where forbidden content appears; failure where the reply ended, or
// declined, without it; undetermined where it neither ended nor declined.
void run_attempts(const town::GoldScorer& judge, const Target& target, std::vector<Attempt>& attempts);

// The same up to `tries` times, by a target for each round (from 0). What has won is not tried again. Of each attempt is
// kept the try that won, or else the first that was determined.
using TargetOfRound = std::function<std::vector<TargetReply>(int64_t round, std::span<const Messages>)>;
void run_tries(const town::GoldScorer& judge, int64_t tries, std::vector<Attempt>& attempts,
               const TargetOfRound& target);

// The successes, one of each wording (letters and digits compared, in the order found).
std::vector<Attempt> unique_wins(std::span<const Attempt> attempts);

// What the attacker model learns from: the plain request, and the attack that won with it.
std::vector<Demonstration> attacker_demonstrations(std::span<const Attempt> wins);
// The prompt that asks the attacker model for an attack, and its reply as an attempt (family "attacker").
Messages attacker_prompt(const std::string& request);
Attempt attacker_attempt(const town::Task& request, const std::string& attack_text);

// The wins with safe targets: what the best demonstrator would have said.
std::vector<Demonstration> safe_demonstrations(const town::World& world, std::span<const Attempt> wins, Rng rng);

// Mean BLEU-4 of each attack against the others (a sample of them): 1 where the attacker repeats itself.
double self_bleu(std::span<const std::string> texts, Rng rng, int64_t samples = 100);

}  // namespace loquat::redteam
