// Direct preference optimisation (dpo.h).
#include "train/dpo.h"

#include "train/needed.h"
#include "train/preference.h"

namespace loquat {

DpoLoss dpo_loss(double margin, const DpoOptions& options) {
  if (options.loss == "ipo") {
    const double error = margin - 1 / (2 * options.beta);
    return {error * error, 2 * error};
  }
  const double h = options.beta * margin - options.gamma, s = options.label_smoothing;
  if (options.loss == "robust") {  // ((1 - s) (-log σ(h)) - s (-log σ(-h))) / (1 - 2 s)
    const double divisor = 1 - 2 * s;
    return {((1 - s) * softplus(-h) - s * softplus(h)) / divisor,
            options.beta * (-(1 - s) * sigmoid(-h) - s * sigmoid(h)) / divisor};
  }
  // -(1 - s) log σ(h) - s log σ(-h)
  return {(1 - s) * softplus(-h) + s * softplus(h), options.beta * (sigmoid(h) - (1 - s))};
}

namespace {

class DpoStage : public PairStage {
 public:
  DpoStage(const StageContext& context, const DpoOptions& options)
      : PairStage(context, options.training, options.lora, options.epochs), options_(options) {}

  Status prepare() {
    TRY_STATUS(load_policy(options_.policy));
    TRY_STATUS(read({options_.rankings, options_.valid_rankings, options_.valid_fraction}));
    if (!options_.reference_free) {
      TRY(const auto reference, load_reference(options_.reference.empty() ? options_.policy : options_.reference));
      precompute_reference(*reference);
    }
    start(train_.size(), options_.batch, "dpo.order");
    return {};
  }

 private:
  PairOutcome judge(const ReplyPair& pair, double chosen_logp, double rejected_logp) const override {
    const auto chosen_length = static_cast<double>(pair.chosen.length());
    const double chosen_weight = options_.length_normalised ? 1 / chosen_length : 1;
    const double rejected_weight = options_.length_normalised ? 1 / static_cast<double>(pair.rejected.length()) : 1;
    const double chosen = (chosen_logp - pair.chosen.reference) * chosen_weight;
    const double rejected = (rejected_logp - pair.rejected.reference) * rejected_weight;
    const DpoLoss loss = dpo_loss(chosen - rejected, options_);
    PairOutcome out{loss.loss,
                    loss.slope * chosen_weight,
                    -loss.slope * rejected_weight,
                    options_.beta * chosen,
                    options_.beta * rejected,
                    {}};
    if (options_.nll > 0) {
      const double nll = -chosen_logp / chosen_length;
      out.loss += options_.nll * nll;
      out.chosen_slope -= options_.nll / chosen_length;
      out.metrics["nll_loss"] = nll;
    }
    return out;
  }

  const DpoOptions& options_;
};

Status check(const DpoOptions& options) {
  TRY_STATUS(need_model("dpo", "policy", options.policy));
  TRY_STATUS(need_data("dpo", "rankings", options.rankings));
  if (options.loss == "robust" && options.label_smoothing >= 0.5)
    return Err("dpo: label_smoothing: found {}, expected below 0.5 with loss = \"robust\"", options.label_smoothing);
  if (options.loss == "ipo" && (options.label_smoothing > 0 || options.gamma > 0))
    return Err("dpo: label_smoothing and gamma play no part in loss = \"ipo\"; expected 0");
  if (options.reference_free && !options.reference.empty())
    return Err("dpo: reference: found {}, expected none with reference_free = true", options.reference);
  return {};
}

}  // namespace

TrainingOptions DpoOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-6;
  training.final_fraction = 0;
  training.warmup_steps = 10;
  return training;
}

Result<DpoOptions> DpoOptions::read(Settings& settings) {
  return read_options(settings, DpoOptions{});
}

Result<StageReport> run_dpo(const StageContext& context, const DpoOptions& options) {
  TRY_STATUS(check(options));
  StageHash hash("dpo", context);
  hash.add("options", canonical_options(options));
  TRY_STATUS(hash.add_model(options.policy));
  if (!options.reference.empty()) TRY_STATUS(hash.add_model(options.reference));
  TRY_STATUS(hash.add_files(options.rankings));
  TRY_STATUS(hash.add_files(options.valid_rankings));
  const StageIdentity identity{"dpo", hash.hex(), context.max_rollbacks};
  return run_stage(context, identity, [&]() -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<DpoStage>(context, options);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
