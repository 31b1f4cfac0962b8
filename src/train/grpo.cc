// Group relative policy optimisation (grpo.h).
#include "train/grpo.h"

#include <cmath>

#include "train/ppo.h"

namespace loquat {
namespace {

constexpr double kLeastDeviation = 1e-4;  // added to it: equal scores have advantage 0

double deviation_of(std::span<const Episode> episodes) {
  double mean = 0, square = 0;
  const auto n = static_cast<double>(episodes.size());
  for (const Episode& e : episodes) mean += e.score;
  mean /= n;
  for (const Episode& e : episodes) square += (e.score - mean) * (e.score - mean);
  return std::sqrt(square / (n - 1));
}

class Grpo : public GroupMethod {
 public:
  explicit Grpo(const GrpoOptions& options) : options_(options) {}

  std::string name() const override { return "grpo"; }

  void advantages(std::span<Episode> episodes, int64_t replies) const override {
    const double batch = options_.scale == "batch" ? deviation_of(episodes) : 0;
    const auto k = static_cast<size_t>(replies);
    for (size_t begin = 0; begin < episodes.size(); begin += k) {
      const std::span<Episode> group = episodes.subspan(begin, k);
      double mean = 0;
      for (const Episode& e : group) mean += e.score;
      mean /= static_cast<double>(k);
      const double divisor = options_.scale == "none"    ? 1
                             : options_.scale == "batch" ? batch + kLeastDeviation
                                                         : deviation_of(group) + kLeastDeviation;
      for (Episode& e : group)
        e.advantage.assign(static_cast<size_t>(e.reply()), static_cast<float>((e.score - mean) / divisor));
    }
  }

  bool counts(const Episode& e) const override { return e.ended || !options_.mask_unended; }

  ReplyLoss loss(const Episode& e, std::span<const float> now, const MinibatchSize& size,
                 std::span<float> slopes) const override {
    const double share = share_of(e, size);
    ReplyLoss out;
    for (size_t t = 0; t < now.size(); ++t) {
      const ClippedLoss token =
          policy_loss(now[t], e.logprob[t], e.advantage[t], options_.clip_low, options_.clip_high);
      // Schulman's k3 estimator of KL(policy, reference): exp(d) - d - 1, d = log reference - log policy.
      const double d = static_cast<double>(e.reference[t]) - now[t];
      out.loss += share * (token.loss + options_.beta * (std::expm1(d) - d));
      slopes[t] = static_cast<float>(share * (token.slope - options_.beta * std::expm1(d)));
      if (token.clipped) (now[t] < e.logprob[t] ? out.clipped_low : out.clipped_high) += 1;
    }
    return out;
  }

 private:
  // Of one token of this reply in the minibatch's loss.
  double share_of(const Episode& e, const MinibatchSize& size) const {
    if (options_.aggregation == "token") return 1 / size.tokens;
    const auto length = options_.aggregation == "constant" ? options_.group.max_reply_tokens : e.reply();
    return 1 / (size.replies * static_cast<double>(length));
  }

  const GrpoOptions& options_;
};

}  // namespace

Result<GrpoOptions> GrpoOptions::read(Settings& settings) {
  return read_options(settings, GrpoOptions{});
}

std::unique_ptr<GroupMethod> make_grpo(const GrpoOptions& options) {
  return std::make_unique<Grpo>(options);
}

Result<StageReport> run_grpo(const StageContext& context, const GrpoOptions& options) {
  return run_group(context, options.group, Grpo(options), canonical_options(options));
}

}  // namespace loquat
