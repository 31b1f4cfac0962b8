// The guards of PPO (guards.h).
#include "train/guards.h"

#include <cstdio>

namespace loquat {

bool PpoGuards::bad_for_long(const std::string& guard, bool bad) {
  int64_t& streak = streaks_[guard];
  streak = bad ? streak + 1 : 0;
  return streak >= options_.patience;
}

bool PpoGuards::suspicious() const {
  for (const auto& [guard, streak] : streaks_) {
    if (streak > 0) return true;
  }
  return false;
}

std::optional<GuardTrip> PpoGuards::watch(const IterationFigures& now) {
  if (!options_.enabled) return std::nullopt;
  if (!started_) {
    started_ = true;
    first_length_ = now.length;
    first_ended_ = now.ended;
    first_entropy_ = now.entropy;
    held_out_unit_ = now.held_out_deviation;
  }
  std::optional<GuardTrip> trip;
  const auto hold = [&](const char* guard, double value, double limit, bool bad, GuardAction action,
                        std::string message) {
    if (bad_for_long(guard, bad) && !trip) trip = GuardTrip{guard, action, value, limit, std::move(message)};
  };
  hold("kl", now.kl, options_.max_kl, now.kl > options_.max_kl, GuardAction::kRollBack,
       fmt::format(
           "the policy is {:.1f} nats a reply away from the reference (limit {:.1f}): raise kl_coefficient or lower lr",
           now.kl, options_.max_kl));
  const double longest = options_.max_length * first_length_ + 4;
  hold("length", now.length, longest, now.length > longest, GuardAction::kRollBack,
       fmt::format(
           "replies have grown to {:.1f} tokens (limit {:.1f}): lower lr, lower unended_score, or look whether the "
           "reward model prefers length",
           now.length, longest));
  const double shortest = options_.min_length * first_length_;
  hold("short", now.length, shortest, now.length < shortest, GuardAction::kRollBack,
       fmt::format(
           "replies have shrunk to {:.1f} tokens (limit {:.1f}): lower lr, or raise unended_score and kl_coefficient",
           now.length, shortest));
  const double fewest = options_.min_ended * first_ended_;
  hold("ended", now.ended, fewest, now.ended < fewest, GuardAction::kRollBack,
       fmt::format("only {:.0f} % of the replies end (limit {:.0f} %): lower unended_score, or raise max_reply_tokens",
                   100 * now.ended, 100 * fewest));
  const double least = options_.min_entropy * first_entropy_;
  hold("entropy", now.entropy, least, now.entropy < least, GuardAction::kRollBack,
       fmt::format(
           "the policy's entropy has fallen to {:.4f} nats a token (limit {:.4f}): lower lr or raise kl_coefficient",
           now.entropy, least));
  if (now.held_out) {
    // Smoothed, since one iteration's mean is noisy; the reward must stand where it was at the best or higher,
    // otherwise both fall together, which is no over-optimisation.
    const double keep = held_out_count_++ == 0 ? 0.0 : 0.8;
    smooth_held_out_ = keep * smooth_held_out_ + (1 - keep) * *now.held_out;
    smooth_reward_ = keep * smooth_reward_ + (1 - keep) * now.reward;
    if (smooth_held_out_ > best_held_out_) {
      best_held_out_ = smooth_held_out_;
      reward_at_best_ = smooth_reward_;
    }
    const double floor = best_held_out_ - options_.held_out_fall * held_out_unit_;
    hold("held_out", smooth_held_out_, floor, smooth_held_out_ < floor && smooth_reward_ >= reward_at_best_,
         GuardAction::kStopEarly,
         fmt::format(
             "a held-out reward model's score has fallen to {:.3f} from {:.3f} while the reward rose to {:.3f}: the "
             "reward model is being exploited; use fewer episodes, a higher kl_coefficient, or more rankings",
             smooth_held_out_, best_held_out_, smooth_reward_));
  }
  return trip;
}

void PpoGuards::save(CheckpointState& state) const {
  std::string text = fmt::format("{} {:a} {:a} {:a} {:a} {:a} {:a} {:a} {:a} {}", started_ ? 1 : 0, first_length_,
                                 first_ended_, first_entropy_, smooth_reward_, smooth_held_out_, best_held_out_,
                                 reward_at_best_, held_out_unit_, held_out_count_);
  state.texts["guards"] = text;
}

Status PpoGuards::load(const CheckpointState& state) {
  const auto found = state.texts.find("guards");
  if (found == state.texts.end()) return Err("the checkpoint lacks the guards' state");
  int started = 0;
  long long count = 0;
  if (std::sscanf(found->second.c_str(), "%d %la %la %la %la %la %la %la %la %lld", &started, &first_length_,
                  &first_ended_, &first_entropy_, &smooth_reward_, &smooth_held_out_, &best_held_out_, &reward_at_best_,
                  &held_out_unit_, &count) != 10) {
    return Err("the checkpoint's guards are unreadable: {}", found->second);
  }
  started_ = started != 0;
  held_out_count_ = count;
  streaks_.clear();  // checkpoints are made only where no streak runs
  return {};
}

}  // namespace loquat
