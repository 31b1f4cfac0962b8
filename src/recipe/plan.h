// A recipe file, resolved for one scale: every option of every stage, checked before anything runs.
// [scale.NAME.SECTION] lays over [SECTION], and --set over both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/contrast.h"
#include "data/town/town.h"
#include "train/dpo.h"
#include "train/grpo.h"
#include "train/kto.h"
#include "train/orpo.h"
#include "train/ppo.h"
#include "train/pretrain.h"
#include "train/rejection.h"
#include "train/reward.h"
#include "train/rloo.h"
#include "train/sft.h"

namespace loquat::recipe {

// Replies sampled from the SFT candidates, for people (or the town's labelers) to rank.
struct ComparisonOptions {
  int64_t replies_low = 4;  // K of each prompt is drawn from low ... high (the paper: 4 to 9)
  int64_t replies_high = 9;
  double temperature = 1;
  int64_t max_tokens = 48;
  int64_t test_prompts = 400;  // held-out prompts that measure the reward model
  int64_t test_replies = 6;
};

// Worse replies beside each demonstration, which the reward model reads among people's rankings (data/contrast.h). All
// three 0 (the paper): there is no such step.
struct ContrastPlan {
  ContrastOptions made;
  int64_t samples = 0;  // of the reference model, to each demonstration's prompt
  bool any() const { return made.swapped + made.repeated + made.others + samples > 0; }
};

struct SelectOptions {
  int64_t prompts = 300;  // validation prompts on which the reward model scores each SFT candidate
  int64_t max_tokens = 48;
};

struct AdversarialOptions {
  int64_t attempts_per_family = 120;
  int64_t attacker_attempts = 600;  // by the attacker model, on training requests
  int64_t attacker_epochs = 10;
  double attacker_lr = 1e-3;  // it starts from the base model and has a few hundred examples
  int64_t attacker_max_tokens = 60;
  int64_t ordinary_prompts = 2000;    // answered by the PPO model itself, the best of `best_of` by the reward model
  int64_t benign_per_family = 60;     // harmless requests in the same wrappings
  int64_t withstood_per_family = 60;  // failed attacks with the replies that they got
  int64_t best_of = 4;
  SftOptions sft;
};

struct EvalOptions {
  double temperature = 0.3;  // near what a person would serve; every model is measured at the same
  int64_t max_tokens = 48;
  int64_t attacks_per_family = 100;
  double attack_temperature = 1;  // who attacks chooses the setting that suits him
  int64_t attack_tries = 4;       // samples of each attempt; one that succeeds is a success
};

// Files of the user's own, where the recipe has no built-in world.
struct FileData {
  std::vector<std::string> texts, valid_texts;
  std::vector<std::string> demonstrations;
  std::vector<std::string> comparisons, test_comparisons;
  std::vector<std::string> prompts;  // for PPO; empty: the prompts of the comparisons
  int64_t max_text_bytes = 0;        // of texts; 0: all
  int64_t sample_dialogues = 10;
};

// Methods beside PPO, from the same start: each is run, and its model measured, where the recipe has its section.
struct DirectPlan {
  std::optional<DpoOptions> dpo;
  std::optional<KtoOptions> kto;
  std::optional<OrpoOptions> orpo;
  std::optional<GrpoOptions> grpo;
  std::optional<RlooOptions> rloo;
  std::optional<RejectionOptions> rejection;

  std::vector<std::string> names() const;  // of the methods that are there: also their steps' and models' names
};
inline constexpr const char* kDirectMethods[] = {"dpo", "kto", "orpo", "grpo", "rloo", "rejection"};

struct RecipePlan {
  std::string name;
  std::string world;  // "town" or "files"
  std::string scale;
  std::string hash;  // of every resolved setting
  int64_t vocab_size = 2048;
  bool fp32 = false;
  int64_t checkpoint_every = 50;
  town::TownScale town;
  FileData files;
  PretrainOptions base;
  SftOptions sft, reference;
  bool reference_is_sft = false;  // the SFT model of the last epoch: `reference` is not used
  ComparisonOptions comparisons;
  ContrastPlan contrasts;
  RewardOptions reward;
  double heldout_reward_share = 0.5;  // of the comparisons, for the reward model that only watches PPO; 0: none
  SelectOptions select;
  PpoOptions ppo;
  DirectPlan direct;
  AdversarialOptions adversarial;
  EvalOptions eval;
};

Result<RecipePlan> read_plan(const std::string& file, const std::string& scale, const std::vector<std::string>& sets);

}  // namespace loquat::recipe
