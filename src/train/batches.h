// Packed micro-batches for the language head: sequences laid end to end, with the rows whose predictions count, and the
// pass over them that every objective on tokens shares. Batches are cut by tokens in a fixed order, so that sums of
// gradients come out the same every time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "ranks/ranks.h"

namespace loquat {

// A prompt of `prompt` tokens with a reply behind it.
struct PromptedReply {
  std::span<const int32_t> tokens;
  int64_t prompt = 0;
};

// Only rows of targets pay for the vocabulary.
struct LmBatch {
  Batch batch;
  int32_t separator = -1;     // this token begins a document: attention does not reach across it
  std::vector<int64_t> rows;  // rows[i] predicts targets[i]
  std::vector<int32_t> targets;
  std::vector<int64_t> first{0};  // targets of sequence b are first[b] ... first[b + 1] - 1

  void clear();
  void add(const TokenSequence& sequence);
  // A prompt of `prompt` tokens and a reply: every token of the reply is a target.
  void add_reply(std::span<const int32_t> tokens, int64_t prompt);
  // The same for many. With `share` (the kernels' shared_prefixes), neighbours with one prompt share its rows but the
  // last, so that rows stay those of one reply each; the results have the same bits.
  void add_replies(std::span<const PromptedReply> replies, bool share);
};

// [begin, end) ranges of items, each of at most `budget` tokens or of one item alone.
std::vector<std::pair<size_t, size_t>> cut_by_tokens(std::span<const int64_t> lengths, int64_t budget);

struct LmSum {
  double logprob = 0;  // of all targets, in nats
  int64_t targets = 0;
  int64_t tokens = 0;
};

// The mean negative log-likelihood's gradient, added up over micro-batches. Of the sequences that it is given each rank
// takes its part; the sums are of all.
class LmPass {
 public:
  LmPass(Model& model, int64_t micro_tokens, bool recompute, Ranks& ranks = one_process())
      : model_(model), budget_(micro_tokens), recompute_(recompute), ranks_(ranks) {
    micro_.separator = model.config().bos_token;
  }
  // Gradients of weight * Σ(-log P(target)) are added to the model's. dropout_seed: another for every call.
  LmSum train(std::span<const TokenSequence* const> sequences, double weight, double dropout = 0,
              uint64_t dropout_seed = 0);
  void set_lora_dropout(double p) { lora_dropout_ = static_cast<float>(p); }  // of train()
  LmSum evaluate(std::span<const TokenSequence* const> sequences);

 private:
  void each_micro(std::span<const TokenSequence* const> sequences, const std::function<void(int64_t micro)>& f);
  LmSum of_all(const LmSum& own);

  Model& model_;
  int64_t budget_;
  bool recompute_;
  Ranks& ranks_;
  float lora_dropout_ = 0;
  LmBatch micro_;
  std::vector<float> weights_;
};

// 0 ... n - 1 in an order drawn for this epoch from (seed, stream, epoch) alone: files of every kind are mixed in it.
void epoch_order(std::vector<size_t>& order, size_t n, uint64_t seed, std::string_view stream, int64_t epoch);

// The batches of stages that go over their items in epochs: each epoch in its own order (epoch_order), its last batch
// perhaps smaller. What a step gets follows from its number alone.
class EpochBatches {
 public:
  EpochBatches() = default;
  EpochBatches(size_t items, int64_t batch, uint64_t seed, std::string stream)
      : items_(items), batch_(static_cast<size_t>(batch)), seed_(seed), stream_(std::move(stream)) {}
  int64_t steps_per_epoch() const { return static_cast<int64_t>((items_ + batch_ - 1) / batch_); }
  std::span<const size_t> at(int64_t step);  // the items' numbers; valid until the next call

 private:
  size_t items_ = 0, batch_ = 1;
  uint64_t seed_ = 0;
  std::string stream_;
  std::vector<size_t> order_;
  int64_t order_epoch_ = -1;
};

int64_t count_targets(const TokenSequence& sequence);
int64_t count_targets(std::span<const TokenSequence* const> sequences);
std::vector<const TokenSequence*> pointers(const std::vector<TokenSequence>& sequences);

// Cut at windows of `length`, every token but each window's first is a target; all windows in order, for evaluation.
std::vector<TokenSequence> eval_windows(const std::vector<int32_t>& stream, int64_t length);
// Bits per byte of text: special tokens count neither as bits nor as bytes.
double bits_per_byte(Model& model, const Tokenizer& tokenizer, const std::vector<int32_t>& stream, int64_t length,
                     int64_t micro_tokens, Ranks& ranks = one_process());

}  // namespace loquat
