// Using a reward model, and the K-wise loss (reward.h).
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/check.h"
#include "data/encode.h"
#include "store/files.h"
#include "train/batches.h"
#include "train/reward.h"

namespace loquat {

Result<RewardModel> load_reward_model(const std::string& folder, const Kernels& kernels, DType compute,
                                      bool with_gradients) {
  LoadOptions load;
  load.compute = compute;
  load.with_gradients = with_gradients;
  return load_reward_model(folder, kernels, load);
}

Result<RewardModel> load_reward_model(const std::string& folder, const Kernels& kernels, LoadOptions load) {
  load.head = HeadKind::kScore;
  RewardModel reward;
  TRY(reward.model, load_model(folder, kernels, load));
  const std::string path = folder + "/reward.json";
  if (!file_exists(path)) return reward;  // a reward model made elsewhere
  TRY(const std::string text, read_file(path));
  const auto j = nlohmann::json::parse(text, nullptr, false);
  if (!j.is_object() || !j.contains("reward_bias") || !j["reward_bias"].is_number() || !j.contains("reward_scale") ||
      !j["reward_scale"].is_number()) {
    return Err("{}: expected an object with the numbers reward_bias and reward_scale", path);
  }
  reward.bias = j["reward_bias"];
  reward.scale = j["reward_scale"];
  const double likelihood = j.value("likelihood", 0.0);
  if (likelihood > 0) {
    if (!reward.model->config().tie_embeddings) return Err("{}: a likelihood needs tied embeddings", path);
    TRY(const Tokenizer tokenizer, Tokenizer::load(folder));
    reward.head = RewardHead(likelihood, tokenizer.special(kAssistant));
  }
  return reward;
}

Status save_reward_json(const std::string& folder, double bias, double scale, double likelihood) {
  nlohmann::json j = {{"reward_bias", bias}, {"reward_scale", scale}};
  if (likelihood > 0) j["likelihood"] = likelihood;
  return write_file(folder + "/reward.json", j.dump(2) + "\n");
}

std::vector<float> RewardHead::scores(Model& model, Mat hidden, const Batch& batch) {
  last_rows_.clear();
  begins_.clear();
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    if (b + 1 < batch.sequences() && batch.has_prefix(b + 1) && !batch.has_prefix(b))
      continue;  // a prompt that others go on from
    begins_.push_back(batch.starts[b]);
    last_rows_.push_back(batch.starts[b + 1] - 1);
  }
  std::vector<float> scores = model.scores(hidden, last_rows_);
  if (likelihood_ == 0) return scores;
  reply_rows_.clear();
  reply_tokens_.clear();
  first_.assign(1, 0);
  for (size_t b = 0; b < begins_.size(); ++b) {
    const int64_t end = last_rows_[b] + 1;
    int64_t begin = end;
    while (begin > begins_[b] + 1 && batch.tokens[begin - 1] != assistant_) --begin;
    for (int64_t t = begin; t < end; ++t) {
      reply_rows_.push_back(t - 1);
      reply_tokens_.push_back(batch.tokens[t]);
    }
    first_.push_back(static_cast<int64_t>(reply_rows_.size()));
  }
  logprobs_ = model.log_probs(hidden, reply_rows_, reply_tokens_);
  for (size_t b = 0; b < scores.size(); ++b) {
    double sum = 0;
    for (int64_t i = first_[b]; i < first_[b + 1]; ++i) sum += logprobs_.logprob[i];
    scores[b] +=
        static_cast<float>(likelihood_ * sum / static_cast<double>(std::max<int64_t>(1, first_[b + 1] - first_[b])));
  }
  return scores;
}

