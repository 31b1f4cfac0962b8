// What a model folder's config.json says: LlamaForCausalLM, or LlamaForSequenceClassification with one label (reward,
// value).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace loquat {

enum class HeadKind { kLanguage, kScore };

struct ModelConfig {
  int64_t vocab_size = 0;   // V
  int64_t hidden_size = 0;  // C
  int64_t num_layers = 0;
  int64_t num_heads = 0;          // H
  int64_t num_kv_heads = 0;       // G, divides H
  int64_t head_dim = 0;           // D, even
  int64_t intermediate_size = 0;  // F
  int64_t max_positions = 0;      // context length
  float rope_theta = 10000.0f;
  float rms_norm_eps = 1e-5f;
  bool tie_embeddings = true;
  HeadKind head = HeadKind::kLanguage;
  int32_t bos_token = -1;
  int32_t eos_token = -1;
  int32_t pad_token = -1;

  int64_t qkv_dim() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  int64_t param_count() const;
  Status validate() const;  // every size positive and consistent; the message names the key
  std::string to_json(const std::string& torch_dtype = "float32") const;
  static Result<ModelConfig> from_json(const std::string& text, const std::string& file);
};

}  // namespace loquat
