// Operations and bytes of a model small enough to count by hand.
#include "measure/flops.h"

#include <gtest/gtest.h>

#include "measure/shapes.h"

namespace loquat::measure {
namespace {

// Two layers, four wide, two heads of two over one key-value head, six in the middle, a vocabulary of ten.
ModelConfig tiny() {
  ModelConfig config;
  config.vocab_size = 10;
  config.hidden_size = 4;
  config.num_layers = 2;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 2;
  config.intermediate_size = 6;
  config.max_positions = 8;
  return config;
}

TEST(Flops, Parameters) {
  // A layer: q 4 x 4, k and v 2 x 4 each, output 4 x 4, gate, up and down 6 x 4 each: 16 + 8 + 8 + 16 + 72.
  EXPECT_EQ(projection_parameters(tiny()), 2 * 120);
  EXPECT_EQ(head_parameters(tiny()), 40);
  EXPECT_EQ(weight_bytes(tiny(), DType::kBF16, false), 480);
  EXPECT_EQ(weight_bytes(tiny(), DType::kF32, true), 4 * 280);
  // With two bytes of scale for each 64 values of 8 bits, or 32 of 4.
  EXPECT_EQ(weight_bytes(tiny(), DType::kBF16, false, WeightType::kInt8), 240 * (1 + 2 / 64.0));
  EXPECT_EQ(weight_bytes(tiny(), DType::kBF16, true, WeightType::kInt4), 240 * (0.5 + 2 / 32.0) + 40 * (1 + 2 / 64.0));
}

TEST(Flops, Forward) {
  EXPECT_EQ(attended_keys({0, 3, 0}), 1 + 2 + 3);
  EXPECT_EQ(attended_keys({5, 2, 0}), 6 + 7);
  // Three tokens: 2 x 240 for each; 2 layers x 2 heads x (2 + 2) operations x 2 elements for each of six keys; one row
  // of logits.
  EXPECT_EQ(forward_operations(tiny(), {0, 3, 1}), 3 * 480 + 32 * 6 + 80);
}

TEST(Flops, DecodingReadsWeightsOnceAndTheCacheOfEach) {
  // Two layers of one key and one value of two bf16: 16 bytes a token.
  EXPECT_EQ(cache_bytes(tiny(), DType::kBF16, 1), 16);
  const Pass passes[] = {{4, 1, 1}, {6, 1, 1}};
  const Work work = forward_work(tiny(), DType::kBF16, passes, true);
  EXPECT_EQ(work.operations, 2 * (480 + 80) + 32 * (5 + 7));
  EXPECT_EQ(work.bytes, 2 * 280 + 16 * (5 + 7));
  EXPECT_EQ(forward_work(tiny(), DType::kBF16, passes, false).bytes, 2 * 280);
}

TEST(Flops, Training) {
  const Pass pass{0, 3, 3};
  const Work work = train_work(tiny(), DType::kBF16, std::span(&pass, 1), 1);
  EXPECT_EQ(work.operations, 3 * forward_operations(tiny(), pass));
  // Kept of a token and layer: bf16 two norms (8), q, k, v (8), heads (4), gate, up and their product (18); float32 two
  // residual streams (8), two norms' factors, one logsumexp a head (2).
  EXPECT_EQ(kept_bytes(tiny(), DType::kBF16, 1), 2 * (2 * 38 + 4 * 12));
  const double parameters = static_cast<double>(tiny().param_count());
  EXPECT_EQ(work.bytes, 2 * 560 + 2 * kept_bytes(tiny(), DType::kBF16, 3) + 4 * parameters);
  EXPECT_EQ(train_work(tiny(), DType::kBF16, std::span(&pass, 1), 3).bytes - work.bytes,
            2 * (2 * 560 + 2 * 4 * parameters));
  EXPECT_EQ(optimizer_work(tiny(), DType::kBF16).bytes, 40 * parameters + 2 * 560);
}

TEST(Flops, WorkAdds) {
  Work work{1, 10, 5};
  work += {2, 20, 3};
  EXPECT_EQ(work.operations, 3);
  EXPECT_EQ(work.bytes, 30);
  EXPECT_EQ(work.working_set, 5);
}

TEST(Shapes, HaveTheSizesTheirNamesSay) {
  const std::map<std::string, double> millions = {{"1.5m", 1.52}, {"14m", 14},    {"26m", 26},       {"134m", 134},
                                                  {"0.5b", 500},  {"1.1b", 1100}, {"gpt2-124m", 124}};
  EXPECT_EQ(model_names().size(), millions.size());
  for (const auto& [name, size] : millions) {
    const auto config = named_model(name);
    ASSERT_TRUE(config.ok()) << config.error();
    EXPECT_TRUE(config->validate().ok()) << name;
    EXPECT_NEAR(static_cast<double>(config->param_count()) / 1e6, size, 0.02 * size) << name;
  }
  const auto none = named_model("7b");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().find("7b"), std::string::npos);
  EXPECT_NE(none.error().find("gpt2-124m"), std::string::npos);
}

}  // namespace
}  // namespace loquat::measure
