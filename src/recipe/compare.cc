#include "recipe/compare.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "base/rng.h"
#include "data/dataset.h"
#include "train/rollout.h"

namespace loquat::recipe {
namespace {

constexpr size_t kPromptsAtOnce = 64;

Result<std::vector<Messages>> prompts_of(const CompareRequest& request) {
  std::vector<Messages> prompts;
  for (const std::string& path : request.prompts) {
    TRY(std::vector<Messages> more, read_prompts(path));
    std::move(more.begin(), more.end(), std::back_inserter(prompts));
  }
  if (request.max_prompts > 0) prompts.resize(std::min(prompts.size(), static_cast<size_t>(request.max_prompts)));
  if (prompts.empty()) return Err("compare: no prompts; expected a file of them");
  return prompts;
}

void take(const Messages& prompt, const std::vector<ScoredReply>& left, const std::vector<ScoredReply>& right,
          CompareReport& report) {
  if (left.empty() || right.empty()) {
    ++report.left_out;
    return;
  }
  const double a = left[0].score, b = right[0].score;
  report.prompts.push_back({prompt.back().content, left[0].text, right[0].text, a, b});
  ++(b > a ? report.wins : b < a ? report.losses : report.ties);
}

}  // namespace

Result<CompareReport> compare_models(const CompareRequest& request, const Kernels& kernels) {
  TRY(const std::vector<Messages> prompts, prompts_of(request));
  LoadOptions load;
  load.compute = request.compute;
  TRY(const auto left, load_model(request.left, kernels, load));
  TRY(const auto right, load_model(request.right, kernels, load));
  TRY(RewardModel reward, load_reward_model(request.reward, kernels, request.compute));
  TRY(const Tokenizer tokenizer, Tokenizer::load(request.left));
  for (const Model* other : {static_cast<const Model*>(right.get()), static_cast<const Model*>(reward.model.get())}) {
    if (other->config().vocab_size != left->config().vocab_size)
      return Err("compare: vocabularies of {} and {}; both models and the reward model must share one tokenizer",
                 left->config().vocab_size, other->config().vocab_size);
  }
  CompareReport report;
  for (size_t begin = 0; begin < prompts.size(); begin += kPromptsAtOnce) {
    if (request.stop != nullptr && request.stop->load()) return Err("compare: stopped");
    const auto some = std::span(prompts).subspan(begin, std::min(kPromptsAtOnce, prompts.size() - begin));
    BestOfOptions sampling;
    sampling.n = 1;
    sampling.temperature = request.temperature;
    sampling.max_reply_tokens = request.max_reply_tokens;
    sampling.unended_score = request.unended_score;
    sampling.seed = mix64(hash64("compare", request.seed) ^ mix64(begin));
    TRY(const auto ours, sample_and_score(*left, reward, tokenizer, some, sampling));
    TRY(const auto theirs, sample_and_score(*right, reward, tokenizer, some, sampling));
    for (size_t i = 0; i < some.size(); ++i) take(some[i], ours[i], theirs[i], report);
    if (request.progress)
      request.progress(static_cast<int64_t>(begin + some.size()), static_cast<int64_t>(prompts.size()));
  }
  if (report.prompts.empty()) return Err("compare: no prompt leaves room for a reply in the context");
  report.share = wilson(report.wins, report.wins + report.losses);
  return report;
}

std::string to_json(const CompareReport& report) {
  nlohmann::ordered_json samples = nlohmann::ordered_json::array();
  for (const ComparedPrompt& p : report.prompts)
    samples.push_back({{"prompt", p.prompt},
                       {"left", p.left},
                       {"right", p.right},
                       {"left_score", p.left_score},
                       {"right_score", p.right_score}});
  return nlohmann::ordered_json{{"prompts", report.prompts.size()},
                                {"wins", report.wins},
                                {"losses", report.losses},
                                {"ties", report.ties},
                                {"left_out", report.left_out},
                                {"share", report.share.value},
                                {"low", report.share.low},
                                {"high", report.share.high},
                                {"samples", samples}}
             .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace loquat::recipe
