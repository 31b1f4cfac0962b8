// The shared skeleton of stages: finished folders, checkpoints, roll-backs, early ends, metrics.
#include "train/loop.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

// Counts; its "weights" are the sum of (step + 1) * lr_scale.
class CountingStage : public Stage {
 public:
  explicit CountingStage(int64_t total) : total_(total) {}
  int64_t total_steps() const override { return total_; }
  Result<StepResult> step(int64_t step, double lr_scale) override {
    ++steps_run;
    weights_[0] += static_cast<float>(static_cast<double>(step + 1) * lr_scale);
    StepResult result;
    result.tokens = 10;
    result.metrics["loss"] = nan_at == step && nans_left-- > 0 ? std::nan("") : 1.0;
    if (poison_at == step && nans_left-- > 0) weights_[0] = std::nanf("");
    if (stop_at == step) result.trip = GuardTrip{"held_out", GuardAction::kStopEarly, 1, 2, "enough"};
    return result;
  }
  Status save(CheckpointState& state) const override {
    state.tensors["weights"] = weights_;
    return {};
  }
  Status load(const CheckpointState& state) override {
    weights_ = state.tensors.at("weights");
    return {};
  }
  Status finish(const std::string& out, StageReport& report) override {
    report.figures["weight"] = weights_[0];
    return write_file(out + "/model.safetensors", fmt::format("{}", weights_[0]));
  }

  int64_t nan_at = -1, poison_at = -1, stop_at = -1, nans_left = 1;
  static inline int64_t steps_run = 0;

 private:
  int64_t total_;
  std::vector<float> weights_{0};
};

Result<StageReport> run_counting(const StageContext& context, const std::string& hash = "h",
                                 const std::function<void(CountingStage&)>& change = nullptr) {
  return run_stage(context, {"counting", hash, 2}, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<CountingStage>(10);
    if (change) change(*stage);
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

std::string metrics_of(const StageContext& c) {
  return toy::must(read_file(c.work + "/metrics.jsonl"));
}

TEST(Loop, AFinishedFolderIsLeftAsItIs) {
  const StageContext c = toy::World::get().context("loop-finished");
  const StageReport first = toy::must(run_counting(c));
  EXPECT_EQ(first.steps, 10);
  EXPECT_EQ(first.tokens, 100);
  EXPECT_EQ(first.figures.at("weight"), 55);
  const int64_t before = CountingStage::steps_run;
  const StageReport second = toy::must(run_counting(c));
  EXPECT_EQ(CountingStage::steps_run, before);
  EXPECT_GT(first.seconds, 0);
  EXPECT_EQ(to_json(first), to_json(second));
  EXPECT_EQ(toy::must(read_file(c.out + "/stage.json")).find("seconds"), std::string::npos);
  const auto other = run_counting(c, "another");
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().find("other settings"), std::string::npos);
}

TEST(Loop, AModelThatNoStageMadeIsNotWrittenOver) {
  const StageContext c = toy::World::get().context("loop-somebodys");
  ASSERT_TRUE(make_folders(c.out).ok());
  ASSERT_TRUE(write_file(c.out + "/model.safetensors", "somebody's").ok());
  const auto refused = run_counting(c);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find(c.out + " holds a model that no stage made"), std::string::npos);
  // One that this stage had begun to write when it was killed is its own.
  ASSERT_TRUE(make_folders(c.work).ok());
  EXPECT_EQ(toy::must(run_counting(c)).steps, 10);
}

TEST(Loop, GoesOnFromItsCheckpointAndCutsTheMetrics) {
  StageContext c = toy::World::get().context("loop-resume");
  c.stop_after_steps = 5;
  EXPECT_FALSE(run_counting(c).ok());  // checkpoint after step 3; steps 4 and 5 are lost
  EXPECT_FALSE(run_counting(toy::World::get().context("loop-resume"), "another").ok());
  CountingStage::steps_run = 0;
  c.stop_after_steps = -1;
  const StageReport report = toy::must(run_counting(c));
  EXPECT_EQ(CountingStage::steps_run, 7);
  EXPECT_EQ(report.figures.at("weight"), 55);
  EXPECT_EQ(report.tokens, 100);
  const std::string metrics = metrics_of(c);
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 10);
  EXPECT_NE(metrics.find("\"step\":4,"), std::string::npos);
}

TEST(Loop, NotANumberRollsBackWithHalfTheRate) {
  const StageContext c = toy::World::get().context("loop-nan");
  int64_t nans = 1;  // the stage is made once, so its own counter would do; this shows that no new stage is made
  const StageReport report = toy::must(run_counting(c, "h", [&](CountingStage& s) {
    s.nan_at = 7;
    s.nans_left = nans--;
  }));
  ASSERT_EQ(report.guards.size(), 1u);
  EXPECT_EQ(report.guards[0].guard, "nan");
  EXPECT_EQ(report.guards[0].action, "rolled back");
  EXPECT_EQ(report.guards[0].step, 7);
  EXPECT_NE(report.guards[0].message.find("lower lr"), std::string::npos);
  EXPECT_FLOAT_EQ(static_cast<float>(report.figures.at("weight")), 21 + 34 / 2.0f);  // steps 1..6, then 7..10 at half
  const std::string metrics = metrics_of(c);
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 10);
}

