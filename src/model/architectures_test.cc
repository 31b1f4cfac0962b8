// Every architecture: a small model of it against the float64 reference, decoding and its file; and the config.json of
// each family as it is published.
#include "model/architectures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/model_for_test.h"
#include "store/files.h"
#include "store/safetensors.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

struct Example {
  const char* name;
  const char* model_type;
  json extra;  // beside the sizes
};

// Small models, each with what its architecture is known for.
const std::vector<Example>& examples() {
  static const std::vector<Example> all = {
      {"llama3",
       "llama",
       {{"rope_scaling",
         {{"rope_type", "llama3"},
          {"factor", 8.0},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", 16}}}}},
      {"linear",
       "llama",
       {{"rope_scaling", {{"type", "linear"}, {"factor", 2.5}}}, {"attention_bias", true}, {"mlp_bias", true}}},
      {"yarn",
       "llama",
       {{"rope_theta", 50.0},
        {"head_dim", 12},
        {"rope_scaling",
         {{"rope_type", "yarn"},
          {"factor", 4.0},
          {"beta_fast", 3},
          {"beta_slow", 1},
          {"original_max_position_embeddings", 16}}}}},
      {"mistral", "mistral", {{"sliding_window", 3}}},
      {"qwen2", "qwen2", {{"use_sliding_window", true}, {"sliding_window", 2}, {"max_window_layers", 1}}},
      {"qwen3", "qwen3", {{"head_dim", 6}}},
      {"smollm3", "smollm3", {{"no_rope_layers", {1, 0}}}},
      {"phi3",
       "phi3",
       {{"partial_rotary_factor", 0.5},
        {"head_dim", 8},
        {"original_max_position_embeddings", 16},
        {"rope_scaling", {{"type", "longrope"}, {"short_factor", {1.0, 1.1}}, {"long_factor", {1.5, 4.0}}}}}},
      {"gemma2",
       "gemma2",
       {{"head_dim", 6},
        {"query_pre_attn_scalar", 9},
        {"sliding_window", 3},
        {"attn_logit_softcapping", 2.0},
        {"final_logit_softcapping", 3.0}}},
      {"gemma3",
       "gemma3_text",
       {{"head_dim", 6},
        {"query_pre_attn_scalar", 9},
        {"sliding_window", 3},
        {"sliding_window_pattern", 2},
        {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}}},
      {"gpt2", "gpt2", json::object()},
  };
  return all;
}

// Of `scale` times the smallest size.
ModelConfig config_of(const Example& example, int64_t scale = 1) {
  const Architecture& row = *find_architecture(example.model_type);
  json j = {{"model_type", row.model_type}, {"vocab_size", scale == 1 ? 19 : 301}};
  j[row.keys.hidden_size] = 12 * scale;
  j[row.keys.intermediate_size] = 10 * scale;
  j[row.keys.num_layers] = 2;
  j[row.keys.num_heads] = scale == 1 ? 2 : 4;
  if (row.keys.num_kv_heads) j[row.keys.num_kv_heads] = scale == 1 ? 1 : 2;
  j[row.keys.max_positions] = scale == 1 ? 32 : 128;
  j.update(example.extra);
  if (scale > 1 && j.contains("head_dim")) j["head_dim"] = 16;
  if (scale > 1 && j.contains("rope_scaling") && j["rope_scaling"].contains("short_factor")) {
    for (const char* key : {"short_factor", "long_factor"}) j["rope_scaling"][key] = {1, 2, 3, 4};
  }
  if (scale > 1 && j.contains("sliding_window")) j["sliding_window"] = 37;
  auto config = ModelConfig::from_json(j.dump(), example.name);
  EXPECT_TRUE(config.ok()) << config.error();
  return *config;
}

class EveryArchitecture : public testing::TestWithParam<Example> {};
INSTANTIATE_TEST_SUITE_P(All, EveryArchitecture, testing::ValuesIn(examples()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(EveryArchitecture, GradientsAreTheReferences) {
  const ModelConfig c = config_of(GetParam());
  // Without rotation a bias of k adds the same to all scores of a query.
  expect_gradients_of_the_reference(c, false, c.features.learned_positions ? "k_proj.bias" : "-");
}

TEST_P(EveryArchitecture, RecomputingGivesTheSameBits) {
  const ModelConfig c = config_of(GetParam(), 4);
  const Batch batch = random_batch(c, 5, {50, 1, 9});
  const LinearLoss loss = random_loss(batch, c, 7);
  for (const Kernels* kernels : {all_kernels().front(), all_kernels().back()}) {
    if (!check_kernels(c, *kernels).ok()) continue;
    Model model(c, *kernels, DType::kBF16, true);
    randomize(model, 11, 0.1);
    const double kept = run_with_gradients(model, batch, loss, {.dropout = 0.1f, .dropout_seed = 4});
    const std::vector<float> expected(model.grads().begin(), model.grads().end());
    model.zero_grads();
    EXPECT_EQ(run_with_gradients(model, batch, loss, {.recompute = true, .dropout = 0.1f, .dropout_seed = 4}), kept);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), model.grads().begin()));
  }
}

TEST_P(EveryArchitecture, RowsDoNotDependOnTheBatch) {
  expect_rows_without_neighbours(config_of(GetParam(), 4));
}

TEST_P(EveryArchitecture, Bf16IsNearFloat32) {
  const ModelConfig c = config_of(GetParam(), 4);
  const Batch batch = random_batch(c, 5, {37, 1, 100});
  const LinearLoss loss = random_loss(batch, c, 7);
  Model exact(c, *all_kernels().front(), DType::kF32, true);
  randomize(exact, 11, 0.1);
  run_with_gradients(exact, batch, loss);
  Model model(c, *all_cpu_kernels().back(), DType::kBF16, true);
  randomize(model, 11, 0.1);
  run_with_gradients(model, batch, loss);
  double dot = 0, a = 0, b = 0;
  for (size_t i = 0; i < exact.grads().size(); ++i) {
    dot += double{exact.grads()[i]} * model.grads()[i];
    a += double{exact.grads()[i]} * exact.grads()[i];
    b += double{model.grads()[i]} * model.grads()[i];
  }
  EXPECT_GT(dot / std::sqrt(a * b), 0.998);
  EXPECT_NEAR(std::sqrt(b / a), 1, 0.02);
}

// The sampler's logits and their sums are what training computes.
TEST_P(EveryArchitecture, LogitsGiveTheTrainingProbabilities) {
  const ModelConfig c = config_of(GetParam(), 4);
  Model model(c, *all_cpu_kernels().back(), DType::kBF16, false);
  randomize(model, 11, 0.1);
  const Batch batch = random_batch(c, 5, {20});
  const std::vector<int64_t> rows = {3, 19};
  const std::vector<int32_t> targets = {7, 300};
  std::vector<float> logits(2 * c.vocab_size), inv(2, 1.25f), lse(2);
  const Mat hidden = model.forward(batch);
  model.logits(hidden, rows, logits.data(), inv, lse);
  const auto out = model.log_probs(hidden, rows, targets, 1 / 1.25f);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(out.lse[i], lse[i]);
    EXPECT_EQ(out.logprob[i], logits[i * c.vocab_size + targets[i]] * inv[i] - lse[i]);
  }
}

TEST_P(EveryArchitecture, FolderComesBackInTheSameBytes) {
  for (const HeadKind head : {HeadKind::kLanguage, HeadKind::kScore}) {
    TestFolder folder;
    ModelConfig c = config_of(GetParam());
    c.head = head;
    Model model(c, *all_cpu_kernels().front(), DType::kF32, false);
    randomize(model, 3);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      ASSERT_TRUE(save_model(model, folder / "a", dtype).ok());
      auto loaded = load_model(folder / "a", model.kernels(), {.compute = DType::kF32, .head = head});
      ASSERT_TRUE(loaded.ok()) << loaded.error();
      ASSERT_TRUE(save_model(**loaded, folder / "b", dtype).ok());
      EXPECT_EQ(*read_file(folder / "a/config.json"), *read_file(folder / "b/config.json"));
      EXPECT_EQ(*read_file(folder / "a/model.safetensors"), *read_file(folder / "b/model.safetensors"));
      if (dtype == DType::kF32)
        EXPECT_TRUE(std::equal(model.values().begin(), model.values().end(), (*loaded)->values().begin()));
    }
  }
}

// What only serves has the bits of what trains; its quantised projections are near.
TEST_P(EveryArchitecture, ServingModelsFromAFolder) {
  const Kernels& kernels = *all_cpu_kernels().back();
  const ModelConfig c = config_of(GetParam(), 8);
  TestFolder folder;
  Model model(c, kernels, DType::kBF16, false);
  randomize(model, 11, 0.1);
  ASSERT_TRUE(save_model(model, folder.path()).ok());
  const Batch batch = random_batch(c, 5, {37});
  std::vector<std::vector<char>> expected;
  const Mat hidden = model.forward(batch);
  for (int64_t row = 0; row < batch.rows(); ++row) expected.push_back(bytes_of_row(hidden, row));
  auto serving = load_model(folder.path(), kernels, {.compute = DType::kBF16, .serving_only = true});
  ASSERT_TRUE(serving.ok()) << serving.error();
  const Mat served = (*serving)->forward(batch);
  for (int64_t row = 0; row < batch.rows(); ++row) ASSERT_EQ(bytes_of_row(served, row), expected[row]) << row;
  auto quantized =
      load_model(folder.path(), kernels, {.compute = DType::kBF16, .serving_only = true, .weights = WeightType::kInt8});
  ASSERT_TRUE(quantized.ok()) << quantized.error();
  const Mat near = (*quantized)->forward(batch), exact = model.forward(batch);
  double error = 0, size = 0;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    for (int64_t i = 0; i < c.hidden_size; ++i) {
      const double a = to_float(near.row_range(row, row + 1).bf16()[i]),
                   b = to_float(exact.row_range(row, row + 1).bf16()[i]);
      error += (a - b) * (a - b);
      size += b * b;
    }
  }
  EXPECT_LT(std::sqrt(error / size), 0.1);
}

