// The on-policy loop without a critic (group_policy.h).
#include "train/group_policy.h"

#include <algorithm>
#include <cmath>

#include "train/needed.h"
#include "train/policy_pass.h"
#include "train/rule_reward.h"

namespace loquat {
namespace {

class GroupStage : public Stage {
 public:
  GroupStage(const StageContext& context, const GroupOptions& options, const GroupMethod& method)
      : context_(context), options_(options), method_(method), on_policy_(context, options, "group") {}

  Status prepare() {
    TRY(rules_, parse_rules(options_.rules));
    TRY_STATUS(on_policy_.load_models());
    TRY_STATUS(on_policy_.read_prompts(
        std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) { return rule.needs_answer; })));
    Model& policy = on_policy_.policy();
    optimizer_ = std::make_unique<Optimizer>(policy, options_.training.optimizer_options());
    pass_ = std::make_unique<PolicyPass>(method_.name(), policy, options_.temperature, options_.training);
    schedule_ = options_.training.make_schedule(total_steps());
    return {};
  }

  int64_t total_steps() const override {
    const int64_t iteration = options_.batch * options_.replies;
    return (options_.episodes + iteration - 1) / iteration;
  }

  Result<StepResult> step(int64_t step, double lr_scale) override {
    StepResult result;
    std::vector<size_t> asked;
    std::vector<Episode> episodes = on_policy_.sample(step, options_.batch, options_.replies, &asked);
    for (const Episode& e : episodes) {
      if (e.reply() == 0) return Err("{}: a prompt leaves no room for a reply in the context", method_.name());
      result.tokens += e.reply();
    }
    result.tokens += on_policy_.score(episodes);
    apply_rules(episodes, asked, result);
    on_policy_.describe(episodes, step, result);
    describe_groups(episodes, result);
    on_policy_.shuffle_scores(episodes, step);
    method_.advantages(episodes, options_.replies);
    const double lr = schedule_.at(step) * lr_scale;
    TRY_STATUS(update(episodes, step, lr, result));
    result.metrics["lr"] = lr;
    on_policy_.watch(episodes, result);
    return result;
  }

  Status save(CheckpointState& state) const override {
    save_training(state, on_policy_.policy(), *optimizer_);
    on_policy_.save(state);
    return {};
  }

  Status load(const CheckpointState& state) override {
    TRY_STATUS(load_training(state, on_policy_.policy(), *optimizer_));
    return on_policy_.load(state);
  }

  Status finish(const std::string& out, StageReport& report) override { return on_policy_.finish(out, report); }

 private:
  void apply_rules(std::vector<Episode>& episodes, const std::vector<size_t>& asked, StepResult& result) const {
    if (rules_.empty()) return;
    std::vector<double> held(rules_.size());
    for (size_t i = 0; i < episodes.size(); ++i) {
      Episode& e = episodes[i];
      if (!e.ended) {
        e.score = static_cast<float>(options_.unended_score);
        continue;
      }
      const std::string text =
          on_policy_.tokenizer().decode(std::span(e.tokens).subspan(static_cast<size_t>(e.prompt)), true);
      for (size_t r = 0; r < rules_.size(); ++r) {
        if (!rules_[r].holds({text, e.reply(), on_policy_.answer(asked[i])})) continue;
        held[r] += 1;
        e.score += static_cast<float>(rules_[r].weight);
      }
    }
    for (size_t r = 0; r < rules_.size(); ++r)
      result.metrics["rewards/" + rules_[r].name] = held[r] / static_cast<double>(episodes.size());
  }

  void describe_groups(const std::vector<Episode>& episodes, StepResult& result) const {
    double deviation = 0, flat = 0;
    const auto groups = static_cast<double>(options_.batch), k = static_cast<double>(options_.replies);
    for (size_t begin = 0; begin < episodes.size(); begin += static_cast<size_t>(options_.replies)) {
      double mean = 0, square = 0;
      const auto group = std::span(episodes).subspan(begin, static_cast<size_t>(options_.replies));
      for (const Episode& e : group) mean += e.score / k;
      for (const Episode& e : group) square += (e.score - mean) * (e.score - mean);
      deviation += std::sqrt(square / (k - 1));
      flat += std::all_of(group.begin(), group.end(), [&](const Episode& e) { return e.score == group[0].score; });
    }
    result.metrics["reward_std"] = deviation / groups;
    result.metrics["zero_std"] = flat / groups;
  }

