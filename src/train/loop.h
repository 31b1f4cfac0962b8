// The skeleton that every stage of training shares: steps, metrics, progress, checkpoints by number of steps, exact
// resume, guards with roll-back, and a finished model folder that is there whole or not at all.
//
// A stage killed at any moment and run again ends in the same bytes: all that a step reads is in its checkpoint
// (weights, moments, counters, cursors) or follows from the seed and the step's number. Wall-clock time is kept for the
// report alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"
#include "ranks/ranks.h"
#include "store/checkpoint.h"
#include "train/guards.h"

namespace loquat {

struct StageProgress {
  std::string stage;
  int64_t step = 0;
  int64_t total_steps = 0;
  int64_t tokens = 0;
  double tokens_per_second = 0;  // of this process's part of the run
  double seconds_left = 0;
  std::map<std::string, double> metrics;
};

// What the policy said in one iteration of PPO, for whoever wants to judge it beside the reward model.
struct RolloutSample {
  std::string prompt;  // decoded with its control tokens
  std::string reply;
  bool ended = false;
};

struct StageContext {
  std::string out;   // the model folder that is written at the end
  std::string work;  // checkpoint/, metrics.jsonl, time.json
  const Kernels* kernels = nullptr;
  // Who trains together; `out` and `work` are rank 0's alone. Each of a step's items is computed by one of them.
  Ranks* ranks = &one_process();
  DType compute = DType::kBF16;
  uint64_t seed = 0;
  int64_t checkpoint_every = 50;  // steps (PPO: iterations)
  int64_t max_rollbacks = 3;      // of a stage without guard settings of its own
  std::function<void(const StageProgress&)> on_progress;
  // PPO: every iteration's replies, with its number, mean KL and mean reward. Watches only: nothing depends on it. An
  // iteration that is run again after a resume comes again.
  std::function<void(int64_t step, double kl, double reward, const std::vector<RolloutSample>&)> on_rollout;
  std::function<void(const std::string&)> on_note;  // a line for people; default: stderr
  const std::atomic<bool>* stop = nullptr;
  int64_t stop_after_steps = -1;  // tests: ends after so many steps of this process as a kill would, saving nothing
};

struct StageReport {
  std::string stage;
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;  // summed over resumes
  std::map<std::string, double> figures;
  std::vector<GuardEvent> guards;
};

// A line for people, as the context wants it; rank 0's.
void note(const StageContext& context, const std::string& line);
// Says how many prompts of a file were left out, if any, since their last turn fills the context.
void note_too_long(const StageContext& context, const std::string& path, int64_t prompts, int64_t positions);

// JSON of a report: what stage.json holds, and the seconds.
std::string to_json(const StageReport& report);

// What a stage is made from, hashed: the same hash in a finished folder means that there is nothing to do.
class StageHash {
 public:
  StageHash(const std::string& stage, const StageContext& context);
  void add(const std::string& name, const std::string& text);
  Status add_file(const std::string& path);
  // Data paths (data/source.h): the bytes of their files and what is set beside them, not where they lie. A weight is
  // an error but in a mixture: elsewhere nobody would look at it.
  Status add_files(const std::vector<std::string>& paths);
  Status add_mixture(const std::vector<std::string>& paths);
  Status add_model(const std::string& folder);  // config, weights, tokenizer, reward.json
  std::string hex() const;

 private:
  Status add_adapter(const std::string& folder);
  Status add_data(const std::vector<std::string>& paths, bool weighted);
  std::string text_;
};

struct StepResult {
  int64_t tokens = 0;
  std::map<std::string, double> metrics;  // "loss" and "grad_norm" must be finite
  std::optional<GuardTrip> trip;
  bool suspicious = false;  // make no checkpoint of this
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual int64_t total_steps() const = 0;
  // All ranks call each of these, and get the same results but where it is said otherwise.
  // Step number `step`, from 0; learning rates are multiplied by lr_scale (1, and less after a roll-back).
  virtual Result<StepResult> step(int64_t step, double lr_scale) = 0;
  virtual Status save(CheckpointState& state) const = 0;  // the whole on rank 0; the others' need not be
  virtual Status load(const CheckpointState& state) = 0;
  // Writes the model folder and the report's figures.
  virtual Status finish(const std::string& out, StageReport& report) = 0;
};

struct StageIdentity {
  std::string name;
  std::string hash;
  int64_t max_rollbacks = 3;
};

// An error where several ranks would run a stage that only one process can.
Status only_alone(const StageContext& context, const std::string& stage);

// Runs the stage that `make` gives, from its newest checkpoint, to its end. An out folder already finished with the
// same hash returns its report at once (make is not called); one finished with another hash is an error, as is
// another's checkpoint.
Result<StageReport> run_stage(const StageContext& context, const StageIdentity& identity,
                              const std::function<Result<std::unique_ptr<Stage>>()>& make);

}  // namespace loquat
