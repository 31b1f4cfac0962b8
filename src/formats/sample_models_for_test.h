// For tests: small models of random weights, one and more of each architecture, and the error of converting one.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/rng.h"
#include "formats/convert.h"
#include "model/architectures.h"
#include "store/test_folder.h"
#include "tokenizer/tokenizer.h"

namespace loquat {

using nlohmann::json;

inline std::string error_of(const std::string& from, const std::string& to, const std::string& dtype = "") {
  const auto report = convert_model(from, to, {.dtype = dtype});
  return report ? "converted" : report.error();
}

struct Sample {
  const char* name;
  json config;
};

inline std::vector<Sample> samples() {
  const json base = {{"vocab_size", 40},
                     {"hidden_size", 64},
                     {"intermediate_size", 96},
                     {"num_hidden_layers", 2},
                     {"num_attention_heads", 4},
                     {"num_key_value_heads", 2},
                     {"max_position_embeddings", 64},
                     {"rms_norm_eps", 1e-5},
                     {"rope_theta", 10000.0},
                     {"tie_word_embeddings", true},
                     {"bos_token_id", 1},
                     {"eos_token_id", 2}};
  const auto with = [&](const json& changes) {
    json config = base;
    config.update(changes);
    return config;
  };
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 512}};
  const json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  std::vector<float> factors(8);
  for (size_t i = 0; i < factors.size(); ++i) factors[i] = 1.0f + 0.25f * static_cast<float>(i);
  const json longrope = {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}};
  return {
      {"llama", with({{"model_type", "llama"}, {"tie_word_embeddings", false}})},
      {"llama3", with({{"model_type", "llama"}, {"rope_scaling", llama3}, {"rope_theta", 500000.0}})},
      {"llama_linear", with({{"model_type", "llama"}, {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}})},
      {"llama_bias", with({{"model_type", "llama"}, {"attention_bias", true}, {"mlp_bias", true}, {"head_dim", 32}})},
      {"mistral", with({{"model_type", "mistral"}, {"sliding_window", 16}})},
      {"qwen2", with({{"model_type", "qwen2"}, {"rope_scaling", yarn}})},
      {"qwen3", with({{"model_type", "qwen3"}, {"head_dim", 32}})},
      {"smollm3", with({{"model_type", "smollm3"}, {"num_hidden_layers", 5}})},
      {"gemma2", with({{"model_type", "gemma2"},
                       {"head_dim", 32},
                       {"query_pre_attn_scalar", 32},
                       {"num_hidden_layers", 4},
                       {"sliding_window", 16}})},
      {"gemma3", with({{"model_type", "gemma3_text"},
                       {"head_dim", 32},
                       {"query_pre_attn_scalar", 32},
                       {"num_hidden_layers", 7},
                       {"sliding_window", 16},
                       {"rope_theta", 1e6}})},
      {"phi3", with({{"model_type", "phi3"}, {"tie_word_embeddings", false}})},
      {"phi3_long", with({{"model_type", "phi3"},
                          {"rope_scaling", longrope},
                          {"sliding_window", 32},
                          {"original_max_position_embeddings", 16}})},
      {"gpt2",
       {{"model_type", "gpt2"},
        {"vocab_size", 40},
        {"n_embd", 64},
        {"n_layer", 2},
        {"n_head", 4},
        {"n_positions", 64},
        {"n_inner", 96},
        {"layer_norm_epsilon", 1e-5}}},
  };
}

// A folder of random weights for this config.json.
inline ModelConfig make_folder(const std::string& folder, const json& text, const std::string& dtype = "F32") {
  EXPECT_TRUE(make_folders(folder).ok());
  const auto config = ModelConfig::from_json(text.dump(), "config.json");
  EXPECT_TRUE(config.ok()) << config.error();
  EXPECT_TRUE(write_file(folder + "/config.json", config->to_json()).ok());
  std::vector<TensorInfo> infos;
  for (const FileTensor& t : file_tensors(*config)) infos.push_back({t.name, dtype, t.shape});
  Rng rng(11);
  std::vector<uint8_t> bytes;
  const auto make = [&](size_t i) -> Result<std::span<const uint8_t>> {
    int64_t n = 1;
    for (const int64_t d : infos[i].shape) n *= d;
    std::vector<float> values(static_cast<size_t>(n));
    // In units of 1/64 up to 2: adding one to a norm and taking it off again loses nothing, in any type.
    for (float& x : values) x = static_cast<float>(static_cast<int>(rng.below(256)) - 128) / 64.0f;
    const GgufTypeInfo& info = *find_gguf_type(dtype);
    bytes.resize(values.size() * static_cast<size_t>(info.block_bytes));
    gguf_quantize(info.type, values, bytes);
    return std::span<const uint8_t>(bytes);
  };
  EXPECT_TRUE(write_safetensors_folder(folder, infos, {{"format", "pt"}}, make).ok());
  return *config;
}

// A tokenizer of 256 bytes and Loquat's special tokens, with a template.
inline void add_tokenizer(const std::string& folder, const std::string& config) {
  TokenizerTraining training;
  training.special_tokens = loquat_special_tokens();
  training.vocab_size = 256 + static_cast<int64_t>(training.special_tokens.size());
  const auto tokenizer = Tokenizer::train(std::vector<std::string>{"some text"}, training);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error();
  ASSERT_TRUE(make_folders(folder).ok());
  ASSERT_TRUE(tokenizer->save(folder).ok());
  put_bytes(folder + "/tokenizer_config.json", config);
}

}  // namespace loquat
