// What stands on the last hidden states: the language head (probabilities of tokens) and the score head (one number per
// row). Both work on the rows that count alone: those are gathered first, so that nobody pays the vocabulary for prompt
// tokens.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernels.h"
#include "model/layer.h"
#include "model/memory.h"
#include "model/model.h"

namespace loquat {

// Rows of `hidden` side by side, in the arena's memory; `hidden` itself where `rows` is all of them in order.
Mat gather_rows(const Kernels& kernels, Mat hidden, std::span<const int64_t> rows, Arena& arena);
// [T, C] with `from` in `rows` (strictly increasing) and zero in the others.
Mat scatter_rows(const Kernels& kernels, Mat from, std::span<const int64_t> rows, int64_t total_rows, Arena& arena);

struct LanguageHead {
  Linear linear;  // [V, C]: lm_head, or the embedding table where they are tied

  Model::LogProbs log_probs(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                            std::span<const int32_t> targets, float temperature, bool with_entropy, Arena& arena) const;
  Mat log_probs_backward(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                         std::span<const int32_t> targets, float temperature, const Model::LogProbs& forward,
                         std::span<const float> dlogprob, std::span<const float> dentropy, Arena& arena) const;
  Model::Likelihood likelihood_backward(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                                        std::span<const int32_t> targets, std::span<const float> dlogprob,
                                        Arena& arena) const;
  // `out`, `inv_temperature` and `lse` (null: not wanted) are in ordinary memory.
  void logits(const LayerContext& context, Mat hidden, std::span<const int64_t> rows, float* out,
              const float* inv_temperature, float* lse, Arena& arena) const;
};

struct ScoreHead {
  const float* weight = nullptr;  // [1, C]; multiplied in float32 whatever the compute type
  float* gradient = nullptr;

  std::vector<float> scores(const LayerContext& context, Mat hidden, std::span<const int64_t> rows, Arena& arena) const;
  Mat scores_backward(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                      std::span<const float> dscore, Arena& arena) const;
};

}  // namespace loquat