std::vector<std::string> names_in(const std::string& folder) {
  auto file = SafetensorsFile::open(folder + "/model.safetensors");
  EXPECT_TRUE(file.ok());
  std::vector<std::string> names;
  for (const auto& t : file->tensors()) names.push_back(t.name);
  return names;
}

const Example& example(const std::string& name) {
  for (const Example& e : examples()) {
    if (e.name == name) return e;
  }
  std::abort();
}

TEST(ArchitectureFiles, HaveTheOriginalsNames) {
  const auto expect = [](const char* name, std::vector<std::string> wanted) {
    TestFolder folder;
    Model model(config_of(example(name)), *all_cpu_kernels().front(), DType::kF32, false);
    randomize(model, 3);
    ASSERT_TRUE(save_model(model, folder.path()).ok());
    EXPECT_THAT(names_in(folder.path()), testing::IsSupersetOf(wanted)) << name;
  };
  expect("gpt2", {"transformer.wte.weight", "transformer.wpe.weight", "transformer.h.1.ln_1.bias",
                  "transformer.h.1.attn.c_attn.weight", "transformer.h.1.attn.c_attn.bias",
                  "transformer.h.0.mlp.c_fc.weight", "transformer.h.0.mlp.c_proj.bias", "transformer.ln_f.weight"});
  expect("phi3", {"model.layers.0.self_attn.qkv_proj.weight", "model.layers.1.mlp.gate_up_proj.weight",
                  "model.layers.1.self_attn.o_proj.weight", "lm_head.weight"});
  expect("qwen2", {"model.layers.0.self_attn.k_proj.bias"});
  expect("qwen3", {"model.layers.0.self_attn.q_norm.weight"});
  expect("gemma2", {"model.layers.0.post_attention_layernorm.weight", "model.layers.0.pre_feedforward_layernorm.weight",
                    "model.layers.0.post_feedforward_layernorm.weight"});
}