TEST(Loop, WeightsThatAreNotFiniteAreNeverSaved) {
  const StageReport report =
      toy::must(run_counting(toy::World::get().context("loop-poison"), "h", [](CountingStage& s) { s.poison_at = 4; }));
  ASSERT_EQ(report.guards.size(), 1u);
  EXPECT_FLOAT_EQ(static_cast<float>(report.figures.at("weight")), 6 + 49 / 2.0f);
}

TEST(Loop, AGuardThatCannotRecoverIsItsOwnKindOfError) {
  const auto result = run_counting(toy::World::get().context("loop-fail"), "h", [](CountingStage& s) {
    s.nan_at = 5;
    s.nans_left = 100;
  });
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(is_guard_failure(result.error())) << result.error();
  EXPECT_FALSE(is_guard_failure("sft: no usable example"));
}

TEST(Loop, StopsEarlyAtTheLastGoodCheckpoint) {
  const StageReport report =
      toy::must(run_counting(toy::World::get().context("loop-early"), "h", [](CountingStage& s) { s.stop_at = 7; }));
  ASSERT_EQ(report.guards.size(), 1u);
  EXPECT_EQ(report.guards[0].action, "stopped early");
  EXPECT_EQ(report.steps, 6);
  EXPECT_FLOAT_EQ(static_cast<float>(report.figures.at("weight")), 21);
}

TEST(Loop, ATruncatedCheckpointIsPassedOver) {
  StageContext c = toy::World::get().context("loop-truncated");
  c.stop_after_steps = 7;  // checkpoints after 0, 3 and 6
  EXPECT_FALSE(run_counting(c).ok());
  std::filesystem::path newest;
  std::string notes;
  c.on_note = [&](const std::string& line) { notes += line; };
  for (const auto& entry : std::filesystem::directory_iterator(c.work + "/checkpoint")) {
    const std::string bytes = toy::must(read_file(entry.path()));
    if (newest.empty() || entry.last_write_time() > std::filesystem::last_write_time(newest)) newest = entry.path();
  }
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) / 2);
  c.stop_after_steps = -1;
  EXPECT_EQ(toy::must(run_counting(c)).figures.at("weight"), 55);
  EXPECT_FALSE(notes.empty());
}

TEST(Guards, TripOnlyAfterBadIterationsInARow) {
  GuardOptions options;
  options.max_kl = 10;
  PpoGuards guards(options);
  const IterationFigures good{5, 10, 1, 2, 0, std::nullopt}, bad{20, 10, 1, 2, 0, std::nullopt};
  EXPECT_FALSE(guards.watch(good));
  EXPECT_FALSE(guards.suspicious());
  EXPECT_FALSE(guards.watch(bad));
  EXPECT_TRUE(guards.suspicious());
  EXPECT_FALSE(guards.watch(bad));
  EXPECT_FALSE(guards.watch(good));
  EXPECT_FALSE(guards.watch(bad));
  EXPECT_FALSE(guards.watch(bad));
  const auto trip = guards.watch(bad);
  ASSERT_TRUE(trip);
  EXPECT_EQ(trip->guard, "kl");
  EXPECT_EQ(trip->action, GuardAction::kRollBack);
  EXPECT_NE(trip->message.find("kl_coefficient"), std::string::npos);
}

TEST(Guards, EachWatchesItsFigure) {
  const auto trips = [](IterationFigures first, IterationFigures then, int n = 3) {
    PpoGuards guards{GuardOptions{}};
    EXPECT_FALSE(guards.watch(first));
    std::optional<GuardTrip> trip;
    for (int i = 0; i < n && !trip; ++i) trip = guards.watch(then);
    return trip ? trip->guard : std::string("none");
  };
  const IterationFigures fine{1, 20, 0.95, 1.5, 0, 0.0};
  auto changed = fine;
  EXPECT_EQ(trips(fine, fine), "none");
  changed.length = 90;
  EXPECT_EQ(trips(fine, changed), "length");
  changed = fine;
  changed.length = 2;
  EXPECT_EQ(trips(fine, changed), "short");
  changed = fine;
  changed.ended = 0.3;
  EXPECT_EQ(trips(fine, changed), "ended");
  changed = fine;
  changed.entropy = 0.01;
  EXPECT_EQ(trips(fine, changed), "entropy");
  changed = fine;
  changed.held_out = -3;
  changed.reward = 2;
  EXPECT_EQ(trips(fine, changed, 10), "held_out");
  changed.held_out_deviation = 1;
  auto wide = fine;
  wide.held_out_deviation = 10;  // the fall is a third of a standard deviation
  EXPECT_EQ(trips(wide, changed, 10), "none");
  changed.reward = -2;  // both fall: not over-optimisation
  EXPECT_EQ(trips(fine, changed, 10), "none");
}

TEST(Guards, StateSurvivesACheckpoint) {
  PpoGuards guards{GuardOptions{}}, other{GuardOptions{}};
  EXPECT_FALSE(guards.watch({1, 20, 0.95, 1.5, 0, 0.0}));
  CheckpointState state;
  guards.save(state);
  toy::must(other.load(state));
  CheckpointState again;
  other.save(again);
  EXPECT_EQ(state.texts, again.texts);
}

}  // namespace
}  // namespace loquat
