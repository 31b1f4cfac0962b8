// Packed micro-batches for the language head (batches.h).
#include "train/batches.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "base/rng.h"

namespace loquat {

void LmBatch::clear() {
  batch.clear();
  rows.clear();
  targets.clear();
  first.assign(1, 0);
}

void LmBatch::add(const TokenSequence& sequence) {
  const int64_t base = batch.rows();
  const auto n = static_cast<int64_t>(sequence.tokens.size());
  CHECK(sequence.tokens.size() == sequence.is_target.size(), "{} tokens, {} mask bits", n, sequence.is_target.size());
  CHECK(n >= 2, "a sequence of {} tokens has nothing to predict", n);
  for (int64_t i = 1; i < n; ++i) {
    if (!sequence.is_target[static_cast<size_t>(i)]) continue;
    rows.push_back(base + i - 1);
    targets.push_back(sequence.tokens[static_cast<size_t>(i)]);
  }
  first.push_back(static_cast<int64_t>(targets.size()));
  // The separator is the last thing that one document predicts and the first that the next one sees. The last token of
  // all predicts nothing here.
  const std::span<const int32_t> seen = std::span(sequence.tokens).first(static_cast<size_t>(n - 1));
  size_t begin = 0;
  for (size_t i = 1; i <= seen.size(); ++i) {
    if (i < seen.size() && seen[i] != separator) continue;
    batch.add(seen.subspan(begin, i - begin));
    begin = i;
  }
}

void LmBatch::add_reply(std::span<const int32_t> tokens, int64_t prompt) {
  const int64_t base = batch.rows();
  CHECK(prompt >= 1 && prompt <= static_cast<int64_t>(tokens.size()), "a prompt of {} in {} tokens", prompt,
        tokens.size());
  for (size_t i = static_cast<size_t>(prompt); i < tokens.size(); ++i) {
    rows.push_back(base + static_cast<int64_t>(i) - 1);
    targets.push_back(tokens[i]);
  }
  first.push_back(static_cast<int64_t>(targets.size()));
  batch.add(tokens);  // with the last token: the reward model reads there
}

void LmBatch::add_replies(std::span<const PromptedReply> replies, bool share) {
  const auto same_prompt = [](const PromptedReply& a, const PromptedReply& b) {
    return a.prompt == b.prompt && std::equal(a.tokens.begin(), a.tokens.begin() + a.prompt, b.tokens.begin());
  };
  for (size_t i = 0; i < replies.size();) {
    size_t end = i + 1;
    while (share && end < replies.size() && same_prompt(replies[i], replies[end])) ++end;
    const int64_t shared = replies[i].prompt - 1;
    if (end == i + 1 || shared < 1) {
      for (; i < end; ++i) add_reply(replies[i].tokens, replies[i].prompt);
      continue;
    }
    batch.add(replies[i].tokens.first(static_cast<size_t>(shared)));
    for (; i < end; ++i) {
      const std::span<const int32_t> own = replies[i].tokens.subspan(static_cast<size_t>(shared));
      for (size_t t = 1; t < own.size(); ++t) {
        rows.push_back(batch.rows() + static_cast<int64_t>(t) - 1);
        targets.push_back(own[t]);
      }
      first.push_back(static_cast<int64_t>(targets.size()));
      batch.add_continuation(own);
    }
  }
}

std::vector<std::pair<size_t, size_t>> cut_by_tokens(std::span<const int64_t> lengths, int64_t budget) {
  std::vector<std::pair<size_t, size_t>> ranges;
  size_t begin = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (i > begin && tokens + lengths[i] > budget) {
      ranges.emplace_back(begin, i);
      begin = i;
      tokens = 0;
    }
    tokens += lengths[i];
  }
  if (begin < lengths.size()) ranges.emplace_back(begin, lengths.size());
  return ranges;
}

// The number of a micro-batch is another on every rank, as its dropout is to be.
void LmPass::each_micro(std::span<const TokenSequence* const> sequences, const std::function<void(int64_t micro)>& f) {
  std::vector<int64_t> lengths;
  lengths.reserve(sequences.size());
  for (const TokenSequence* s : sequences) lengths.push_back(static_cast<int64_t>(s->tokens.size()));
  const auto [first, last] = part_of(lengths, ranks_);
  int64_t index = static_cast<int64_t>(ranks_.rank()) << 32;
  for (const auto& [begin, end] : cut_by_tokens(std::span(lengths).subspan(first, last - first), budget_)) {
    micro_.clear();
    for (size_t i = first + begin; i < first + end; ++i) micro_.add(*sequences[i]);
    f(index++);
  }
}

