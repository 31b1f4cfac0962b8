// Bad input gets one clear line on stderr that names the place and the remedy, exit status 2, and leaves nothing
// half-written.
#include <gmock/gmock.h>

#include "program.h"

namespace loquat {
namespace {

using testing::HasSubstr;

const char* const kRecipe = LOQUAT_SOURCE_DIR "/recipes/town.toml";

struct BadInput : testing::Test {
  Folder folder{"bad-input"};

  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& said) {
    const ProcessResult result = loquat_run(arguments);
    EXPECT_EQ(result.exit_status, 2) << result.errors;
    for (const std::string& text : said) EXPECT_THAT(result.errors, HasSubstr(text));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  }
  std::string recipe_with(const std::string& change, const std::string& by) {
    std::string text = slurp(kRecipe);
    const size_t at = text.find(change);
    EXPECT_NE(at, std::string::npos) << change;
    spit(folder.file("recipe.toml"), text.replace(at, change.size(), by));
    return folder.file("recipe.toml");
  }
};

TEST_F(BadInput, Recipe) {
  const std::string out = folder.file("run");
  expect_refused({"recipe", "run", folder.file("none.toml"), "--out", out}, {"none.toml"});
  expect_refused({"recipe", "run", kRecipe, "--out", out, "--scale", "huge"}, {"huge", "quick"});
  expect_refused({"recipe", "run", recipe_with("kl_coefficient", "kl_coeficient"), "--out", out},
                 {"recipe.toml:", "kl_coeficient", "kl_coefficient"});
  expect_refused(
      {"recipe", "run", recipe_with("hidden_size = 64", "hidden_size = \"many\""), "--out", out, "--scale", "smoke"},
      {"recipe.toml:", "hidden_size"});
  expect_refused({"recipe", "run", recipe_with("[sft]", "[sft"), "--out", out}, {"recipe.toml:"});
  expect_refused({"recipe", "run", kRecipe, "--out", out, "--set", "ppo.batch=-3"}, {"ppo.batch"});
  expect_refused({"recipe", "run", kRecipe, "--out", out, "--set", "no equals sign"}, {"--set"});
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(BadInput, Data) {
  spit(folder.file("broken.jsonl"), "{\"text\": \"fine\"}\n{\"text\": 3}\n");
  spit(folder.file("latin1.txt"), "caf\xe9\n");
  spit(folder.file("empty.jsonl"), "");
  const std::string out = folder.file("tokenizer");
  expect_refused({"tokenizer", "train", folder.file("broken.jsonl"), "--out", out}, {"broken.jsonl", "2"});
  expect_refused({"tokenizer", "train", folder.file("latin1.txt"), "--out", out}, {"latin1.txt", "UTF-8"});
  expect_refused({"tokenizer", "train", folder.file("empty.jsonl"), "--out", out}, {"empty.jsonl"});
  expect_refused({"tokenizer", "train", folder.file("missing.txt"), "--out", out}, {"missing.txt"});
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(BadInput, ModelFolders) {
  expect_refused({"eval", folder.file("no-model")}, {"no-model"});
  spit(folder.file("words.txt"), "When does the mill open? The mill opens at eight. The mill is by the river.\n");
  ASSERT_EQ(
      loquat_run({"tokenizer", "train", folder.file("words.txt"), "--out", folder.file("model"), "--vocab-size", "270"})
          .exit_status,
      0);
  spit(folder.file("model/config.json"),
       "{\"architectures\": [\"LlamaForCausalLM\"], \"vocab_size\": 270, \"hidden_size\": \"wide\"}");
  expect_refused({"eval", folder.file("model")}, {"config.json", "hidden_size"});
  expect_refused({"serve", folder.file("model"), "--port", "0"}, {"config.json", "hidden_size"});
  spit(folder.file("model/config.json"), "{");
  expect_refused({"eval", folder.file("model")}, {"config.json"});
  expect_refused({"chat", folder.file("no-model")}, {"no-model"});
}

TEST_F(BadInput, Verbs) {
  expect_refused({}, {"recipe", "chat", "serve"});
  expect_refused({"srve"}, {"srve", "serve"});
  expect_refused({"models", "imprt"}, {"imprt", "import"});
}

TEST_F(BadInput, Stages) {
  const std::string out = folder.file("out");
  expect_refused({"sft", "--out", out, "--set", "base=" + folder.file("none"), "--set",
                  "demonstrations=[\"" + folder.file("none.jsonl") + "\"]"},
                 {"none"});
  expect_refused({"sft", "--out", out, "--set", "epoch=3"}, {"epoch", "epochs"});
  expect_refused({"sft", "--out", out}, {"sft: base: ", "--set base="});
  expect_refused({"sft", "--out", out, "--set", "base=m"}, {"sft: demonstrations: ", "--set 'demonstrations="});
  expect_refused({"ppo", "--out", out, "--set", "policy=m", "--set", "reward=m"}, {"ppo: prompts: "});
  expect_refused({"ppo", "--out", out, "--set", "policy=m"}, {"ppo: reward: "});
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(BadInput, Bench) {
  expect_refused({"bench", "train", "--params", "7b"}, {"7b", "14m", "gpt2-124m"});
  EXPECT_EQ(loquat_run({"bench", "sorting"}).exit_status, 2);
  EXPECT_EQ(loquat_run({"bench", "train", "--precision", "f64"}).exit_status, 2);
  EXPECT_EQ(loquat_run({"bench", "train", "--batch", "-3"}).exit_status, 2);
  expect_refused({"bench", "train", "--weights", "int8"}, {"--weights", "decode"});
}

}  // namespace
}  // namespace loquat