// GPT-2's first file has neither "transformer." nor only parameters; its products are stored [in, out].
TEST(ArchitectureFiles, Gpt2WithoutStemAndWithBuffers) {
  TestFolder folder;
  const ModelConfig c = config_of(example("gpt2"));
  Model model(c, *all_cpu_kernels().front(), DType::kF32, false);
  randomize(model, 3);
  ASSERT_TRUE(save_model(model, folder.path()).ok());
  auto file = SafetensorsFile::open(folder / "model.safetensors");
  ASSERT_TRUE(file.ok());
  const TensorEntry& fused = *file->find("transformer.h.0.attn.c_attn.weight");
  EXPECT_EQ(fused.shape, (std::vector<int64_t>{12, 36}));
  const auto* values = reinterpret_cast<const float*>(fused.bytes.data());
  model.for_each_param([&](const Param& p) {
    if (p.name != "model.layers.0.self_attn.k_proj.weight") return;
    for (int64_t i = 0; i < 12; ++i) {
      for (int64_t j = 0; j < 12; ++j) ASSERT_EQ(values[j * 36 + 12 + i], p.value[i * 12 + j]);
    }
  });
  auto tensors = file->tensors();
  for (auto& t : tensors) t.name = t.name.substr(std::string("transformer.").size());
  tensors.push_back(tensors.front());
  tensors.back().name = "h.0.attn.bias";
  ASSERT_TRUE(write_safetensors(folder / "other.safetensors", tensors, {}).ok());
  ASSERT_TRUE(write_file(folder / "model.safetensors", *read_file(folder / "other.safetensors")).ok());
  auto loaded = load_model(folder.path(), model.kernels(), {.compute = DType::kF32});
  ASSERT_TRUE(loaded.ok()) << loaded.error();
  EXPECT_TRUE(std::equal(model.values().begin(), model.values().end(), (*loaded)->values().begin()));
}

