// From scored replies to advantages: the per-token KL reward, generalised advantage estimation, whitening, and the
// controller of the KL coefficient. Plain functions over flat vectors.
#pragma once

#include <cstdint>
#include <span>

namespace loquat {

// reward[t] = -beta (logprob[t] - reference[t]); the score is added at the last token.
void token_rewards(std::span<const float> logprob, std::span<const float> reference, float score, double beta,
                   std::span<float> reward);

// Schulman et al. 2016, for one reply whose end is terminal: delta[t] = reward[t] + gamma value[t + 1] - value[t],
// advantage[t] = delta[t] + gamma lambda advantage[t + 1], returns[t] = advantage[t] + value[t].
void estimate_advantages(std::span<const float> reward, std::span<const float> value, double gamma, double lambda,
                         std::span<float> advantage, std::span<float> returns);

// To standard deviation 1 over all spans together; the mean becomes 0 with shift_mean, and stays what it was without.
void whiten(std::span<const std::span<float>> parts, bool shift_mean);

// Ziegler et al. 2019: beta *= 1 + clip(kl / target - 1, -0.2, 0.2) * episodes / horizon.
double adapted_kl_coefficient(double beta, double kl, double target, int64_t episodes, double horizon);

}  // namespace loquat
