// A world small enough for tests: three questions, replies that praise or scold, a tokenizer, a tiny base model, an SFT
// model that says either, and a reward model that likes praise. Made once per process, in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "store/files.h"
#include "train/ppo.h"
#include "train/pretrain.h"
#include "train/reward.h"
#include "train/rollout.h"
#include "train/sft.h"

namespace loquat::toy {

inline std::vector<std::string> questions() {
  return {"How is the tea?", "How is the sea?", "How is the bee?", "How is the key?"};
}
inline std::vector<std::string> praise() {
  return {"It is good.", "It is fine.", "It is very good."};
}
inline std::vector<std::string> scold() {
  return {"It is bad.", "It is poor.", "It is very bad."};
}

template <typename T>
T must(Result<T> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error());
  if (!result.ok()) std::abort();
  return *std::move(result);
}
inline void must(const Status& status) {
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error());
  if (!status.ok()) std::abort();
}

class World {
 public:
  static World& get() {
    static World world;
    return world;
  }
  ~World() { std::filesystem::remove_all(root_); }

  std::string path(const std::string& name) const { return root_ + "/" + name; }

  // A context whose folders are named after `name`.
  StageContext context(const std::string& name, uint64_t seed = 1) const {
    StageContext c;
    c.out = path(name + "/model");
    c.work = path(name + "/work");
    c.kernels = must(best_kernels());
    c.compute = DType::kF32;
    c.seed = seed;
    c.checkpoint_every = 3;
    c.on_note = [](const std::string&) {};
    return c;
  }

  std::string texts() const { return path("texts.jsonl"); }
  std::string demonstrations() const { return path("demonstrations.jsonl"); }
  std::string praise_demonstrations() const { return path("praise.jsonl"); }
  std::string rankings() const { return path("rankings.jsonl"); }
  std::string prompts() const { return path("prompts.jsonl"); }
  std::string tokenizer() const { return path("tokenizer"); }

  PretrainOptions pretrain_options() const {
    PretrainOptions o;
    o.texts = {texts()};
    o.tokenizer = tokenizer();
    o.valid_fraction = 0.1;
    o.hidden_size = 32;
    o.num_layers = 2;
    o.num_heads = 2;
    o.num_kv_heads = 1;
    o.intermediate_size = 64;
    o.context = 48;
    o.batch_tokens = 384;
    o.steps = 120;
    o.training.lr = 5e-3;
    o.training.warmup_steps = 4;
    return o;
  }

  SftOptions sft_options() {
    SftOptions o;
    o.base = base();
    o.demonstrations = {demonstrations()};
    o.epochs = 25;
    o.batch = 16;
    o.dropout = 0;
    o.training.lr = 5e-3;
    return o;
  }

  RewardOptions reward_options() {
    RewardOptions o;
    o.base = sft();
    o.rankings = {rankings()};
    o.demonstrations = {demonstrations()};
    o.valid_fraction = 0.25;
    o.epochs = 8;
    o.batch = 8;
    o.training.lr = 3e-3;
    return o;
  }

  PpoOptions ppo_options() {
    PpoOptions o;
    o.policy = sft();
    o.reward = reward();
    o.prompts = {prompts()};
    o.pretrain_texts = {texts()};
    o.episodes = 64 * 16;
    o.batch = 64;
    o.minibatch = 16;
    o.max_reply_tokens = 12;
    o.ptx_per_episode = 0.25;
    o.ptx_coefficient = 0.02;  // the toy's texts hold no end of turn: a greater share unlearns it
    o.ema = 0;
    o.normalise_rewards = true;
    o.kl_coefficient = 0.05;
    o.unended_score = -2;
    o.training.lr = 1e-3;
    o.training.warmup_steps = 2;
    o.critic_lr = 2e-3;
    return o;
  }

  std::string base() {
    return once("base", [&](StageContext c) { return run_pretrain(c, pretrain_options()); });
  }
  std::string sft() {
    return once("sft", [&](StageContext c) { return run_sft(c, sft_options()); });
  }
  std::string reward() {
    return once("reward", [&](StageContext c) { return run_reward(c, reward_options()); });
  }

  // How many of 120 replies of a model to the toy's questions praise and do not scold, in whatever words.
  int praised(const std::string& model_folder) {
    const Kernels& kernels = *must(best_kernels());
    LoadOptions load;
    load.compute = DType::kF32;
    RewardModel judge = must(load_reward_model(reward(), kernels, DType::kF32));
    const auto policy = must(load_model(model_folder, kernels, load));
    BestOfOptions best;
    best.n = 30;
    best.max_reply_tokens = 12;
    int count = 0;
    const Tokenizer tokens = must(Tokenizer::load(model_folder));
    for (const auto& replies : must(sample_and_score(*policy, judge, tokens, must(read_prompts(prompts())), best))) {
      for (const ScoredReply& r : replies) {
        const auto says = [&](const char* word) { return r.text.find(word) != std::string::npos; };
        count += (says("good") || says("fine")) && !says("bad") && !says("poor") ? 1 : 0;
      }
    }
    return count;
  }

