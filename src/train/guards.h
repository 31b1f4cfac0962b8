// Guards: what watches a stage for the ways in which training goes wrong. A guard that trips rolls the stage back to
// its last good checkpoint with half the learning rate, or ends it early there; its message says what to change. PPO's
// guards compare an iteration with the first one, and trip only after several bad iterations in a row.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/checkpoint.h"

namespace loquat {

enum class GuardAction { kRollBack, kStopEarly };

struct GuardTrip {
  std::string guard;  // "kl", "length", "ended", "entropy", "held_out", "nan"
  GuardAction action = GuardAction::kRollBack;
  double value = 0;
  double limit = 0;
  std::string message;  // what was seen, and what to change
};

struct GuardEvent {
  std::string stage;
  std::string guard;
  int64_t step = 0;
  double value = 0;
  double limit = 0;
  std::string action;  // "rolled back", "stopped early", "failed"
  std::string message;
};

// An error of a guard that could not recover begins with this; the recipe's exit status is then 3.
inline constexpr std::string_view kGuardFailure = "guard: ";
inline bool is_guard_failure(std::string_view error) {
  return error.starts_with(kGuardFailure);
}

struct GuardOptions {
  bool enabled = true;
  int64_t patience = 3;   // bad iterations in a row
  double max_kl = 50;     // nats per reply, policy against reference
  double max_length = 3;  // mean reply length, as a multiple of the first iteration's
  double min_length = 0.2;
  double min_ended = 0.6;      // share of replies that end, as a fraction of the first iteration's
  double min_entropy = 0.05;   // per token, as a fraction of the first iteration's
  double held_out_fall = 0.5;  // of the held-out reward below its best while the reward itself stands at its best, in
                               // standard deviations of the first iteration's held-out rewards
  int64_t max_rollbacks = 3;

  template <typename V>
  void visit(V& v) {
    v("guards", enabled);
    v("guard_patience", patience, int64_t{1}, int64_t{1000});
    v("guard_max_kl", max_kl, 0.0, 1e9);
    v("guard_max_length", max_length, 1.0, 1e9);
    v("guard_min_length", min_length, 0.0, 1.0);
    v("guard_min_ended", min_ended, 0.0, 1.0);
    v("guard_min_entropy", min_entropy, 0.0, 1.0);
    v("guard_held_out_fall", held_out_fall, 0.0, 1e9);
    v("guard_max_rollbacks", max_rollbacks, int64_t{0}, int64_t{100});
  }
};

// One iteration of PPO as the guards see it.
struct IterationFigures {
  double kl = 0;
  double length = 0;
  double ended = 0;
  double entropy = 0;
  double reward = 0;
  std::optional<double> held_out;
  double held_out_deviation = 1;
};

class PpoGuards {
 public:
  explicit PpoGuards(const GuardOptions& options) : options_(options) {}
  // The first trip of this iteration, if any. suspicious() is then, or while a streak runs, true: no checkpoint is then
  // made, so that the last checkpoint stays a good one.
  std::optional<GuardTrip> watch(const IterationFigures& figures);
  bool suspicious() const;
  void save(CheckpointState& state) const;
  Status load(const CheckpointState& state);

 private:
  bool bad_for_long(const std::string& guard, bool bad);

  GuardOptions options_;
  std::map<std::string, int64_t> streaks_;
  bool started_ = false;
  double first_length_ = 0, first_ended_ = 0, first_entropy_ = 0;
  double smooth_reward_ = 0, smooth_held_out_ = 0, best_held_out_ = -1e300, reward_at_best_ = -1e300;
  double held_out_unit_ = 1;
  int64_t held_out_count_ = 0;
};

}  // namespace loquat
