// The updates of one PPO iteration (ppo_update.h).
#include "train/ppo_update.h"

#include <algorithm>
#include <cmath>

namespace loquat {

ClippedLoss policy_loss(double logprob, double old_logprob, double advantage, double clip_low, double clip_high) {
  const double ratio = std::exp(logprob - old_logprob);
  const double plain = -advantage * ratio;
  const double bounded = -advantage * std::clamp(ratio, 1 - clip_low, 1 + clip_high);
  if (plain >= bounded) return {plain, plain, false};  // d ratio / d logprob = ratio
  return {bounded, 0, true};
}

ClippedLoss policy_loss(double logprob, double old_logprob, double advantage, double clip) {
  return policy_loss(logprob, old_logprob, advantage, clip, clip);
}

ClippedLoss value_loss(double value, double old_value, double returns, double clip) {
  const double bounded = old_value + std::clamp(value - old_value, -clip, clip);
  const double plain_error = value - returns, bounded_error = bounded - returns;
  if (plain_error * plain_error >= bounded_error * bounded_error) {
    return {0.5 * plain_error * plain_error, plain_error, false};
  }
  return {0.5 * bounded_error * bounded_error, 0, true};  // bounded here means clipped: it does not move with the value
}

PpoUpdate::PpoUpdate(const PpoOptions& options, Model& policy, RewardModel& critic, Optimizer& policy_optimizer,
                     Optimizer& critic_optimizer, StreamSampler* ptx)
    : options_(options),
      policy_(policy),
      critic_(critic),
      policy_optimizer_(policy_optimizer),
      critic_optimizer_(critic_optimizer),
      ptx_(ptx),
      policy_pass_("ppo", policy, options.temperature, options.training),
      ptx_pass_(policy, options.training.micro_tokens, options.training.recompute) {}

Status PpoUpdate::run(const std::vector<Episode>& episodes, int64_t iteration, uint64_t seed, const PpoRates& rates,
                      StepResult& result) {
  Sums sums;
  explain(episodes, result);
  order_.resize(episodes.size());
  bool first = true;
  for (int64_t epoch = 0; epoch < options_.inner_epochs; ++epoch) {
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    Rng(mix64(seed ^ mix64(static_cast<uint64_t>(iteration * options_.inner_epochs + epoch)))).shuffle(order_);
    for (size_t begin = 0; begin < order_.size(); begin += static_cast<size_t>(options_.minibatch)) {
      const size_t end = std::min(order_.size(), begin + static_cast<size_t>(options_.minibatch));
      chosen_.assign(order_.begin() + static_cast<std::ptrdiff_t>(begin),
                     order_.begin() + static_cast<std::ptrdiff_t>(end));
      std::vector<int64_t> lengths;
      minibatch_tokens_ = 0;
      for (const size_t i : chosen_) {
        lengths.push_back(static_cast<int64_t>(episodes[i].tokens.size()));
        minibatch_tokens_ += static_cast<double>(episodes[i].reply());
      }
      cuts_ = cut_by_tokens(lengths, options_.training.micro_tokens);
      if (rates.train_policy) {
        TRY_STATUS(policy_minibatch(episodes, first, sums, result));
        ptx_minibatch(sums, result);
        sums.grad_norm += policy_optimizer_.step(rates.policy);
      }
      critic_minibatch(episodes, sums, result);
      sums.critic_grad_norm += critic_optimizer_.step(rates.critic);
      sums.updates += 1;
      first = false;
    }
  }
  auto& m = result.metrics;
  if (rates.train_policy) {
    m["loss"] = sums.policy_loss / sums.policy.tokens;
    m["ratio"] = sums.policy.ratio / sums.policy.tokens;
    m["clip_fraction"] = sums.clipped / sums.policy.tokens;
    m["entropy"] = sums.policy.entropy / sums.policy.tokens;
    m["update_kl"] = sums.policy.approximate_kl / sums.policy.tokens;
    m["grad_norm"] = sums.grad_norm / sums.updates;
  }
  m["value_loss"] = sums.value_loss / sums.updates;
  m["critic_grad_norm"] = sums.critic_grad_norm / sums.updates;
  if (sums.ptx_tokens > 0) m["ptx_loss"] = sums.ptx_loss / sums.ptx_tokens;
  return {};
}

void PpoUpdate::pack(const std::vector<Episode>& episodes, size_t begin, size_t end) {
  micro_.clear();
  for (size_t i = begin; i < end; ++i) micro_.add_reply(episodes[chosen_[i]].tokens, episodes[chosen_[i]].prompt);
}

Status PpoUpdate::policy_minibatch(const std::vector<Episode>& episodes, bool check, Sums& sums, StepResult& result) {
  std::vector<const Episode*> chosen;
  for (const size_t i : chosen_) chosen.push_back(&episodes[i]);
  const auto slopes_of = [&](const Episode& e, std::span<const float> now, std::span<float> slopes) {
    for (size_t t = 0; t < now.size(); ++t) {
      const ClippedLoss token = policy_loss(now[t], e.logprob[t], e.advantage[t], options_.clip_ratio);
      sums.policy_loss += token.loss;
      sums.clipped += token.clipped ? 1 : 0;
      slopes[t] = static_cast<float>(token.slope / minibatch_tokens_);
    }
  };
  TRY(const int64_t tokens, policy_pass_.run(chosen, check, sums.policy, slopes_of));
  result.tokens += tokens;
  return {};
}

// PPO-ptx: γ times the mean loss of pretraining tokens joins this minibatch's gradient.
void PpoUpdate::ptx_minibatch(Sums& sums, StepResult& result) {
  if (ptx_ == nullptr) return;
  const auto count =
      static_cast<int64_t>(std::max(1.0, std::round(options_.ptx_per_episode * static_cast<double>(chosen_.size()))));
  windows_.clear();
  ptx_->seek(ptx_windows_);
  for (int64_t i = 0; i < count; ++i) windows_.push_back(ptx_->next());
  ptx_windows_ += count;
  const auto sequences = pointers(windows_);
  const int64_t targets = count_targets(sequences);
  const LmSum sum = ptx_pass_.train(sequences, options_.ptx_coefficient / static_cast<double>(targets));
  sums.ptx_loss -= sum.logprob;
  sums.ptx_tokens += static_cast<double>(targets);
  result.tokens += sum.tokens;
}

void PpoUpdate::critic_minibatch(const std::vector<Episode>& episodes, Sums& sums, StepResult& result) {
  ForwardOptions forward;
  forward.keep_for_backward = true;
  forward.recompute = options_.training.recompute;
  double loss = 0;
  for (const auto& [begin, end] : cuts_) {
    pack(episodes, begin, end);
    const Mat hidden = critic_.model->forward(micro_.batch, forward);
    const std::vector<float> scores = critic_.model->scores(hidden, micro_.rows);
    slopes_.resize(scores.size());
    size_t at = 0;
    for (size_t i = begin; i < end; ++i) {
      const Episode& e = episodes[chosen_[i]];
      for (size_t t = 0; t < e.value.size(); ++t, ++at) {
        const ClippedLoss token = value_loss(critic_.reward(scores[at]), e.value[t], e.returns[t], options_.clip_value);
        loss += token.loss;
        slopes_[at] = static_cast<float>(options_.value_coefficient * token.slope * critic_.scale / minibatch_tokens_);
      }
    }
    result.tokens += micro_.batch.rows();
    critic_.model->backward(micro_.batch, critic_.model->scores_backward(hidden, micro_.rows, slopes_));
  }
  sums.value_loss += loss / minibatch_tokens_;
}

// The share of the returns' variance that the critic's values, as of sampling, account for.
void PpoUpdate::explain(const std::vector<Episode>& episodes, StepResult& result) const {
  double n = 0, sum = 0, square = 0, error = 0, error_square = 0, advantage_values = 0;
  for (const Episode& e : episodes) {
    for (size_t t = 0; t < e.returns.size(); ++t) {
      const double r = e.returns[t], d = r - e.value[t];
      n += 1;
      sum += r;
      square += r * r;
      error += d;
      error_square += d * d;
      advantage_values += e.value[t];
    }
  }
  const double variance = square / n - sum / n * (sum / n);
  const double residual = error_square / n - error / n * (error / n);
  result.metrics["explained_variance"] = variance > 0 ? 1 - residual / variance : 0;
  result.metrics["value"] = advantage_values / n;
}

}  // namespace loquat
