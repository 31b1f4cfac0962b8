// REINFORCE leave-one-out (Ahmadian et al. 2024): a whole reply is one action, its reward has the KL to the reference
// taken off, and the mean reward of the other replies to its prompt is the baseline. With more than one update of the
// same replies, the ratio of whole replies is clipped.
#pragma once

#include "train/group_policy.h"

namespace loquat {

struct RlooOptions {
  GroupOptions group = defaults();
  double kl_coefficient = 0.03;
  double clip_ratio = 0.2;         // of the whole reply's ratio
  bool whiten_advantages = false;  // to mean 0 and standard deviation 1 over the iteration's replies

  static GroupOptions defaults();  // 4 replies to a prompt
  static Result<RlooOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    group.visit_paths(v);
  }
  template <typename V>
  void visit(V& v) {
    group.visit(v);
    v("kl_coefficient", kl_coefficient, 0.0, 1e6);
    v("clip_ratio", clip_ratio, 1e-6, 1e6);
    v("whiten_advantages", whiten_advantages);
  }
};

// figures: group_policy.h.
Result<StageReport> run_rloo(const StageContext& context, const RlooOptions& options);

// The method by itself; `options` must outlive it.
std::unique_ptr<GroupMethod> make_rloo(const RlooOptions& options);

}  // namespace loquat
