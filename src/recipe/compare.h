// Two models answer the same prompts, one reply each, and a reward model says which is better: what an aligned model
// gained over the one before it, on the prompts of the people it is for.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/stats.h"
#include "kernels/kernels.h"

namespace loquat::recipe {

struct CompareRequest {
  std::string left, right;           // models' folders
  std::string reward;                // a reward model's folder; all share one tokenizer
  std::vector<std::string> prompts;  // files of prompts
  int64_t max_prompts = 0;           // the first so many; 0: all
  double temperature = 0.7;
  int64_t max_reply_tokens = 256;
  double unended_score = -1;  // of a reply that never ends
  uint64_t seed = 1;
  DType compute = DType::kBF16;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(int64_t done, int64_t all)> progress;
};

struct ComparedPrompt {
  std::string prompt;  // its last turn
  std::string left, right;
  double left_score = 0, right_score = 0;
};

struct CompareReport {
  std::vector<ComparedPrompt> prompts;
  int64_t wins = 0, losses = 0, ties = 0;  // of the right model
  int64_t left_out = 0;                    // prompts that leave no room for a reply
  Interval share;                          // wins / (wins + losses)
};
std::string to_json(const CompareReport& report);

Result<CompareReport> compare_models(const CompareRequest& request, const Kernels& kernels);

}  // namespace loquat::recipe
