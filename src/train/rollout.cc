// Sampling and scoring of replies (rollout.h).
#include "train/rollout.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace loquat {
namespace {

std::vector<int64_t> lengths_of(std::span<const Episode> episodes) {
  std::vector<int64_t> lengths;
  lengths.reserve(episodes.size());
  for (const Episode& e : episodes) lengths.push_back(static_cast<int64_t>(e.tokens.size()));
  return lengths;
}

Model* model_of(const RewardModel* reward) {
  return reward == nullptr ? nullptr : reward->model.get();
}

// The slice of each episode's reply out of values that lie one after another.
void deal(std::span<const float> values, const LmBatch& micro, size_t begin, std::vector<Episode>& episodes,
          std::vector<float> Episode::*member) {
  for (size_t b = 0; b + 1 < micro.first.size(); ++b) {
    const auto part =
        values.subspan(static_cast<size_t>(micro.first[b]), static_cast<size_t>(micro.first[b + 1] - micro.first[b]));
    (episodes[begin + b].*member).assign(part.begin(), part.end());
  }
}

}  // namespace

std::vector<Episode> sample_episodes(Model& policy, std::span<const std::vector<int32_t>* const> prompts,
                                     std::span<const uint64_t> seeds, const RolloutSampling& sampling) {
  CHECK(prompts.size() == seeds.size(), "{} prompts, {} seeds", prompts.size(), seeds.size());
  std::vector<GenerationRequest> requests(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    requests[i].prompt = *prompts[i];
    requests[i].sampling.temperature = static_cast<float>(sampling.temperature);
    requests[i].sampling.max_tokens = sampling.max_reply_tokens;
    requests[i].sampling.stop_tokens = {sampling.end_of_turn};
    requests[i].seed = seeds[i];
  }
  GenerateOptions options;
  options.batch = sampling.batch;
  std::vector<Generation> generations = generate(policy, requests, options);
  std::vector<Episode> episodes(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    Episode& e = episodes[i];
    e.tokens = *prompts[i];
    e.prompt = static_cast<int64_t>(e.tokens.size());
    e.tokens.insert(e.tokens.end(), generations[i].tokens.begin(), generations[i].tokens.end());
    e.logprob = std::move(generations[i].logprobs);
    e.ended = generations[i].ended;
  }
  return episodes;
}

int64_t score_episodes(std::vector<Episode>& episodes, const Judges& judges, const ScoringOptions& options) {
  LmBatch micro;
  std::vector<PromptedReply> packed;
  bool share = true;
  for (const Model* m : {judges.reference, model_of(judges.reward), model_of(judges.critic), model_of(judges.held_out)})
    share = share && (m == nullptr || m->kernels().shared_prefixes);
  int64_t tokens = 0;
  const auto temperature = static_cast<float>(options.temperature);
  for (const auto& [begin, end] : cut_by_tokens(lengths_of(episodes), options.micro_tokens)) {
    packed.clear();
    for (size_t i = begin; i < end; ++i) packed.push_back({episodes[i].tokens, episodes[i].prompt});
    micro.clear();
    micro.add_replies(packed, share);
    if (judges.reference != nullptr) {
      const Mat hidden = judges.reference->forward(micro.batch);
      const auto result = judges.reference->log_probs(hidden, micro.rows, micro.targets, temperature);
      deal(result.logprob, micro, begin, episodes, &Episode::reference);
      tokens += micro.batch.rows();
    }
    if (judges.critic != nullptr) {
      // The value of the state before a token is read where that token is predicted.
      std::vector<float> values = judges.critic->model->scores(judges.critic->model->forward(micro.batch), micro.rows);
      for (float& value : values) value = judges.critic->reward(value);
      deal(values, micro, begin, episodes, &Episode::value);
      tokens += micro.batch.rows();
    }
    if (judges.reward != nullptr) {
      const std::vector<float> scores = judges.reward->rewards(micro.batch);
      for (size_t i = begin; i < end; ++i) {
        Episode& e = episodes[i];
        e.score = e.ended ? scores[i - begin] : static_cast<float>(options.unended_score);
      }
      tokens += micro.batch.rows();
    }
    if (judges.held_out != nullptr) {
      const std::vector<float> scores = judges.held_out->rewards(micro.batch);
      for (size_t i = begin; i < end; ++i) {
        Episode& e = episodes[i];
        e.held_out = e.ended ? scores[i - begin] : static_cast<float>(options.unended_score);
      }
      tokens += micro.batch.rows();
    }
  }
  return tokens;
}

RewardMoments moments_of(std::span<const Episode> episodes, float Episode::*score) {
  double sum = 0, square = 0, n = 0;
  for (const Episode& e : episodes) {
    if (!e.ended) continue;
    sum += e.*score;
    n += 1;
  }
  if (n < 2) return {};
  RewardMoments moments;
  moments.mean = sum / n;
  for (const Episode& e : episodes) {
    if (e.ended) square += (e.*score - moments.mean) * (e.*score - moments.mean);
  }
  moments.deviation = std::sqrt(square / n);
  if (!(moments.deviation > 1e-6)) moments.deviation = 1;
  return moments;
}

Result<std::vector<std::vector<ScoredReply>>> sample_and_score(Model& policy, RewardModel& reward,
                                                               const Tokenizer& tokenizer,
                                                               std::span<const Messages> prompts,
                                                               const BestOfOptions& options) {
  TRY(const ChatTemplate chat, ChatTemplate::make(tokenizer));
  const int64_t context = std::min(policy.config().max_positions, reward.model->config().max_positions);
  std::vector<std::vector<int32_t>> tokens(prompts.size());
  std::vector<const std::vector<int32_t>*> requests;
  std::vector<uint64_t> seeds;
  std::vector<size_t> owners;
  for (size_t i = 0; i < prompts.size(); ++i) {
    TRY(tokens[i], chat.prompt(prompts[i]));
    if (static_cast<int64_t>(tokens[i].size()) >= context) continue;
    for (int64_t k = 0; k < options.n; ++k) {  // equal prompts side by side share their computation
      requests.push_back(&tokens[i]);
      seeds.push_back(mix64(options.seed ^ mix64(i * 1000003 + static_cast<uint64_t>(k))));
      owners.push_back(i);
    }
  }
  const RolloutSampling sampling{options.temperature, options.max_reply_tokens, chat.end_of_turn(), 256};
  std::vector<Episode> episodes = sample_episodes(policy, requests, seeds, sampling);
  Judges judges;
  judges.reward = &reward;
  ScoringOptions scoring;
  scoring.unended_score = options.unended_score;
  scoring.micro_tokens = options.micro_tokens;
  score_episodes(episodes, judges, scoring);
  std::vector<std::vector<ScoredReply>> replies(prompts.size());
  for (size_t i = 0; i < episodes.size(); ++i) {
    const Episode& e = episodes[i];
    ScoredReply reply;
    reply.tokens.assign(e.tokens.begin() + e.prompt, e.tokens.end());
    reply.text = tokenizer.decode(reply.tokens, true);
    reply.ended = e.ended;
    reply.score = e.score;
    replies[owners[i]].push_back(std::move(reply));
  }
  return replies;
}

}  // namespace loquat
