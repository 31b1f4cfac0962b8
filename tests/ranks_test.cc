// `mpirun -n 2 loquat pretrain`: as a user starts it, killed at any moment and started again.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "program.h"
#include "ranks/mpirun_for_tests.h"

namespace loquat {
namespace {

using testing::HasSubstr;
using testing::Not;

struct RanksProgram : testing::Test {
  Folder folder{"ranks"};

  void SetUp() override {
    if (!mpirun_there()) GTEST_SKIP() << "no mpirun";
    std::string texts;
    for (int i = 0; i < 200; ++i)
      texts += fmt::format("{{\"text\": \"The ferry {} leaves at {} from pier {}, and the tea is {}.\"}}\n", i, i % 24,
                           i % 7, i % 3 == 0 ? "good" : "cold");
    spit(folder.file("texts.jsonl"), texts);
    const ProcessResult made = loquat_run(
        {"tokenizer", "train", folder.file("texts.jsonl"), "--out", folder.file("tokenizer"), "--vocab-size", "300"});
    ASSERT_EQ(made.exit_status, 0) << made.errors;
    spit(folder.file("stages.toml"),
         fmt::format("[pretrain]\ntexts = [\"{0}/texts.jsonl\"]\ntokenizer = \"{0}/tokenizer\"\nhidden_size = 32\n"
                     "num_layers = 2\nnum_heads = 2\nnum_kv_heads = 1\nintermediate_size = 64\ncontext = 48\n"
                     "batch_tokens = 480\nsteps = 200\n",
                     folder.path()));
  }

  std::vector<std::string> pretrain(const std::string& out) const {
    return {LOQUAT_PROGRAM,       "pretrain", folder.file("stages.toml"), "--out", folder.file(out),
            "--checkpoint-every", "7"};
  }
  ProcessResult on_two(const std::vector<std::string>& arguments) const { return mpirun(2, arguments); }

  int64_t lines_of_metrics(const std::string& out) const {
    const std::string text = slurp(folder.file(out) + ".work/metrics.jsonl");
    return std::count(text.begin(), text.end(), '\n');
  }
  double last_loss(const std::string& out) const {
    const std::string text = slurp(folder.file(out) + ".work/metrics.jsonl");
    const size_t begin = text.rfind('\n', text.size() - 2) + 1;
    return nlohmann::json::parse(text.substr(begin)).at("loss");
  }
};

// The ids of the processes that have all of `words` in their command line and are no mpirun.
std::vector<pid_t> processes_with(const std::vector<std::string>& words) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string line = slurp(entry.path() / "cmdline");
    const bool all = std::all_of(words.begin(), words.end(),
                                 [&](const std::string& w) { return line.find(w) != std::string::npos; });
    if (all && line.rfind("mpirun", 0) != 0) found.push_back(std::stoi(name));
  }
  return found;
}

bool is_rank(pid_t pid, const std::string& rank) {
  return slurp(fmt::format("/proc/{}/environ", pid)).find("OMPI_COMM_WORLD_RANK=" + rank + '\0') != std::string::npos;
}

// Each of the ranks is killed in turn, in the middle of its work.
TEST_F(RanksProgram, TwoRanksMakeOneModelAndSurviveAnyKill) {
  const ProcessResult alone = loquat_run({"pretrain", folder.file("stages.toml"), "--out", folder.file("alone")});
  ASSERT_EQ(alone.exit_status, 0) << alone.errors;
  const ProcessResult two = on_two(pretrain("two"));
  ASSERT_EQ(two.exit_status, 0) << two.errors;
  EXPECT_EQ(std::count(two.output.begin(), two.output.end(), '}'),
            std::count(alone.output.begin(), alone.output.end(), '}'))
      << "rank 0 alone speaks: " << two.output;
  EXPECT_NEAR(last_loss("two"), last_loss("alone"), 0.05 * last_loss("alone"));

  int killed = 0;
  for (const std::string rank : {"1", "0"}) {
    ProcessResult result;
    std::thread run([&] { result = on_two(pretrain("killed")); });
    const int64_t enough = lines_of_metrics("killed") + 20;
    for (int i = 0; i < 3000 && lines_of_metrics("killed") < enough; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (const pid_t pid : processes_with({LOQUAT_PROGRAM, folder.file("killed")})) {
      if (is_rank(pid, rank)) killed += ::kill(pid, SIGKILL) == 0;
    }
    run.join();
    EXPECT_NE(result.exit_status, 0) << rank;
    EXPECT_THAT(result.errors + result.output, HasSubstr("rank " + rank)) << "the launcher or a rank names it";
    EXPECT_FALSE(std::filesystem::exists(folder.file("killed") + "/model.safetensors"));
  }
  EXPECT_EQ(killed, 2);
  const ProcessResult again = on_two(pretrain("killed"));
  ASSERT_EQ(again.exit_status, 0) << again.errors;
  for (const char* file : {"/model.safetensors", "/stage.json"})
    EXPECT_TRUE(slurp(folder.file("killed") + file) == slurp(folder.file("two") + file)) << file;
}

TEST_F(RanksProgram, SaysWhatIsWrongOnce) {
  auto arguments = pretrain("wrong");
  arguments.insert(arguments.end(), {"--set", "hidden_sice=3"});
  const ProcessResult misspelt = on_two(arguments);
  EXPECT_NE(misspelt.exit_status, 0);
  const size_t at = misspelt.errors.find("hidden_size");
  EXPECT_NE(at, std::string::npos) << misspelt.errors;
  EXPECT_EQ(misspelt.errors.find("loquat: ", misspelt.errors.find("loquat: ") + 1), std::string::npos)
      << misspelt.errors;
  const ProcessResult recipe = on_two({LOQUAT_PROGRAM, "recipe", "run", LOQUAT_SOURCE_DIR "/recipes/town.toml", "--out",
                                       folder.file("recipe"), "--scale", "smoke"});
  EXPECT_NE(recipe.exit_status, 0);
  EXPECT_THAT(recipe.errors, HasSubstr("one process"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("recipe")));
}

}  // namespace
}  // namespace loquat
