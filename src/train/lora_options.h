// What fine-tuning by low-rank adapters is asked for, alike in SFT, reward model, PPO and DPO; and the loading of a
// stage's models by it: whole ones, or, with lora_rank, ones that stand on one frozen base in memory.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "model/base_pool.h"
#include "model/model.h"
#include "train/options.h"

namespace loquat {

struct LoraOptions {
  int64_t rank = 0;  // 0: all weights are trained
  double alpha = 16;
  double dropout = 0;
  std::vector<std::string> targets = {"all-linear"};
  bool rslora = false;
  bool dora = false;
  std::string base_weights = "bf16";  // the compute type, int8 or int4

  template <typename V>
  void visit(V& v) {
    // Without adapters these say nothing, and the hashes of stages stay what they were.
    if (std::is_same_v<V, FieldWriter> && rank == 0) return;
    v("lora_rank", rank, int64_t{0}, int64_t{65536});
    v("lora_alpha", alpha, 1e-6, 1e6);
    v("lora_dropout", dropout, 0.0, 0.95);
    v("lora_targets", targets);
    v("lora_rslora", rslora);
    v("lora_dora", dora);
    v("base_weights", base_weights, {"bf16", "int8", "int4"});
  }
  Result<LoraConfig> config() const;
};

class StageModels {
 public:
  static Result<StageModels> make(const Kernels& kernels, DType compute, uint64_t seed, const LoraOptions& options);
  // For load_model and load_reward_model; as it is, of a model that is not trained.
  LoadOptions load_options() const;

 private:
  LoadOptions load_;
  std::unique_ptr<BasePool> pool_;  // null: whole models
};

}  // namespace loquat