TEST(ArchitectureFiles, QuantisedFoldersOfJoinedProjections) {
  const Kernels& kernels = *all_cpu_kernels().back();
  TestFolder folder;
  ModelConfig c = config_of(example("phi3"), 16);
  c.intermediate_size = 128;  // rows of whole groups
  Model model(c, kernels, DType::kBF16, false);
  randomize(model, 11, 0.1);
  ASSERT_TRUE(save_model(model, folder / "whole").ok());
  const Status written = quantize_model_folder(folder / "whole", folder / "small", WeightType::kInt8);
  ASSERT_TRUE(written.ok()) << written.error();
  EXPECT_THAT(names_in(folder / "small"), testing::Contains("model.layers.0.self_attn.qkv_proj.weight_packed"));
  const Batch batch = random_batch(c, 5, {9});
  auto small = load_model(folder / "small", kernels, {.serving_only = true});
  ASSERT_TRUE(small.ok()) << small.error();
  auto whole = load_model(folder / "whole", kernels, {.serving_only = true, .weights = WeightType::kInt8});
  ASSERT_TRUE(whole.ok()) << whole.error();
  const Mat a = (*small)->forward(batch), b = (*whole)->forward(batch);
  for (int64_t row = 0; row < 9; ++row) EXPECT_EQ(bytes_of_row(a, row), bytes_of_row(b, row));

  Model gpt2(config_of(example("gpt2"), 16), kernels, DType::kBF16, false);
  randomize(gpt2, 11, 0.1);
  ASSERT_TRUE(save_model(gpt2, folder / "gpt2").ok());
  const Status refused = quantize_model_folder(folder / "gpt2", folder / "no", WeightType::kInt8);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error(), HasSubstr("gpt2 models have their projections transposed"));
}

