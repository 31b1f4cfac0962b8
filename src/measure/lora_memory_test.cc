// What PPO's four models hold in memory where they stand on one base.
#include <gtest/gtest.h>

#include "measure/counted_kernels.h"
#include "measure/noise.h"
#include "model/base_pool.h"
#include "store/test_folder.h"

namespace loquat::measure {
namespace {

TEST(LoraMemory, TheBaseOfFourModelsIsHeldOnce) {
  ModelConfig config;
  config.vocab_size = 2000;
  config.hidden_size = 128;
  config.num_layers = 2;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 32;
  config.intermediate_size = 512;
  config.max_positions = 64;
  const TestFolder folder;
  const CountedKernels counted(**cpu_kernels());
  ASSERT_TRUE(save_model(*random_model(config, counted.table(), DType::kBF16, false, 1), folder / "base").ok());
  ASSERT_EQ(counted.held(), 0);

  BasePool pool(counted.table(), DType::kBF16, WeightType::kCompute, true);
  LoadOptions load;
  load.bases = &pool;
  load.allow_new_head = true;
  load.lora.rank = 2;
  load.lora.targets = lora_modules();
  std::vector<std::unique_ptr<Model>> models;
  std::vector<int64_t> held;
  for (const auto& [head, trained] : {std::pair{HeadKind::kLanguage, false}, std::pair{HeadKind::kScore, false},
                                      std::pair{HeadKind::kLanguage, true}, std::pair{HeadKind::kScore, true}}) {
    load.head = head;
    load.with_gradients = trained;
    auto model = load_model(folder / "base", counted.table(), load);
    ASSERT_TRUE(model.ok()) << model.error();
    models.push_back(std::move(*model));
    held.push_back(counted.held());
  }
  const auto parameters = static_cast<double>(config.param_count());
  EXPECT_GT(static_cast<double>(held[0]), 4 * parameters);  // both orientations in bfloat16, and the embedding
  EXPECT_LT(static_cast<double>(held[3]),
            1.5 * static_cast<double>(held[0]));  // adapters weigh much in so small a model
  for (const auto& model : models) EXPECT_EQ(model->base(), models[0]->base());
  models.clear();
  EXPECT_EQ(counted.held(), 0) << "the pool keeps what nobody uses";
}

}  // namespace
}  // namespace loquat::measure
