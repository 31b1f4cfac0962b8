// PPO's experience: replies sampled from the policy with the log-probabilities that the sampler recorded, then scored
// by the reference, the reward model, the critic and (for watching) a held-out reward model, each in one pass over
// prompt and reply.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "infer/generate.h"
#include "train/batches.h"
#include "train/reward.h"

namespace loquat {

struct Episode {
  std::vector<int32_t> tokens;  // prompt, then the reply
  int64_t prompt = 0;           // its length
  bool ended = false;
  float score = 0;  // by the reward model, or the fixed score of a reply that never ended
  float held_out = 0;
  // Of each token of the reply:
  std::vector<float> logprob;  // recorded by the sampler: the "old" one
  std::vector<float> reference;
  std::vector<float> value;
  std::vector<float> reward, advantage, returns;

  int64_t reply() const { return static_cast<int64_t>(tokens.size()) - prompt; }
};

struct RolloutSampling {
  double temperature = 1;
  int64_t max_reply_tokens = 64;
  int32_t end_of_turn = -1;
  int64_t batch = 256;
};

// One reply for each prompt; seeds[i] is the whole randomness of reply i. The whole vocabulary is sampled (no top-k, no
// top-p), since every log-probability is of that softmax.
std::vector<Episode> sample_episodes(Model& policy, std::span<const std::vector<int32_t>* const> prompts,
                                     std::span<const uint64_t> seeds, const RolloutSampling& sampling);

struct Judges {
  Model* reference = nullptr;
  RewardModel* reward = nullptr;
  RewardModel* critic = nullptr;    // null: values stay zero
  RewardModel* held_out = nullptr;  // null: none
};

struct ScoringOptions {
  double temperature = 1;
  double unended_score = -1;  // a reply that never ends is not read: it gets this
  int64_t micro_tokens = 8192;
};

// Fills score, held_out, reference and value. Replies are judged as they were cut (at the end-of-turn, or at
// max_reply_tokens). Returns the number of tokens that went through a model.
int64_t score_episodes(std::vector<Episode>& episodes, const Judges& judges, const ScoringOptions& options);

// Mean and standard deviation over the episodes that ended, of their score or held-out score (1 where there is no
// spread).
struct RewardMoments {
  double mean = 0;
  double deviation = 1;
};
RewardMoments moments_of(std::span<const Episode> episodes, float Episode::*score);

// --- best of n -----------------------------------------------------------------------------------
struct ScoredReply {
  std::string text;
  std::vector<int32_t> tokens;
  bool ended = false;
  float score = 0;
};

struct BestOfOptions {
  int64_t n = 8;
  double temperature = 1;
  int64_t max_reply_tokens = 64;
  double unended_score = -1;
  int64_t micro_tokens = 8192;
  uint64_t seed = 0;
};

// n scored replies for each prompt; a prompt that leaves no room in the context gets none. The policy's
// log-probabilities play no part, so reward model and policy may differ in everything but the tokenizer.
Result<std::vector<std::vector<ScoredReply>>> sample_and_score(Model& policy, RewardModel& reward,
                                                               const Tokenizer& tokenizer,
                                                               std::span<const Messages> prompts,
                                                               const BestOfOptions& options);

}  // namespace loquat
