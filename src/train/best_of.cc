// Best of n (best_of.h).
#include "train/best_of.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "store/files.h"
#include "train/needed.h"

namespace loquat {

double best_of_n_kl(int64_t n) {
  const auto x = static_cast<double>(n);
  return std::log(x) - (x - 1) / x;
}

std::vector<double> expected_best(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end());
  const size_t n = scores.size();
  std::vector<double> best(n);
  for (size_t m = 1; m <= n; ++m) {
    // The i-th least of n is the greatest of m with probability C(i - 1, m - 1) / C(n, m).
    double weight = static_cast<double>(m) / static_cast<double>(n);
    for (size_t i = n; i >= m; --i) {
      best[m - 1] += weight * scores[i - 1];
      if (i > 1) weight *= static_cast<double>(i - m) / static_cast<double>(i - 1);
    }
  }
  return best;
}

int64_t best_reply(const std::vector<ScoredReply>& replies) {
  int64_t best = -1;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].ended && (best < 0 || replies[i].score > replies[static_cast<size_t>(best)].score))
      best = static_cast<int64_t>(i);
  }
  return best;
}

std::string to_json(const BestOfReport& report) {
  nlohmann::ordered_json best = nlohmann::ordered_json::array();
  for (const auto& [n, reward] : report.reward)
    best.push_back({{"n", n}, {"reward", reward}, {"kl_bound", best_of_n_kl(n)}});
  return nlohmann::ordered_json{{"prompts", report.prompts},
                                {"left_out", report.left_out},
                                {"unended", report.unended},
                                {"length", report.length},
                                {"best_of", best}}
      .dump(2);
}

namespace {

constexpr size_t kPromptsAtOnce = 64;

std::string line_of(const std::string& id, const Messages& prompt, const ScoredReply& reply) {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  for (const Message& m : prompt) messages.push_back({{"role", m.role}, {"content", m.content}});
  messages.push_back({{"role", "assistant"}, {"content", reply.text}});
  const nlohmann::ordered_json line{{"id", id}, {"messages", messages}, {"reward", reply.score}};
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// Adds one prompt's replies to the sums of the report; its demonstration, or nothing.
std::string take(const std::vector<ScoredReply>& replies, const std::string& id, const Messages& prompt,
                 BestOfReport& report) {
  if (replies.empty()) {
    ++report.left_out;
    return "";
  }
  ++report.prompts;
  std::vector<double> scores;
  for (const ScoredReply& r : replies) scores.push_back(r.score);
  const std::vector<double> best = expected_best(std::move(scores));
  for (auto& [n, sum] : report.reward) sum += best[static_cast<size_t>(n) - 1];
  const int64_t chosen = best_reply(replies);
  if (chosen < 0) {
    ++report.unended;
    return "";
  }
  const ScoredReply& reply = replies[static_cast<size_t>(chosen)];
  report.length += static_cast<double>(reply.tokens.size());
  return line_of(id, prompt, reply);
}

}  // namespace

Result<BestOfNOptions> BestOfNOptions::read(Settings& settings) {
  return read_options(settings, BestOfNOptions{});
}

Result<BestOfReport> run_best_of_n(const BestOfRun& run, const BestOfNOptions& options, const std::string& out) {
  CHECK(run.kernels != nullptr, "no kernels");
  TRY_STATUS(need_model("best-of-n", "policy", options.policy));
  TRY_STATUS(need_model("best-of-n", "reward", options.reward));
  TRY_STATUS(need_data("best-of-n", "prompts", options.prompts));
  std::vector<Messages> prompts;
  for (const std::string& path : options.prompts) {
    TRY(std::vector<Messages> more, read_prompts(path));
    std::move(more.begin(), more.end(), std::back_inserter(prompts));
  }
  if (options.max_prompts > 0) prompts.resize(std::min(prompts.size(), static_cast<size_t>(options.max_prompts)));
  if (prompts.empty()) return Err("best-of-n: prompts: expected a file of prompts");
  LoadOptions load;
  load.compute = run.compute;
  TRY(const auto policy, load_model(options.policy, *run.kernels, load));
  TRY(RewardModel reward, load_reward_model(options.reward, *run.kernels, run.compute));
  TRY(const Tokenizer tokenizer, Tokenizer::load(options.policy));
  if (reward.model->config().vocab_size != policy->config().vocab_size)
    return Err("policy and reward differ in vocabulary: {} and {}; they must share one tokenizer",
               policy->config().vocab_size, reward.model->config().vocab_size);
  BestOfReport report;
  for (int64_t m = 1; m < options.n; m *= 2) report.reward[m] = 0;
  report.reward[options.n] = 0;
  TRY(AtomicFile file, AtomicFile::open(out));
  for (size_t begin = 0; begin < prompts.size(); begin += kPromptsAtOnce) {
    if (run.stop != nullptr && run.stop->load()) return Err("best-of-n: stopped");
    const auto some = std::span(prompts).subspan(begin, std::min(kPromptsAtOnce, prompts.size() - begin));
    const BestOfOptions sampling{options.n,
                                 options.temperature,
                                 options.max_reply_tokens,
                                 options.unended_score,
                                 options.micro_tokens,
                                 mix64(hash64("best-of-n", run.seed) ^ mix64(begin))};
    TRY(const auto replies, sample_and_score(*policy, reward, tokenizer, some, sampling));
    for (size_t i = 0; i < some.size(); ++i) {
      const std::string line = take(replies[i], fmt::format("best-of-{}/{}", options.n, begin + i), some[i], report);
      TRY_STATUS(file.write(line.data(), line.size()));
    }
    if (run.progress) run.progress(static_cast<int64_t>(begin + some.size()), static_cast<int64_t>(prompts.size()));
  }
  if (report.prompts == 0) return Err("best-of-n: no prompt leaves room for a reply in the context");
  const auto count = static_cast<double>(report.prompts);
  for (auto& [n, sum] : report.reward) sum /= count;
  report.length /= std::max(1.0, count - static_cast<double>(report.unended));
  TRY_STATUS(file.commit());
  return report;
}

}  // namespace loquat
