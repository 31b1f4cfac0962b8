// Options of adapters, and what they say of loading (lora_options.h).
#include "train/lora_options.h"

#include "kernels/quantize.h"

namespace loquat {

Result<LoraConfig> LoraOptions::config() const {
  LoraConfig lora;
  lora.rank = rank;
  if (rank == 0) return lora;
  lora.alpha = alpha;
  lora.dropout = dropout;
  lora.rslora = rslora;
  lora.dora = dora;
  auto sorted = lora_targets(targets);
  if (!sorted.ok()) return Err("lora_targets: {}", sorted.error());
  lora.targets = *std::move(sorted);
  return lora;
}

Result<StageModels> StageModels::make(const Kernels& kernels, DType compute, uint64_t seed,
                                      const LoraOptions& options) {
  StageModels models;
  models.load_.compute = compute;
  TRY(models.load_.lora, options.config());
  if (options.rank == 0) {
    if (options.base_weights != "bf16")
      return Err("base_weights = \"{}\": weights that are quantised are not trained; expected lora_rank above 0",
                 options.base_weights);
    return models;
  }
  models.load_.lora_seed = hash64("lora", seed);
  models.pool_ = std::make_unique<BasePool>(kernels, compute, weight_type(options.base_weights), true);
  return models;
}

LoadOptions StageModels::load_options() const {
  LoadOptions load = load_;
  load.bases = pool_.get();
  return load;
}

}  // namespace loquat
