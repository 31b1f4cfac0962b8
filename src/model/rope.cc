// Frequencies by the formulas that Hugging Face's config.json names.
#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/threads.h"

namespace loquat {
namespace {

struct Rotation {
  std::vector<double> frequencies;
  double size = 1;  // cosines and sines are multiplied by it
};

// Slow rotations, which a longer context would carry to angles never seen, are slowed down by the factor.
double llama3_frequency(double frequency, const RopeScaling& s) {
  const double turns = static_cast<double>(s.original_positions) * frequency / (2 * std::numbers::pi);
  if (turns < s.low_freq_factor) return frequency / s.factor;
  if (turns > s.high_freq_factor) return frequency;
  const double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

// YaRN (Peng et al. 2023): between the pairs that turn beta_fast and beta_slow times in the original context.
void scale_by_yarn(Rotation& rotation, const ModelConfig& c, double original) {
  const RopeScaling& s = c.rope_scaling;
  const double dim = static_cast<double>(c.rotary_dim());
  const auto pair_that_turns = [&](double times) {
    return dim * std::log(original / (times * 2 * std::numbers::pi)) / (2 * std::log(double{c.rope_theta}));
  };
  const double low = std::max(0.0, std::floor(pair_that_turns(s.beta_fast)));
  double high = std::min(dim - 1, std::ceil(pair_that_turns(s.beta_slow)));
  if (high == low) high += 0.001;
  for (size_t i = 0; i < rotation.frequencies.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    rotation.frequencies[i] *= slowed / s.factor + (1 - slowed);
  }
  rotation.size = s.attention_factor > 0 ? s.attention_factor : s.factor > 1 ? 0.1 * std::log(s.factor) + 1 : 1;
}

void scale_by_factors(Rotation& rotation, const ModelConfig& c, double original) {
  const RopeScaling& s = c.rope_scaling;
  const double longer = static_cast<double>(c.max_positions) / original;
  const std::vector<float>& factors = longer > 1 ? s.long_factors : s.short_factors;
  for (size_t i = 0; i < rotation.frequencies.size(); ++i) rotation.frequencies[i] /= factors[i];
  if (longer > 1) rotation.size = std::sqrt(1 + std::log(longer) / std::log(original));
  if (s.attention_factor > 0) rotation.size = s.attention_factor;
}

Rotation rotation_of(const ModelConfig& c, LayerRope kind) {
  const bool local = kind == LayerRope::kLocal;
  const double theta = local ? c.local_rope_theta : c.rope_theta;
  const int64_t dim = c.rotary_dim();
  Rotation rotation;
  for (int64_t i = 0; i < dim / 2; ++i)
    rotation.frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim)));
  if (local) return rotation;
  const RopeScaling& s = c.rope_scaling;
  const auto original = static_cast<double>(s.original_positions > 0 ? s.original_positions : c.max_positions);
  switch (s.kind) {
    case RopeScalingKind::kNone:
    case RopeScalingKind::kDynamic:
      break;
    case RopeScalingKind::kLinear:
      for (double& f : rotation.frequencies) f /= s.factor;
      break;
    case RopeScalingKind::kLlama3:
      for (double& f : rotation.frequencies) f = llama3_frequency(f, s);
      break;
    case RopeScalingKind::kYarn:
      scale_by_yarn(rotation, c, original);
      break;
    case RopeScalingKind::kLongRope:
      scale_by_factors(rotation, c, original);
      break;
  }
  return rotation;
}

}  // namespace

std::vector<float> rope_table(const ModelConfig& config, LayerRope kind) {
  const Rotation rotation = rotation_of(config, kind);
  const int64_t dim = config.rotary_dim(), half = dim / 2;
  std::vector<float> table(static_cast<size_t>(config.max_positions * dim));
  parallel_blocks(config.max_positions, 256, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = table.data() + t * dim;
      for (int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(t) * rotation.frequencies[static_cast<size_t>(i)];
        row[i] = static_cast<float>(rotation.size * std::cos(angle));
        row[half + i] = static_cast<float>(rotation.size * std::sin(angle));
      }
    }
  });
  return table;
}

}  // namespace loquat
