// Token streams and the orders in which training walks through data: functions of (seed, cursor) alone.
#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "data/dataset.h"

namespace loquat {
namespace {

// The order of one epoch; `rng` is the epoch's own.
std::vector<int64_t> draw_order(int64_t n, Rng& rng) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  rng.shuffle(order);
  return order;
}

}  // namespace

std::vector<int32_t> token_stream(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  const int32_t end = tokenizer.special(kEndOfText);
  CHECK(end >= 0, "the tokenizer has no {}", kEndOfText);
  const std::vector<std::vector<int32_t>> documents = tokenizer.encode_batch(texts);
  size_t total = 0;
  for (const auto& document : documents) total += document.size() + 1;
  std::vector<int32_t> stream;
  stream.reserve(total);
  for (const auto& document : documents) {
    stream.insert(stream.end(), document.begin(), document.end());
    stream.push_back(end);
  }
  return stream;
}

StreamSampler::StreamSampler(const std::vector<int32_t>* stream, int64_t length, uint64_t seed)
    : stream_(stream), length_(std::min<int64_t>(length, static_cast<int64_t>(stream->size()))), seed_(seed) {
  CHECK(length_ >= 2, "a stream of {} tokens in windows of {}: nothing to predict", stream->size(), length);
}

int64_t StreamSampler::windows() const {
  return static_cast<int64_t>(stream_->size()) / length_;
}

TokenSequence StreamSampler::next() {
  const auto size = static_cast<int64_t>(stream_->size());
  if (const int64_t epoch = cursor_ / windows(); epoch != epoch_) {
    Rng rng(seed_, fmt::format("stream epoch {}", epoch));
    offset_ = static_cast<int64_t>(rng.below(static_cast<uint64_t>(size)));
    order_ = draw_order(windows(), rng);
    epoch_ = epoch;
  }
  const int64_t begin = (offset_ + order_[cursor_ % windows()] * length_) % size;
  ++cursor_;
  TokenSequence out;
  const int64_t first = std::min(length_, size - begin);  // before the ring closes
  out.tokens.assign(stream_->begin() + begin, stream_->begin() + begin + first);
  out.tokens.insert(out.tokens.end(), stream_->begin(), stream_->begin() + (length_ - first));
  out.is_target.assign(length_, 1);
  out.is_target[0] = 0;
  return out;
}

ShuffledIndex::ShuffledIndex(int64_t n, uint64_t seed) : n_(n), seed_(seed) {
  CHECK(n > 0, "nothing to walk through");
}

int64_t ShuffledIndex::next() {
  if (const int64_t epoch = cursor_ / n_; epoch != epoch_) {
    Rng rng(seed_, fmt::format("index epoch {}", epoch));
    order_ = draw_order(n_, rng);
    epoch_ = epoch;
  }
  return order_[cursor_++ % n_];
}

}  // namespace loquat