// --- config.json as it is published --------------------------------------------------------------

ModelConfig read_config(const std::string& text) {
  auto config = ModelConfig::from_json(text, "config.json");
  EXPECT_TRUE(config.ok()) << config.error();
  if (!config.ok()) return {};
  // What is written says the same.
  const std::string once = config->to_json();
  auto again = ModelConfig::from_json(once, "config.json");
  EXPECT_TRUE(again.ok()) << again.error();
  if (again.ok()) EXPECT_EQ(again->to_json(), once);
  return *config;
}

TEST(PublishedConfigs, Llama32) {
  const ModelConfig c = read_config(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
    "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 128256})");
  EXPECT_EQ(c.rope_scaling.kind, RopeScalingKind::kLlama3);
  EXPECT_EQ(c.rope_scaling.factor, 32);
  EXPECT_EQ(c.rope_scaling.original_positions, 8192);
  EXPECT_EQ(c.param_count(), 1235814400);
}

TEST(PublishedConfigs, Mistral7B) {
  const char* text = R"({"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
    "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false,
    "vocab_size": 32000})";
  ModelConfig c = read_config(text);
  EXPECT_EQ(c.layer(0).window, 4096);
  EXPECT_EQ(c.layer(31).window, 4096);
  EXPECT_EQ(c.param_count(), 7241732096);
  std::string without = text;
  without.replace(without.find("4096, \"tie"), 4, "null");
  c = read_config(without);
  EXPECT_EQ(c.layer(0).window, 0);
}

TEST(PublishedConfigs, Qwen25) {
  std::string text = R"({"architectures": ["Qwen2ForCausalLM"], "bos_token_id": 151643, "eos_token_id": 151645,
    "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768,
    "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 4000,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936})";
  ModelConfig c = read_config(text);
  EXPECT_TRUE(c.features.qkv_bias);
  EXPECT_FALSE(c.features.output_bias);
  EXPECT_TRUE(c.per_layer.empty());
  EXPECT_EQ(c.param_count(), 494032768);
  text.replace(text.find("\"use_sliding_window\": false"), 27, "\"use_sliding_window\": true");
  c = read_config(text);
  EXPECT_EQ(c.layer(20).window, 0);
  EXPECT_EQ(c.layer(21).window, 4000);
}

TEST(PublishedConfigs, Qwen3) {
  const ModelConfig c = read_config(R"({"architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
    "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
    "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
    "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
    "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": true,
    "use_sliding_window": false, "vocab_size": 151936})");
  EXPECT_TRUE(c.features.qk_norm);
  EXPECT_FALSE(c.features.qkv_bias);
  EXPECT_EQ(c.head_dim, 128);
  EXPECT_EQ(c.param_count(), 596049920);
}

TEST(PublishedConfigs, SmolLM3) {
  const ModelConfig c = read_config(R"({"architectures": ["SmolLM3ForCausalLM"], "attention_bias": false,
    "bos_token_id": null, "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048,
    "intermediate_size": 11008, "layer_types": ["full_attention", "full_attention", "full_attention",
    "full_attention"], "max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": false,
    "model_type": "smollm3", "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0], "num_attention_heads": 16,
    "num_hidden_layers": 4, "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 5000000.0, "sliding_window": null, "use_sliding_window": false, "vocab_size": 128256})");
  EXPECT_EQ(c.layer(2).rope, LayerRope::kGlobal);
  EXPECT_EQ(c.layer(3).rope, LayerRope::kNone);
  EXPECT_TRUE(c.tie_embeddings);
}

