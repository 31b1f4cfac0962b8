// One iteration's updates of PPO: minibatches in a shuffled order, each cut into micro-batches by tokens whose
// gradients add up in a fixed order; policy, pretraining mix and critic.
#pragma once

#include <cstdint>
#include <vector>

#include "train/batches.h"
#include "train/optimizer.h"
#include "train/policy_pass.h"
#include "train/ppo.h"
#include "train/rollout.h"

namespace loquat {

struct PpoRates {
  double policy = 0;
  double critic = 0;
  bool train_policy = true;
};

class PpoUpdate {
 public:
  // ptx may be null.
  PpoUpdate(const PpoOptions& options, Model& policy, RewardModel& critic, Optimizer& policy_optimizer,
            Optimizer& critic_optimizer, StreamSampler* ptx);
  // An error where the first minibatch's log-probabilities are not, bit for bit, those that the sampler recorded.
  Status run(const std::vector<Episode>& episodes, int64_t iteration, uint64_t seed, const PpoRates& rates,
             StepResult& result);
  int64_t ptx_windows() const { return ptx_windows_; }
  void set_ptx_windows(int64_t windows) { ptx_windows_ = windows; }

 private:
  struct Sums {
    PolicySums policy;
    double policy_loss = 0, value_loss = 0, clipped = 0, ptx_loss = 0, ptx_tokens = 0;
    double grad_norm = 0, critic_grad_norm = 0, updates = 0;
  };
  Status policy_minibatch(const std::vector<Episode>& episodes, bool check, Sums& sums, StepResult& result);
  void critic_minibatch(const std::vector<Episode>& episodes, Sums& sums, StepResult& result);
  void ptx_minibatch(Sums& sums, StepResult& result);
  void pack(const std::vector<Episode>& episodes, size_t begin, size_t end);
  void explain(const std::vector<Episode>& episodes, StepResult& result) const;

  const PpoOptions& options_;
  Model& policy_;
  RewardModel& critic_;
  Optimizer& policy_optimizer_;
  Optimizer& critic_optimizer_;
  StreamSampler* ptx_;
  PolicyPass policy_pass_;
  LmPass ptx_pass_;
  int64_t ptx_windows_ = 0;  // drawn so far: the cursor

  std::vector<size_t> order_, chosen_;
  std::vector<std::pair<size_t, size_t>> cuts_;
  double minibatch_tokens_ = 0;
  LmBatch micro_;
  std::vector<float> slopes_;
  std::vector<TokenSequence> windows_;
};

}  // namespace loquat
