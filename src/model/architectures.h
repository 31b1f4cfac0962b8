// The table of architectures: for each one what config.json calls things, which features its layers have, and how the
// parameters of params.h lie in the tensors of model.safetensors. A new architecture whose features exist is a new row.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/params.h"

namespace loquat {

class ConfigReader;

// The keys of config.json that are called differently; null: the architecture has no such key.
struct ConfigKeys {
  const char* hidden_size = "hidden_size";
  const char* intermediate_size = "intermediate_size";
  const char* num_layers = "num_hidden_layers";
  const char* num_heads = "num_attention_heads";
  const char* num_kv_heads = "num_key_value_heads";
  const char* head_dim = "head_dim";
  const char* max_positions = "max_position_embeddings";
  const char* norm_eps = "rms_norm_eps";
  const char* activation = "hidden_act";
  const char* attention_bias = nullptr;  // then it decides on the biases of q, k, v and the output
  const char* mlp_bias = nullptr;
};

// A tensor of the file that is not simply a parameter of the same name: `count` neighbours among the parameters, joined
// along their first dimension, and the whole transposed where the file has [in, out]. Names stand behind the layer's
// stem, or, where it begins with '/', behind the model's.
struct TensorRule {
  const char* ours;  // the first of them
  const char* theirs;
  int count = 1;
  bool transposed = false;
};

struct Architecture {
  const char* model_type;
  const char* language_class;  // in "architectures"
  const char* score_class;
  const char* activation;  // as config.json says it
  Features features = {};
  int64_t default_head_dim = 0;  // where config.json has none; 0: hidden_size / num_heads
  bool default_tied = false;     // so for tie_word_embeddings
  float default_norm_eps = 1e-6f;
  ConfigKeys keys = {};
  // What else the architecture has: positions, windows, caps. Sizes are read before, and written before.
  void (*read)(ConfigReader& reader, ModelConfig& config);
  void (*write)(const ModelConfig& config, nlohmann::ordered_json& out);
  const char* stem = "model.";    // of tensors' names; may be missing in a file
  const char* layers = "layers";  // STEM LAYERS .0. ...
  std::span<const TensorRule> rules = {};
  std::span<const char* const> buffers = {};  // endings of tensors' names that say nothing
};

std::span<const Architecture> architectures();
const Architecture* find_architecture(const std::string& model_type);  // null: unknown
const Architecture& architecture_of(const ModelConfig& config);        // it must be known
std::string architecture_names();                                      // "llama, mistral, ...", for messages

// A tensor of the file and the parameters that it holds: specs [first, first + count) of param_specs, one behind the
// other along their first dimension.
struct FileTensor {
  std::string name;
  std::vector<int64_t> shape;  // in the file
  size_t first = 0, count = 1;
  bool transposed = false;
};
// In the order of param_specs; every parameter is in one of them.
std::vector<FileTensor> file_tensors(const ModelConfig& config);

}  // namespace loquat
