// Odds ratio preference optimisation (orpo.h).
#include "train/orpo.h"

#include <algorithm>
#include <cmath>

#include "train/needed.h"
#include "train/preference.h"

namespace loquat {
namespace {

// log(p / (1 - p)) of p = exp(x), x <= 0, and its slope by x, 1 / (1 - p). Beyond a certainty of 1 - 1e-6 it goes on as
// a straight line, so that nothing overflows.
struct LogOdds {
  double value, slope;
};
LogOdds log_odds(double x) {
  const double bounded = std::min(x, -1e-6);
  const double slope = -1 / std::expm1(bounded);
  return {bounded - std::log(-std::expm1(bounded)) + slope * (x - bounded), slope};
}

}  // namespace

OrpoLoss orpo_loss(double chosen, double rejected, double lambda) {
  const LogOdds good = log_odds(chosen), bad = log_odds(rejected);
  OrpoLoss out;
  out.nll = -chosen;
  out.log_odds_ratio = good.value - bad.value;
  out.loss = out.nll + lambda * softplus(-out.log_odds_ratio);
  const double slope = -lambda * sigmoid(-out.log_odds_ratio);
  out.chosen_slope = -1 + slope * good.slope;
  out.rejected_slope = -slope * bad.slope;
  return out;
}

namespace {

class OrpoStage : public PairStage {
 public:
  OrpoStage(const StageContext& context, const OrpoOptions& options)
      : PairStage(context, options.training, options.lora, options.epochs), options_(options) {}

  Status prepare() {
    TRY_STATUS(load_policy(options_.policy));
    TRY_STATUS(read({options_.rankings, options_.valid_rankings, options_.valid_fraction}));
    start(train_.size(), options_.batch, "orpo.order");
    return {};
  }

 private:
  PairOutcome judge(const ReplyPair& pair, double chosen_logp, double rejected_logp) const override {
    const auto chosen_length = static_cast<double>(pair.chosen.length());
    const auto rejected_length = static_cast<double>(pair.rejected.length());
    const double chosen = chosen_logp / chosen_length, rejected = rejected_logp / rejected_length;
    const OrpoLoss loss = orpo_loss(chosen, rejected, options_.lambda);
    return {loss.loss,
            loss.chosen_slope / chosen_length,
            loss.rejected_slope / rejected_length,
            options_.lambda * chosen,
            options_.lambda * rejected,
            {{"nll_loss", loss.nll}, {"log_odds_ratio", loss.log_odds_ratio}}};
  }

  const OrpoOptions& options_;
};

}  // namespace

TrainingOptions OrpoOptions::defaults() {
  TrainingOptions training;
  training.lr = 8e-6;  // the paper's
  training.final_fraction = 0;
  training.warmup_steps = 10;
  return training;
}

Result<OrpoOptions> OrpoOptions::read(Settings& settings) {
  return read_options(settings, OrpoOptions{});
}

Result<StageReport> run_orpo(const StageContext& context, const OrpoOptions& options) {
  TRY_STATUS(need_model("orpo", "policy", options.policy));
  TRY_STATUS(need_data("orpo", "rankings", options.rankings));
  StageHash hash("orpo", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.policy));
  TRY_STATUS(hash.add_files(options.rankings));
  TRY_STATUS(hash.add_files(options.valid_rankings));
  const StageIdentity identity{"orpo", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<OrpoStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