  std::string bytes_of(const std::string& model_folder) const {
    return must(read_file(model_folder + "/model.safetensors"));
  }

 private:
  World() {
    std::string pattern = (std::filesystem::temp_directory_path() / "loquat-train-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write_data();
  }

  template <typename F>
  std::string once(const std::string& name, const F& run) {
    const StageContext c = context(name);
    if (!file_exists(c.out + "/stage.json")) must(run(c));
    return c.out;
  }

  void write_data() {
    std::vector<std::string> documents;
    std::vector<Demonstration> mixed, praising;
    std::vector<Ranking> ranked;
    std::vector<Messages> asked;
    Rng rng(7, "toy");
    for (int i = 0; i < 60; ++i) {
      std::string document;
      for (int j = 0; j < 4; ++j) {
        document += rng.pick(questions()) + " " + (rng.chance(0.5) ? rng.pick(praise()) : rng.pick(scold())) + " ";
      }
      documents.push_back(document);
    }
    for (int i = 0; i < 64; ++i) {
      const std::string question = rng.pick(questions());
      const std::string good = rng.pick(praise()), bad = rng.pick(scold());
      mixed.push_back({fmt::format("d{}", i), {{"user", question}, {"assistant", i % 2 == 0 ? good : bad}}});
      praising.push_back({fmt::format("p{}", i), {{"user", question}, {"assistant", good}}});
    }
    // One dialogue among the single questions.
    mixed.push_back(
        {"dialogue",
         {{"user", questions()[0]}, {"assistant", praise()[0]}, {"user", questions()[1]}, {"assistant", scold()[0]}}});
    for (int i = 0; i < 48; ++i) {
      Ranking r;
      r.id = fmt::format("r{}", i);
      // Prompts differ, so that some can be held out.
      r.prompt = {{"user", fmt::format("{} {}", rng.pick(questions()), i)}};
      r.responses.push_back({rng.pick(praise()), 0, 6, {}});
      r.responses.push_back({rng.pick(scold()), 1, 2, {}});
      r.responses.push_back({rng.pick(scold()), 1, 2, {}});
      r.responses.push_back({rng.pick(praise()), 0, 6, {}});
      ranked.push_back(r);
    }
    for (const std::string& q : questions()) asked.push_back({{"user", q}});
    must(write_texts(texts(), documents));
    must(write_demonstrations(demonstrations(), mixed));
    must(write_demonstrations(praise_demonstrations(), praising));
    must(write_rankings(rankings(), ranked));
    must(write_prompts(prompts(), asked));
    TokenizerTraining training;
    training.vocab_size = 300;
    training.special_tokens = loquat_special_tokens();
    must(make_folders(tokenizer()));
    must(must(Tokenizer::train(documents, training)).save(tokenizer()));
  }

  std::string root_;
};

// The bytes of every file in a folder, by name.
inline std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = must(read_file(entry.path().string()));
  }
  return files;
}

// Runs a stage to its end, and again in pieces that are cut off after `cut` steps each without saving, as kills would:
// the bytes of every file in the model's folder must be the same. Returns the first run's report.
template <typename Run>
StageReport expect_exact_resume(const std::string& name, const Run& run, int64_t cut = 4) {
  World& world = World::get();
  StageContext whole = world.context(name + "-whole");
  whole.checkpoint_every = 3;
  const StageReport report = must(run(whole));
  StageContext pieces = world.context(name + "-pieces");
  pieces.checkpoint_every = 3;
  pieces.stop_after_steps = cut;
  int cuts = 0;
  for (; cuts < 1000; ++cuts) {
    const auto result = run(pieces);
    if (result.ok()) break;
    EXPECT_NE(result.error().find("stopped by a test"), std::string::npos) << result.error();
    EXPECT_FALSE(file_exists(pieces.out + "/model.safetensors"));
    EXPECT_FALSE(file_exists(pieces.out + "/adapter_model.safetensors"));
    if (result.error().find("stopped by a test") == std::string::npos) break;
  }
  EXPECT_GT(cuts, 0) << "nothing was interrupted";
  const auto expected = files_of(whole.out), found = files_of(pieces.out);
  EXPECT_EQ(expected.size(), found.size()) << name;
  const size_t weights = expected.count("model.safetensors") + expected.count("adapter_model.safetensors");
  EXPECT_EQ(weights + expected.count("stage.json"), 2u) << name;
  for (const auto& [file, bytes] : expected) {
    EXPECT_TRUE(found.count(file) != 0 && found.at(file) == bytes) << name << ": " << file << " differs";
  }
  EXPECT_FALSE(std::filesystem::exists(pieces.work + "/checkpoint/state-a"));
  return report;
}

}  // namespace loquat::toy
