// The pass over sampled replies that every on-policy update makes (PPO, GRPO, RLOO): the policy's log-probabilities of
// now, a slope for each token from the method, the gradients added up; and the check that sampling and training agree.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/batches.h"
#include "train/options.h"
#include "train/rollout.h"

namespace loquat {

// Over all tokens that passes went over.
struct PolicySums {
  double tokens = 0, ratio = 0, entropy = 0;
  double approximate_kl = 0;  // Schulman's unbiased estimator of KL(old, new)
};

class PolicyPass {
 public:
  PolicyPass(std::string stage, Model& policy, double temperature, const TrainingOptions& training)
      : stage_(std::move(stage)), policy_(policy), temperature_(temperature), training_(training) {}

  // slopes[t] = d loss / d logprob[t] of an episode's reply, whose log-probabilities are now `now`.
  using Slopes = std::function<void(const Episode& episode, std::span<const float> now, std::span<float> slopes)>;
  // With `check`, an error where a log-probability is not, bit for bit, the one that the sampler recorded: before the
  // first update the ratio must be exactly 1. Neighbours with one prompt share its rows. Returns the tokens computed.
  Result<int64_t> run(std::span<const Episode* const> episodes, bool check, PolicySums& sums, const Slopes& f);

 private:
  Status check_ratio(const Episode& episode, std::span<const float> now) const;

  std::string stage_;
  Model& policy_;
  double temperature_;
  const TrainingOptions& training_;
  LmBatch micro_;
  std::vector<PromptedReply> packed_;
  std::vector<float> slopes_;
};

}  // namespace loquat
