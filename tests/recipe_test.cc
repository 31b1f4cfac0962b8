// The whole recipe at its smallest, as a user runs it: what it leaves, and that a run which is killed at any moment
// ends in the bytes of one that was not.
#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "program.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;

const char* const kRecipe = LOQUAT_SOURCE_DIR "/recipes/town.toml";

std::vector<std::string> recipe_arguments(const std::string& out, const std::string& seed = "5") {
  return {
      "recipe", "run", kRecipe, "--scale", "smoke", "--seed", seed, "--world-seed", "11", "--set", "checkpoint_every=3",
      "--out",  out};
}

// The bytes of every file of every model of the run.
std::map<std::string, std::string> models_of(const std::string& run) {
  std::map<std::string, std::string> bytes;
  for (const auto& entry : fs::recursive_directory_iterator(run + "/models"))
    if (entry.is_regular_file()) bytes[fs::relative(entry.path(), run).string()] = slurp(entry.path().string());
  return bytes;
}

void expect_same_models(const std::string& a, const std::string& b) {
  const auto first = models_of(a), second = models_of(b);
  ASSERT_GT(first.size(), 6 * 4u);
  EXPECT_EQ(first.size(), second.size());
  for (const auto& [name, bytes] : first) {
    EXPECT_FALSE(bytes.empty()) << name;
    EXPECT_TRUE(second.count(name) && second.at(name) == bytes) << name << " differs";
  }
}

// One undisturbed run that the tests compare with.
class Recipe : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new Folder("recipe");
    result_ = new ProcessResult(loquat_run(recipe_arguments(whole())));
  }
  static void TearDownTestSuite() {
    delete folder_;
    delete result_;
  }
  static std::string whole() { return folder_->file("whole"); }

  static Folder* folder_;
  static ProcessResult* result_;
};
Folder* Recipe::folder_ = nullptr;
ProcessResult* Recipe::result_ = nullptr;

TEST_F(Recipe, LeavesModelsMeasuresAndAReport) {
  ASSERT_EQ(result_->exit_status, 0) << result_->errors;
  for (const char* model : {"base", "sft", "reference", "reward", "ppo", "adversarial"}) {
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
      EXPECT_TRUE(fs::exists(whole() + "/models/" + model + "/" + file)) << model << " " << file;
  }
  EXPECT_TRUE(fs::exists(whole() + "/world/facts.jsonl"));
  EXPECT_THAT(slurp(whole() + "/report.html"), testing::HasSubstr("</html>"));
  const auto report = nlohmann::json::parse(slurp(whole() + "/report.json"));
  for (const char* key : {"recipe", "scale", "seed", "world_seed", "recipe_hash", "commit", "machine", "guards",
                          "stages", "reward_model", "models", "preferred"})
    EXPECT_TRUE(report.contains(key)) << key;
  EXPECT_GE(report["stages"].size(), 10u);
  for (const char* model : {"base", "sft", "reference", "ppo", "adversarial"}) {
    const auto& m = report["models"][model];
    for (const char* key :
         {"helpful", "truthful", "hallucination_closed_domain", "hallucination_closed_book", "document_only_correct",
          "abstained_answerable", "abstained_unanswerable", "harmful_refused", "over_refusal", "clarifies",
          "honest_identity", "attack_success", "bits_per_byte", "reply_tokens"})
      EXPECT_TRUE(m.contains(key)) << model << " " << key;
    EXPECT_TRUE(m["attack_success"].contains("by_family"));
    std::istringstream lines(slurp(whole() + "/eval/" + model + "/replies.jsonl"));
    size_t n = 0;
    for (std::string line; std::getline(lines, line); ++n) {
      const auto reply = nlohmann::json::parse(line);
      for (const char* key : {"id", "measure", "prompt", "reply", "claims", "verdict"})
        ASSERT_TRUE(reply.contains(key));
    }
    EXPECT_GT(n, 300u);
  }
  // Nothing temporary is left.
  for (const auto& entry : fs::recursive_directory_iterator(whole()))
    EXPECT_NE(entry.path().filename().string().rfind(".tmp", 0), 0u) << entry.path();
}

TEST_F(Recipe, AFinishedRunRunAgainDoesNothing) {
  const auto before = fs::last_write_time(whole() + "/report.json");
  const ProcessResult again = loquat_run(recipe_arguments(whole()));
  EXPECT_EQ(again.exit_status, 0) << again.errors;
  EXPECT_EQ(fs::last_write_time(whole() + "/report.json"), before);
}

TEST_F(Recipe, AnotherSeedInTheSameFolderIsRefused) {
  const ProcessResult other = loquat_run(recipe_arguments(whole(), "6"));
  EXPECT_EQ(other.exit_status, 2);
  EXPECT_THAT(other.errors, testing::HasSubstr("seed"));
}

TEST_F(Recipe, OneThreadGivesTheSameBytes) {
  const std::string out = folder_->file("one-thread");
  auto arguments = recipe_arguments(out);
  arguments.insert(arguments.end(), {"--threads", "1"});
  ASSERT_EQ(loquat_run(arguments).exit_status, 0);
  expect_same_models(whole(), out);
}