  Status update(const std::vector<Episode>& episodes, int64_t iteration, double lr, StepResult& result) {
    PolicySums sums;
    double loss = 0, low = 0, high = 0, grad_norm = 0, updates = 0;
    std::vector<size_t> order(static_cast<size_t>(options_.batch));
    std::vector<const Episode*> chosen;
    for (int64_t epoch = 0; epoch < options_.inner_epochs; ++epoch) {
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      const auto pass = static_cast<uint64_t>(iteration * options_.inner_epochs + epoch);
      Rng(mix64(context_.seed ^ mix64(pass)), "group.minibatches").shuffle(order);
      for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options_.minibatch)) {
        const size_t end = std::min(order.size(), begin + static_cast<size_t>(options_.minibatch));
        chosen.clear();
        MinibatchSize size;
        for (size_t i = begin * static_cast<size_t>(options_.replies); i < end * static_cast<size_t>(options_.replies);
             ++i) {
          const auto k = static_cast<size_t>(options_.replies);
          chosen.push_back(&episodes[order[i / k] * k + i % k]);
          size.replies += 1;
          if (method_.counts(*chosen.back())) size.tokens += static_cast<double>(chosen.back()->reply());
        }
        const auto slopes_of = [&](const Episode& e, std::span<const float> now, std::span<float> slopes) {
          std::fill(slopes.begin(), slopes.end(), 0.0f);
          if (!method_.counts(e)) return;
          const ReplyLoss reply = method_.loss(e, now, size, slopes);
          loss += reply.loss;
          low += reply.clipped_low;
          high += reply.clipped_high;
        };
        TRY(const int64_t tokens, pass_->run(chosen, updates == 0, sums, slopes_of));
        result.tokens += tokens;
        grad_norm += optimizer_->step(lr);
        updates += 1;
      }
    }
    auto& m = result.metrics;
    m["loss"] = loss / updates;
    m["ratio"] = sums.ratio / sums.tokens;
    m["clip_fraction"] = (low + high) / sums.tokens;
    m["clip_fraction/low"] = low / sums.tokens;
    m["clip_fraction/high"] = high / sums.tokens;
    m["entropy"] = sums.entropy / sums.tokens;
    m["update_kl"] = sums.approximate_kl / sums.tokens;
    m["grad_norm"] = grad_norm / updates;
    return {};
  }

  const StageContext& context_;
  const GroupOptions& options_;
  const GroupMethod& method_;
  OnPolicy on_policy_;
  std::vector<Rule> rules_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<PolicyPass> pass_;
  Schedule schedule_;
};

}  // namespace

TrainingOptions GroupOptions::defaults() {
  TrainingOptions training;
  training.lr = 1e-6;
  training.schedule = "constant";
  training.warmup_steps = 10;
  training.warmup_from = 0.1;
  return training;
}

Result<StageReport> run_group(const StageContext& context, const GroupOptions& options, const GroupMethod& method,
                              const std::string& settings) {
  const std::string name = method.name();
  TRY_STATUS(need_model(name, "policy", options.policy));
  if (options.reward.empty() && options.rules.empty())
    return Err("{}: expected reward (--set reward=DIR, a reward model's folder) or rules", name);
  TRY_STATUS(need_data(name, "prompts", options.prompts));
  if (options.replies < 2)
    return Err("{}: replies: found {}, expected at least 2: a reply is compared with others to its prompt", name,
               options.replies);
  const OnPolicyRun run{.name = name,
                        .settings = settings,
                        .models = {options.policy, options.reference, options.reward, options.held_out_reward},
                        .files = {}};
  return run_on_policy(context, options, run, [&](const StageContext& within) -> Result<std::unique_ptr<Stage>> {
    auto stage = std::make_unique<GroupStage>(within, options, method);
    TRY_STATUS(stage->prepare());
    return std::unique_ptr<Stage>(std::move(stage));
  });
}

}  // namespace loquat
