// Using a reward model, and the K-wise loss (reward.h).
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

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
  return reward;
}

Status save_reward_json(const std::string& folder, double bias, double scale) {
  const nlohmann::json j = {{"reward_bias", bias}, {"reward_scale", scale}};
  return write_file(folder + "/reward.json", j.dump(2) + "\n");
}

std::vector<float> rewards_of(RewardModel& reward, std::span<const std::vector<int32_t>> sequences,
                              int64_t micro_tokens) {
  std::vector<float> rewards;
  rewards.reserve(sequences.size());
  std::vector<int64_t> lengths, rows;
  for (const auto& s : sequences) lengths.push_back(static_cast<int64_t>(s.size()));
  Batch batch;
  for (const auto& [begin, end] : cut_by_tokens(lengths, micro_tokens)) {
    batch.clear();
    rows.clear();
    for (size_t i = begin; i < end; ++i) {
      batch.add(sequences[i]);
      rows.push_back(batch.rows() - 1);
    }
    for (const float score : reward.model->scores(reward.model->forward(batch), rows)) {
      rewards.push_back(reward.reward(score));
    }
  }
  return rewards;
}

std::vector<int32_t> reward_tokens(const ChatTemplate& chat, const Messages& prompt, const std::string& reply,
                                   int64_t context) {
  auto encoded = encode_ranking(chat, {"", prompt, {{reply, 0, 0, {}}}}, context);
  if (!encoded.ok()) return {};
  return std::move(encoded->responses[0].tokens);
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

}  // namespace loquat
