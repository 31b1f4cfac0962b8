// What a model folder's config.json says: the sizes, and the features that tell one architecture's layers from
// another's, as plain data. Layers, kernels and the list of parameters read these and know no architecture by name;
// architectures.h is the table of what each one's config.json and tensors are called.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat {

enum class HeadKind { kLanguage, kScore };

enum class NormKind : uint8_t {
  kRms,    // x / rms(x) * weight
  kLayer,  // (x - mean) / deviation * weight + bias
};

enum class Activation : uint8_t { kSilu, kGeluTanh };

// What a model's layers are made of, beside their sizes.
struct Features {
  NormKind norm = NormKind::kRms;
  bool norm_adds_one = false;  // norms multiply by 1 + weight
  bool post_norms = false;     // also on what attention and MLP give, before it is added to the residual stream
  bool qk_norm = false;        // an RMS norm of each head of q and k, before the positions
  bool qkv_bias = false;       // of q, k and v
  bool output_bias = false;    // of attention's output projection
  bool mlp_bias = false;       // of the MLP's projections
  bool gated_mlp = true;       // down(f(gate x) * up x); else down(f(up x))
  Activation activation = Activation::kSilu;
  bool learned_positions = false;  // a table of positions is added to the embedding; there is no rotation
  bool scaled_embedding = false;   // embeddings are multiplied by sqrt(hidden_size), rounded to the compute type
};

enum class LayerRope : uint8_t { kNone, kGlobal, kLocal };

struct LayerFeatures {
  int64_t window = 0;  // a query sees this many keys, itself included; 0: all before it
  LayerRope rope = LayerRope::kGlobal;
  bool operator==(const LayerFeatures&) const = default;
};

enum class RopeScalingKind : uint8_t {
  kNone,
  kLinear,
  kDynamic,  // as kNone: it only changes what lies beyond max_positions, where this program never goes
  kLlama3,
  kYarn,
  kLongRope,
};

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  float factor = 1;
  float low_freq_factor = 1, high_freq_factor = 4;  // kLlama3
  float beta_fast = 32, beta_slow = 1;              // kYarn
  int64_t original_positions = 0;                   // the context before scaling; 0: max_positions
  float attention_factor = 0;                       // of cosines and sines; 0: by the scaling's formula
  // kLongRope, [rotary_dim / 2] each. The long ones where max_positions > original_positions: one choice for a whole
  // model, since a token's bits may not depend on how long its sequence will be.
  std::vector<float> short_factors, long_factors;
};

struct ModelConfig {
  std::string architecture = "llama";  // model_type: the row of architectures.h
  Features features;
  int64_t vocab_size = 0;   // V
  int64_t hidden_size = 0;  // C
  int64_t num_layers = 0;
  int64_t num_heads = 0;          // H
  int64_t num_kv_heads = 0;       // G, divides H
  int64_t head_dim = 0;           // D, even
  int64_t intermediate_size = 0;  // F
  int64_t max_positions = 0;      // context length
  float rope_theta = 10000.0f;
  RopeScaling rope_scaling;
  float local_rope_theta = 10000.0f;     // of layers with LayerRope::kLocal, never scaled
  float partial_rotary = 1;              // this part of each head is rotated, the first elements
  float rms_norm_eps = 1e-5f;            // of a layer norm too
  float query_scale = 0;                 // scores are divided by its root; 0: head_dim
  float attention_softcap = 0;           // scores become cap tanh(score / cap); 0: they do not
  float final_softcap = 0;               // so do logits
  std::vector<LayerFeatures> per_layer;  // empty: all as LayerFeatures{}
  bool tie_embeddings = true;
  HeadKind head = HeadKind::kLanguage;
  int32_t bos_token = -1;
  int32_t eos_token = -1;
  int32_t pad_token = -1;

  int64_t qkv_dim() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  int64_t rotary_dim() const;  // of a head's elements, even
  float attention_scale() const;
  // Of layer i; a window that no position reaches is none.
  LayerFeatures layer(int64_t i) const;
  int64_t param_count() const;
  Status validate() const;  // every size positive and consistent; the message names the key
  std::string to_json(const std::string& torch_dtype = "float32") const;
  static Result<ModelConfig> from_json(const std::string& text, const std::string& file);
};

}  // namespace loquat
