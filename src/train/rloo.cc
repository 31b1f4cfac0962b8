// REINFORCE leave-one-out (rloo.h).
#include "train/rloo.h"

#include <algorithm>
#include <numeric>

#include "train/advantage.h"
#include "train/ppo.h"

namespace loquat {
namespace {

class Rloo : public GroupMethod {
 public:
  explicit Rloo(const RlooOptions& options) : options_(options) {}

  std::string name() const override { return "rloo"; }

  void advantages(std::span<Episode> episodes, int64_t replies) const override {
    std::vector<float> advantage;
    const auto k = static_cast<size_t>(replies);
    std::vector<double> rewards(k);
    for (size_t begin = 0; begin < episodes.size(); begin += k) {
      for (size_t i = 0; i < k; ++i) rewards[i] = reward_of(episodes[begin + i]);
      const double sum = std::accumulate(rewards.begin(), rewards.end(), 0.0);
      for (const double r : rewards)
        advantage.push_back(static_cast<float>(r - (sum - r) / static_cast<double>(k - 1)));
    }
    const std::span<float> all(advantage);
    if (options_.whiten_advantages) whiten(std::span(&all, 1), true);
    for (size_t i = 0; i < episodes.size(); ++i)
      episodes[i].advantage.assign(static_cast<size_t>(episodes[i].reply()), advantage[i]);
  }

  ReplyLoss loss(const Episode& e, std::span<const float> now, const MinibatchSize& size,
                 std::span<float> slopes) const override {
    const double log_now = std::accumulate(now.begin(), now.end(), 0.0);
    const double log_old = std::accumulate(e.logprob.begin(), e.logprob.end(), 0.0);
    const ClippedLoss reply = policy_loss(log_now, log_old, e.advantage[0], options_.clip_ratio);
    std::fill(slopes.begin(), slopes.end(), static_cast<float>(reply.slope / size.replies));
    ReplyLoss out;
    out.loss = reply.loss / size.replies;
    if (reply.clipped) (log_now < log_old ? out.clipped_low : out.clipped_high) = static_cast<double>(now.size());
    return out;
  }

 private:
  double reward_of(const Episode& e) const {
    double kl = 0;
    for (size_t t = 0; t < e.logprob.size(); ++t) kl += static_cast<double>(e.logprob[t]) - e.reference[t];
    return e.score - options_.kl_coefficient * kl;
  }

  const RlooOptions& options_;
};

}  // namespace

GroupOptions RlooOptions::defaults() {
  GroupOptions options;
  options.replies = 4;
  return options;
}

Result<RlooOptions> RlooOptions::read(Settings& settings) {
  return read_options(settings, RlooOptions{});
}

std::unique_ptr<GroupMethod> make_rloo(const RlooOptions& options) {
  return std::make_unique<Rloo>(options);
}

Result<StageReport> run_rloo(const StageContext& context, const RlooOptions& options) {
  return run_group(context, options.group, Rloo(options), canonical_options(options));
}

}  // namespace loquat
