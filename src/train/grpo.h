// Group relative policy optimisation (Shao et al. 2024): a reply's advantage is its score against the other replies to
// its prompt, the ratio is clipped per token as in PPO, and a KL term stands in the loss. Options are those of later
// work: no division by the standard deviation and a constant length (Dr. GRPO, Liu et al. 2025: scale = "none",
// aggregation = "constant"), a mean over all tokens, another upper bound and no loss of cut replies (DAPO, Yu et al.
// 2025: aggregation = "token", clip_high, mask_unended).
#pragma once

#include "train/group_policy.h"

namespace loquat {

struct GrpoOptions {
  GroupOptions group;
  double beta = 0.04;           // of the KL term
  std::string scale = "group";  // the standard deviation that divides: of the prompt's replies, of the "batch", "none"
  // "sequence": the mean of each reply's mean; "token": the mean of all tokens; "constant": as "sequence", with every
  // reply's sum divided by max_reply_tokens.
  std::string aggregation = "sequence";
  double clip_low = 0.2;  // the ratio lies within 1 - clip_low and 1 + clip_high
  double clip_high = 0.2;
  bool mask_unended = false;

  static Result<GrpoOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    group.visit_paths(v);
  }
  template <typename V>
  void visit(V& v) {
    group.visit(v);
    v("beta", beta, 0.0, 1e6);
    v("scale", scale, {"group", "batch", "none"});
    v("aggregation", aggregation, {"sequence", "token", "constant"});
    v("clip_low", clip_low, 1e-6, 1.0);
    v("clip_high", clip_high, 1e-6, 1e6);
    v("mask_unended", mask_unended);
  }
};

// figures: group_policy.h.
Result<StageReport> run_grpo(const StageContext& context, const GrpoOptions& options);

// The method by itself; `options` must outlive it.
std::unique_ptr<GroupMethod> make_grpo(const GrpoOptions& options);

}  // namespace loquat
