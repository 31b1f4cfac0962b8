// What "train on these" would run, and what it refuses.
#include "app/training_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/test_folder.h"

namespace loquat::app {
namespace {

using testing::Contains;
using testing::HasSubstr;

class TrainingPlanTest : public testing::Test {
 protected:
  void SetUp() override {
    model("ppo");
    wanted_.dataset = "abc";
    wanted_.dataset_folder = folder_ / "datasets/abc";
    wanted_.run_folder = folder_.path();
    wanted_.base = "ppo";
    wanted_.name = "next";
    wanted_.steps = {"dpo"};
    std::filesystem::create_directories(wanted_.dataset_folder);
    rows("rankings", 20);
    rows("prompts", 20);
  }
  void model(const std::string& id) {
    const std::string at = folder_ / ("models/" + id);
    std::filesystem::create_directories(at);
    std::ofstream(at + "/config.json") << "{}";
    std::ofstream(at + "/model.safetensors") << std::string(6'000'000, 'x');
  }
  void rows(const std::string& what, int count) {
    std::ofstream file(wanted_.dataset_folder + "/" + what + ".jsonl");
    for (int i = 0; i < count; ++i) file << "{}\n";
  }
  jobs::Plan plan() {
    auto made = training_plan(wanted_);
    if (const auto* error = std::get_if<serve::ApiError>(&made)) ADD_FAILURE() << error->message;
    return std::get<jobs::Plan>(made);
  }
  std::string refused() {
    auto made = training_plan(wanted_);
    if (std::holds_alternative<jobs::Plan>(made)) return "";
    const auto& error = std::get<serve::ApiError>(made);
    return error.param.empty() ? error.code : error.param;
  }
  std::vector<std::string> names(const jobs::Plan& plan) {
    std::vector<std::string> names;
    for (const auto& step : plan.steps) names.push_back(step.name);
    return names;
  }

  TestFolder folder_;
  TrainingWanted wanted_;
};

TEST_F(TrainingPlanTest, OneStepMakesTheModel) {
  const jobs::Plan made = plan();
  EXPECT_EQ(names(made), std::vector<std::string>{"dpo"});  // nobody could judge
  EXPECT_THAT(made.steps[0].argv, Contains(folder_ / "models/next"));
  EXPECT_THAT(made.steps[0].argv, Contains("policy=\"" + folder_ / "models/ppo" + "\""));
  EXPECT_THAT(made.steps[0].argv, Contains("batch=20"));
  EXPECT_THAT(made.steps[0].argv, Contains("lr=0.0001"));
  EXPECT_EQ(made.model, "next");
  EXPECT_EQ(made.compared_with, "ppo");
  EXPECT_EQ(made.figures, "");
}

TEST_F(TrainingPlanTest, StepsHandTheirModelsOnInTheRecipesOrder) {
  rows("demonstrations", 8);
  wanted_.steps = {"ppo", "reward", "sft"};
  const jobs::Plan made = plan();
  EXPECT_EQ(names(made), (std::vector<std::string>{"sft", "reward", "ppo", "compare"}));
  const std::string tuned = folder_ / "jobs/next/models/sft", reward = folder_ / "models/next-reward";
  EXPECT_THAT(made.steps[0].argv, Contains(tuned));
  EXPECT_THAT(made.steps[1].argv, Contains("base=\"" + tuned + "\""));
  EXPECT_THAT(made.steps[1].argv, Contains(reward));
  EXPECT_THAT(made.steps[2].argv, Contains("policy=\"" + tuned + "\""));
  EXPECT_THAT(made.steps[2].argv, Contains("reward=\"" + reward + "\""));
  EXPECT_THAT(made.steps[2].argv, Contains(folder_ / "models/next"));
  EXPECT_THAT(made.steps[3].argv, Contains(reward));
  EXPECT_EQ(made.figures, folder_ / "jobs/next/compared.json");
}

TEST_F(TrainingPlanTest, ARewardModelThatIsThereJudges) {
  model("reward");
  EXPECT_EQ(names(plan()), (std::vector<std::string>{"dpo", "compare"}));
  wanted_.steps = {"ppo"};
  EXPECT_EQ(names(plan()), (std::vector<std::string>{"ppo", "compare"}));
}

TEST_F(TrainingPlanTest, SaysWhatIsWrong) {
  const TrainingWanted good = wanted_;
  const auto with = [&](auto&& change) {
    wanted_ = good;
    change(wanted_);
    return refused();
  };
  EXPECT_EQ(with([](auto& w) { w.base = "none"; }), "base");
  EXPECT_EQ(with([](auto& w) { w.base = "../ppo"; }), "base");
  EXPECT_EQ(with([](auto& w) { w.name = "../../etc"; }), "name");
  EXPECT_EQ(with([](auto& w) { w.name = ".hidden"; }), "name");
  EXPECT_EQ(with([](auto& w) { w.name = "it's"; }), "name");
  EXPECT_EQ(with([](auto& w) { w.name = ""; }), "name");
  EXPECT_EQ(with([](auto& w) { w.name = "ppo"; }), "name_taken");
  EXPECT_EQ(with([](auto& w) { w.steps = {}; }), "steps");
  EXPECT_EQ(with([](auto& w) { w.steps = {"rm -rf"}; }), "steps");
  EXPECT_EQ(with([](auto& w) { w.steps = {"sft"}; }), "steps");  // no demonstrations
  EXPECT_EQ(with([](auto& w) { w.steps = {"ppo"}; }), "steps");  // no reward model
  EXPECT_EQ(with([](auto& w) { w.steps = {"reward"}; }), "steps");
  EXPECT_EQ(with([](auto& w) { w.run_folder += "/models/ppo"; }), "one_model");
}

TEST(TuningRate, FallsWithTheModelsSize) {
  EXPECT_DOUBLE_EQ(tuning_rate(6'000'000), 1e-4);
  EXPECT_NEAR(tuning_rate(14'000'000'000), 2e-6, 1e-7);
  EXPECT_DOUBLE_EQ(tuning_rate(0), 1e-4);
}

}  // namespace
}  // namespace loquat::app
