// Pretraining text mixed into a stage that trains on something else, so that what the documents taught is not
// forgotten: windows of text join as their share of all tokens falls behind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

class PretrainMix {
 public:
  // fraction: of all trained tokens, 0 to 0.95; length: tokens of a window, 0 or more than `context`: the context.
  // seed: of the windows' order. An error where the files hold no text.
  static Result<std::unique_ptr<PretrainMix>> make(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                                                   double fraction, int64_t length, int64_t context, uint64_t seed);

  // The windows that are due once the stage has trained on `tokens` more tokens of its own; valid until the next call.
  const std::vector<TokenSequence>& due(int64_t tokens);
  double share() const;  // of all tokens so far

  // For checkpoints.
  std::string text() const;
  Status load(const std::string& text);

 private:
  PretrainMix() = default;
  std::vector<int32_t> stream_;
  std::unique_ptr<StreamSampler> sampler_;
  std::vector<TokenSequence> windows_;
  double ratio_ = 0;  // mixed tokens to a token of the stage's own
  int64_t length_ = 0, drawn_ = 0, own_tokens_ = 0, mixed_tokens_ = 0;
};

}  // namespace loquat
