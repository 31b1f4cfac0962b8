// Rewards per token and advantages (advantage.h).
#include "train/advantage.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace loquat {

void token_rewards(std::span<const float> logprob, std::span<const float> reference, float score, double beta,
                   std::span<float> reward) {
  CHECK(logprob.size() == reference.size() && reward.size() == logprob.size(), "{}, {} and {} tokens", logprob.size(),
        reference.size(), reward.size());
  for (size_t t = 0; t < reward.size(); ++t) {
    reward[t] = static_cast<float>(-beta * (static_cast<double>(logprob[t]) - static_cast<double>(reference[t])));
  }
  if (!reward.empty()) reward.back() += score;
}

void estimate_advantages(std::span<const float> reward, std::span<const float> value, double gamma, double lambda,
                         std::span<float> advantage, std::span<float> returns) {
  double next_advantage = 0, next_value = 0;
  for (size_t t = reward.size(); t-- > 0;) {
    const double delta = reward[t] + gamma * next_value - value[t];
    next_advantage = delta + gamma * lambda * next_advantage;
    next_value = value[t];
    advantage[t] = static_cast<float>(next_advantage);
    returns[t] = static_cast<float>(next_advantage + value[t]);
  }
}

void whiten(std::span<const std::span<float>> parts, bool shift_mean) {
  double sum = 0, square = 0, count = 0;
  for (const auto part : parts) {
    for (const float x : part) sum += x;
    count += static_cast<double>(part.size());
  }
  if (count == 0) return;
  const double mean = sum / count;
  for (const auto part : parts) {
    for (const float x : part) square += (x - mean) * (x - mean);
  }
  const double inverse = 1 / std::sqrt(square / count + 1e-8);
  const double back = shift_mean ? 0 : mean;
  for (const auto part : parts) {
    for (float& x : part) x = static_cast<float>((x - mean) * inverse + back);
  }
}

double adapted_kl_coefficient(double beta, double kl, double target, int64_t episodes, double horizon) {
  const double error = std::clamp(kl / target - 1, -0.2, 0.2);
  return beta * (1 + error * static_cast<double>(episodes) / horizon);
}

}  // namespace loquat