Mat RewardHead::backward(Model& model, Mat hidden, std::span<const float> dscores, std::span<const float> dlikelihood) {
  const Mat dlast = model.scores_backward(hidden, last_rows_, dscores);
  if (likelihood_ == 0) return dlast;
  // A sequence's last token predicts nothing: its row has a gradient from the score alone.
  const Kernels& kernels = model.kernels();
  const int64_t bytes = hidden.cols * bytes_of(dlast.dtype), count = static_cast<int64_t>(last_rows_.size());
  if (kept_.bytes() < count * bytes) kept_ = Buffer(kernels, count * bytes);
  std::vector<RowCopy> copies;
  for (int64_t b = 0; b < count; ++b) copies.push_back({kept_.data() + b * bytes, dlast.row(last_rows_[b])});
  kernels.copy_rows(copies, bytes);
  std::vector<float> dlogprob(reply_rows_.size());
  for (size_t b = 0; b < dlikelihood.size(); ++b) {
    const auto length = static_cast<double>(first_[b + 1] - first_[b]);
    for (int64_t i = first_[b]; i < first_[b + 1]; ++i)
      dlogprob[i] = static_cast<float>(dlikelihood[b] * likelihood_ / length);
  }
  const Mat dhidden = model.log_probs_backward(hidden, reply_rows_, reply_tokens_, 1, logprobs_, dlogprob);
  for (int64_t b = 0; b < count; ++b) copies[b] = {dhidden.row(last_rows_[b]), kept_.data() + b * bytes};
  kernels.copy_rows(copies, bytes);
  return dhidden;
}

std::vector<float> RewardModel::rewards(const Batch& batch) {
  std::vector<float> out = head.scores(*model, model->forward(batch), batch);
  for (float& score : out) score = reward(score);
  return out;
}

std::vector<float> rewards_of(RewardModel& reward, std::span<const std::vector<int32_t>> sequences,
                              int64_t micro_tokens) {
  std::vector<float> rewards;
  rewards.reserve(sequences.size());
  std::vector<int64_t> lengths;
  for (const auto& s : sequences) lengths.push_back(static_cast<int64_t>(s.size()));
  Batch batch;
  for (const auto& [begin, end] : cut_by_tokens(lengths, micro_tokens)) {
    batch.clear();
    for (size_t i = begin; i < end; ++i) batch.add(sequences[i]);
    const std::vector<float> some = reward.rewards(batch);
    rewards.insert(rewards.end(), some.begin(), some.end());
  }
  return rewards;
}

std::vector<int32_t> reward_tokens(const ChatTemplate& chat, const Messages& prompt, const std::string& reply,
                                   int64_t context) {
  auto encoded = encode_ranking(chat, {"", prompt, {{reply, 0, 0, {}}}}, context);
  if (!encoded.ok()) return {};
  return std::move(encoded->responses[0].tokens);
}

int64_t RankedElement::tokens() const {
  int64_t sum = static_cast<int64_t>(shared);
  for (const auto& s : sequences) sum += static_cast<int64_t>(s.size() - shared);
  return sum;
}

void RankedElement::pack(Batch& batch) const {
  if (shared > 0) batch.add(std::span(sequences[0]).first(shared));
  for (const auto& s : sequences) {
    if (shared > 0) {
      batch.add_continuation(std::span(s).subspan(shared));
    } else {
      batch.add(s);
    }
  }
}

PairSum pairwise_loss(std::span<const float> scores, std::span<const int32_t> ranks, std::vector<float>* dscores) {
  CHECK(scores.size() == ranks.size(), "{} scores, {} ranks", scores.size(), ranks.size());
  const size_t k = scores.size();
  PairSum sum;
  if (dscores != nullptr) dscores->assign(k, 0.0f);
  if (k < 2) return sum;
  const double divisor = static_cast<double>(k * (k - 1) / 2);  // C(K, 2), ties included
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) {
      if (ranks[i] >= ranks[j]) continue;  // i is better than j
      const double margin = static_cast<double>(scores[i]) - static_cast<double>(scores[j]);
      sum.loss += (std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)))) / divisor;  // -log σ(margin)
      ++sum.pairs;
      sum.right += margin > 0 ? 1 : 0;
      if (dscores == nullptr) continue;
      const auto slope = static_cast<float>(-1 / (1 + std::exp(margin)) / divisor);  // of -log σ by the margin
      (*dscores)[i] += slope;
      (*dscores)[j] -= slope;
    }
  }
  return sum;
}

double centre_loss(std::span<const float> scores, double centre, std::span<float> dscores) {
  CHECK(scores.size() == dscores.size(), "{} scores, {} gradients", scores.size(), dscores.size());
  if (scores.empty()) return 0;
  const auto k = static_cast<double>(scores.size());
  const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / k;
  for (float& d : dscores) d += static_cast<float>(2 * centre * mean / k);
  return centre * mean * mean;
}

}  // namespace loquat