// SIGKILL at moments drawn from all stages, again and again until the run ends by itself. Returns the number of kills.
int run_with_kills(const std::string& out, const std::string& seed, Rng rng, double shortest, double longest) {
  int kills = 0;
  for (int round = 0; round < 600; ++round) {
    // Late rounds get longer: a stage whose start alone takes long must still get somewhere on a slow machine.
    const double seconds = (shortest + (longest - shortest) * rng.uniform()) * (1 + round / 20);
    std::vector<std::string> command = {"timeout", "-s", "KILL", fmt::format("{:.3f}", seconds), LOQUAT_PROGRAM};
    for (const std::string& a : recipe_arguments(out, seed)) command.push_back(a);
    const auto result = run_process(command);
    EXPECT_TRUE(result.ok());
    if (!result.ok() || result->exit_status == 0) return kills;
    EXPECT_EQ(result->exit_status, 137) << result->errors;
    if (result->exit_status != 137) return kills;
    ++kills;
  }
  ADD_FAILURE() << "the run never ended";
  return kills;
}

TEST_F(Recipe, KilledAtAnyMomentItEndsInTheSameBytes) {
  const std::string out = folder_->file("killed");
  EXPECT_GT(run_with_kills(out, "5", Rng(3, "kills"), 0.1, 0.7), 3);
  expect_same_models(whole(), out);
}

// With LOQUAT_LONG_TESTS (./test.sh --long): three seeds, and of each five runs, killed at other moments and in other
// lengths of pieces.
TEST_F(Recipe, KilledManyTimesWithThreeSeeds) {
  if (std::getenv("LOQUAT_LONG_TESTS") == nullptr) GTEST_SKIP() << "LOQUAT_LONG_TESTS is not set";
  int kills = 0;
  for (const char* seed : {"5", "6", "7"}) {
    std::string undisturbed = whole();
    if (seed != std::string("5")) {
      undisturbed = folder_->file(std::string("whole-") + seed);
      ASSERT_EQ(loquat_run(recipe_arguments(undisturbed, seed)).exit_status, 0);
    }
    for (int run = 0; run < 5; ++run) {
      SCOPED_TRACE(fmt::format("seed {}, run {}", seed, run));
      const std::string out = folder_->file("killed-often");
      fs::remove_all(out);
      const double longest = 0.3 * (run + 1);
      kills += run_with_kills(out, seed, Rng(hash64(seed), fmt::format("kills {}", run)), 0.05, longest);
      expect_same_models(undisturbed, out);
    }
  }
  EXPECT_GT(kills, 15 * 3);
}

// The newest checkpoint is cut off in the middle: the one before it is used, which is said.
TEST_F(Recipe, ATruncatedCheckpointIsPassedOver) {
  const std::string out = folder_->file("truncated");
  bool said = false;
  for (int round = 0; round < 40 && !said; ++round) {
    fs::remove_all(out);
    std::vector<std::string> command = {"timeout", "-s", "KILL", fmt::format("{:.3f}", 0.5 + 0.1 * round),
                                        LOQUAT_PROGRAM};
    for (const std::string& a : recipe_arguments(out)) command.push_back(a);
    ASSERT_TRUE(run_process(command).ok());
    fs::path newest;
    for (const auto& entry : fs::recursive_directory_iterator(out))
      if (entry.path().parent_path().filename() == "checkpoint" &&
          entry.path().filename().string().rfind("state-", 0) == 0 &&
          (newest.empty() || fs::last_write_time(entry.path()) > fs::last_write_time(newest)))
        newest = entry.path();
    if (newest.empty()) continue;
    fs::resize_file(newest, fs::file_size(newest) / 2);
    const ProcessResult resumed = loquat_run(recipe_arguments(out));
    ASSERT_EQ(resumed.exit_status, 0) << resumed.errors;
    said = resumed.errors.find(newest.filename()) != std::string::npos;
  }
  EXPECT_TRUE(said) << "no round had a checkpoint to damage";
  expect_same_models(whole(), out);
}

// A disk that is full (here: a limit on the size of files) ends the run with a message; with room again it goes on.
TEST_F(Recipe, AFullDiskEndsTheRunCleanly) {
  const std::string out = folder_->file("full");
  // Too little for the documents; then enough for these, and too little for a stage's checkpoint.
  for (const auto& [blocks, file] : {std::pair{300, "documents.jsonl"}, {700, "state-"}}) {
    const std::string command = fmt::format("ulimit -f {}; exec \"$0\" \"$@\"", blocks);
    std::vector<std::string> argv = {"bash", "-c", command, LOQUAT_PROGRAM};
    for (const std::string& a : recipe_arguments(out)) argv.push_back(a);
    const auto limited = run_process(argv);
    ASSERT_TRUE(limited.ok());
    EXPECT_EQ(limited->exit_status, 2) << limited->errors;
    EXPECT_THAT(limited->errors, testing::HasSubstr("loquat:"));
    EXPECT_THAT(limited->errors, testing::HasSubstr(file));
  }
  ASSERT_EQ(loquat_run(recipe_arguments(out)).exit_status, 0);
  expect_same_models(whole(), out);
}

// Any model folder is measured by the verb as the recipe measures it.
TEST_F(Recipe, EvalMeasuresAModelFolder) {
  const ProcessResult result = loquat_run(
      {"eval", whole() + "/models/ppo", "--world-seed", "11", "--scale", "smoke", "--attacks", "5", "--json"});
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const auto measures = nlohmann::json::parse(result.output);
  EXPECT_TRUE(measures["helpful"].contains("low"));
  EXPECT_GT(measures["bits_per_byte"]["value"].get<double>(), 0);
}

TEST_F(Recipe, ChatAnswersFromAPipe) {
  const ProcessResult result = loquat_run({"chat", whole() + "/models/sft"}, "Hello!\n");
  EXPECT_EQ(result.exit_status, 0) << result.errors;
}

}  // namespace
}  // namespace loquat