TEST(PublishedConfigs, Gemma2) {
  const ModelConfig c = read_config(R"({"architectures": ["Gemma2ForCausalLM"], "attention_bias": false,
    "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
    "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "intermediate_size": 9216,
    "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26,
    "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0, "sliding_window": 4096, "torch_dtype": "float32", "vocab_size": 256000})");
  EXPECT_TRUE(c.features.post_norms && c.features.norm_adds_one && c.features.scaled_embedding);
  EXPECT_EQ(c.features.activation, Activation::kGeluTanh);
  EXPECT_EQ(c.attention_softcap, 50);
  EXPECT_EQ(c.final_softcap, 30);
  EXPECT_EQ(c.layer(0).window, 4096);
  EXPECT_EQ(c.layer(1).window, 0);
  EXPECT_EQ(c.attention_scale(), 1.0f / 16);
  EXPECT_EQ(c.param_count(), 2614341888);
}

TEST(PublishedConfigs, Gemma3) {
  const ModelConfig c = read_config(R"({"architectures": ["Gemma3ForCausalLM"], "attention_bias": false,
    "attn_logit_softcapping": null, "bos_token_id": 2, "eos_token_id": [1, 106], "final_logit_softcapping": null,
    "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912,
    "max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 26,
    "num_key_value_heads": 1, "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": 512,
    "sliding_window_pattern": 6, "vocab_size": 262144})");
  EXPECT_TRUE(c.features.qk_norm && c.features.post_norms);
  EXPECT_EQ(c.layer(4), (LayerFeatures{512, LayerRope::kLocal}));
  EXPECT_EQ(c.layer(5), (LayerFeatures{0, LayerRope::kGlobal}));
  EXPECT_EQ(c.attention_softcap, 0);
  EXPECT_EQ(c.rope_theta, 1e6f);
  EXPECT_EQ(c.param_count(), 999885952);
}

TEST(PublishedConfigs, Phi3) {
  json j = json::parse(R"({"architectures": ["Phi3ForCausalLM"], "attention_bias": false, "bos_token_id": 1,
    "eos_token_id": 32000, "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 8192,
    "max_position_embeddings": 131072, "model_type": "phi3", "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 32, "original_max_position_embeddings": 4096, "pad_token_id": 32000, "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0, "sliding_window": 262144, "tie_word_embeddings": false, "vocab_size": 32064})");
  const std::vector<double> factors(48, 1.5);
  j["rope_scaling"] = {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}};
  const ModelConfig c = read_config(j.dump());
  EXPECT_EQ(c.rope_scaling.kind, RopeScalingKind::kLongRope);
  EXPECT_EQ(c.rope_scaling.original_positions, 4096);
  EXPECT_EQ(c.rope_scaling.long_factors.size(), 48);
  EXPECT_EQ(c.layer(0).window, 0) << "no position reaches it";
  EXPECT_EQ(c.param_count(), 3821079552);
}

TEST(PublishedConfigs, Gpt2) {
  const ModelConfig c = read_config(R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
    "n_positions": 1024, "resid_pdrop": 0.1, "summary_type": "cls_index", "vocab_size": 50257})");
  EXPECT_EQ(c.features.norm, NormKind::kLayer);
  EXPECT_TRUE(c.features.learned_positions && c.features.mlp_bias && !c.features.gated_mlp);
  EXPECT_EQ(c.intermediate_size, 3072);
  EXPECT_EQ(c.layer(0).rope, LayerRope::kNone);
  EXPECT_EQ(c.param_count(), 124439808);
}

TEST(PublishedConfigs, RopeParametersOfTransformers5) {
  const ModelConfig c = read_config(R"({"model_type": "gemma3_text", "head_dim": 16, "hidden_size": 32,
    "intermediate_size": 64, "max_position_embeddings": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
    "num_key_value_heads": 1, "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16,
    "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0}}, "vocab_size": 100})");
  EXPECT_EQ(c.rope_theta, 1e6f);
  EXPECT_EQ(c.local_rope_theta, 20000);
  EXPECT_EQ(c.rope_scaling.factor, 8);
}