LmSum LmPass::of_all(const LmSum& own) {
  double sums[] = {own.logprob, static_cast<double>(own.targets), static_cast<double>(own.tokens)};
  ranks_.all_reduce(sums);
  return {sums[0], static_cast<int64_t>(sums[1]), static_cast<int64_t>(sums[2])};
}

LmSum LmPass::train(std::span<const TokenSequence* const> sequences, double weight, double dropout,
                    uint64_t dropout_seed) {
  LmSum sum;
  each_micro(sequences, [&](int64_t index) {
    ForwardOptions options;
    options.keep_for_backward = true;
    options.recompute = recompute_;
    options.dropout = static_cast<float>(dropout);
    options.lora_dropout = lora_dropout_;
    options.dropout_seed = mix64(dropout_seed ^ mix64(static_cast<uint64_t>(index)));
    const Mat hidden = model_.forward(micro_.batch, options);
    weights_.assign(micro_.targets.size(), static_cast<float>(-weight));
    const auto result = model_.likelihood_backward(hidden, micro_.rows, micro_.targets, weights_);
    for (const float logprob : result.logprobs.logprob) sum.logprob += logprob;
    sum.targets += static_cast<int64_t>(micro_.targets.size());
    sum.tokens += micro_.batch.rows();
    model_.backward(micro_.batch, result.dhidden);
  });
  return of_all(sum);
}

LmSum LmPass::evaluate(std::span<const TokenSequence* const> sequences) {
  LmSum sum;
  each_micro(sequences, [&](int64_t) {
    const auto result = model_.log_probs(model_.forward(micro_.batch), micro_.rows, micro_.targets);
    for (const float logprob : result.logprob) sum.logprob += logprob;
    sum.targets += static_cast<int64_t>(micro_.targets.size());
    sum.tokens += micro_.batch.rows();
  });
  return of_all(sum);
}

void epoch_order(std::vector<size_t>& order, size_t n, uint64_t seed, std::string_view stream, int64_t epoch) {
  order.resize(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  Rng(mix64(seed ^ mix64(static_cast<uint64_t>(epoch))), stream).shuffle(order);
}

std::span<const size_t> EpochBatches::at(int64_t step) {
  const int64_t epoch = step / steps_per_epoch();
  if (epoch != order_epoch_) {
    epoch_order(order_, items_, seed_, stream_, epoch);
    order_epoch_ = epoch;
  }
  const size_t begin = static_cast<size_t>(step % steps_per_epoch()) * batch_;
  return std::span(order_).subspan(begin, std::min(batch_, items_ - begin));
}

int64_t count_targets(const TokenSequence& sequence) {
  return std::count_if(sequence.is_target.begin(), sequence.is_target.end(), [](uint8_t t) { return t != 0; });
}

int64_t count_targets(std::span<const TokenSequence* const> sequences) {
  int64_t count = 0;
  for (const TokenSequence* s : sequences) count += count_targets(*s);
  return count;
}

std::vector<const TokenSequence*> pointers(const std::vector<TokenSequence>& sequences) {
  std::vector<const TokenSequence*> result;
  result.reserve(sequences.size());
  for (const TokenSequence& s : sequences) result.push_back(&s);
  return result;
}

std::vector<TokenSequence> eval_windows(const std::vector<int32_t>& stream, int64_t length) {
  std::vector<TokenSequence> windows;
  const auto n = static_cast<int64_t>(stream.size());
  for (int64_t at = 0; at + 1 < n;
       at += length - 1) {  // one token of overlap: each token but the first is predicted once
    const int64_t end = std::min(n, at + length);
    TokenSequence window;
    window.tokens.assign(stream.begin() + at, stream.begin() + end);
    window.is_target.assign(window.tokens.size(), 1);
    window.is_target[0] = 0;
    windows.push_back(std::move(window));
  }
  return windows;
}

double bits_per_byte(Model& model, const Tokenizer& tokenizer, const std::vector<int32_t>& stream, int64_t length,
                     int64_t micro_tokens, Ranks& ranks) {
  auto windows = eval_windows(stream, length);
  int64_t bytes = 0;
  std::vector<const TokenSequence*> used;
  for (TokenSequence& window : windows) {
    for (size_t i = 1; i < window.tokens.size(); ++i) {
      if (tokenizer.is_special(window.tokens[i])) {
        window.is_target[i] = 0;
      } else {
        bytes += static_cast<int64_t>(tokenizer.token_bytes(window.tokens[i]).size());
      }
    }
    used.push_back(&window);
  }
  if (bytes == 0) return std::nan("");
  LmPass pass(model, micro_tokens, false, ranks);
  return -pass.evaluate(used).logprob / std::numbers::ln2 / static_cast<double>(bytes);
}

}  // namespace loquat
