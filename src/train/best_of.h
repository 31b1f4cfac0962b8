// Best of n: of n replies to each prompt, the one that a reward model likes best. As a policy it lies at most
// log n - (n - 1) / n nats from the model it samples (Stiennon et al. 2020; a bound: Beirami et al. 2024), which makes
// it the cheapest yardstick for any training against that reward; its replies are demonstrations to fine-tune on
// (rejection.h).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "train/options.h"
#include "train/rollout.h"

namespace loquat {

struct BestOfNOptions {
  std::string policy;
  std::string reward;
  std::vector<std::string> prompts;
  int64_t max_prompts = 0;  // the first so many; 0: all
  int64_t n = 8;
  double temperature = 1;
  int64_t max_reply_tokens = 1024;
  double unended_score = -1;  // of a reply that never ends; such a one is never written
  int64_t micro_tokens = 8192;

  static Result<BestOfNOptions> read(Settings& settings);

  template <typename V>
  void visit_paths(V& v) {
    v("policy", policy);
    v("reward", reward);
    v("prompts", prompts);
  }
  template <typename V>
  void visit(V& v) {
    constexpr int64_t kBig = int64_t{1} << 40;
    v("max_prompts", max_prompts, int64_t{0}, kBig);
    v("n", n, int64_t{1}, int64_t{1} << 20);
    v("temperature", temperature, 1e-3, 100.0);
    v("max_reply_tokens", max_reply_tokens, int64_t{1}, kBig);
    v("unended_score", unended_score, -1e6, 1e6);
    v("micro_tokens", micro_tokens, int64_t{1}, int64_t{1} << 30);
  }
};

struct BestOfReport {
  // By the number of replies, 1, 2, 4 ... n: the mean reward of the best of so many, estimated from all n without bias.
  std::map<int64_t, double> reward;
  int64_t prompts = 0;
  int64_t left_out = 0;  // prompts that leave no room for a reply
  int64_t unended = 0;   // prompts none of whose replies ended: nothing is written for them
  double length = 0;     // tokens of a chosen reply
};
std::string to_json(const BestOfReport& report);

struct BestOfRun {
  const Kernels* kernels = nullptr;
  DType compute = DType::kBF16;
  uint64_t seed = 0;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(int64_t done, int64_t all)> progress;
};
// Writes one demonstration for each prompt, in their order: {"id", "messages", "reward"}. The file is there whole or
// not at all.
Result<BestOfReport> run_best_of_n(const BestOfRun& run, const BestOfNOptions& options, const std::string& out);

double best_of_n_kl(int64_t n);  // log n - (n - 1) / n
// [m - 1]: the expectation of the greatest of m scores drawn from these without putting back.
std::vector<double> expected_best(std::vector<double> scores);
// Of the replies that ended, the first with the greatest score; -1: none ended.
int64_t best_reply(const std::vector<ScoredReply>& replies);

}  // namespace loquat
