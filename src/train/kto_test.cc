// KTO: its loss against the paper's, the replies to other prompts, and the toy preference.
#include "train/kto.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "train/toy_world_for_test.h"

namespace loquat {
namespace {

using toy::must;
using toy::World;

TEST(Kto, LossesAndSlopesFollowTheirFormulas) {
  KtoOptions o;
  o.beta = 0.3;
  o.desirable_weight = 1.5;
  o.undesirable_weight = 0.5;
  EXPECT_NEAR(kto_loss(2, 2, true, o).loss, 0.75, 1e-12);  // at the reference point: half the weight
  EXPECT_NEAR(kto_loss(2, 2, false, o).loss, 0.25, 1e-12);
  EXPECT_NEAR(kto_loss(4, 1, true, o).loss, 1.5 * (1 - 1 / (1 + std::exp(-0.9))), 1e-12);
  EXPECT_NEAR(kto_loss(4, 1, false, o).loss, 0.5 * (1 - 1 / (1 + std::exp(0.9))), 1e-12);
  EXPECT_LT(kto_loss(0, 0, true, o).slope, 0);
  EXPECT_GT(kto_loss(0, 0, false, o).slope, 0);
  for (const bool desirable : {false, true}) {
    for (const double ratio : {-30.0, -3.0, 0.0, 0.7, 4.0, 30.0}) {
      const double numeric =
          (kto_loss(ratio + 1e-5, 0.5, desirable, o).loss - kto_loss(ratio - 1e-5, 0.5, desirable, o).loss) / 2e-5;
      EXPECT_NEAR(kto_loss(ratio, 0.5, desirable, o).slope, numeric, 1e-7);
    }
  }
}

TEST(Kto, EveryReplyIsSetBesideOneToAnotherPrompt) {
  std::vector<size_t> groups;
  for (size_t i = 0; i < 40; ++i) groups.push_back(i / 2);
  const auto partner = mismatched(groups, 3);
  ASSERT_EQ(partner.size(), groups.size());
  std::vector<int> used(groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_NE(groups[i], groups[partner[i]]);
    ++used[partner[i]];
  }
  EXPECT_LE(*std::max_element(used.begin(), used.end()), 2);
  EXPECT_EQ(partner, mismatched(groups, 3));
  EXPECT_NE(partner, mismatched(groups, 4));
  const auto lopsided = mismatched(std::vector<size_t>{7, 7, 7, 7, 8}, 1);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(lopsided[i], 4u);
  EXPECT_LT(lopsided[4], 4u);
  EXPECT_TRUE(mismatched(std::vector<size_t>{5, 5, 5}, 1).empty());
  EXPECT_TRUE(mismatched({}, 1).empty());
}

KtoOptions toy_options(World& world) {
  KtoOptions options;
  options.policy = world.sft();
  options.rankings = {world.rankings()};
  options.valid_fraction = 0.25;
  options.epochs = 8;
  options.batch = 32;
  options.beta = 0.3;
  options.training.lr = 3e-3;
  options.training.warmup_steps = 2;
  return options;
}

TEST(Kto, LearnsTheToyPreferenceAndResumes) {
  World& world = World::get();
  const KtoOptions options = toy_options(world);
  const StageReport report = toy::expect_exact_resume(
      "kto", [&](const StageContext& c) { return run_kto(c, options); }, 17);
  EXPECT_GT(report.figures.at("valid_replies"), 8);
  EXPECT_EQ(report.figures.at("desirable"), report.figures.at("undesirable"));
  EXPECT_GE(report.figures.at("valid_accuracy"), 0.9);
  EXPECT_LT(report.figures.at("valid_loss"), 0.4);
  EXPECT_GT(report.figures.at("valid_margin"), 0.5);
  EXPECT_GE(report.figures.at("kl"), 0);
  // The first step: the policy is the reference, bit for bit, in both packings.
  nlohmann::json first;
  must(for_each_line(world.path("kto-whole/work/metrics.jsonl"), [&](int64_t, std::string_view line) -> Status {
    if (first.is_null()) first = nlohmann::json::parse(line);
    return {};
  }));
  EXPECT_EQ(first["kl"], 0);
  EXPECT_EQ(first["rewards/chosen"], 0);
  EXPECT_NEAR(first["loss"].get<double>(), 0.5, 1e-12);
}

TEST(Kto, LabelsWithoutPairsWillDo) {
  World& world = World::get();
  const std::string path = world.path("unpaired.jsonl");
  std::string lines, shuffled;
  Rng rng(5, "labels");
  for (int i = 0; i < 200; ++i) {
    const bool good = rng.chance(0.5);
    const auto line = [&](bool label) {
      return nlohmann::json{{"prompt", fmt::format("{} {}", toy::questions()[i % 4], i)},
                            {"completion", good ? toy::praise()[i % 3] : toy::scold()[i % 3]},
                            {"label", label}}
                 .dump() +
             "\n";
    };
    lines += line(good);
    shuffled += line(rng.chance(0.5));
  }
  KtoOptions options = toy_options(world);
  options.rankings = {path};
  options.training.lr = 1e-3;
  options.epochs = 12;
  must(write_file(path, lines));
  const StageReport right = must(run_kto(world.context("kto-unpaired"), options));
  EXPECT_GE(right.figures.at("valid_accuracy"), 0.75);
  EXPECT_GT(right.figures.at("valid_margin"), 0.4);
  // Labels at random teach nothing that holds of others.
  must(write_file(path, shuffled));
  const StageReport random = must(run_kto(world.context("kto-random"), options));
  EXPECT_LT(random.figures.at("valid_accuracy"), 0.8);
  EXPECT_LT(std::abs(random.figures.at("valid_margin")), 0.5 * right.figures.at("valid_margin"));
}

TEST(Kto, OnePromptIsNotEnough) {
  World& world = World::get();
  const std::string path = world.path("kto-one.jsonl");
  must(write_file(path,
                  "{\"prompt\":\"p\",\"completion\":\"a\",\"label\":true}\n"
                  "{\"prompt\":\"p\",\"completion\":\"b\",\"label\":false}\n"));
  KtoOptions options = toy_options(world);
  options.rankings = {path};
  options.valid_fraction = 0;
  const auto one = run_kto(world.context("kto-one"), options);
  ASSERT_FALSE(one.ok());
  EXPECT_NE(one.error().find("two prompts"), std::string::npos) << one.error();
  must(write_file(path, "{\"prompt\":\"p\",\"completion\":\"a\"}\n"));
  const auto unlabelled = run_kto(world.context("kto-unlabelled"), options);
  ASSERT_FALSE(unlabelled.ok());
  EXPECT_NE(unlabelled.error().find("line 1"), std::string::npos) << unlabelled.error();
}

}  // namespace
}  // namespace loquat
