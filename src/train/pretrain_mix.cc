#include "train/pretrain_mix.h"

#include <algorithm>
#include <cstdio>

namespace loquat {

Result<std::unique_ptr<PretrainMix>> PretrainMix::make(const Tokenizer& tokenizer,
                                                       const std::vector<std::string>& texts, double fraction,
                                                       int64_t length, int64_t context, uint64_t seed) {
  std::vector<std::string> all;
  for (const std::string& path : texts) {
    TRY(std::vector<std::string> more, read_texts(path));
    std::move(more.begin(), more.end(), std::back_inserter(all));
  }
  std::unique_ptr<PretrainMix> mix(new PretrainMix);
  mix->stream_ = token_stream(tokenizer, all);
  mix->length_ = std::min({length > 0 ? length : context, context, static_cast<int64_t>(mix->stream_.size())});
  if (mix->length_ < 2)
    return Err("pretrain_texts: found no text; expected some for pretrain_fraction = {}, or pretrain_fraction = 0",
               fraction);
  mix->ratio_ = fraction / (1 - fraction);
  mix->sampler_ = std::make_unique<StreamSampler>(&mix->stream_, mix->length_, seed);
  return mix;
}

const std::vector<TokenSequence>& PretrainMix::due(int64_t tokens) {
  own_tokens_ += tokens;
  windows_.clear();
  while (static_cast<double>(mixed_tokens_ + length_) <= static_cast<double>(own_tokens_) * ratio_) {
    sampler_->seek(drawn_++);
    windows_.push_back(sampler_->next());
    mixed_tokens_ += length_;
  }
  return windows_;
}

double PretrainMix::share() const {
  return static_cast<double>(mixed_tokens_) / static_cast<double>(std::max<int64_t>(1, mixed_tokens_ + own_tokens_));
}

std::string PretrainMix::text() const {
  return fmt::format("{} {} {}", drawn_, own_tokens_, mixed_tokens_);
}

Status PretrainMix::load(const std::string& text) {
  long long drawn = 0, own = 0, mixed = 0;
  if (std::sscanf(text.c_str(), "%lld %lld %lld", &drawn, &own, &mixed) != 3)
    return Err("the checkpoint's state of the pretraining text is damaged");
  drawn_ = drawn, own_tokens_ = own, mixed_tokens_ = mixed;
  return {};
}

}  // namespace loquat
