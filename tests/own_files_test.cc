// The recipe on files of the user's own: conversations, rankings and texts made here, small enough for seconds.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program.h"

namespace loquat {
namespace {

namespace fs = std::filesystem;

constexpr const char* kThings[] = {"bread", "soap", "rope", "honey", "paper", "ink", "tea", "wool", "salt", "jam"};

class OwnFiles : public testing::Test {
 protected:
  OwnFiles() {
    std::string texts, demonstrations, comparisons;
    for (int i = 0; i < 120; ++i) {
      const std::string thing = kThings[i % 10], other = kThings[(i * 7 + 3) % 10];
      texts +=
          fmt::format(R"({{"text": "At the market they sell {} and {}. It is stall number {}."}})", thing, other, i) +
          "\n";
      demonstrations +=
          fmt::format(
              R"({{"messages": [{{"role": "user", "content": "Where is the {}? I am at stall {}."}}, {{"role": "assistant", "content": "The {} is at the market."}}]}})",
              thing, i, thing) +
          "\n";
      // Some questions leave hardly any room in the context.
      std::string much;
      for (int j = 0; j < (i % 10 == 0 ? 14 + i / 10 : 0); ++j) much += fmt::format(" or {}", kThings[j % 10]);
      comparisons +=
          fmt::format(
              R"({{"prompt": "Is there {}{} at stall {}?", "chosen": "Yes, there is {}.", "rejected": "No idea about {}, go away."}})",
              thing, much, i, thing, other) +
          "\n";
    }
    spit(folder_.file("texts.jsonl"), texts);
    spit(folder_.file("demonstrations.jsonl"), demonstrations);
    spit(folder_.file("comparisons.jsonl"), comparisons);
    std::string book;
    for (int i = 0; i < 900; ++i) book += fmt::format("Line {} of a book about {}.\n", i, kThings[i % 10]);
    spit(folder_.file("book.txt"), book);  // long enough for more than one piece
  }

  std::string recipe(const std::string& comparisons) const {
    const auto quoted = [&](const std::string& name) { return "[\"" + folder_.file(name) + "\"]"; };
    return "name = \"own\"\nworld = \"files\"\ncheckpoint_every = 10\n[files]\ntexts = [\"" +
           folder_.file("demonstrations.jsonl") + "\", \"" + folder_.file("texts.jsonl") +
           "\"]\nvalid_texts = " + quoted("book.txt") + "\ndemonstrations = " + quoted("demonstrations.jsonl") +
           "\ncomparisons = " + quoted(comparisons) + "\nsample_dialogues = 3\n" +
           R"([tokenizer]
vocab_size = 400
[base]
hidden_size = 32
num_layers = 2
num_heads = 2
num_kv_heads = 1
intermediate_size = 64
context = 64
batch_tokens = 512
lr = 5e-3
[sft]
epochs = 2
lr = 3e-3
[reference]
epochs = 1
lr = 3e-3
pretrain_fraction = 0.1
[reward]
batch = 8
lr = 2e-3
[select]
prompts = 10
max_tokens = 16
[ppo]
episodes = 64
batch = 32
minibatch = 16
max_reply_tokens = 16
max_prompt_tokens = 40
normalise_rewards = true
ptx_per_episode = 0.25
lr = 1e-4
[scale.smoke]
precision = "fp32"
)";
  }

  Folder folder_{"own-files"};
};

TEST_F(OwnFiles, RunFromTextToAnAlignedModel) {
  // A wrong path is said before anything is made, and the corrected recipe runs in the same folder.
  const std::string out = folder_.file("run"), file = folder_.file("recipe.toml");
  const std::vector<std::string> command = {"recipe", "run", file, "--scale", "smoke", "--out", out};
  spit(file, recipe("nowhere.jsonl"));
  const ProcessResult wrong = loquat_run(command);
  EXPECT_EQ(wrong.exit_status, 2);
  EXPECT_THAT(wrong.errors, testing::HasSubstr("files.comparisons"));
  EXPECT_THAT(wrong.errors, testing::HasSubstr("nowhere.jsonl"));
  EXPECT_EQ(std::count(wrong.errors.begin(), wrong.errors.end(), '\n'), 1) << wrong.errors;
  EXPECT_FALSE(fs::exists(out));

  spit(file, recipe("comparisons.jsonl"));
  const ProcessResult result = loquat_run(command);
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const auto report = nlohmann::json::parse(slurp(out + "/report.json"));
  for (const char* model : {"base", "sft", "reference", "ppo"}) {
    const auto& bits = report["models"][model]["bits_per_byte"];
    EXPECT_GT(bits["value"].get<double>(), 0) << model;
    EXPECT_LT(bits["low"].get<double>(), bits["high"].get<double>()) << model;  // by piece, though it is one file
    std::istringstream replies(slurp(out + "/eval/" + model + "/replies.jsonl"));
    int n = 0;
    for (std::string line; std::getline(replies, line);) ++n;
    EXPECT_EQ(n, 3) << model;
  }
  EXPECT_GT(report["reward_model"]["pair_accuracy"]["n"].get<int>(), 0);
  EXPECT_TRUE(report["reward_model"]["labeler_agreement"].is_null());
  EXPECT_THAT(slurp(out + "/report.html"), testing::HasSubstr("</html>"));
  EXPECT_THAT(loquat_run(command).errors, testing::HasSubstr("this run has ended"));

  // A report that was cut off is written again.
  fs::remove(out + "/report.html");
  EXPECT_EQ(loquat_run(command).exit_status, 0);
  EXPECT_TRUE(fs::exists(out + "/report.html"));
}

}  // namespace
}  // namespace loquat