TEST(BadConfigs, NameTheKey) {
  const struct {
    const char* model_type;
    json extra;
    const char* message;
  } cases[] = {
      {"mamba", json::object(), "\"model_type\": found \"mamba\", expected one of llama, mistral, qwen2"},
      {"llama", {{"architectures", {"MistralForCausalLM"}}}, "\"architectures\": found [\"MistralForCausalLM\"]"},
      {"llama", {{"hidden_act", "gelu"}}, "\"hidden_act\": found \"gelu\", expected \"silu\""},
      {"llama", {{"rope_scaling", {{"type", "linear"}, {"factor", -2}}}}, "\"rope_scaling.factor\": found -2"},
      {"llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 0.5}}}}, "\"rope_scaling.factor\": found 0.5"},
      {"llama", {{"rope_scaling", {{"rope_type", "mrope"}}}}, "\"rope_scaling.rope_type\": found \"mrope\""},
      {"llama", {{"rope_scaling", "linear"}}, "\"rope_scaling\": found \"linear\", expected an object"},
      {"llama",
       {{"rope_scaling",
         {{"rope_type", "llama3"},
          {"factor", 8},
          {"low_freq_factor", 4},
          {"high_freq_factor", 4},
          {"original_max_position_embeddings", 16}}}},
       "\"rope_scaling.high_freq_factor\": found 4"},
      {"mistral", {{"sliding_window", 0}}, "\"sliding_window\": found 0, expected a positive integer"},
      {"mistral", {{"sliding_window", -4}}, "\"sliding_window\": found -4"},
      {"qwen2", {{"use_sliding_window", true}, {"layer_types", {"full_attention"}}}, "\"layer_types\": found"},
      {"qwen2",
       {{"use_sliding_window", true}, {"layer_types", {"full_attention", "linear_attention"}}},
       "\"layer_types\": found"},
      {"smollm3", {{"no_rope_layers", {1, 2}}}, "\"no_rope_layers\": found [1,2], expected zeros and ones"},
      {"gemma2", {{"attn_logit_softcapping", -1}}, "\"attn_logit_softcapping\": found -1"},
      {"gemma2", {{"query_pre_attn_scalar", 0}}, "\"query_pre_attn_scalar\": found 0"},
      {"phi3",
       {{"rope_scaling", {{"type", "su"}, {"short_factor", {1}}, {"long_factor", {1, 1}}}}},
       "\"rope_scaling.short_factor\": found [1], expected 2 positive numbers"},
      {"phi3", {{"partial_rotary_factor", 1.5}}, "\"partial_rotary_factor\": found 1.5"},
      {"gpt2", {{"scale_attn_by_inverse_layer_idx", true}}, "\"scale_attn_by_inverse_layer_idx\": found true"},
      {"gpt2", {{"activation_function", "relu"}}, "\"activation_function\": found \"relu\", expected \"gelu_new\""},
  };
  for (const auto& c : cases) {
    json j = {{"model_type", c.model_type},
              {"vocab_size", 19},
              {"hidden_size", 8},
              {"intermediate_size", 10},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 2},
              {"head_dim", 4},
              {"max_position_embeddings", 32},
              {"n_embd", 8},
              {"n_layer", 2},
              {"n_head", 2},
              {"n_positions", 32}};
    j.update(c.extra);
    const auto config = ModelConfig::from_json(j.dump(), "folder/config.json");
    ASSERT_FALSE(config.ok()) << c.message;
    EXPECT_THAT(config.error(), AllOf(HasSubstr("folder/config.json"), HasSubstr(c.message)));
  }
}

// A table without a part refuses the models that need it.
TEST(ArchitectureKernels, MissingPartsAreNamed) {
  Kernels poor = *all_cpu_kernels().front();
  poor.windows_and_caps = false;
  poor.layer_norm = nullptr;
  EXPECT_TRUE(check_kernels(small_config(), poor).ok());
  EXPECT_TRUE(check_kernels(config_of(example("qwen3")), poor).ok());
  EXPECT_THAT(check_kernels(config_of(example("mistral")), poor).error(), HasSubstr("sliding windows"));
  EXPECT_THAT(check_kernels(config_of(example("gpt2")), poor).error(), HasSubstr("layer norm"));
}

}  // namespace
}  // namespace loquat
